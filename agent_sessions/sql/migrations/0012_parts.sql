-- While a pause waits for parts of a run that are still at work: how many parts there are, and how many of them work.
-- NULL when that is not known. An order clears them, and so does its confirmation.
ALTER TABLE agent_sessions
    ADD COLUMN parts smallint,
    ADD COLUMN parts_at_work smallint;

-- What a run says of its parts is no work, as a confirmation is none.
CREATE OR REPLACE FUNCTION agent_session_activity_since(since timestamptz, until timestamptz)
RETURNS TABLE (slot timestamptz, agent_type text, state text, n bigint)
LANGUAGE sql STABLE AS $$
    SELECT date_bin('10 seconds', h.at, 'epoch'), coalesce(s.agent_type, '?'), h.to_state, count(*)
    FROM agent_session_history h LEFT JOIN agent_sessions s ON s.id = h.session_id
    WHERE h.at >= since AND h.at < until AND h.to_state IS NOT NULL
      AND h.kind NOT IN ('acknowledged', 'parts', 'refused', 'adopted')
    GROUP BY 1, 2, 3
$$;

-- Orders and confirmations that do not come through our manager clear them too.
CREATE FUNCTION agent_session_forget_parts() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    NEW.parts := NULL;
    NEW.parts_at_work := NULL;
    RETURN NEW;
END
$$;
CREATE TRIGGER agent_session_forget_parts
    BEFORE UPDATE ON agent_sessions
    FOR EACH ROW
    WHEN (OLD.parts IS NOT NULL AND (NEW.state IS DISTINCT FROM OLD.state
        OR NEW.order_version <> OLD.order_version OR NEW.acknowledged_version <> OLD.acknowledged_version))
    EXECUTE FUNCTION agent_session_forget_parts();
