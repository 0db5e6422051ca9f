-- Every write of the manager: one guarded UPDATE for one session or for a group of them, each session once.
-- A row that comes back was stored, or is held by another transaction and was left as it is: nothing waits for it here.
-- A session that does not come back met a guard and nothing was changed. What is to be written comes from write_input.sql or silent_writes.sql.
WITH {writes}, written AS (
    UPDATE agent_sessions s SET
        version = s.version + 1,
        resent_version = CASE WHEN i.resent THEN s.version + 1 ELSE s.resent_version END,
        epoch = s.epoch + coalesce(i.raise_epoch, false)::integer,
        state = coalesce(i.state, s.state),
        state_before_deletion = CASE
            WHEN i.state = 'deleted' THEN s.state WHEN i.verb = 'restore' THEN NULL ELSE s.state_before_deletion END,
        context = coalesce(i.context, s.context),
        context_version = CASE WHEN i.context IS NULL THEN s.context_version ELSE s.version + 1 END,
        metadata = coalesce(i.metadata, s.metadata),
        checkpoint_count = coalesce(s.checkpoint_count, jsonb_array_length(agent_session_array(s.checkpoints)))
            + jsonb_array_length(i.added),
        checkpoints = coalesce(i.compressed, s.checkpoints),
        checkpoints_through = CASE
            WHEN i.compressed IS NULL THEN coalesce(
                s.checkpoints_through, s.checkpoint_count, jsonb_array_length(agent_session_array(s.checkpoints)))
            ELSE coalesce(s.checkpoint_count, jsonb_array_length(agent_session_array(s.checkpoints)))
                + jsonb_array_length(i.added) END,
        updated_at = now(),
        last_heartbeat = CASE WHEN i.by_agent THEN greatest(s.last_heartbeat, now()) ELSE s.last_heartbeat END,
        last_progress = CASE
            WHEN i.by_agent AND i.kind NOT IN ('acknowledged', 'parts', 'attempt') THEN now() ELSE s.last_progress END,
        ended_at = CASE
            WHEN i.state IN ('active', 'paused') THEN NULL
            WHEN i.state IS NOT NULL THEN coalesce(s.ended_at, now()) ELSE s.ended_at END,
        order_version = CASE WHEN i.verb IS NULL THEN s.order_version ELSE s.version + 1 END,
        order_verb = coalesce(i.verb, s.order_verb),
        order_actor = CASE WHEN i.verb IS NULL THEN s.order_actor ELSE i.actor END,
        order_reason = CASE WHEN i.verb IS NULL THEN s.order_reason ELSE i.reason END,
        ordered_at = CASE WHEN i.verb IS NULL THEN s.ordered_at
            ELSE coalesce((i.added->-1->>'timestamp')::timestamptz, now()) END,
        order_checkpoint = CASE WHEN i.verb IS NULL THEN s.order_checkpoint ELSE i.order_checkpoint END,
        -- a session that had ended and stays so has no agent that could confirm the order
        acknowledged_version = CASE
            WHEN i.verb IS NOT NULL AND s.state NOT IN ('active', 'paused')
                AND coalesce(i.state, s.state) NOT IN ('active', 'paused') THEN s.version + 1
            ELSE greatest(s.acknowledged_version, i.acknowledged) END,
        acknowledged_at = CASE
            WHEN i.acknowledged > s.acknowledged_version THEN now() ELSE s.acknowledged_at END,
        parts = coalesce(i.parts, s.parts),
        parts_at_work = coalesce(i.parts_at_work, s.parts_at_work),
        failed_attempts = CASE
            WHEN i.verb = 'rollback' THEN 0 ELSE coalesce(i.failed_attempts, s.failed_attempts) END,
        change_kind = i.kind,
        change_actor = i.actor,
        change_reason = i.reason,
        change_source = i.source,
        change_id = i.change_id,
        change_detail = i.detail
    FROM locked i
    WHERE s.id = i.id
      AND (i.timeline IS NULL OR i.timeline = (SELECT agent_session_timeline()))
      AND (i.epoch IS NULL OR i.epoch = s.epoch)
      AND (i.seen IS NULL OR s.resent_version <= i.seen)
      AND (i.context_seen IS NULL OR i.context_seen = s.context_version)
      AND agent_session_state(s.state) = ANY (i.from_states)
    RETURNING s.id, s.version, s.epoch, s.state, s.order_version, s.order_verb, s.acknowledged_version,
        s.checkpoint_count, s.checkpoints_through, s.context_version, i.added, i.actor, i.source
), added AS (
    INSERT INTO agent_session_checkpoints
        (session_id, n, name, at, claimed, data, metadata, context_version, version, actor, source)
    SELECT w.id, w.checkpoint_count - jsonb_array_length(w.added) + c.o, c.entry->>'name',
           least(said, now()), CASE WHEN said > now() THEN (said AT TIME ZONE 'UTC')::text END, c.entry->'data', coalesce(c.entry->'metadata', '{}'),
           coalesce((c.entry->>'context_version')::bigint, w.context_version), w.version, w.actor, w.source
    FROM written w
    CROSS JOIN LATERAL jsonb_array_elements(w.added) WITH ORDINALITY AS c (entry, o)
    CROSS JOIN LATERAL CAST(c.entry->>'timestamp' AS timestamptz) AS said
)
SELECT false AS held, id, version, epoch, state, order_version, order_verb, acknowledged_version,
    checkpoint_count, checkpoints_through, context_version, (SELECT agent_session_timeline()) AS timeline
FROM written
UNION ALL
SELECT true, s.id, s.version, s.epoch, s.state, s.order_version, s.order_verb, s.acknowledged_version,
    s.checkpoint_count, s.checkpoints_through, s.context_version, (SELECT agent_session_timeline())
FROM agent_sessions s JOIN input i ON i.id = s.id
WHERE s.id NOT IN (SELECT id FROM locked)
