-- What a statement by hand may leave in a column is refused where no agent can mean it, and repaired where it was there
-- before: a row that breaks a check of its table could not be changed by anybody any more, not even into the trash.
-- The columns that agents of the old kind write keep what they may hold; only their times are checked, as before.

CREATE FUNCTION agent_session_readable(moment timestamptz) RETURNS timestamptz
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN moment BETWEEN '0002-01-01 00:00+00' AND '9999-01-01 00:00+00' THEN moment END
$$;

-- Without a start a session has no place in the list: sessions without one would fill its first page, and no page
-- would follow it. Numbers stay below 2 to the 53rd, which is as far as a browser counts, and leave room to count on.
DO $$
DECLARE
    -- Looked for first, so that writers wait only where there is something to repair.
    odd uuid[] := ARRAY(SELECT id FROM agent_sessions WHERE state IS NULL
        OR created_at IS NULL
        OR agent_session_readable(created_at) IS NULL
        OR (updated_at IS NOT NULL AND agent_session_readable(updated_at) IS NULL)
        OR (last_heartbeat IS NOT NULL AND agent_session_readable(last_heartbeat) IS NULL)
        OR (last_progress IS NOT NULL AND agent_session_readable(last_progress) IS NULL)
        OR (ended_at IS NOT NULL AND agent_session_readable(ended_at) IS NULL)
        OR (ordered_at IS NOT NULL AND agent_session_readable(ordered_at) IS NULL)
        OR (acknowledged_at IS NOT NULL AND agent_session_readable(acknowledged_at) IS NULL)
        OR version NOT BETWEEN 1 AND 1::bigint << 52 OR context_version NOT BETWEEN 1 AND 1::bigint << 52
        OR order_version NOT BETWEEN 0 AND 1::bigint << 52 OR acknowledged_version NOT BETWEEN 0 AND 1::bigint << 52
        OR resent_version NOT BETWEEN 0 AND 1::bigint << 52
        OR epoch NOT BETWEEN 0 AND 1 << 29 OR checkpoint_count NOT BETWEEN 0 AND 1 << 29
        OR checkpoints_through NOT BETWEEN 0 AND 1 << 29 OR refused_writes NOT BETWEEN 0 AND 1 << 29
        OR parts < 0 OR parts_at_work < 0
        OR jsonb_typeof(metadata) <> 'object'
        OR length(order_verb) > 40 OR length(order_actor) > 320 OR length(order_reason) > 2000
        OR length(change_kind) > 40 OR length(change_actor) > 320 OR length(change_reason) > 2000
        OR length(change_source) > 40);
BEGIN
    IF odd = '{}' THEN
        RETURN;
    END IF;
    -- No trigger sees this: it is no change that anybody made.
    ALTER TABLE agent_sessions DISABLE TRIGGER USER;
    INSERT INTO agent_session_counts
    SELECT agent_type, 'active', count(*) FROM agent_sessions WHERE id = ANY (odd) AND state IS NULL GROUP BY 1;
    UPDATE agent_sessions SET
        state = coalesce(state, 'active'),
        created_at = coalesce(agent_session_readable(created_at), agent_session_readable(updated_at),
            agent_session_readable(last_heartbeat), now()),
        updated_at = agent_session_readable(updated_at),
        last_heartbeat = agent_session_readable(last_heartbeat),
        last_progress = agent_session_readable(last_progress),
        ended_at = agent_session_readable(ended_at),
        ordered_at = agent_session_readable(ordered_at),
        acknowledged_at = agent_session_readable(acknowledged_at),
        version = least(greatest(version, 1), 1::bigint << 52),
        context_version = least(greatest(context_version, 1), 1::bigint << 52),
        order_version = least(greatest(order_version, 0), 1::bigint << 52),
        acknowledged_version = least(greatest(acknowledged_version, 0), 1::bigint << 52),
        resent_version = least(greatest(resent_version, 0), 1::bigint << 52),
        epoch = least(greatest(epoch, 0), 1 << 29),
        -- NULL has a meaning of its own here, and greatest(NULL, 0) is 0.
        checkpoint_count = CASE WHEN checkpoint_count NOT BETWEEN 0 AND 1 << 29
            THEN (SELECT coalesce(max(n), 0) FROM agent_session_checkpoints WHERE session_id = id AND n < 1 << 29)
            ELSE checkpoint_count END,
        checkpoints_through = CASE WHEN checkpoints_through NOT BETWEEN 0 AND 1 << 29
            THEN 0 ELSE checkpoints_through END,
        refused_writes = least(greatest(refused_writes, 0), 1 << 29),
        parts = CASE WHEN parts >= 0 THEN parts END,
        parts_at_work = CASE WHEN parts_at_work >= 0 THEN parts_at_work END,
        metadata = CASE jsonb_typeof(metadata)
            WHEN 'object' THEN metadata ELSE jsonb_build_object('value', metadata) END,
        order_verb = left(order_verb, 40),
        order_actor = left(order_actor, 320),
        order_reason = left(order_reason, 2000),
        change_kind = left(change_kind, 40),
        change_actor = left(change_actor, 320),
        change_reason = left(change_reason, 2000),
        change_source = left(change_source, 40)
    WHERE id = ANY (odd);
    ALTER TABLE agent_sessions ENABLE TRIGGER USER;
END
$$;

ALTER TABLE agent_sessions
    ADD CONSTRAINT agent_sessions_have_a_state_and_a_start CHECK (state IS NOT NULL AND created_at IS NOT NULL) NOT VALID,
    ADD CONSTRAINT agent_sessions_own_times_are_readable CHECK (
        last_progress BETWEEN '0002-01-01 00:00+00' AND '9999-01-01 00:00+00'
        AND ended_at BETWEEN '0002-01-01 00:00+00' AND '9999-01-01 00:00+00'
        AND ordered_at BETWEEN '0002-01-01 00:00+00' AND '9999-01-01 00:00+00'
        AND acknowledged_at BETWEEN '0002-01-01 00:00+00' AND '9999-01-01 00:00+00') NOT VALID,
    ADD CONSTRAINT agent_sessions_numbers_leave_room_to_count CHECK (
        version BETWEEN 1 AND 1::bigint << 53 AND context_version BETWEEN 1 AND 1::bigint << 53
        AND order_version BETWEEN 0 AND 1::bigint << 53 AND acknowledged_version BETWEEN 0 AND 1::bigint << 53
        AND resent_version BETWEEN 0 AND 1::bigint << 53
        AND epoch BETWEEN 0 AND 1 << 30 AND checkpoint_count BETWEEN 0 AND 1 << 30
        AND checkpoints_through BETWEEN 0 AND 1 << 30 AND refused_writes >= 0
        AND parts >= 0 AND parts_at_work >= 0) NOT VALID,
    ADD CONSTRAINT agent_sessions_metadata_is_an_object CHECK (jsonb_typeof(metadata) = 'object') NOT VALID,
    ADD CONSTRAINT agent_sessions_words_of_changes_are_short CHECK (
        length(order_verb) <= 40 AND length(order_actor) <= 320 AND length(order_reason) <= 2000
        AND length(change_kind) <= 40 AND length(change_actor) <= 320 AND length(change_reason) <= 2000
        AND length(change_source) <= 40) NOT VALID;

-- Checkpoints and history are only ever added to: what is there is not looked at, and read with care.
ALTER TABLE agent_session_checkpoints
    ADD CONSTRAINT agent_session_checkpoints_are_readable CHECK (
        n BETWEEN 1 AND 1 << 30 AND length(name) <= 200
        AND at BETWEEN '0002-01-01 00:00+00' AND '9999-01-01 00:00+00'
        AND jsonb_typeof(data) = 'object' AND jsonb_typeof(metadata) = 'object'
        AND version BETWEEN 1 AND 1::bigint << 53) NOT VALID;
ALTER TABLE agent_session_history
    ADD CONSTRAINT agent_session_history_is_readable CHECK (
        at BETWEEN '0002-01-01 00:00+00' AND '9999-01-01 00:00+00' AND version BETWEEN 1 AND (1::bigint << 53) + 1
        AND length(kind) <= 40 AND length(source) <= 40) NOT VALID;
