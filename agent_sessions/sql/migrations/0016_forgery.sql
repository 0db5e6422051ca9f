-- The agents' log-in may write what the library and agents of the old kind write, and nothing beyond: a statement past
-- them cannot bring an ended session back, confirm an order that was never given, move a fence, take over unseen or
-- count what is not there. Refused is what no agent means; what is only inaccurate (a beat in the future) is corrected.
-- No row is handed to a function: that would read a context that is stored out of line. Whether the writer is an agent is
-- asked in the functions: in the condition of a trigger it would be planned anew for each statement.

CREATE FUNCTION agent_session_refuse(what text) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'an agent''s log-in may not %', what
        USING ERRCODE = 'insufficient_privilege',
              HINT = 'Use the library, or the log-in of the dashboard for the work of a person.';
END
$$;

-- States before and after, as states.TRANSITIONS has them; a test holds both equal.
CREATE FUNCTION agent_session_may_order(verb text, was text, becomes text, before_deletion text) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT coalesce(CASE verb
        WHEN 'pause' THEN was = 'active' AND becomes = 'paused'
        WHEN 'resume' THEN was = 'paused' AND becomes = 'active'
        WHEN 'complete' THEN was IN ('active', 'paused') AND becomes = 'completed'
        WHEN 'fail' THEN was IN ('active', 'paused') AND becomes = 'failed'
        WHEN 'rollback' THEN was <> 'deleted' AND becomes = 'active'
        WHEN 'delete' THEN was <> 'deleted' AND becomes = 'deleted'
        WHEN 'restore' THEN was = 'deleted' AND becomes = CASE
            WHEN before_deletion IN ('active', 'paused', 'completed', 'failed') THEN before_deletion ELSE 'active' END
        END, false)
$$;

-- A write that makes a version: checked, then its actor and source are set, as before.
CREATE OR REPLACE FUNCTION agent_session_name_writer() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
    was text := agent_session_state(OLD.state);
    ordered boolean := NEW.order_version <> OLD.order_version;
    fenced boolean := NEW.epoch <> OLD.epoch;
    actor text := CASE WHEN NEW.change_kind IN ('order', 'edit') THEN session_user ELSE OLD.agent_type END;
    source text := CASE WHEN NEW.change_source = 'old-agent' THEN 'old-agent' ELSE 'agent' END;
BEGIN
    IF NOT agent_session_writer_is_agent() THEN
        RETURN NEW;
    ELSIF NEW.version <> OLD.version + 1 OR NEW.context_version NOT IN (OLD.context_version, NEW.version)
       OR NEW.resent_version NOT IN (OLD.resent_version, NEW.version) THEN
        PERFORM agent_session_refuse('leave out versions or go back');
    ELSIF (NEW.id, NEW.agent_type, NEW.created_at) IS DISTINCT FROM (OLD.id, OLD.agent_type, OLD.created_at) THEN
        PERFORM agent_session_refuse('change what a session is');
    ELSIF ordered <> (NEW.change_kind = 'order') OR (ordered AND NEW.order_version <> NEW.version) OR NEW.change_kind NOT IN (
        'order', 'edit', 'state', 'checkpoint', 'context', 'metadata', 'acknowledged', 'parts', 'attempt', 'refused',
        'taken_over', 'handed_back') THEN
        PERFORM agent_session_refuse('write a change that is none of its kind');
    ELSIF NOT (CASE
        WHEN ordered THEN agent_session_may_order(NEW.order_verb, was, NEW.state, OLD.state_before_deletion)
        WHEN NEW.state IN (OLD.state, was) THEN true
        ELSE NEW.change_kind IN ('state', 'refused') AND agent_session_may_go(was, NEW.state) END) THEN
        PERFORM agent_session_refuse(format('turn a %s session into a %s one by %L',
            was, NEW.state, CASE WHEN ordered THEN NEW.order_verb ELSE NEW.change_kind END));
    ELSIF (CASE
        WHEN NEW.change_kind = 'taken_over' THEN NEW.epoch <> OLD.epoch + 1
        WHEN NOT ordered OR NEW.order_verb IN ('pause', 'resume') THEN fenced
        WHEN NEW.order_verb = 'restore' THEN NEW.epoch NOT IN (OLD.epoch, OLD.epoch + 1)
        ELSE NEW.epoch <> OLD.epoch + 1 END) THEN
        PERFORM agent_session_refuse('move the fence by hand');
    ELSIF NEW.acknowledged_version <> OLD.acknowledged_version AND (CASE
        WHEN ordered THEN NEW.acknowledged_version <> NEW.version
            OR was IN ('active', 'paused') OR NEW.state IN ('active', 'paused')
        ELSE NEW.acknowledged_version NOT BETWEEN OLD.acknowledged_version AND OLD.order_version
            AND NEW.acknowledged_version <> OLD.order_version END) THEN
        PERFORM agent_session_refuse('confirm an order that was not given, or take a confirmation back');
    ELSIF coalesce(NEW.checkpoint_count, 0) < coalesce(OLD.checkpoint_count, 0) OR NEW.checkpoints_through > NEW.checkpoint_count
       OR NEW.refused_writes NOT BETWEEN OLD.refused_writes AND OLD.refused_writes + 1 THEN
        PERFORM agent_session_refuse('count what is not there');
    ELSIF (CASE NEW.change_kind
        WHEN 'taken_over' THEN NEW.owner_id IS NULL OR OLD.owner_id IS NULL OR NEW.owner_id = OLD.owner_id
            OR NEW.owner_timeline IS DISTINCT FROM agent_session_timeline()
        WHEN 'handed_back' THEN OLD.owner_id IS NULL
            OR num_nonnulls(NEW.owner_id, NEW.owner_name, NEW.owner_since, NEW.owner_timeline, NEW.lease_until) > 0
        ELSE (NEW.owner_id, NEW.owner_name, NEW.owner_since, NEW.owner_timeline, NEW.lease_until, NEW.handed_back_at)
            IS DISTINCT FROM
            (OLD.owner_id, OLD.owner_name, OLD.owner_since, OLD.owner_timeline, OLD.lease_until, OLD.handed_back_at) END) THEN
        PERFORM agent_session_refuse('change the owner of a session past its lease');
    END IF;
    IF NOT ordered THEN
        NEW.order_verb := OLD.order_verb;
        NEW.order_reason := OLD.order_reason;
        NEW.ordered_at := OLD.ordered_at;
        NEW.order_checkpoint := OLD.order_checkpoint;
    END IF;
    IF NEW.acknowledged_version = OLD.acknowledged_version THEN
        NEW.acknowledged_at := OLD.acknowledged_at;
    END IF;
    IF NEW.state <> OLD.state THEN
        NEW.ended_at := CASE WHEN NEW.state NOT IN ('active', 'paused') THEN coalesce(OLD.ended_at, now()) END;
        NEW.state_before_deletion := CASE WHEN NEW.state = 'deleted' THEN OLD.state
            WHEN OLD.state = 'deleted' THEN NULL ELSE OLD.state_before_deletion END;
    ELSE
        NEW.ended_at := OLD.ended_at;
        NEW.state_before_deletion := OLD.state_before_deletion;
    END IF;
    IF NEW.lease_until > now() + interval '1 day' THEN
        NEW.lease_until := now() + interval '1 day';
    END IF;
    IF NEW.last_heartbeat > now() OR NEW.last_heartbeat < OLD.last_heartbeat THEN
        NEW.last_heartbeat := least(greatest(NEW.last_heartbeat, OLD.last_heartbeat), now());
    END IF;
    IF NEW.last_progress > now() OR NEW.last_progress < OLD.last_progress THEN
        NEW.last_progress := least(greatest(NEW.last_progress, OLD.last_progress), now());
    END IF;
    NEW.order_actor := CASE WHEN ordered THEN session_user ELSE OLD.order_actor END;
    IF NEW.change_actor IS DISTINCT FROM actor OR NEW.change_source IS DISTINCT FROM source THEN
        NEW.change_detail := coalesce(NEW.change_detail, '{}') || jsonb_build_object(
            'claimed', jsonb_build_object('actor', left(NEW.change_actor, 320), 'source', left(NEW.change_source, 40)));
    END IF;
    NEW.change_actor := actor;
    NEW.change_source := source;
    RETURN NEW;
END
$$;
-- Triggers of one kind run in the order of their names: after agent_session_before_update.
DROP TRIGGER agent_session_writer_of_update ON agent_sessions;
CREATE TRIGGER agent_session_writer_of_update BEFORE UPDATE ON agent_sessions
    FOR EACH ROW WHEN (NEW.version <> OLD.version) EXECUTE FUNCTION agent_session_name_writer();

-- A write that makes no version leaves no entry in the history, so it may not change what the last version or its order
-- says. Writes of agents of the old kind, which leave checkpoints_through alone, were checked by the guard before.
CREATE OR REPLACE FUNCTION agent_session_keep_writer() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF NOT agent_session_writer_is_agent() THEN
        RETURN NEW;
    ELSIF NEW.state NOT IN (OLD.state, agent_session_state(OLD.state))
       OR (NEW.id, NEW.agent_type, NEW.created_at, NEW.epoch, NEW.context_version, NEW.resent_version, NEW.failed_attempts)
          IS DISTINCT FROM
          (OLD.id, OLD.agent_type, OLD.created_at, OLD.epoch, OLD.context_version, OLD.resent_version, OLD.failed_attempts)
       OR NEW.checkpoint_count IS DISTINCT FROM coalesce(OLD.checkpoint_count, NEW.checkpoint_count)
       OR NEW.acknowledged_version NOT IN (OLD.acknowledged_version, OLD.order_version)
       OR NEW.refused_writes NOT BETWEEN OLD.refused_writes AND OLD.refused_writes + 1
       OR (NEW.checkpoints_through IS DISTINCT FROM OLD.checkpoints_through
           AND (NEW.context, NEW.metadata, NEW.user_id) IS DISTINCT FROM (OLD.context, OLD.metadata, OLD.user_id)) THEN
        PERFORM agent_session_refuse('change a session without a version');
    END IF;
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
    NEW.order_checkpoint := OLD.order_checkpoint;
    NEW.ended_at := OLD.ended_at;
    NEW.state_before_deletion := OLD.state_before_deletion;
    IF NEW.acknowledged_version = OLD.acknowledged_version THEN
        NEW.acknowledged_at := OLD.acknowledged_at;
    END IF;
    IF num_nulls(NEW.parts, NEW.parts_at_work) < 2 THEN
        NEW.parts := OLD.parts;
        NEW.parts_at_work := OLD.parts_at_work;
    END IF;
    RETURN NEW;
END
$$;
DROP TRIGGER agent_session_writer_of_update_without_version ON agent_sessions;
CREATE TRIGGER agent_session_writer_of_update_without_version BEFORE UPDATE OF
    change_kind, change_actor, change_reason, change_source, change_id,
    order_version, order_verb, order_actor, order_reason, ordered_at, order_checkpoint,
    id, agent_type, user_id, state, context, metadata, created_at, epoch, context_version, resent_version, failed_attempts,
    checkpoint_count, acknowledged_version, acknowledged_at, refused_writes, ended_at, state_before_deletion,
    parts, parts_at_work ON agent_sessions
    FOR EACH ROW WHEN (NEW.version = OLD.version) EXECUTE FUNCTION agent_session_keep_writer();

-- Writes without a version: taking a free lease, renewing one, leaving an ended session. Taking a lease from an owner that
-- may be alive, and leaving a live session open, make a version and are checked by agent_session_name_writer. Times in the
-- future are cut to now, and a heartbeat never moves back.
CREATE FUNCTION agent_session_check_lease() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    -- The fast path for heartbeats, for every log-in: the same owner, and times that move on but not into the future.
    IF NEW.version <> OLD.version OR (
        NEW.last_heartbeat BETWEEN OLD.last_heartbeat AND now()
        AND (NEW.lease_until BETWEEN OLD.lease_until AND now() + interval '1 day' OR num_nulls(NEW.lease_until, OLD.lease_until) = 2)
        AND (NEW.owner_id, NEW.owner_name, NEW.owner_since, NEW.owner_timeline, NEW.handed_back_at, NEW.last_progress)
            IS NOT DISTINCT FROM
            (OLD.owner_id, OLD.owner_name, OLD.owner_since, OLD.owner_timeline, OLD.handed_back_at, OLD.last_progress))
       OR NOT agent_session_writer_is_agent() THEN
        RETURN NEW;
    END IF;
    NEW.last_heartbeat := least(greatest(NEW.last_heartbeat, OLD.last_heartbeat), now());
    IF NEW.last_progress > now() OR NEW.last_progress < OLD.last_progress THEN
        NEW.last_progress := least(greatest(NEW.last_progress, OLD.last_progress), now());
    END IF;
    IF NEW.owner_id IS NULL AND OLD.owner_id IS NOT NULL THEN
        IF agent_session_state(OLD.state) IN ('active', 'paused') THEN
            PERFORM agent_session_refuse('end a lease without handing the session back');
        END IF;
    ELSIF NEW.owner_id IS DISTINCT FROM OLD.owner_id OR NEW.owner_timeline IS DISTINCT FROM OLD.owner_timeline THEN
        IF NEW.owner_timeline IS DISTINCT FROM agent_session_timeline()
           OR (NEW.owner_id <> OLD.owner_id AND OLD.owner_timeline = NEW.owner_timeline) THEN
            PERFORM agent_session_refuse('take a lease that is not free');
        END IF;
    ELSE
        NEW.owner_name := OLD.owner_name;
        NEW.owner_since := OLD.owner_since;
        NEW.lease_until := CASE WHEN NEW.owner_id IS NOT NULL THEN greatest(NEW.lease_until, OLD.lease_until) END;
    END IF;
    IF NEW.lease_until > now() + interval '1 day' THEN
        NEW.lease_until := now() + interval '1 day';
    END IF;
    IF NEW.handed_back_at IS NOT NULL THEN
        NEW.handed_back_at := OLD.handed_back_at;
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER agent_session_writer_of_lease BEFORE UPDATE OF
    last_heartbeat, last_progress, owner_id, owner_name, owner_since, owner_timeline, lease_until, handed_back_at ON agent_sessions
    FOR EACH ROW EXECUTE FUNCTION agent_session_check_lease();

-- A new session has no past. An upsert of one that is there names no kind, and is judged as an update.
CREATE FUNCTION agent_session_name_creator() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
    actor text := CASE WHEN NEW.change_kind IN ('order', 'edit') THEN session_user ELSE NEW.agent_type END;
    source text := CASE WHEN NEW.change_source = 'old-agent' THEN 'old-agent' ELSE 'agent' END;
BEGIN
    IF NOT agent_session_writer_is_agent() THEN
        RETURN NEW;
    ELSIF (NEW.version, NEW.epoch, NEW.context_version, NEW.order_version, NEW.acknowledged_version, NEW.resent_version,
        NEW.refused_writes, NEW.failed_attempts) <> (1, 0, 1, 0, 0, 0, 0, 0)
       OR num_nonnulls(NEW.order_verb, NEW.order_reason, NEW.ordered_at, NEW.order_checkpoint, NEW.acknowledged_at,
        NEW.owner_id, NEW.owner_name, NEW.lease_until, NEW.handed_back_at) > 0
       OR NEW.change_kind <> 'created' OR NEW.checkpoint_count > jsonb_array_length(agent_session_array(NEW.checkpoints)) THEN
        PERFORM agent_session_refuse('make a session with a past');
    END IF;
    IF NEW.change_kind = 'created' THEN
        NEW.created_at := least(NEW.created_at, now());
        NEW.last_heartbeat := least(NEW.last_heartbeat, now());
        NEW.last_progress := CASE WHEN NEW.last_progress > now() THEN now() ELSE NEW.last_progress END;
    END IF;
    IF NEW.change_actor IS DISTINCT FROM actor OR NEW.change_source IS DISTINCT FROM source THEN
        NEW.change_detail := coalesce(NEW.change_detail, '{}') || jsonb_build_object(
            'claimed', jsonb_build_object('actor', left(NEW.change_actor, 320), 'source', left(NEW.change_source, 40)));
    END IF;
    NEW.change_actor := actor;
    NEW.change_source := source;
    NEW.order_actor := NULL;
    RETURN NEW;
END
$$;
DROP TRIGGER agent_session_writer_of_insert ON agent_sessions;
CREATE TRIGGER agent_session_writer_of_insert BEFORE INSERT ON agent_sessions
    FOR EACH ROW EXECUTE FUNCTION agent_session_name_creator();

-- A checkpoint comes with the version of its session that counts it. Those that the triggers above bring themselves,
-- one level deeper, are counted by them.
CREATE OR REPLACE FUNCTION agent_session_name_checkpoint_writer() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF NOT agent_session_writer_is_agent() THEN
        RETURN NEW;
    ELSIF pg_trigger_depth() = 1 AND NOT EXISTS (
        SELECT FROM agent_sessions s
        WHERE s.id = NEW.session_id AND s.version = NEW.version AND NEW.n <= s.checkpoint_count) THEN
        PERFORM agent_session_refuse('add a checkpoint past its session');
    END IF;
    NEW.actor := NULL;
    NEW.source := CASE WHEN NEW.source = 'old-agent' THEN 'old-agent' ELSE 'agent' END;
    RETURN NEW;
END
$$;
DROP TRIGGER agent_session_writer_of_checkpoint ON agent_session_checkpoints;
CREATE TRIGGER agent_session_writer_of_checkpoint BEFORE INSERT ON agent_session_checkpoints
    FOR EACH ROW EXECUTE FUNCTION agent_session_name_checkpoint_writer();

-- As before, and: an agent's write brings each checkpoint that it counts. Without a nested loop, as before: what a
-- statement changed is never compared with every row that it touched.
CREATE OR REPLACE FUNCTION agent_session_after_update() RETURNS trigger
LANGUAGE plpgsql SET enable_nestloop = off AS $$
DECLARE
    changed jsonb;
BEGIN
    IF NOT EXISTS (SELECT FROM new_rows n JOIN old_rows o ON o.id = n.id WHERE n.version <> o.version) THEN
        RETURN NULL;
    END IF;
    IF agent_session_writer_is_agent() AND EXISTS (
        SELECT FROM new_rows n JOIN old_rows o ON o.id = n.id CROSS JOIN LATERAL (SELECT coalesce(
            o.checkpoint_count, jsonb_array_length(agent_session_array(o.checkpoints))) AS known) before
        WHERE n.checkpoint_count > known AND n.checkpoint_count - known <> (
            SELECT count(*) FROM agent_session_checkpoints c
            WHERE c.session_id = n.id AND c.n > known AND c.n <= n.checkpoint_count)) THEN
        PERFORM agent_session_refuse('count what is not there');
    END IF;
    WITH pairs AS (
        SELECT o.state AS from_state, o.context AS from_context, o.context_version AS from_context_version,
               o.agent_type AS from_type, coalesce(
                   o.checkpoint_count, jsonb_array_length(agent_session_array(o.checkpoints))) AS from_count, n.*
        FROM new_rows n JOIN old_rows o ON o.id = n.id
        WHERE n.version <> o.version
    ), history AS (
        INSERT INTO agent_session_history
            (session_id, version, at, kind, from_state, to_state, epoch, checkpoint_n, checkpoint_name, paths,
             actor, reason, source, change_id, detail)
        SELECT id, version, clock_timestamp(), change_kind, from_state, state, epoch,
               CASE WHEN checkpoint_count > from_count THEN checkpoint_count END, change_detail->>'checkpoint',
               CASE WHEN change_detail ? 'paths'
                   THEN ARRAY(SELECT jsonb_array_elements_text(change_detail->'paths')) END,
               change_actor, change_reason, change_source, change_id,
               nullif(change_detail - '{checkpoint,paths}'::text[], '{}')
        FROM pairs
    ), contexts AS (
        INSERT INTO agent_session_contexts (session_id, context_version, replaced_at, context)
        SELECT id, from_context_version, clock_timestamp(), coalesce(from_context, '{}')
        FROM pairs WHERE context_version <> from_context_version
        ON CONFLICT DO NOTHING
    ), counts AS (
        INSERT INTO agent_session_counts
        SELECT agent_type, state, sum(n) FROM (
            SELECT from_type AS agent_type, from_state AS state, -1 AS n FROM pairs
            WHERE (from_type, from_state) IS DISTINCT FROM (agent_type, state)
            UNION ALL
            SELECT agent_type, state, 1 FROM pairs
            WHERE (from_type, from_state) IS DISTINCT FROM (agent_type, state)) moves
        GROUP BY 1, 2 HAVING sum(n) <> 0
    )
    SELECT jsonb_agg(jsonb_build_array(id, version)) INTO changed FROM pairs;
    IF changed IS NOT NULL THEN
        PERFORM agent_session_notify(changed);
    END IF;
    RETURN NULL;
END
$$;

-- Replaced functions lose their owner's rights, and agents write before grants.sql is run again.
DO $$
BEGIN
    EXECUTE format('ALTER FUNCTION agent_session_after_update() SECURITY DEFINER SET search_path = %I, pg_temp',
                   current_schema());
END
$$;
