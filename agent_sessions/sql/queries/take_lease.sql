-- The lease of a live session, where it is free: without an owner, expired by this server's clock, of another timeline, of
-- an owner that is known to be dead, or taken over on purpose. The epoch refuses what the owner before still writes.
WITH free AS MATERIALIZED (
    SELECT l.id, %(owner_id)s::text AS owner_id, %(owner_name)s::text AS owner_name, %(seconds)s::float8 AS seconds,
        %(source)s::text AS source, %(change_id)s::uuid AS change_id, t.timeline,
        coalesce(l.owner_id <> %(owner_id)s AND l.owner_timeline = t.timeline, false) AS fences
    FROM agent_sessions l, (SELECT agent_session_timeline() AS timeline) t
    WHERE l.id = %(id)s
      AND agent_session_state(l.state) IN ('active', 'paused')
      AND (l.owner_id IS NULL OR l.owner_id IN (%(owner_id)s, %(dead)s) OR l.lease_until <= now() OR %(force)s
        OR l.owner_timeline IS DISTINCT FROM t.timeline)
    FOR NO KEY UPDATE OF l
)
UPDATE agent_sessions s SET
    owner_id = i.owner_id,
    owner_name = i.owner_name,
    owner_since = CASE WHEN s.owner_id = i.owner_id THEN s.owner_since ELSE now() END,
    owner_timeline = i.timeline,
    lease_until = now() + make_interval(secs => i.seconds),
    handed_back_at = NULL,
    parts = NULL,
    parts_at_work = NULL,
    epoch = s.epoch + i.fences::integer,
    version = s.version + i.fences::integer,
    change_kind = CASE WHEN i.fences THEN 'taken_over' ELSE s.change_kind END,
    change_actor = CASE WHEN i.fences THEN s.agent_type ELSE s.change_actor END,
    change_reason = CASE WHEN i.fences THEN NULL ELSE s.change_reason END,
    change_source = CASE WHEN i.fences THEN i.source ELSE s.change_source END,
    change_id = CASE WHEN i.fences THEN i.change_id ELSE s.change_id END,
    change_detail = CASE WHEN i.fences
        THEN jsonb_build_object('owner', i.owner_name, 'before', s.owner_name) ELSE s.change_detail END
FROM free i
WHERE s.id = i.id
RETURNING s.id, s.version, s.epoch, s.state, s.order_version, s.order_verb, s.acknowledged_version, i.timeline, i.fences
