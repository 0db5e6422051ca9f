-- Was this very change stored before? Asked under the row's lock, so no other answer can still be on its way.
SELECT detail->>'request' AS request, checkpoint_n
FROM agent_session_history
WHERE session_id = %(id)s AND change_id = %(change_id)s
