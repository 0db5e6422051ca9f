-- A page of live sessions in the order of their ids; of the checkpoints only the last, and never the array.
SELECT s.id, s.agent_type, s.user_id, s.state, s.context, s.metadata, s.created_at, s.updated_at, s.last_heartbeat,
    s.version, s.epoch, s.context_version, s.last_progress, s.ended_at, s.state_before_deletion,
    s.order_version, s.order_verb, s.order_actor, s.order_reason, s.ordered_at, s.order_checkpoint,
    s.acknowledged_version, s.acknowledged_at, s.parts, s.parts_at_work, s.refused_writes, s.change_actor, s.change_id,
    s.owner_id, s.owner_name, s.owner_since, s.lease_until, s.failed_attempts, s.handed_back_at,
    (SELECT agent_session_timeline()) AS timeline,
    coalesce(s.checkpoint_count, jsonb_array_length(agent_session_array(s.checkpoints))) AS checkpoint_count,
    coalesce(s.checkpoints_through, s.checkpoint_count, jsonb_array_length(agent_session_array(s.checkpoints)))
        AS checkpoints_through,
    '[]'::jsonb AS checkpoints,
    CASE WHEN c.n IS NULL THEN '[]'::jsonb ELSE jsonb_build_array(jsonb_build_object(
        'id', c.session_id || ':' || c.n, 'name', c.name, 'timestamp', c.at, 'data', c.data, 'metadata', c.metadata))
    END AS newer
FROM agent_sessions s
LEFT JOIN LATERAL (
    SELECT * FROM agent_session_checkpoints c WHERE c.session_id = s.id ORDER BY c.n DESC LIMIT 1) c ON true
WHERE s.state = 'active' AND s.id > %(after)s
  AND (%(agent_type)s::text IS NULL OR s.agent_type = %(agent_type)s)
  AND (%(user_id)s::text IS NULL OR s.user_id = %(user_id)s)
ORDER BY s.id LIMIT %(limit)s
