-- A late write: counted each time, one entry in the history until something else happens.
UPDATE agent_sessions SET
    refused_writes = refused_writes + 1,
    version = version + CASE WHEN change_kind = 'refused' THEN 0 ELSE 1 END,
    change_reason = NULL,
    change_actor = %(actor)s,
    change_source = %(source)s,
    change_id = NULL,
    change_detail = %(detail)s::jsonb,
    change_kind = 'refused'
WHERE id = %(id)s
RETURNING version
