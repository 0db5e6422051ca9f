-- What an acknowledgement writes, built where the row is: nothing when the order was confirmed before. An order that came
-- after the one that was obeyed is not confirmed with it. Every state may be written: the row is compared as it was when this
-- statement began, and another state may have been ordered while it waited for the lock.
obeyed AS MATERIALIZED (
    SELECT id, agent_type, order_verb, agent_session_state(state) AS state,
        least(order_version, %(order_version)s::bigint) AS confirmed
    FROM agent_sessions
    WHERE id = %(id)s AND acknowledged_version < least(order_version, %(order_version)s::bigint)
    FOR NO KEY UPDATE
), input AS MATERIALIZED (
    SELECT id, NULL::text AS timeline, NULL::integer AS epoch, NULL::bigint AS seen, false AS resent,
        NULL::bigint AS context_seen, %(states)s::text[] AS from_states, NULL::text AS state, NULL::jsonb AS context,
        NULL::jsonb AS metadata, '[]'::jsonb AS added, NULL::jsonb AS compressed,
        state IN ('active', 'paused') AS by_agent, false AS raise_epoch, NULL::text AS verb,
        NULL::integer AS order_checkpoint, confirmed AS acknowledged, NULL::smallint AS parts,
        NULL::smallint AS parts_at_work, NULL::smallint AS failed_attempts, 'acknowledged' AS kind, agent_type AS actor,
        NULL::text AS reason, %(source)s::text AS source, %(change_id)s::uuid AS change_id,
        jsonb_build_object('verb', order_verb, 'order_version', confirmed) AS detail
    FROM obeyed
), locked AS (
    SELECT * FROM input
)
