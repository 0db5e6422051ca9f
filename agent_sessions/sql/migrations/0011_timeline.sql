-- A version says something only within one timeline: a database that was restored, or went back with a fail-over, counts
-- on from an older number, and what was written before carries the same numbers.
CREATE TABLE agent_session_timeline (
    id text NOT NULL,
    began_at timestamptz NOT NULL DEFAULT now()
);
INSERT INTO agent_session_timeline (id) VALUES (gen_random_uuid()::text);

-- The id alone would travel with a dump. A restore makes a table with another oid, in this database, in a new one or in a
-- new cluster; recovery to a point in time and a fail-over begin a new WAL timeline, whose number begins each file's name.
-- What a connection cannot outlive is read once for each: the system identifier stands in a file.
CREATE FUNCTION agent_session_timeline() RETURNS text
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED AS $$
DECLARE
    place text := current_setting('agent_sessions.place', true);
    wal text := CASE WHEN pg_is_in_recovery() THEN 'recovery' ELSE left(pg_walfile_name(pg_current_wal_insert_lsn()), 8) END;
    stored text;
BEGIN
    IF coalesce(place, '') = '' THEN
        place := set_config('agent_sessions.place', (
            SELECT system_identifier || ' ' || oid FROM pg_control_system(), pg_database
            WHERE datname = current_database()), false);
    END IF;
    SELECT max(id) || ' ' || count(*) || ' ' || coalesce(max(tableoid::text), '') INTO stored FROM agent_session_timeline;
    RETURN left(encode(sha256(convert_to(concat_ws(' ', place, wal, stored), 'UTF8')), 'hex'), 32);
END
$$;

-- For whoever replaces rows in a way that nothing above shows: copies of the rows as they were count as nothing then.
CREATE FUNCTION agent_session_new_timeline() RETURNS text
LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM agent_session_timeline;
    INSERT INTO agent_session_timeline (id) VALUES (gen_random_uuid()::text);
    RETURN agent_session_timeline();
END
$$;

CREATE FUNCTION agent_session_after_truncate() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM agent_session_new_timeline();
    RETURN NULL;
END
$$;
CREATE TRIGGER agent_session_after_truncate AFTER TRUNCATE ON agent_sessions
    FOR EACH STATEMENT EXECUTE FUNCTION agent_session_after_truncate();
