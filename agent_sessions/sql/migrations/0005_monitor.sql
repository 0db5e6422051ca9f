-- What the watch over silence needs: when it looked, when it could not, and a way to the sessions that live.

-- One row for each kind of watch. What was silent before it began, or since it last looked, it has not seen.
CREATE TABLE agent_session_monitors (
    source text PRIMARY KEY,
    began_at timestamptz NOT NULL,
    looked_at timestamptz NOT NULL
) WITH (fillfactor = 50);

-- From when to when a watch was blind, and why: nobody is failed for a silence that was ours. No end: it still is.
CREATE TABLE agent_session_blindness (
    source text NOT NULL,
    cause text NOT NULL,
    started_at timestamptz NOT NULL,
    ended_at timestamptz,
    PRIMARY KEY (source, cause, started_at)
);
CREATE INDEX agent_session_blindness_newest ON agent_session_blindness (started_at DESC);

-- A heartbeat touches neither id nor state, so it stays HOT; only those that live are in here.
CREATE INDEX IF NOT EXISTS agent_sessions_live ON agent_sessions (id) WHERE state = 'active';

-- As before, and: entries that a month nobody prepared left in the default partition move to their place, and a
-- partition refuses to be emptied by its own name too.
CREATE OR REPLACE FUNCTION agent_session_history_partition(month date) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    first date := date_trunc('month', month)::date;
    name text := 'agent_session_history_' || to_char(first, 'YYYY_MM');
    since timestamptz := (first::text || ' 00:00+00')::timestamptz;
    until timestamptz := ((first + interval '1 month')::date::text || ' 00:00+00')::timestamptz;
    astray boolean;
BEGIN
    IF to_regclass(name) IS NOT NULL THEN
        RETURN;
    END IF;
    PERFORM pg_advisory_xact_lock(hashtext('agent_session_history_partition'));
    IF to_regclass(name) IS NOT NULL THEN
        RETURN;
    END IF;
    astray := EXISTS (SELECT FROM agent_session_history_default WHERE at >= since AND at < until);
    IF astray THEN
        ALTER TABLE agent_session_history DETACH PARTITION agent_session_history_default;
    END IF;
    EXECUTE format('CREATE TABLE %I PARTITION OF agent_session_history FOR VALUES FROM (%L) TO (%L)',
                   name, since, until);
    PERFORM agent_session_history_keep(name);
    IF astray THEN
        WITH moved AS (
            DELETE FROM agent_session_history_default WHERE at >= since AND at < until RETURNING *)
        INSERT INTO agent_session_history SELECT * FROM moved;
        ALTER TABLE agent_session_history ATTACH PARTITION agent_session_history_default DEFAULT;
    END IF;
END
$$;

CREATE FUNCTION agent_session_history_keep(partition text) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format(
        'CREATE TRIGGER agent_session_history_no_truncate BEFORE TRUNCATE ON %I
         FOR EACH STATEMENT EXECUTE FUNCTION agent_session_history_is_append_only()', partition);
END
$$;
SELECT agent_session_history_keep(inhrelid::regclass::text)
FROM pg_inherits WHERE inhparent = 'agent_session_history'::regclass;

-- As before, and: who removes sessions for good can say so (SET LOCAL agent_sessions.actor, .source, .reason).
CREATE OR REPLACE FUNCTION agent_session_after_delete() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO agent_session_history
        (session_id, version, at, kind, from_state, epoch, actor, reason, source)
    SELECT id, version + 1, clock_timestamp(), 'purged', state, epoch,
           coalesce(nullif(current_setting('agent_sessions.actor', true), ''), session_user),
           nullif(current_setting('agent_sessions.reason', true), ''),
           coalesce(nullif(current_setting('agent_sessions.source', true), ''), 'sql')
    FROM old_rows;
    INSERT INTO agent_session_counts SELECT agent_type, state, -count(*) FROM old_rows WHERE state IS NOT NULL GROUP BY 1, 2;
    DELETE FROM agent_session_checkpoints c USING old_rows o WHERE c.session_id = o.id;
    DELETE FROM agent_session_contexts c USING old_rows o WHERE c.session_id = o.id;
    PERFORM agent_session_notify(changed)
    FROM (SELECT jsonb_agg(jsonb_build_array(id, version + 1)) AS changed FROM old_rows) c WHERE changed IS NOT NULL;
    RETURN NULL;
END
$$;
