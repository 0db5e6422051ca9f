-- Newest beats of many sessions in one statement. A row that someone holds is left for the next flush.
WITH input AS MATERIALIZED (
    SELECT * FROM unnest(%(ids)s::uuid[], %(times)s::timestamptz[]) AS i (id, at)
), free AS MATERIALIZED (
    SELECT s.id FROM agent_sessions s JOIN input i ON i.id = s.id
    WHERE s.state IN ('active', 'paused')
    ORDER BY s.id FOR NO KEY UPDATE OF s SKIP LOCKED
)
UPDATE agent_sessions s SET last_heartbeat = greatest(least(s.last_heartbeat, now()), least(i.at, now()))
FROM input i JOIN free f ON f.id = i.id
WHERE s.id = i.id
RETURNING s.id, s.version, s.epoch, s.state, s.order_version, s.order_verb, s.acknowledged_version
