-- Sessions whose newest version was written past this library, so that it was not announced: by psql or an older agent.
SELECT id, version, epoch, state, order_version, order_verb, acknowledged_version,
    (SELECT agent_session_timeline()) AS timeline
FROM agent_sessions WHERE id = ANY (%(ids)s::uuid[]) AND change_source IN ('sql', 'old-agent')
