-- In the order of their ids, so that nobody waits in a circle.
SELECT id FROM agent_sessions WHERE id = ANY (%(ids)s::uuid[]) ORDER BY id FOR NO KEY UPDATE
