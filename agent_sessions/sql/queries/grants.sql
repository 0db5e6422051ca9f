-- What each role may. Every migrate runs this again: a table or function that came later is covered, and a function that was
-- replaced gets its owner's rights back. Where a role is missing, its grants are left out.
DO $$
DECLARE
    here text := quote_ident(current_schema());
    role_name text;
    name text;
BEGIN
    -- History, past contexts and counts are written with the owner's rights, whichever role changes a session.
    FOREACH name IN ARRAY ARRAY[
        'agent_session_after_insert()', 'agent_session_after_update()', 'agent_session_after_delete()',
        'agent_session_fold_counts(bigint)', 'agent_session_purge_contexts(uuid, bigint, integer, integer)',
        'agent_session_drop_history(name)', 'agent_session_history_partition(date)']
    LOOP
        EXECUTE format('ALTER FUNCTION %s.%s SECURITY DEFINER', here, name);
        EXECUTE format('ALTER FUNCTION %s.%s SET search_path = %s, pg_temp', here, name, here);
        EXECUTE format('REVOKE ALL ON FUNCTION %s.%s FROM PUBLIC', here, name);
    END LOOP;

    -- A new timeline makes every copy worthless: the owner's decision, after rows were replaced by hand.
    EXECUTE format('REVOKE ALL ON FUNCTION %s.agent_session_new_timeline() FROM PUBLIC', here);

    FOREACH role_name IN ARRAY ARRAY['agent_sessions_agent', 'agent_sessions_dashboard'] LOOP
        CONTINUE WHEN to_regrole(role_name) IS NULL;
        EXECUTE format('REVOKE ALL ON ALL TABLES IN SCHEMA %s FROM %I', here, role_name);
        EXECUTE format('REVOKE ALL ON ALL SEQUENCES IN SCHEMA %s FROM %I', here, role_name);
        EXECUTE format('GRANT USAGE ON SCHEMA %s TO %I', here, role_name);
        EXECUTE format('GRANT SELECT, INSERT, UPDATE ON %s.agent_sessions TO %I', here, role_name);
        EXECUTE format('GRANT SELECT, INSERT ON %s.agent_session_checkpoints TO %I', here, role_name);
        EXECUTE format('GRANT SELECT ON %1$s.agent_session_contexts, %1$s.agent_session_history,
                        %1$s.agent_session_migrations,
                        %1$s.agent_session_timeline TO %2$I', here, role_name);
    END LOOP;

    role_name := 'agent_sessions_dashboard';
    IF to_regrole(role_name) IS NOT NULL THEN
        FOR name IN
            SELECT quote_ident(relname) FROM pg_class
            WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition
              AND relowner = to_regrole(quote_ident(current_user))
              AND relname NOT IN ('agent_session_history', 'agent_session_contexts', 'agent_session_checkpoints',
                                  'agent_session_counts', 'agent_session_migrations', 'agent_session_verbs', 'django_migrations')
        LOOP
            EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %s.%s TO %I', here, name, role_name);
        END LOOP;
        EXECUTE format('GRANT SELECT ON ALL TABLES IN SCHEMA %s TO %I', here, role_name);
        EXECUTE format('GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA %s TO %I', here, role_name);
        FOREACH name IN ARRAY ARRAY[
            'agent_session_fold_counts(bigint)', 'agent_session_purge_contexts(uuid, bigint, integer, integer)',
            'agent_session_drop_history(name)', 'agent_session_history_partition(date)']
        LOOP
            EXECUTE format('GRANT EXECUTE ON FUNCTION %s.%s TO %I', here, name, role_name);
        END LOOP;
    END IF;
END
$$;
