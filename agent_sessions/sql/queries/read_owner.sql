-- Who has the lease of a session, and for how many more seconds by this server's clock.
SELECT agent_session_state(state) AS state, owner_id, owner_name, owner_since, lease_until,
    extract(epoch FROM lease_until - now())::float8 AS seconds_left
FROM agent_sessions WHERE id = %(id)s
