-- Was this very change stored before? Asked under the row's lock, so no other answer can still be on its way.
SELECT kind, coalesce(detail->>'verb', '') AS verb, coalesce(reason, '') AS reason, actor
FROM agent_session_history
WHERE session_id = %(id)s AND change_id = %(change_id)s
