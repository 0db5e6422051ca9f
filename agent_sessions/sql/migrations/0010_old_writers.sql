-- What one of today's agents changed is what it wrote compared with what it had before. That is never inferred from how
-- much two contexts look alike; the checkpoints in its array tell:
-- - they are those that it had with its own last write (their_copies): then that write is what it had;
-- - else the record knows the context that belongs to the newest of them: the agent has read that one, or a newer one.
-- Where neither is known, its write adds, and neither changes nor removes what is there.

-- A list, newest first: `known` and `newest` are numbers of checkpoints, `context` as the agent wrote it, `version` that of
-- the session's context after it. Only of writes that the record itself does not explain (agent_session_copies_after).
ALTER TABLE agent_sessions ADD COLUMN their_copies jsonb;

-- The newest version that was made by a write which was sent again because its connection was lost. What was sent first
-- may still be on its way: a write of a writer that has not seen this version is checked by the id of its change.
ALTER TABLE agent_sessions ADD COLUMN resent_version bigint NOT NULL DEFAULT 0;

-- The numbers of those checkpoints of an array that the record knows, and the others' entries.
CREATE FUNCTION agent_session_known(session uuid, wanted jsonb, OUT known integer[], OUT unknown jsonb)
LANGUAGE sql STABLE AS $$
    SELECT coalesce(array_agg(DISTINCT c.n) FILTER (WHERE c.n IS NOT NULL), '{}'),
           coalesce(jsonb_agg(v.entry ORDER BY v.n) FILTER (WHERE c.n IS NULL), '[]')
    FROM agent_session_valid_checkpoints(wanted) v
    LEFT JOIN LATERAL (
        -- what an agent holds is mostly new
        SELECT c.n FROM agent_session_checkpoints c
        WHERE c.session_id = session AND c.name = v.name
          AND CASE WHEN c.claimed IS NULL THEN c.at = v.moment ELSE c.claimed = v.said END
        ORDER BY c.n DESC LIMIT 1) c ON true
$$;

DROP FUNCTION agent_session_started_from(agent_sessions, jsonb);
DROP FUNCTION agent_session_merged(jsonb, jsonb, jsonb);
DROP FUNCTION agent_session_old_agent_writes(agent_sessions, agent_sessions);
DROP FUNCTION agent_session_adopt_checkpoints(agent_sessions, jsonb, integer, bigint, bigint, text);
CREATE FUNCTION agent_session_adopt_checkpoints(
    session agent_sessions, unknown jsonb, count_before integer, new_version bigint, captured bigint, source text
) RETURNS void
LANGUAGE sql AS $$
    INSERT INTO agent_session_checkpoints
        (session_id, n, name, at, claimed, data, metadata, context_version, version, actor, source)
    SELECT session.id, count_before + v.n, v.name, v.at, v.claimed, v.data, v.metadata,
           captured, new_version, session.agent_type, source
    FROM agent_session_valid_checkpoints(unknown) v
$$;

-- The last write of the agent whose array holds these checkpoints. It may have dropped some since, never the newest.
CREATE FUNCTION agent_session_copy_with(copies jsonb, known integer[]) RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT copy FROM jsonb_array_elements(copies) AS copy
    WHERE copy->'newest' = coalesce(to_jsonb(known[cardinality(known)]), 'null') AND to_jsonb(known) <@ (copy->'known')
    ORDER BY jsonb_array_length(copy->'known') LIMIT 1
$$;

-- The version of the context that belongs to the newest of these checkpoints: its agent has read this one or a newer one.
-- Of checkpoints that came at once the last belongs to what the session then held, whether or not it was captured.
CREATE FUNCTION agent_session_version_read(session uuid, known integer[]) RETURNS bigint
LANGUAGE sql STABLE AS $$
    SELECT CASE
        WHEN known = '{}' THEN (SELECT 1 WHERE NOT EXISTS (
            SELECT FROM agent_session_checkpoints WHERE session_id = session AND version = 1))
        ELSE (
            SELECT coalesce(c.context_version, CASE WHEN later.version IS DISTINCT FROM c.version THEN c.version END)
            FROM agent_session_checkpoints c LEFT JOIN agent_session_checkpoints later
                ON later.session_id = c.session_id AND later.n = c.n + 1
            WHERE c.session_id = session AND c.n = known[cardinality(known)]) END
$$;

-- What the agent with these checkpoints had before it wrote; `since` is the newest version of the context that it had
-- seen for certain, NULL when nobody has written since. No context: not known.
CREATE FUNCTION agent_session_had(was agent_sessions, known integer[], OUT context jsonb, OUT since bigint)
LANGUAGE plpgsql STABLE AS $$
DECLARE
    copy jsonb := agent_session_copy_with(was.their_copies, known);
BEGIN
    IF copy IS NOT NULL THEN
        context := nullif(copy->'context', 'null');
        -- what it wrote was united with others' then, and the result may have been read too
        since := CASE WHEN (copy->'version')::bigint < was.context_version THEN (copy->'version')::bigint - 1 END;
        RETURN;
    END IF;
    since := agent_session_version_read(was.id, known);
    IF since >= was.context_version THEN
        context := was.context;
        since := NULL;
    ELSE
        SELECT c.context, c.context_version INTO context, since FROM agent_session_contexts c
        WHERE c.session_id = was.id AND c.context_version <= since ORDER BY c.context_version DESC LIMIT 1;
    END IF;
END
$$;

-- What one writer made of `base`, brought onto `current`, path by path: what it left alone stays as it is now, and what
-- others had written after `since` and replaced again it has read, not written. NULL stands for a key that is not there.
CREATE FUNCTION agent_session_merged(
    base jsonb, theirs jsonb, current jsonb, session uuid, since bigint, path text[] DEFAULT '{}'
) RETURNS jsonb
LANGUAGE plpgsql STABLE AS $$
DECLARE
    merged jsonb;
BEGIN
    IF theirs IS NOT DISTINCT FROM base OR theirs IS NOT DISTINCT FROM current THEN
        RETURN current;
    ELSIF jsonb_typeof(coalesce(theirs, '{}')) = 'object' AND jsonb_typeof(coalesce(current, '{}')) = 'object'
       AND (jsonb_typeof(base) = 'object' OR (theirs IS NOT NULL AND current IS NOT NULL)) THEN
        SELECT coalesce(jsonb_object_agg(key, value) FILTER (WHERE value IS NOT NULL), '{}') INTO merged FROM (
            SELECT key, agent_session_merged(
                CASE jsonb_typeof(base) WHEN 'object' THEN base->key END, theirs->key, current->key,
                session, since, path || key) AS value
            FROM (SELECT jsonb_object_keys(theirs) UNION SELECT jsonb_object_keys(current)) AS keys (key)) each_key;
        RETURN CASE WHEN merged = '{}' AND (theirs IS NULL OR current IS NULL) THEN NULL ELSE merged END;
    ELSIF since IS NOT NULL AND EXISTS (
        SELECT FROM agent_session_contexts c
        WHERE c.session_id = session AND c.context_version > since AND c.context #> path IS NOT DISTINCT FROM theirs) THEN
        RETURN current;
    END IF;
    RETURN theirs;
END
$$;

-- What somebody wrote who may have seen anything: it adds what is not there.
CREATE FUNCTION agent_session_with_added(theirs jsonb, current jsonb) RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
    IF current IS NULL THEN
        RETURN theirs;
    ELSIF jsonb_typeof(theirs) = 'object' AND jsonb_typeof(current) = 'object' THEN
        RETURN current || coalesce(
            (SELECT jsonb_object_agg(key, agent_session_with_added(value, current->key)) FROM jsonb_each(theirs)), '{}');
    END IF;
    RETURN current;
END
$$;

-- The copies after a write: the agent's older one goes; the new one is needed where the record does not hold what the
-- agent has, since others' changes are in there too, or where no new checkpoint marks it.
CREATE FUNCTION agent_session_copies_after(
    becomes agent_sessions, wrote jsonb, count_before integer, known integer[], added integer
) RETURNS jsonb
LANGUAGE sql STABLE AS $$
    SELECT jsonb_agg(CASE WHEN place <= 16 THEN copy ELSE copy || '{"context": null}' END ORDER BY place) FROM (
        SELECT copy, row_number() OVER (ORDER BY place) AS place FROM (
            SELECT 0 AS place, jsonb_build_object(
                'newest', CASE WHEN added > 0 THEN count_before + added ELSE known[cardinality(known)] END,
                'known', known || ARRAY(SELECT generate_series(count_before + 1, count_before + added)),
                'context', wrote, 'version', becomes.context_version) AS copy
            WHERE added = 0 OR wrote IS DISTINCT FROM becomes.context
            UNION ALL
            SELECT c.place, c.copy FROM jsonb_array_elements(becomes.their_copies) WITH ORDINALITY AS c (copy, place)
            -- after a new checkpoint the older copy stays: one that started with the same checkpoints may have written
            WHERE added > 0 OR c.copy IS DISTINCT FROM agent_session_copy_with(becomes.their_copies, known)) one_each) newest_first
    WHERE place <= 32
$$;

CREATE OR REPLACE FUNCTION agent_session_before_insert() RETURNS trigger
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
    NEW.change_source := coalesce(NEW.change_source, 'old-agent');
    NEW.change_actor := coalesce(NEW.change_actor, NEW.agent_type);
    NEW.last_heartbeat := least(NEW.last_heartbeat, now());
    NEW.created_at := least(NEW.created_at, now());
    RETURN NEW;
END
$$;

CREATE FUNCTION agent_session_old_agent_writes(
    was agent_sessions, becomes agent_sessions, count_before integer, known integer[], added integer
) RETURNS agent_sessions
LANGUAGE plpgsql AS $$
DECLARE
    -- Its array tells: the checkpoint of the newest order is never compressed away. That another agent has
    -- acknowledged the order does not mean that this one knows of it.
    saw_order boolean := was.order_version = 0 OR EXISTS (
        SELECT FROM agent_session_valid_checkpoints(becomes.checkpoints) c WHERE c.moment = was.ordered_at);
    overtaken boolean := was.epoch > 0 AND NOT agent_session_saw_fence(was.id, becomes.checkpoints);
    ended boolean := was.state NOT IN ('active', 'paused');
    wanted text := becomes.state;
    wrote jsonb := becomes.context;
    had record;
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
    IF overtaken OR ended THEN
        IF becomes.context IS DISTINCT FROM was.context THEN
            refused := refused || jsonb_build_object(
                'paths', agent_session_changed_keys(was.context, becomes.context));
            becomes.context := was.context;
        END IF;
    ELSIF becomes.context IS DISTINCT FROM was.context THEN
        SELECT * INTO had FROM agent_session_had(was, known);
        becomes.context := CASE
            WHEN had.context IS NULL THEN agent_session_with_added(wrote, was.context)
            ELSE agent_session_merged(had.context, wrote, was.context, was.id, had.since) END;
        IF had.context IS NULL AND wrote IS DISTINCT FROM becomes.context THEN
            refused := refused || jsonb_build_object('paths', agent_session_changed_keys(wrote, becomes.context));
        END IF;
        becomes.context_version := CASE WHEN becomes.context IS DISTINCT FROM was.context
            THEN becomes.version ELSE was.context_version END;
        IF added > 0 OR wrote IS DISTINCT FROM had.context THEN
            becomes.their_copies := agent_session_copies_after(becomes, wrote, count_before, known, added);
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

CREATE OR REPLACE FUNCTION agent_session_before_update() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
    brings_heartbeat boolean := NEW.last_heartbeat IS DISTINCT FROM OLD.last_heartbeat;
    count_before integer := coalesce(OLD.checkpoint_count, jsonb_array_length(agent_session_array(OLD.checkpoints)));
    -- of the written array: what the record knows of it, and what it does not
    known integer[];
    unknown jsonb := '[]';
    added integer;
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
        END IF;
        RETURN NEW;
    END IF;
    IF NEW.state IS NOT DISTINCT FROM OLD.state AND NEW.context IS NOT DISTINCT FROM OLD.context
       AND NEW.checkpoints IS NOT DISTINCT FROM OLD.checkpoints AND NEW.metadata = OLD.metadata
       AND NEW.agent_type = OLD.agent_type AND NEW.user_id IS NOT DISTINCT FROM OLD.user_id THEN
        IF OLD.state NOT IN ('active', 'paused') THEN
            NEW.last_heartbeat := OLD.last_heartbeat;
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
    IF NOT brings_heartbeat THEN
        NEW := agent_session_person_writes(OLD, NEW);
    END IF;
    IF NEW.checkpoints IS DISTINCT FROM OLD.checkpoints
       OR (brings_heartbeat AND NEW.context IS DISTINCT FROM OLD.context) THEN
        SELECT k.known, k.unknown INTO known, unknown FROM agent_session_known(OLD.id, NEW.checkpoints) k;
    END IF;
    added := jsonb_array_length(unknown);
    IF brings_heartbeat THEN
        NEW := agent_session_old_agent_writes(OLD, NEW, count_before, known, added);
    END IF;
    NEW.context_version := CASE WHEN NEW.context IS DISTINCT FROM OLD.context
        THEN NEW.version ELSE OLD.context_version END;
    IF NEW.context_version = NEW.version THEN
        NEW.change_detail := NEW.change_detail || jsonb_build_object(
            'paths', agent_session_changed_keys(OLD.context, NEW.context));
    END IF;
    IF NEW.checkpoints IS DISTINCT FROM OLD.checkpoints THEN
        PERFORM agent_session_adopt_checkpoints(OLD, unknown, count_before, NEW.version,
            CASE WHEN brings_heartbeat AND NEW.change_kind = 'refused' THEN NULL ELSE NEW.context_version END,
            NEW.change_source);
        NEW.checkpoints := agent_session_united(OLD.checkpoints, NEW.checkpoints);
    END IF;
    NEW.checkpoint_count := count_before + added;
    NEW.checkpoints_through := coalesce(OLD.checkpoints_through, count_before)
        + CASE WHEN coalesce(OLD.checkpoints_through, count_before) = count_before THEN added ELSE 0 END;
    IF added > 0 AND NOT NEW.change_detail ? 'checkpoint' THEN
        NEW.change_detail := NEW.change_detail || jsonb_build_object('checkpoint',
            (SELECT name FROM agent_session_checkpoints WHERE session_id = OLD.id AND n = count_before + added));
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

-- What was known so far of sessions that still live.
UPDATE agent_sessions s SET their_copies = jsonb_build_array(jsonb_build_object(
    'newest', k.known[cardinality(k.known)], 'known', k.known, 'context', s.their_context, 'version', s.context_version))
FROM (
    SELECT id, (agent_session_known(id, checkpoints)).known FROM agent_sessions
    WHERE their_context IS NOT NULL AND state IN ('active', 'paused')) k
WHERE s.id = k.id;
ALTER TABLE agent_sessions DROP COLUMN their_context;
