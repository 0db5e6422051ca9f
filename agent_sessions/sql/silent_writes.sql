-- What write_sessions.sql is to write of those who are still silent, built where the rows are: `write` says it for one
-- session, and here it gets what differs from session to session. Whose array has to be compressed first is left out,
-- and what somebody else holds.
WITH silent AS MATERIALIZED (
    SELECT id, context, checkpoints, coalesce(checkpoint_count, jsonb_array_length(checkpoints)) + 1 AS n,
        floor(extract(epoch FROM %(now)s::timestamptz - last_heartbeat))::bigint AS seconds
    FROM agent_sessions
    WHERE id = ANY (%(ids)s::uuid[]) AND state = 'active' AND last_heartbeat <= %(now)s::timestamptz - %(max_age)s
      AND jsonb_typeof(context) = 'object' AND checkpoints_through IS NOT DISTINCT FROM checkpoint_count
      AND CASE WHEN jsonb_typeof(checkpoints) = 'array' THEN jsonb_array_length(checkpoints) < %(most)s END
      AND NOT checkpoints @? '$[*] ? (!exists(@.id))'
    ORDER BY id FOR NO KEY UPDATE SKIP LOCKED
), checkpoint AS (
    SELECT s.*, jsonb_set(write->'added'->0, '{data,details,silent_seconds}', to_jsonb(seconds))
        || jsonb_build_object('id', s.id || ':' || n) AS added, write
    FROM silent s, CAST(%(write)s AS jsonb) AS write
)
SELECT coalesce(jsonb_agg(write || jsonb_build_object(
    'id', id, 'change_id', gen_random_uuid(), 'context', context || (write->'context'),
    'added', jsonb_build_array(added), 'compressed', checkpoints || added)), '[]')
FROM checkpoint
