-- The same table as states.TRANSITIONS for writers who know no verbs; a test holds both equal.
CREATE FUNCTION agent_session_may_go(was text, wanted text) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT (was, wanted) IN (
        ('active', 'paused'), ('active', 'completed'), ('active', 'failed'), ('active', 'deleted'),
        ('paused', 'active'), ('paused', 'completed'), ('paused', 'failed'), ('paused', 'deleted'),
        ('completed', 'deleted'), ('failed', 'deleted'))
$$;

CREATE FUNCTION agent_session_array(value jsonb) RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN jsonb_typeof(value) = 'array' THEN value ELSE '[]'::jsonb END
$$;

-- What an adopted row may hold is read like this, in Python too.
CREATE FUNCTION agent_session_state(value text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN value IN ('active', 'paused', 'completed', 'failed', 'deleted') THEN value
        WHEN value IS NULL THEN 'active' ELSE 'failed' END
$$;

-- Agents' timestamps: a missing offset means UTC, NULL is what is no time.
CREATE FUNCTION agent_session_any_moment(value text) RETURNS timestamptz
LANGUAGE plpgsql STABLE AS $$
DECLARE
    moment timestamptz;
BEGIN
    IF value ~ '^\d{4}-\d\d-\d\d[T ]\d\d:\d\d' THEN
        moment := CASE WHEN value ~ '(Z|[+-]\d\d:?\d\d)$' THEN value ELSE value || '+00' END;
    END IF;
    RETURN CASE WHEN moment BETWEEN '0002-01-01' AND '9999-01-01' THEN moment END;
EXCEPTION WHEN data_exception THEN
    RETURN NULL;
END
$$;

-- Catching an error costs a subtransaction: what cannot fail, whatever the month, does without.
CREATE FUNCTION agent_session_moment(value text) RETURNS timestamptz
LANGUAGE sql STABLE AS $$
    SELECT CASE
        WHEN value ~ '^[12]\d{3}-(0[1-9]|1[0-2])-(0[1-9]|1\d|2[0-8])T([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d{1,6})?\+00:00$'
            THEN value::timestamptz
        ELSE agent_session_any_moment(value) END
$$;

CREATE FUNCTION agent_session_history_partition(month date) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    first date := date_trunc('month', month)::date;
    name text := 'agent_session_history_' || to_char(first, 'YYYY_MM');
BEGIN
    IF to_regclass(name) IS NULL THEN
        PERFORM pg_advisory_xact_lock(hashtext('agent_session_history_partition'));
        EXECUTE format(
            'CREATE TABLE IF NOT EXISTS %I PARTITION OF agent_session_history FOR VALUES FROM (%L) TO (%L)',
            name, first::text || ' 00:00+00', (first + interval '1 month')::date::text || ' 00:00+00');
    END IF;
END
$$;

CREATE FUNCTION agent_session_notify(changed jsonb) RETURNS void
LANGUAGE sql AS $$
    SELECT pg_notify('agent_sessions', jsonb_agg(pair ORDER BY o)::text)
    FROM jsonb_array_elements(changed) WITH ORDINALITY AS e(pair, o)
    GROUP BY (o - 1) / 100
$$;

-- The first entry of what a context change touched, one level deep: for writers who do not say it themselves.
CREATE FUNCTION agent_session_changed_keys(was jsonb, becomes jsonb) RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT coalesce(jsonb_agg(key ORDER BY key), '[]') FROM (
        SELECT coalesce(a.key, b.key) AS key
        FROM jsonb_each(CASE jsonb_typeof(was) WHEN 'object' THEN was END) a
        FULL JOIN jsonb_each(CASE jsonb_typeof(becomes) WHEN 'object' THEN becomes END) b ON a.key = b.key
        WHERE a.value IS DISTINCT FROM b.value LIMIT 50) changed
$$;

-- What one writer made of `base`, brought onto `current`, path by path: what it left alone stays as it is now.
-- NULL stands for a key that is not there.
CREATE FUNCTION agent_session_merged(base jsonb, theirs jsonb, current jsonb) RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    IF theirs IS NOT DISTINCT FROM base THEN
        RETURN current;
    ELSIF jsonb_typeof(theirs) = 'object' AND jsonb_typeof(current) = 'object' THEN
        RETURN (SELECT coalesce(jsonb_object_agg(key, value) FILTER (WHERE value IS NOT NULL), '{}') FROM (
            SELECT key, agent_session_merged(
                CASE jsonb_typeof(base) WHEN 'object' THEN base->key END, theirs->key, current->key) AS value
            FROM (SELECT jsonb_object_keys(theirs) UNION SELECT jsonb_object_keys(current)) AS keys (key)) merged);
    END IF;
    RETURN theirs;
END
$$;

-- Text is an instant of its own session's clock: a check that names the value and says what is allowed.
CREATE FUNCTION agent_session_check(state text, context jsonb, checkpoints jsonb) RETURNS void
LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    IF state IS NULL OR state NOT IN ('active', 'paused', 'completed', 'failed', 'deleted') THEN
        RAISE EXCEPTION 'unknown session state %', coalesce(quote_literal(left(state, 40)), 'NULL')
            USING ERRCODE = 'check_violation',
                  HINT = 'Use active, paused, completed, failed or deleted.';
    ELSIF jsonb_typeof(context) IS DISTINCT FROM 'object' THEN
        RAISE EXCEPTION 'the context of a session must be a JSON object'
            USING ERRCODE = 'check_violation', HINT = 'Write an object such as {"class": "7b"}.';
    ELSIF jsonb_typeof(checkpoints) IS DISTINCT FROM 'array' THEN
        RAISE EXCEPTION 'the checkpoints of a session must be a JSON array'
            USING ERRCODE = 'check_violation', HINT = 'Leave the column alone or write an array.';
    END IF;
END
$$;

-- Checkpoints of an array that are objects with a name, numbered in order; `said` is the time as the agent gave it,
-- `claimed` the same where it cannot be believed.
CREATE FUNCTION agent_session_valid_checkpoints(value jsonb)
RETURNS TABLE (
    n integer, name text, moment timestamptz, at timestamptz, said text, claimed text, data jsonb, metadata jsonb, entry jsonb)
LANGUAGE sql STABLE AS $$
    SELECT (row_number() OVER (ORDER BY o))::integer, left(entry->>'name', 200),
           moment, least(coalesce(moment, now()), now()), said, CASE WHEN moment <= now() THEN NULL ELSE said END,
           CASE WHEN jsonb_typeof(entry->'data') = 'object' THEN entry->'data' ELSE '{}' END,
           CASE WHEN jsonb_typeof(entry->'metadata') = 'object' THEN entry->'metadata' ELSE '{}' END,
           entry
    FROM jsonb_array_elements(agent_session_array(value)) WITH ORDINALITY AS e(entry, o)
    CROSS JOIN LATERAL agent_session_moment(entry->>'timestamp') AS moment
    CROSS JOIN LATERAL coalesce((moment AT TIME ZONE 'UTC')::text, entry->>'timestamp', '') AS said
    WHERE jsonb_typeof(entry) = 'object' AND entry->>'name' IS NOT NULL
$$;
