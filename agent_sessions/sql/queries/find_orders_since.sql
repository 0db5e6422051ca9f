SELECT 1 FROM agent_session_history
WHERE session_id = %(id)s AND version > %(version)s AND (kind = 'order' OR from_state <> to_state)
LIMIT 1
