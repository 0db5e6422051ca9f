-- What was decided here, each as `Write.row` says it.
input AS MATERIALIZED (
    SELECT * FROM jsonb_to_recordset(%(writes)s::jsonb) AS i (
        id uuid, timeline text, epoch integer, seen bigint, resent boolean, context_seen bigint, from_states text[],
        state text, context jsonb, metadata jsonb,
        added jsonb, compressed jsonb, by_agent boolean, raise_epoch boolean, verb text, order_checkpoint integer,
        acknowledged bigint, parts smallint, parts_at_work smallint, failed_attempts smallint,
        kind text, actor text, reason text, source text, change_id uuid, detail jsonb)
), locked AS MATERIALIZED (
    SELECT i.* FROM agent_sessions s JOIN input i ON i.id = s.id
    ORDER BY s.id FOR NO KEY UPDATE OF s SKIP LOCKED
)
