-- Today's agents store no ids in the array; name and time tell which record is meant.
SELECT n, name, coalesce(agent_session_moment(claimed), at) AS at FROM agent_session_checkpoints WHERE session_id = %(id)s ORDER BY n
