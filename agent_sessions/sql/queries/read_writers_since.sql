SELECT actor, source, at, paths, coalesce(detail @> '{"context_restored": true}', false) AS context_restored
FROM agent_session_history
WHERE session_id = %(id)s AND version > %(version)s AND kind NOT IN ('acknowledged', 'parts', 'refused', 'taken_over', 'handed_back', 'attempt')
  AND (kind <> 'order' OR paths IS NOT NULL OR detail @> '{"context_restored": true}')
ORDER BY version DESC LIMIT 1000
