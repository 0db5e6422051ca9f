-- A repeated create (its first answer was lost) finds its own row and changes nothing.
-- The manager says what the trigger for others' inserts would find out: it is not called (0007_created.sql).
WITH created AS (INSERT INTO agent_sessions (
    id, agent_type, user_id, state, context, checkpoints, checkpoint_count, checkpoints_through, metadata,
    created_at, updated_at, last_heartbeat, last_progress, change_kind, change_actor, change_source, change_id)
SELECT i.session_id, i.agent_type, i.user_id, 'active', i.context, i.checkpoints, i.checkpoint_count, i.checkpoint_count,
       i.metadata, least(i.created_at, now()), now(), now(), least(i.created_at, now()),
       'created', i.changed_by, i.source, gen_random_uuid()
FROM jsonb_to_recordset(%(sessions)s::jsonb) AS i (
    session_id uuid, agent_type text, user_id text, context jsonb, checkpoints jsonb, checkpoint_count integer,
    metadata jsonb, created_at timestamptz, changed_by text, source text)
ON CONFLICT (id) DO NOTHING)
SELECT agent_session_timeline()
