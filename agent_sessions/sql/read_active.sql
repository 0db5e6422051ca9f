-- A page of live sessions in the order of their ids; of the checkpoints only the last.
SELECT s.*, CASE WHEN c.n IS NULL THEN '[]'::jsonb ELSE jsonb_build_array(jsonb_build_object(
    'id', c.session_id || ':' || c.n, 'name', c.name, 'timestamp', c.at, 'data', c.data, 'metadata', c.metadata))
    END AS newer
FROM agent_sessions s
LEFT JOIN LATERAL (
    SELECT * FROM agent_session_checkpoints c WHERE c.session_id = s.id ORDER BY c.n DESC LIMIT 1) c ON true
WHERE s.state = 'active' AND s.id > %(after)s
  AND (%(agent_type)s::text IS NULL OR s.agent_type = %(agent_type)s)
  AND (%(user_id)s::text IS NULL OR s.user_id = %(user_id)s)
ORDER BY s.id LIMIT %(limit)s
