-- Brings the compressed array up to date for today's agents. No change of the session: no version, no history.
UPDATE agent_sessions
SET checkpoints = %(compressed)s::jsonb, checkpoints_through = %(through)s
WHERE id = %(id)s AND version = %(version)s
