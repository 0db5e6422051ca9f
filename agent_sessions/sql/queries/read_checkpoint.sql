SELECT * FROM agent_session_checkpoints WHERE session_id = %(id)s AND n = %(n)s
