-- A context that is gone (retention) is not taken for the one before it: that one was replaced before the version was
-- written. Its own version's entry in the history is written after its row here.
-- A version that is newer than the row was seen before the database was restored.
SELECT context FROM agent_sessions
WHERE id = %(id)s AND context_version <= %(version)s AND version >= %(version)s
UNION ALL
(SELECT c.context FROM agent_session_contexts c
 WHERE c.session_id = %(id)s AND c.context_version <= %(version)s
   AND EXISTS (SELECT FROM agent_sessions s WHERE s.id = c.session_id AND s.version >= %(version)s)
   AND (c.context_version = %(version)s OR EXISTS (
        SELECT FROM agent_session_history h
        WHERE h.session_id = %(id)s AND h.version = %(version)s AND h.at < c.replaced_at))
 ORDER BY c.context_version DESC LIMIT 1)
LIMIT 1
