SELECT * FROM agent_session_checkpoints
WHERE session_id = %(id)s AND n > %(after)s ORDER BY n LIMIT %(limit)s
