-- The verbs that may be ordered, a row for each state in which one may be: what states.TRANSITIONS has; a test holds both
-- equal. A new verb is an INSERT. `restore` is not in it: the state that it leads to is stored with the session.
CREATE TABLE agent_session_verbs (
    verb text NOT NULL,
    from_state text NOT NULL,
    to_state text NOT NULL,
    PRIMARY KEY (verb, from_state)
);
INSERT INTO agent_session_verbs (verb, from_state, to_state) VALUES
    ('pause', 'active', 'paused'),
    ('resume', 'paused', 'active'),
    ('complete', 'active', 'completed'), ('complete', 'paused', 'completed'),
    ('fail', 'active', 'failed'), ('fail', 'paused', 'failed'),
    ('rollback', 'active', 'active'), ('rollback', 'paused', 'active'),
    ('rollback', 'completed', 'active'), ('rollback', 'failed', 'active'),
    ('delete', 'active', 'deleted'), ('delete', 'paused', 'deleted'),
    ('delete', 'completed', 'deleted'), ('delete', 'failed', 'deleted');
-- Asked with the rights of the writer, who may write before grants.sql is run again.
GRANT SELECT ON agent_session_verbs TO PUBLIC;

CREATE OR REPLACE FUNCTION agent_session_may_order(verb text, was text, becomes text, before_deletion text)
RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN verb = 'restore' THEN was = 'deleted' AND becomes = CASE
            WHEN before_deletion IN ('active', 'paused', 'completed', 'failed') THEN before_deletion ELSE 'active' END
        ELSE EXISTS (
            SELECT FROM agent_session_verbs v
            WHERE (v.verb, v.from_state, v.to_state) = (agent_session_may_order.verb, was, becomes)) END
$$;

-- The function of 0016_forgery with one condition changed, because PostgreSQL replaces functions as a whole: whether an
-- order raises the epoch depends on the state that it leads to, not on a list of verbs.
CREATE OR REPLACE FUNCTION agent_session_name_writer() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
    was text := agent_session_state(OLD.state);
    ordered boolean := NEW.order_version <> OLD.order_version;
    fenced boolean := NEW.epoch <> OLD.epoch;
    actor text := CASE WHEN NEW.change_kind IN ('order', 'edit') THEN session_user ELSE OLD.agent_type END;
    source text := CASE WHEN NEW.change_source = 'old-agent' THEN 'old-agent' ELSE 'agent' END;
BEGIN
    IF NOT agent_session_writer_is_agent() THEN
        RETURN NEW;
    ELSIF NEW.version <> OLD.version + 1 OR NEW.context_version NOT IN (OLD.context_version, NEW.version)
       OR NEW.resent_version NOT IN (OLD.resent_version, NEW.version) THEN
        PERFORM agent_session_refuse('leave out versions or go back');
    ELSIF (NEW.id, NEW.agent_type, NEW.created_at) IS DISTINCT FROM (OLD.id, OLD.agent_type, OLD.created_at) THEN
        PERFORM agent_session_refuse('change what a session is');
    ELSIF ordered <> (NEW.change_kind = 'order') OR (ordered AND NEW.order_version <> NEW.version) OR NEW.change_kind NOT IN (
        'order', 'edit', 'state', 'checkpoint', 'context', 'metadata', 'acknowledged', 'parts', 'attempt', 'refused',
        'taken_over', 'handed_back') THEN
        PERFORM agent_session_refuse('write a change that is none of its kind');
    ELSIF NOT (CASE
        WHEN ordered THEN agent_session_may_order(NEW.order_verb, was, NEW.state, OLD.state_before_deletion)
        WHEN NEW.state IN (OLD.state, was) THEN true
        ELSE NEW.change_kind IN ('state', 'refused') AND agent_session_may_go(was, NEW.state) END) THEN
        PERFORM agent_session_refuse(format('turn a %s session into a %s one by %L',
            was, NEW.state, CASE WHEN ordered THEN NEW.order_verb ELSE NEW.change_kind END));
    ELSIF (CASE
        WHEN NEW.change_kind = 'taken_over' THEN NEW.epoch <> OLD.epoch + 1
        WHEN NOT ordered OR (NEW.state IN ('active', 'paused') AND NEW.order_verb NOT IN ('rollback', 'restore')) THEN fenced
        WHEN NEW.order_verb = 'restore' THEN NEW.epoch NOT IN (OLD.epoch, OLD.epoch + 1)
        ELSE NEW.epoch <> OLD.epoch + 1 END) THEN
        PERFORM agent_session_refuse('move the fence by hand');
    ELSIF NEW.acknowledged_version <> OLD.acknowledged_version AND (CASE
        WHEN ordered THEN NEW.acknowledged_version <> NEW.version
            OR was IN ('active', 'paused') OR NEW.state IN ('active', 'paused')
        ELSE NEW.acknowledged_version NOT BETWEEN OLD.acknowledged_version AND OLD.order_version
            AND NEW.acknowledged_version <> OLD.order_version END) THEN
        PERFORM agent_session_refuse('confirm an order that was not given, or take a confirmation back');
    ELSIF coalesce(NEW.checkpoint_count, 0) < coalesce(OLD.checkpoint_count, 0) OR NEW.checkpoints_through > NEW.checkpoint_count
       OR NEW.refused_writes NOT BETWEEN OLD.refused_writes AND OLD.refused_writes + 1 THEN
        PERFORM agent_session_refuse('count what is not there');
    ELSIF (CASE NEW.change_kind
        WHEN 'taken_over' THEN NEW.owner_id IS NULL OR OLD.owner_id IS NULL OR NEW.owner_id = OLD.owner_id
            OR NEW.owner_timeline IS DISTINCT FROM agent_session_timeline()
        WHEN 'handed_back' THEN OLD.owner_id IS NULL
            OR num_nonnulls(NEW.owner_id, NEW.owner_name, NEW.owner_since, NEW.owner_timeline, NEW.lease_until) > 0
        ELSE (NEW.owner_id, NEW.owner_name, NEW.owner_since, NEW.owner_timeline, NEW.lease_until, NEW.handed_back_at)
            IS DISTINCT FROM
            (OLD.owner_id, OLD.owner_name, OLD.owner_since, OLD.owner_timeline, OLD.lease_until, OLD.handed_back_at) END) THEN
        PERFORM agent_session_refuse('change the owner of a session past its lease');
    END IF;
    IF NOT ordered THEN
        NEW.order_verb := OLD.order_verb;
        NEW.order_reason := OLD.order_reason;
        NEW.ordered_at := OLD.ordered_at;
        NEW.order_checkpoint := OLD.order_checkpoint;
    END IF;
    IF NEW.acknowledged_version = OLD.acknowledged_version THEN
        NEW.acknowledged_at := OLD.acknowledged_at;
    END IF;
    IF NEW.state <> OLD.state THEN
        NEW.ended_at := CASE WHEN NEW.state NOT IN ('active', 'paused') THEN coalesce(OLD.ended_at, now()) END;
        NEW.state_before_deletion := CASE WHEN NEW.state = 'deleted' THEN OLD.state
            WHEN OLD.state = 'deleted' THEN NULL ELSE OLD.state_before_deletion END;
    ELSE
        NEW.ended_at := OLD.ended_at;
        NEW.state_before_deletion := OLD.state_before_deletion;
    END IF;
    IF NEW.lease_until > now() + interval '1 day' THEN
        NEW.lease_until := now() + interval '1 day';
    END IF;
    IF NEW.last_heartbeat > now() OR NEW.last_heartbeat < OLD.last_heartbeat THEN
        NEW.last_heartbeat := least(greatest(NEW.last_heartbeat, OLD.last_heartbeat), now());
    END IF;
    IF NEW.last_progress > now() OR NEW.last_progress < OLD.last_progress THEN
        NEW.last_progress := least(greatest(NEW.last_progress, OLD.last_progress), now());
    END IF;
    NEW.order_actor := CASE WHEN ordered THEN session_user ELSE OLD.order_actor END;
    IF NEW.change_actor IS DISTINCT FROM actor OR NEW.change_source IS DISTINCT FROM source THEN
        NEW.change_detail := coalesce(NEW.change_detail, '{}') || jsonb_build_object(
            'claimed', jsonb_build_object('actor', left(NEW.change_actor, 320), 'source', left(NEW.change_source, 40)));
    END IF;
    NEW.change_actor := actor;
    NEW.change_source := source;
    RETURN NEW;
END
$$;
