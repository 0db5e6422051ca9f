-- Brings the compressed array up to date for today's agents: what stays of it as it stands, and rows that it lacks.
-- No change of the session: no version, no history. Changes nothing where one of them is not found.
UPDATE agent_sessions s
SET checkpoints = kept.entries, checkpoints_through = %(through)s
FROM (
    SELECT jsonb_agg(entry ORDER BY is_newer, place) AS entries, count(*) AS found FROM (
        SELECT false AS is_newer, a.place, a.entry
        FROM agent_sessions, jsonb_array_elements(agent_session_array(checkpoints)) WITH ORDINALITY AS a (entry, place)
        WHERE id = %(id)s AND a.entry->>'id' = ANY (%(ids)s)
        UNION ALL
        SELECT true, c.n, jsonb_build_object(
                   'id', c.session_id || ':' || c.n, 'name', c.name,
                   'timestamp', to_char(c.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"+00:00"'), 'data', c.data)
               || CASE WHEN c.metadata = '{}' THEN '{}' ELSE jsonb_build_object('metadata', c.metadata) END
        FROM agent_session_checkpoints c
        WHERE c.session_id = %(id)s AND c.n > (SELECT checkpoints_through FROM agent_sessions WHERE id = %(id)s)
          AND c.session_id || ':' || c.n = ANY (%(ids)s)) entries
) kept
WHERE s.id = %(id)s AND s.version = %(version)s AND kept.found = %(count)s
RETURNING s.id
