-- A search for how a user's name begins is answered whatever the database's collation is; so is one for the whole name.
DROP INDEX agent_sessions_by_user;
CREATE INDEX agent_sessions_by_user ON agent_sessions (user_id text_pattern_ops, created_at DESC, id DESC);
