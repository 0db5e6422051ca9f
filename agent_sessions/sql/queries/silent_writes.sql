-- What is written of the sessions that are still silent, built where the rows are: `write` says it for one session, and here
-- it gets what differs from session to session. A session whose array has to be compressed first is left out, and a row that
-- another transaction holds.
silent AS MATERIALIZED (
    SELECT id, context, checkpoints, coalesce(checkpoint_count, jsonb_array_length(checkpoints)) + 1 AS n,
        floor(extract(epoch FROM %(now)s::timestamptz - last_heartbeat))::bigint AS seconds
    FROM agent_sessions
    WHERE id = ANY (%(ids)s::uuid[]) AND state = 'active' AND last_heartbeat <= %(now)s::timestamptz - %(max_age)s
      AND jsonb_typeof(context) = 'object' AND checkpoints_through IS NOT DISTINCT FROM checkpoint_count
      AND CASE WHEN jsonb_typeof(checkpoints) = 'array' THEN jsonb_array_length(checkpoints) < %(most)s END
      AND NOT checkpoints @? '$[*] ? (!exists(@.id))'
    ORDER BY id FOR NO KEY UPDATE SKIP LOCKED
), checkpoint AS MATERIALIZED (
    SELECT s.id, s.context, s.checkpoints, jsonb_set(w.added->0, '{data,details,silent_seconds}', to_jsonb(s.seconds))
        || jsonb_build_object('id', s.id || ':' || s.n) AS entry
    FROM silent s, jsonb_to_record(%(write)s::jsonb) AS w (added jsonb)
), input AS MATERIALIZED (
    SELECT c.id, NULL::text AS timeline, w.epoch, w.seen, w.resent, w.context_seen, w.from_states, w.state,
        c.context || w.context AS context, w.metadata,
        jsonb_build_array(c.entry) AS added, c.checkpoints || c.entry AS compressed, w.by_agent, w.raise_epoch, w.verb,
        w.order_checkpoint, w.acknowledged, NULL::smallint AS parts,
        NULL::smallint AS parts_at_work, NULL::smallint AS failed_attempts, w.kind, w.actor, w.reason, w.source, gen_random_uuid() AS change_id, w.detail
    FROM checkpoint c, jsonb_to_record(%(write)s::jsonb) AS w (
        epoch integer, seen bigint, resent boolean, context_seen bigint, from_states text[], state text, context jsonb, metadata jsonb, by_agent boolean,
        raise_epoch boolean, verb text, order_checkpoint integer, acknowledged bigint, kind text, actor text, reason text,
        source text, detail jsonb)
), locked AS (
    SELECT * FROM input
)
