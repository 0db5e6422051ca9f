-- Writers that know nothing of versions (today's agents, psql) leave `version` as it is; these triggers speak for them.
-- A write that brings a heartbeat is an agent's and may not undo an order it has not seen. One without is a person's order.

CREATE FUNCTION agent_session_before_insert() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    -- An upsert of a row that is there: the trigger for updates judges it.
    IF EXISTS (SELECT FROM agent_sessions WHERE id = NEW.id) THEN
        RETURN NEW;
    END IF;
    PERFORM agent_session_check(NEW.state, NEW.context, NEW.checkpoints);
    NEW.checkpoint_count := (SELECT count(*) FROM agent_session_valid_checkpoints(NEW.checkpoints));
    NEW.checkpoints_through := NEW.checkpoint_count;
    NEW.change_kind := coalesce(NEW.change_kind, 'created');
    IF NEW.change_source IS NULL THEN
        NEW.change_source := 'old-agent';
        NEW.their_context := NEW.context;
    END IF;
    NEW.change_actor := coalesce(NEW.change_actor, NEW.agent_type);
    NEW.last_heartbeat := least(NEW.last_heartbeat, now());
    NEW.created_at := least(NEW.created_at, now());
    RETURN NEW;
END
$$;
CREATE TRIGGER agent_session_before_insert BEFORE INSERT ON agent_sessions
    FOR EACH ROW EXECUTE FUNCTION agent_session_before_insert();

-- Takes over what an array holds that the record does not: returns how many checkpoints were new.
CREATE FUNCTION agent_session_adopt_checkpoints(
    session agent_sessions, wanted jsonb, count_before integer, new_version bigint, captured bigint, source text
) RETURNS integer
LANGUAGE plpgsql AS $$
DECLARE
    added integer;
BEGIN
    INSERT INTO agent_session_checkpoints
        (session_id, n, name, at, claimed, data, metadata, context_version, version, actor, source)
    SELECT session.id, count_before + row_number() OVER (ORDER BY v.n), v.name, v.at, v.claimed, v.data, v.metadata,
           captured, new_version, session.agent_type, source
    FROM agent_session_valid_checkpoints(wanted) v
    WHERE NOT EXISTS (
        SELECT FROM agent_session_checkpoints c
        WHERE c.session_id = session.id AND c.name = v.name
          AND CASE WHEN c.claimed IS NULL THEN c.at = v.moment ELSE c.claimed = v.said END);
    GET DIAGNOSTICS added = ROW_COUNT;
    RETURN added;
END
$$;

-- Old array and new array, each checkpoint once, in time order.
CREATE FUNCTION agent_session_united(was jsonb, wanted jsonb) RETURNS jsonb
LANGUAGE sql STABLE AS $$
    SELECT coalesce(jsonb_agg(entry ORDER BY at, said, source, n), '[]') FROM (
        SELECT DISTINCT ON (name, said) * FROM (
            SELECT 0 AS source, * FROM agent_session_valid_checkpoints(was)
            UNION ALL
            SELECT 1, * FROM agent_session_valid_checkpoints(wanted)) both_arrays
        ORDER BY name, said, source) once
$$;

-- The context that one of today's agents changed into `wanted`: what it wrote before, or what it read when it started.
-- That is the one that differs least; of equal ones the oldest, since what is newer than its copy it cannot have meant.
CREATE FUNCTION agent_session_started_from(session agent_sessions, wanted jsonb) RETURNS jsonb
LANGUAGE sql STABLE AS $$
    SELECT context FROM (
        SELECT session.their_context AS context, 0 AS version WHERE session.their_context IS NOT NULL
        UNION ALL SELECT session.context, session.context_version
        UNION ALL (
            SELECT context, context_version FROM agent_session_contexts
            WHERE session_id = session.id ORDER BY context_version DESC LIMIT 50)) known
    ORDER BY jsonb_array_length(agent_session_changed_keys(context, wanted)), version LIMIT 1
$$;

CREATE FUNCTION agent_session_person_writes(was agent_sessions, becomes agent_sessions) RETURNS agent_sessions
LANGUAGE plpgsql AS $$
DECLARE
    entry jsonb;
BEGIN
    IF becomes.state <> was.state AND NOT agent_session_may_go(was.state, becomes.state)
       AND NOT (was.state = 'deleted' AND becomes.state = was.state_before_deletion) THEN
        RAISE EXCEPTION 'a % session cannot become %', was.state, becomes.state
            USING ERRCODE = 'check_violation',
                  HINT = 'Finished sessions come back by rolling back, deleted ones by restoring, in the dashboard.';
    END IF;
    becomes.change_actor := session_user;
    becomes.change_source := 'sql';
    IF becomes.state <> was.state THEN
        becomes.change_kind := 'order';
        becomes.order_verb := CASE
            WHEN was.state = 'deleted' THEN 'restore' WHEN becomes.state = 'active' THEN 'resume'
            WHEN becomes.state = 'paused' THEN 'pause' WHEN becomes.state = 'completed' THEN 'complete'
            WHEN becomes.state = 'failed' THEN 'fail' ELSE 'delete' END;
        becomes.order_version := becomes.version;
        becomes.order_actor := session_user;
        becomes.order_reason := NULL;
        becomes.ordered_at := now();
        becomes.order_checkpoint := NULL;
        becomes.epoch := was.epoch + (becomes.state IN ('failed', 'completed', 'deleted'))::integer;
        entry := jsonb_build_object(
            'name', CASE becomes.order_verb WHEN 'restore' THEN 'session_restored' WHEN 'resume' THEN 'session_resumed'
                WHEN 'pause' THEN 'session_paused' WHEN 'complete' THEN 'session_completed'
                WHEN 'fail' THEN 'session_failed' ELSE 'session_deleted' END,
            'timestamp', to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"+00:00"'),
            'data', CASE becomes.order_verb
                WHEN 'pause' THEN jsonb_build_object('previous_state', was.state)
                WHEN 'complete' THEN '{"result": null}'
                WHEN 'fail' THEN jsonb_build_object('error', 'set to failed by ' || session_user, 'details', NULL)
                ELSE '{}' END);
        becomes.checkpoints := agent_session_array(becomes.checkpoints) || entry;
        becomes.change_detail := jsonb_build_object('verb', becomes.order_verb, 'checkpoint', entry->>'name');
        IF was.state NOT IN ('active', 'paused') AND becomes.state NOT IN ('active', 'paused') THEN
            becomes.acknowledged_version := becomes.version;
        END IF;
    ELSE
        becomes.change_kind := CASE WHEN becomes.context IS DISTINCT FROM was.context THEN 'context' ELSE 'edit' END;
        becomes.change_detail := '{}';
    END IF;
    RETURN becomes;
END
$$;

-- Does this array hold the checkpoint of the newest order that fences, whatever was ordered after it?
CREATE FUNCTION agent_session_saw_fence(session uuid, wanted jsonb) RETURNS boolean
LANGUAGE sql STABLE AS $$
    SELECT coalesce(bool_or(EXISTS (
        SELECT FROM agent_session_valid_checkpoints(wanted) v WHERE v.name = fence.name
          AND CASE WHEN fence.claimed IS NULL THEN v.moment = fence.at ELSE v.said = fence.claimed END)), true)
    FROM (
        SELECT name, at, claimed FROM agent_session_checkpoints
        WHERE session_id = session AND name IN (
            'session_rolled_back', 'session_failed', 'session_completed', 'session_deleted', 'session_restored')
        ORDER BY n DESC LIMIT 1) fence
$$;

CREATE FUNCTION agent_session_old_agent_writes(was agent_sessions, becomes agent_sessions) RETURNS agent_sessions
LANGUAGE plpgsql AS $$
DECLARE
    -- Its array tells: the checkpoint of the newest order is never compressed away. That another agent has
    -- acknowledged the order does not mean that this one knows of it.
    saw_order boolean := was.order_version = 0 OR EXISTS (
        SELECT FROM agent_session_valid_checkpoints(becomes.checkpoints) c WHERE c.moment = was.ordered_at);
    overtaken boolean := was.epoch > 0 AND NOT agent_session_saw_fence(was.id, becomes.checkpoints);
    ended boolean := was.state NOT IN ('active', 'paused');
    wanted text := becomes.state;
    refused jsonb := '{}';
BEGIN
    becomes.change_actor := was.agent_type;
    becomes.change_source := 'old-agent';
    becomes.change_kind := 'checkpoint';
    becomes.metadata := was.metadata;
    IF wanted <> was.state THEN
        IF agent_session_may_go(was.state, wanted) AND NOT overtaken
           AND (saw_order OR wanted IN ('completed', 'failed')) THEN
            becomes.change_kind := 'state';
        ELSE
            becomes.state := was.state;
            refused := jsonb_build_object('state', wanted);
        END IF;
    END IF;
    IF becomes.context IS DISTINCT FROM was.context THEN
        IF overtaken OR ended THEN
            refused := refused || jsonb_build_object(
                'paths', agent_session_changed_keys(was.context, becomes.context));
            becomes.context := was.context;
        ELSE
            becomes.their_context := becomes.context;
            becomes.context := agent_session_merged(
                agent_session_started_from(was, becomes.context), becomes.context, was.context);
        END IF;
        IF becomes.context IS DISTINCT FROM was.context AND becomes.change_kind = 'checkpoint'
           AND becomes.checkpoints IS NOT DISTINCT FROM was.checkpoints THEN
            becomes.change_kind := 'context';
        END IF;
    END IF;
    IF ended THEN
        becomes.last_heartbeat := was.last_heartbeat;
        becomes.updated_at := was.updated_at;
    ELSE
        becomes.last_progress := now();
        IF saw_order THEN
            becomes.acknowledged_version := was.order_version;
            becomes.acknowledged_at := CASE WHEN was.acknowledged_version < was.order_version
                THEN now() ELSE was.acknowledged_at END;
        END IF;
    END IF;
    becomes.change_detail := '{}';
    IF refused <> '{}' THEN
        becomes.refused_writes := was.refused_writes + 1;
        becomes.change_kind := 'refused';
        becomes.change_detail := jsonb_build_object('refused', refused);
    END IF;
    RETURN becomes;
END
$$;

CREATE FUNCTION agent_session_before_update() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
    brings_heartbeat boolean := NEW.last_heartbeat IS DISTINCT FROM OLD.last_heartbeat;
    known integer := coalesce(OLD.checkpoint_count, jsonb_array_length(agent_session_array(OLD.checkpoints)));
    wanted jsonb := NEW.checkpoints;
    added integer := 0;
    repeated boolean;
    same agent_sessions := OLD;
BEGIN
    NEW.last_heartbeat := least(NEW.last_heartbeat, now());
    -- A beat that repeats the row byte for byte: what is stored out of line stays where it is, unwritten.
    same.last_heartbeat := NEW.last_heartbeat;
    same.updated_at := NEW.updated_at;
    IF NEW *= same THEN
        NEW.context := OLD.context;
        NEW.checkpoints := OLD.checkpoints;
        IF OLD.state NOT IN ('active', 'paused') THEN
            NEW.last_heartbeat := OLD.last_heartbeat;
        ELSIF brings_heartbeat AND OLD.their_context IS DISTINCT FROM OLD.context THEN
            NEW.their_context := OLD.context;
        END IF;
        RETURN NEW;
    END IF;
    IF NEW.state IS NOT DISTINCT FROM OLD.state AND NEW.context IS NOT DISTINCT FROM OLD.context
       AND NEW.checkpoints IS NOT DISTINCT FROM OLD.checkpoints AND NEW.metadata = OLD.metadata
       AND NEW.agent_type = OLD.agent_type AND NEW.user_id IS NOT DISTINCT FROM OLD.user_id THEN
        IF OLD.state NOT IN ('active', 'paused') THEN
            NEW.last_heartbeat := OLD.last_heartbeat;
        ELSIF brings_heartbeat AND NEW.their_context IS DISTINCT FROM NEW.context THEN
            NEW.their_context := NEW.context;
        END IF;
        RETURN NEW;
    END IF;
    -- An adopted row may hold nonsense; it is not held against whoever changes something else.
    IF NEW.state IS NOT DISTINCT FROM OLD.state THEN
        NEW.state := agent_session_state(OLD.state);
    END IF;
    OLD.state := agent_session_state(OLD.state);
    PERFORM agent_session_check(NEW.state,
        CASE WHEN NEW.context IS NOT DISTINCT FROM OLD.context THEN '{}' ELSE NEW.context END,
        CASE WHEN NEW.checkpoints IS NOT DISTINCT FROM OLD.checkpoints THEN '[]' ELSE NEW.checkpoints END);
    NEW.version := OLD.version + 1;
    NEW.change_id := NULL;
    NEW.change_reason := NULL;
    IF brings_heartbeat THEN
        NEW := agent_session_old_agent_writes(OLD, NEW);
    ELSE
        NEW := agent_session_person_writes(OLD, NEW);
    END IF;
    NEW.context_version := CASE WHEN NEW.context IS DISTINCT FROM OLD.context
        THEN NEW.version ELSE OLD.context_version END;
    IF NEW.context_version = NEW.version THEN
        NEW.change_detail := NEW.change_detail || jsonb_build_object(
            'paths', agent_session_changed_keys(OLD.context, NEW.context));
    END IF;
    IF NEW.checkpoints IS DISTINCT FROM OLD.checkpoints THEN
        added := agent_session_adopt_checkpoints(OLD, NEW.checkpoints, known, NEW.version,
            CASE WHEN brings_heartbeat AND NEW.change_kind = 'refused' THEN NULL ELSE NEW.context_version END,
            NEW.change_source);
        NEW.checkpoints := agent_session_united(OLD.checkpoints, NEW.checkpoints);
    END IF;
    NEW.checkpoint_count := known + added;
    NEW.checkpoints_through := coalesce(OLD.checkpoints_through, known)
        + CASE WHEN coalesce(OLD.checkpoints_through, known) = known THEN added ELSE 0 END;
    IF added > 0 AND NOT NEW.change_detail ? 'checkpoint' THEN
        NEW.change_detail := NEW.change_detail || jsonb_build_object('checkpoint',
            (SELECT name FROM agent_session_checkpoints WHERE session_id = OLD.id AND n = known + added));
    END IF;
    NEW.ended_at := CASE
        WHEN NEW.state = OLD.state THEN OLD.ended_at
        WHEN NEW.state IN ('active', 'paused') THEN NULL
        ELSE coalesce(OLD.ended_at, now()) END;
    IF NEW.state = 'deleted' AND OLD.state <> 'deleted' THEN
        NEW.state_before_deletion := OLD.state;
    END IF;
    -- The same stale write with every beat is one entry in the history; only the counter goes on.
    repeated := NEW.change_kind = 'refused' AND OLD.change_kind = 'refused' AND added = 0
        AND NEW.context_version = OLD.context_version;
    -- An array that only repeats what the record holds is no change.
    IF repeated OR (added = 0 AND NEW.state = OLD.state AND NEW.context_version = OLD.context_version
        AND NEW.change_kind = 'checkpoint' AND NEW.acknowledged_version = OLD.acknowledged_version) THEN
        NEW.version := OLD.version;
        NEW.change_kind := OLD.change_kind;
        NEW.change_detail := OLD.change_detail;
        NEW.change_actor := OLD.change_actor;
        NEW.change_reason := OLD.change_reason;
        NEW.change_source := OLD.change_source;
        NEW.change_id := OLD.change_id;
        NEW.last_progress := OLD.last_progress;
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER agent_session_before_update
    BEFORE UPDATE OF state, context, checkpoints, metadata, agent_type, user_id ON agent_sessions
    FOR EACH ROW
    -- Our manager moves the version or, when it only refreshes the array, checkpoints_through.
    WHEN (NEW.version = OLD.version AND NEW.checkpoints_through IS NOT DISTINCT FROM OLD.checkpoints_through)
    EXECUTE FUNCTION agent_session_before_update();
