-- A row that another transaction holds is left out: that one writes it just now.
SELECT id FROM agent_sessions WHERE id = ANY (%(ids)s::uuid[]) ORDER BY id FOR NO KEY UPDATE SKIP LOCKED
