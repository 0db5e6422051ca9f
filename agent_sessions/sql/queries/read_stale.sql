-- The database's clock judges.
SELECT id::text FROM agent_sessions
WHERE state = 'active' AND coalesce(last_heartbeat, created_at) < now() - %(max_age)s
