SELECT id::text, version, epoch, state, order_version, order_verb, acknowledged_version,
    (SELECT agent_session_timeline()), last_heartbeat, refused_writes
FROM agent_sessions WHERE id = ANY (%(ids)s::uuid[])
