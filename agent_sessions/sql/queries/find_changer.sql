-- Who decided what a conflict is about: the newest of the last thousand entries that changed it. An object that was
-- replaced counts for all that was in it, and what was changed inside of an object counts for the object.
SELECT h.actor
FROM (
    SELECT * FROM agent_session_history
    WHERE session_id = %(id)s ORDER BY version DESC, at DESC LIMIT 1000) h
WHERE CASE %(about)s
    WHEN 'state' THEN h.kind = 'order' OR h.from_state <> h.to_state
    WHEN 'context' THEN h.detail @> '{"context_restored": true}'
        OR EXISTS (SELECT FROM unnest(h.paths) AS path WHERE NOT starts_with(path, 'metadata.'))
    ELSE EXISTS (
            SELECT FROM unnest(h.paths) AS path, unnest(%(paths)s::text[]) AS wanted
            WHERE path = wanted OR starts_with(wanted, path || '.') OR starts_with(path, wanted || '.'))
        OR h.detail @> '{"context_restored": true}'
            AND EXISTS (SELECT FROM unnest(%(paths)s::text[]) AS wanted WHERE NOT starts_with(wanted, 'metadata.'))
    END
ORDER BY h.version DESC, h.at DESC LIMIT 1
