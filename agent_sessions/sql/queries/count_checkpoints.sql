SELECT count(*) AS n FROM agent_session_checkpoints WHERE session_id = %(id)s AND n > %(after)s
