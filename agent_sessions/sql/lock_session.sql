SELECT id FROM agent_sessions WHERE id = %(id)s FOR NO KEY UPDATE
