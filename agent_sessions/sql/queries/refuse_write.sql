-- A late write: counted each time, one entry in the history until something else happens.
-- Not the step that the session's owner was at when it was ordered to stop: that is how every order is met.
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
  AND NOT coalesce(owner_id = %(owner_id)s AND lease_until > now() AND order_version > acknowledged_version, false)
RETURNING version
