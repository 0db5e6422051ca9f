-- Who wrote a row is decided by the role that is logged in, not by what the writer says.
-- The roles are group roles without a log-in; grants.sql, which every migrate runs again, says what they may.

-- Without CREATEROLE this creates nothing; schema.missing_roles tells the administrator what to run.
CREATE FUNCTION agent_session_create_roles() RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    wanted text;
BEGIN
    IF NOT (SELECT rolsuper OR rolcreaterole FROM pg_roles WHERE rolname = current_user) THEN
        RETURN;
    END IF;
    FOREACH wanted IN ARRAY ARRAY['agent_sessions_agent', 'agent_sessions_dashboard'] LOOP
        CONTINUE WHEN to_regrole(wanted) IS NOT NULL;
        BEGIN
            EXECUTE format('CREATE ROLE %I NOLOGIN', wanted);
        EXCEPTION WHEN duplicate_object OR unique_violation THEN
            NULL;  -- another database of this cluster was migrated at the same moment
        END;
    END LOOP;
END
$$;

-- A superuser is a member of every role, so of both: its statements are believed, as the owner's are.
CREATE FUNCTION agent_session_writer_is_agent() RETURNS boolean
LANGUAGE sql STABLE AS $$
    SELECT coalesce(pg_has_role(session_user, to_regrole('agent_sessions_agent')::oid, 'MEMBER'), false)
       AND NOT coalesce(pg_has_role(session_user, to_regrole('agent_sessions_dashboard')::oid, 'MEMBER'), false)
$$;

-- The agents' role writes as the agent of the session; its orders and edits carry the name of its log-in.
-- What it claims to be is kept beside, so that a false claim can be seen.
CREATE FUNCTION agent_session_name_writer() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
    actor text := CASE
        WHEN NEW.change_kind IN ('order', 'edit') THEN session_user
        WHEN TG_OP = 'UPDATE' THEN OLD.agent_type ELSE NEW.agent_type END;
    source text := CASE WHEN NEW.change_source = 'old-agent' THEN 'old-agent' ELSE 'agent' END;
BEGIN
    IF NEW.change_actor IS DISTINCT FROM actor OR NEW.change_source IS DISTINCT FROM source THEN
        NEW.change_detail := coalesce(NEW.change_detail, '{}') || jsonb_build_object(
            'claimed', jsonb_build_object('actor', left(NEW.change_actor, 320), 'source', left(NEW.change_source, 40)));
    END IF;
    NEW.change_actor := actor;
    NEW.change_source := source;
    IF TG_OP = 'INSERT' THEN
        NEW.order_actor := NULL;
    ELSIF NEW.order_version <> OLD.order_version THEN
        NEW.order_actor := session_user;
    ELSE
        NEW.order_actor := OLD.order_actor;
    END IF;
    RETURN NEW;
END
$$;
-- Triggers of one kind run in the order of their names: after agent_session_before_insert and _update.
CREATE TRIGGER agent_session_writer_of_insert BEFORE INSERT ON agent_sessions
    FOR EACH ROW WHEN (agent_session_writer_is_agent()) EXECUTE FUNCTION agent_session_name_writer();
CREATE TRIGGER agent_session_writer_of_update BEFORE UPDATE ON agent_sessions
    FOR EACH ROW WHEN (NEW.version <> OLD.version AND agent_session_writer_is_agent())
    EXECUTE FUNCTION agent_session_name_writer();
-- What makes no version makes no entry in the history: it may not touch who did the last change, or its order.
CREATE FUNCTION agent_session_keep_writer() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    NEW.change_kind := OLD.change_kind;
    NEW.change_actor := OLD.change_actor;
    NEW.change_reason := OLD.change_reason;
    NEW.change_source := OLD.change_source;
    NEW.change_id := OLD.change_id;
    NEW.order_version := OLD.order_version;
    NEW.order_verb := OLD.order_verb;
    NEW.order_actor := OLD.order_actor;
    NEW.order_reason := OLD.order_reason;
    NEW.ordered_at := OLD.ordered_at;
    RETURN NEW;
END
$$;
CREATE TRIGGER agent_session_writer_of_update_without_version BEFORE UPDATE OF
    change_kind, change_actor, change_reason, change_source, change_id,
    order_version, order_verb, order_actor, order_reason, ordered_at ON agent_sessions
    FOR EACH ROW WHEN (NEW.version = OLD.version AND agent_session_writer_is_agent())
    EXECUTE FUNCTION agent_session_keep_writer();

-- The history has the version's author; a checkpoint of the agents' role names none of its own.
CREATE FUNCTION agent_session_name_checkpoint_writer() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    NEW.actor := NULL;
    NEW.source := CASE WHEN NEW.source = 'old-agent' THEN 'old-agent' ELSE 'agent' END;
    RETURN NEW;
END
$$;
CREATE TRIGGER agent_session_writer_of_checkpoint BEFORE INSERT ON agent_session_checkpoints
    FOR EACH ROW WHEN (agent_session_writer_is_agent()) EXECUTE FUNCTION agent_session_name_checkpoint_writer();

-- What the monitor does to tables that no role may write itself.

-- Folds the differences together once there are more than `kept`. Rows that are added meanwhile are neither seen nor
-- removed: a reader sums before or after, never between.
CREATE FUNCTION agent_session_fold_counts(kept bigint) RETURNS void
LANGUAGE sql AS $$
    WITH gone AS (
        DELETE FROM agent_session_counts
        WHERE (SELECT count(*) FROM agent_session_counts) > kept
        RETURNING agent_type, state, n
    )
    INSERT INTO agent_session_counts
    SELECT agent_type, state, sum(n) FROM gone GROUP BY 1, 2 HAVING sum(n) <> 0
$$;

-- One page of past contexts after a key: those go that were replaced `days` ago or more and that no checkpoint needs,
-- since a rollback may want the context of any checkpoint, however old. NULL when there was no page.
CREATE FUNCTION agent_session_purge_contexts(
    after_session uuid, after_version bigint, days integer, page_size integer,
    OUT last_session uuid, OUT last_version bigint, OUT purged bigint)
LANGUAGE sql AS $$
    WITH page AS (
        SELECT session_id, context_version, replaced_at FROM agent_session_contexts
        WHERE (session_id, context_version) > (after_session, after_version)
        ORDER BY session_id, context_version LIMIT page_size
    ), gone AS (
        DELETE FROM agent_session_contexts c USING page p
        WHERE c.session_id = p.session_id AND c.context_version = p.context_version
          AND p.replaced_at < now() - make_interval(days => greatest(days, 1))
          AND NOT EXISTS (
            SELECT FROM agent_session_checkpoints k
            WHERE k.session_id = c.session_id AND k.context_version = c.context_version)
        RETURNING 1
    )
    SELECT session_id, context_version, (SELECT count(*) FROM gone) FROM page
    ORDER BY session_id DESC, context_version DESC LIMIT 1
$$;

-- Drops one whole month that is over; how many entries it had.
CREATE FUNCTION agent_session_drop_history(partition name) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
    entries bigint;
BEGIN
    IF partition !~ '^agent_session_history_\d{4}_\d\d$' OR NOT EXISTS (
        SELECT FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
        WHERE i.inhparent = 'agent_session_history'::regclass AND c.relname = partition) THEN
        RAISE EXCEPTION '% is no month of the history', partition USING ERRCODE = 'undefined_table';
    ELSIF to_date(right(partition, 7), 'YYYY_MM') >= date_trunc('month', now() AT TIME ZONE 'UTC') THEN
        RAISE EXCEPTION 'the month of % is not over', partition USING ERRCODE = 'insufficient_privilege';
    END IF;
    EXECUTE format('SELECT count(*) FROM %I', partition) INTO entries;
    EXECUTE format('ALTER TABLE agent_session_history DETACH PARTITION %I', partition);
    EXECUTE format('DROP TABLE %I', partition);
    RETURN entries;
END
$$;

SELECT agent_session_create_roles();
