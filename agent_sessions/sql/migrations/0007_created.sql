-- The manager's own inserts are complete: they were checked before, and bring an id of the change and their count of
-- checkpoints. Everybody else's are judged and completed as before.
DROP TRIGGER agent_session_before_insert ON agent_sessions;
CREATE TRIGGER agent_session_before_insert BEFORE INSERT ON agent_sessions
    FOR EACH ROW WHEN (NEW.change_id IS NULL OR NEW.checkpoint_count IS NULL)
    EXECUTE FUNCTION agent_session_before_insert();
