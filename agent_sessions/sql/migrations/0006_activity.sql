-- What the chart draws: how many entries of the history fell into each ten seconds. Folded from the history by the
-- sweeper, so that a day is some thousand rows however much happened; the newest seconds are read from the history.
CREATE TABLE agent_session_activity (
    slot timestamptz NOT NULL,
    agent_type text NOT NULL,
    state text NOT NULL,
    n bigint NOT NULL,
    PRIMARY KEY (slot, agent_type, state)
);

-- The same for what is folded and for what is not: entries that show an agent at work or an administrator's order.
CREATE FUNCTION agent_session_activity_since(since timestamptz, until timestamptz)
RETURNS TABLE (slot timestamptz, agent_type text, state text, n bigint)
LANGUAGE sql STABLE AS $$
    SELECT date_bin('10 seconds', h.at, 'epoch'), coalesce(s.agent_type, '?'), h.to_state, count(*)
    FROM agent_session_history h LEFT JOIN agent_sessions s ON s.id = h.session_id
    WHERE h.at >= since AND h.at < until AND h.to_state IS NOT NULL
      AND h.kind NOT IN ('acknowledged', 'refused', 'adopted')
    GROUP BY 1, 2, 3
$$;

-- Everything older than half a minute, as far back as a day; a slot is written once. Returns how many rows it added.
CREATE FUNCTION agent_session_fold_activity() RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
    since timestamptz := coalesce(
        (SELECT max(slot) + interval '10 seconds' FROM agent_session_activity), '-infinity');
    until timestamptz := date_bin('10 seconds', now() - interval '30 seconds', 'epoch');
    added bigint;
BEGIN
    since := greatest(since, now() - interval '25 hours');
    DELETE FROM agent_session_activity WHERE slot < now() - interval '25 hours';
    INSERT INTO agent_session_activity
    SELECT * FROM agent_session_activity_since(since, until) ON CONFLICT DO NOTHING;
    GET DIAGNOSTICS added = ROW_COUNT;
    RETURN added;
END
$$;
