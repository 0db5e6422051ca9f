-- What compression asks about: the entries of the array and the rows that it lacks, in order, without their data.
SELECT s.version, s.checkpoint_count, (
    SELECT jsonb_agg(jsonb_build_array(a.entry->>'id', a.entry->>'name') ORDER BY a.place)
    FROM jsonb_array_elements(agent_session_array(s.checkpoints)) WITH ORDINALITY AS a (entry, place)) AS entries, (
    SELECT jsonb_agg(jsonb_build_array(c.session_id || ':' || c.n, c.name) ORDER BY c.n)
    FROM agent_session_checkpoints c
    WHERE c.session_id = s.id AND c.n > s.checkpoints_through) AS newer
FROM agent_sessions s
WHERE s.id = %(id)s
