-- Newest beats of many sessions in one statement, and the leases of those that beat. A row that someone holds is left for the next flush.
-- What is locked brings its beat along: PostgreSQL takes any list for a hundred, and would join two of them row by row.
WITH input AS MATERIALIZED (
    SELECT * FROM unnest(%(ids)s::uuid[], %(times)s::timestamptz[], %(owners)s::text[], %(seconds)s::float8[])
        AS i (id, at, owner_id, seconds)
), free AS MATERIALIZED (
    SELECT i.* FROM agent_sessions s JOIN input i ON i.id = s.id
    WHERE s.state IN ('active', 'paused')
    ORDER BY s.id FOR NO KEY UPDATE OF s SKIP LOCKED
)
UPDATE agent_sessions s SET
    last_heartbeat = greatest(least(s.last_heartbeat, now()), least(f.at, now())),
    lease_until = CASE WHEN s.owner_id = f.owner_id THEN now() + make_interval(secs => f.seconds) ELSE s.lease_until END
FROM free f
WHERE s.id = f.id
RETURNING s.id, s.version, s.epoch, s.state, s.order_version, s.order_verb, s.acknowledged_version,
    (SELECT agent_session_timeline()) AS timeline
