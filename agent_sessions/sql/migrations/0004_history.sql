-- Whoever writes, one row of history for each version, in the same transaction; then one NOTIFY a statement.

CREATE FUNCTION agent_session_after_insert() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM new_rows) THEN
        RETURN NULL;
    END IF;
    INSERT INTO agent_session_checkpoints
        (session_id, n, name, at, claimed, data, metadata, context_version, version, actor, source)
    SELECT s.id, v.n, v.name, v.at, v.claimed, v.data, v.metadata,
           CASE WHEN s.change_id IS NOT NULL THEN s.context_version END, s.version, s.change_actor, s.change_source
    FROM new_rows s CROSS JOIN LATERAL agent_session_valid_checkpoints(s.checkpoints) v;
    INSERT INTO agent_session_history
        (session_id, version, at, kind, to_state, epoch, actor, reason, source, change_id, detail)
    SELECT id, version, clock_timestamp(), change_kind, state, epoch, change_actor, change_reason,
           change_source, change_id, change_detail
    FROM new_rows;
    INSERT INTO agent_session_counts SELECT agent_type, state, count(*) FROM new_rows GROUP BY 1, 2;
    PERFORM agent_session_notify(changed)
    FROM (SELECT jsonb_agg(jsonb_build_array(id, version)) AS changed FROM new_rows) c WHERE changed IS NOT NULL;
    RETURN NULL;
END
$$;
CREATE TRIGGER agent_session_after_insert AFTER INSERT ON agent_sessions
    REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION agent_session_after_insert();

CREATE FUNCTION agent_session_after_update() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
    changed jsonb;
BEGIN
    IF NOT EXISTS (SELECT FROM new_rows n JOIN old_rows o ON o.id = n.id WHERE n.version <> o.version) THEN
        RETURN NULL;
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
CREATE TRIGGER agent_session_after_update AFTER UPDATE ON agent_sessions
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION agent_session_after_update();

CREATE FUNCTION agent_session_after_delete() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO agent_session_history (session_id, version, at, kind, from_state, epoch, actor, source)
    SELECT id, version + 1, clock_timestamp(), 'purged', state, epoch, session_user, 'sql' FROM old_rows;
    INSERT INTO agent_session_counts SELECT agent_type, state, -count(*) FROM old_rows GROUP BY 1, 2;
    DELETE FROM agent_session_checkpoints c USING old_rows o WHERE c.session_id = o.id;
    DELETE FROM agent_session_contexts c USING old_rows o WHERE c.session_id = o.id;
    PERFORM agent_session_notify(changed)
    FROM (SELECT jsonb_agg(jsonb_build_array(id, version + 1)) AS changed FROM old_rows) c WHERE changed IS NOT NULL;
    RETURN NULL;
END
$$;
CREATE TRIGGER agent_session_after_delete AFTER DELETE ON agent_sessions
    REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION agent_session_after_delete();

-- The audit trail: nobody rewrites it, the application's role and the table's owner included.
CREATE FUNCTION agent_session_history_is_append_only() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the history of sessions is append-only: % is refused', lower(TG_OP)
        USING ERRCODE = 'insufficient_privilege',
              HINT = 'Retention drops whole months: manage.py drop_history --before YYYY-MM.';
END
$$;
CREATE TRIGGER agent_session_history_append_only BEFORE UPDATE OR DELETE ON agent_session_history
    FOR EACH ROW EXECUTE FUNCTION agent_session_history_is_append_only();
CREATE TRIGGER agent_session_history_no_truncate BEFORE TRUNCATE ON agent_session_history
    FOR EACH STATEMENT EXECUTE FUNCTION agent_session_history_is_append_only();

-- A month nobody prepared still has a place.
CREATE TABLE agent_session_history_default PARTITION OF agent_session_history DEFAULT;
SELECT agent_session_history_partition((date_trunc('month', now()) + make_interval(months => m))::date)
FROM generate_series(0, 3) AS m;

-- What the adopted table holds: the arrays' checkpoints, the counts, and one line of history each.
INSERT INTO agent_session_checkpoints (session_id, n, name, at, claimed, data, metadata, version, actor, source)
SELECT s.id, v.n, v.name, v.at, v.claimed, v.data, v.metadata, s.version, s.agent_type, 'old-agent'
FROM agent_sessions s CROSS JOIN LATERAL agent_session_valid_checkpoints(s.checkpoints) v;
INSERT INTO agent_session_history (session_id, version, at, kind, to_state, epoch, source)
SELECT id, version, clock_timestamp(), 'adopted', state, epoch, 'migration' FROM agent_sessions;
INSERT INTO agent_session_counts SELECT agent_type, state, count(*) FROM agent_sessions WHERE state IS NOT NULL GROUP BY 1, 2;
