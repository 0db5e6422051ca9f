-- The commonest write: one checkpoint of a live session each, and its context where that changed; a fifth of what
-- write_sessions.sql looks at. What does not come back was not stored: write_sessions.sql finds out why.
WITH input AS MATERIALIZED (
    SELECT * FROM jsonb_to_recordset(%(writes)s::jsonb) AS i (
        id uuid, epoch integer, seen bigint, context_seen bigint, context jsonb, paths jsonb, name text, at timestamptz,
        data jsonb, metadata jsonb, timeline text, actor text, source text, change_id uuid)
), locked AS MATERIALIZED (
    SELECT i.* FROM agent_sessions s JOIN input i ON i.id = s.id
    ORDER BY s.id FOR NO KEY UPDATE OF s SKIP LOCKED
), written AS (
    UPDATE agent_sessions s SET
        version = s.version + 1,
        context = coalesce(i.context, s.context),
        context_version = CASE WHEN i.context IS NULL THEN s.context_version ELSE s.version + 1 END,
        checkpoint_count = coalesce(s.checkpoint_count, jsonb_array_length(agent_session_array(s.checkpoints))) + 1,
        checkpoints_through = coalesce(
            s.checkpoints_through, s.checkpoint_count, jsonb_array_length(agent_session_array(s.checkpoints))),
        updated_at = now(),
        last_heartbeat = greatest(s.last_heartbeat, now()),
        last_progress = now(),
        change_kind = 'checkpoint',
        change_actor = i.actor,
        change_reason = NULL,
        change_source = i.source,
        change_id = i.change_id,
        change_detail = CASE WHEN i.paths IS NULL THEN jsonb_build_object('checkpoint', i.name)
            ELSE jsonb_build_object('checkpoint', i.name, 'paths', i.paths) END
    FROM locked i
    WHERE s.id = i.id
      AND s.epoch = i.epoch
      AND s.resent_version <= i.seen
      AND (i.context IS NULL OR i.context_seen = s.context_version)
      AND agent_session_state(s.state) IN ('active', 'paused')
      AND (i.timeline IS NULL OR i.timeline = (SELECT agent_session_timeline()))
    RETURNING s.id, s.version, s.epoch, s.state, s.order_version, s.order_verb, s.acknowledged_version,
        s.checkpoint_count, s.checkpoints_through, s.context_version, i.name, i.at, i.data, i.metadata, i.actor, i.source,
        coalesce(i.timeline, agent_session_timeline()) AS timeline
), added AS (
    INSERT INTO agent_session_checkpoints
        (session_id, n, name, at, claimed, data, metadata, context_version, version, actor, source)
    SELECT id, checkpoint_count, name, least(at, now()), CASE WHEN at > now() THEN (at AT TIME ZONE 'UTC')::text END,
           data, coalesce(metadata, '{}'), context_version, version, actor, source
    FROM written
)
SELECT id::text, version, epoch, state, order_version, order_verb, acknowledged_version, timeline,
    checkpoint_count, checkpoints_through, context_version
FROM written
