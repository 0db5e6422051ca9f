-- The owner leaves. A session that is left open gets a version, so that pages show that it waits for its next owner.
WITH held AS MATERIALIZED (
    SELECT id, agent_session_state(state) IN ('active', 'paused') AS open
    FROM agent_sessions WHERE id = %(id)s AND owner_id = %(owner_id)s FOR NO KEY UPDATE
)
UPDATE agent_sessions s SET
    owner_id = NULL,
    owner_name = NULL,
    owner_since = NULL,
    owner_timeline = NULL,
    lease_until = NULL,
    handed_back_at = CASE WHEN i.open THEN now() END,
    parts = NULL,
    parts_at_work = NULL,
    version = s.version + i.open::integer,
    change_kind = CASE WHEN i.open THEN 'handed_back' ELSE s.change_kind END,
    change_actor = CASE WHEN i.open THEN s.agent_type ELSE s.change_actor END,
    change_reason = CASE WHEN i.open THEN NULL ELSE s.change_reason END,
    change_source = CASE WHEN i.open THEN %(source)s::text ELSE s.change_source END,
    change_id = CASE WHEN i.open THEN NULL ELSE s.change_id END,
    change_detail = CASE WHEN i.open
        THEN jsonb_build_object('owner', s.owner_name, 'why', %(why)s::text) ELSE s.change_detail END
FROM held i
WHERE s.id = i.id
RETURNING s.id, s.version, s.epoch, s.state, s.order_version, s.order_verb, s.acknowledged_version,
    (SELECT agent_session_timeline()) AS timeline
