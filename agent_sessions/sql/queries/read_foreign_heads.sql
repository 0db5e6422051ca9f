-- Those whose newest version was written by someone who tells nobody: psql, today's agents.
SELECT id, version, epoch, state, order_version, order_verb, acknowledged_version,
    (SELECT agent_session_timeline()) AS timeline
FROM agent_sessions WHERE id = ANY (%(ids)s::uuid[]) AND change_source IN ('sql', 'old-agent')
