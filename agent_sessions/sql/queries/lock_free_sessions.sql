-- What somebody else holds is left out: he acts on it just now.
SELECT id FROM agent_sessions WHERE id = ANY (%(ids)s::uuid[]) ORDER BY id FOR NO KEY UPDATE SKIP LOCKED
