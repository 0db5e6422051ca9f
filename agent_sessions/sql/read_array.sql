-- The array and the rows it lacks, as they would stand in it.
SELECT s.version, s.checkpoint_count, agent_session_array(s.checkpoints) AS checkpoints, (
    SELECT jsonb_agg(jsonb_build_object(
               'id', c.session_id || ':' || c.n, 'name', c.name,
               'timestamp', to_char(c.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"+00:00"'), 'data', c.data)
               || CASE WHEN c.metadata = '{}' THEN '{}' ELSE jsonb_build_object('metadata', c.metadata) END ORDER BY c.n)
    FROM agent_session_checkpoints c
    WHERE c.session_id = s.id AND c.n > s.checkpoints_through) AS newer
FROM agent_sessions s
WHERE s.id = %(id)s
