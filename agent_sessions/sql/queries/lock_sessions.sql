-- In the order of their ids, so that two transactions cannot wait for each other.
SELECT id FROM agent_sessions WHERE id = ANY (%(ids)s::uuid[]) ORDER BY id FOR NO KEY UPDATE
