-- The rows with the compressed history of its array and every checkpoint that came after it.
SELECT s.*, (SELECT agent_session_timeline()) AS timeline, (
    SELECT jsonb_agg(jsonb_build_object(
               'id', c.session_id || ':' || c.n, 'name', c.name, 'timestamp', c.at,
               'data', c.data, 'metadata', c.metadata) ORDER BY c.n)
    FROM agent_session_checkpoints c
    WHERE c.session_id = s.id AND c.n > s.checkpoints_through) AS newer
FROM agent_sessions s
WHERE s.id = ANY (%(ids)s::uuid[])
