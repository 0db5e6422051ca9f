-- Who works on a session, and until when that is certain. All NULL for a session without an owner, and for agents that know of none.
-- No column is indexed: the statement that brings heartbeats renews the lease, and its rows stay HOT.
ALTER TABLE agent_sessions
    ADD COLUMN owner_id text,
    ADD COLUMN owner_name text,
    ADD COLUMN owner_since timestamptz,
    -- in which the lease was given: a restored or failed-over database honours none of those it brings along
    ADD COLUMN owner_timeline text,
    ADD COLUMN lease_until timestamptz,
    -- when the last owner left the session open; NULL while there is one
    ADD COLUMN handed_back_at timestamptz,
    -- how often an error left the session open to be taken up again, since the last rollback
    ADD COLUMN failed_attempts smallint NOT NULL DEFAULT 0;

-- Neither a change of owner nor an attempt that failed is work.
CREATE OR REPLACE FUNCTION agent_session_activity_since(since timestamptz, until timestamptz)
RETURNS TABLE (slot timestamptz, agent_type text, state text, n bigint)
LANGUAGE sql STABLE AS $$
    SELECT date_bin('10 seconds', h.at, 'epoch'), coalesce(s.agent_type, '?'), h.to_state, count(*)
    FROM agent_session_history h LEFT JOIN agent_sessions s ON s.id = h.session_id
    WHERE h.at >= since AND h.at < until AND h.to_state IS NOT NULL
      AND h.kind NOT IN ('acknowledged', 'parts', 'refused', 'adopted', 'taken_over', 'handed_back', 'attempt')
    GROUP BY 1, 2, 3
$$;
