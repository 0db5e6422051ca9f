-- Creates agent_sessions, or adopts the table that today's agents already write to.
-- Every added column has a constant default, so PostgreSQL stores it in the catalogue and rewrites no row.
CREATE TABLE IF NOT EXISTS agent_sessions (
    id uuid PRIMARY KEY,
    agent_type varchar(50) NOT NULL,
    user_id text,
    state varchar(20) DEFAULT 'active',
    context jsonb DEFAULT '{}',
    checkpoints jsonb DEFAULT '[]',
    created_at timestamptz DEFAULT now(),
    updated_at timestamptz DEFAULT now(),
    last_heartbeat timestamptz DEFAULT now()
);

ALTER TABLE agent_sessions
    ADD COLUMN IF NOT EXISTS metadata jsonb NOT NULL DEFAULT '{}',
    ADD COLUMN IF NOT EXISTS version bigint NOT NULL DEFAULT 1,
    ADD COLUMN IF NOT EXISTS epoch integer NOT NULL DEFAULT 0,
    ADD COLUMN IF NOT EXISTS context_version bigint NOT NULL DEFAULT 1,
    -- NULL means adopted: the array holds all there is
    ADD COLUMN IF NOT EXISTS checkpoint_count integer,
    ADD COLUMN IF NOT EXISTS checkpoints_through integer,
    ADD COLUMN IF NOT EXISTS last_progress timestamptz,
    ADD COLUMN IF NOT EXISTS ended_at timestamptz,
    ADD COLUMN IF NOT EXISTS state_before_deletion varchar(20),
    ADD COLUMN IF NOT EXISTS order_version bigint NOT NULL DEFAULT 0,
    ADD COLUMN IF NOT EXISTS order_verb text,
    ADD COLUMN IF NOT EXISTS order_actor text,
    ADD COLUMN IF NOT EXISTS order_reason text,
    ADD COLUMN IF NOT EXISTS ordered_at timestamptz,
    ADD COLUMN IF NOT EXISTS order_checkpoint integer,
    ADD COLUMN IF NOT EXISTS acknowledged_version bigint NOT NULL DEFAULT 0,
    ADD COLUMN IF NOT EXISTS acknowledged_at timestamptz,
    ADD COLUMN IF NOT EXISTS refused_writes integer NOT NULL DEFAULT 0,
    -- the context as today's agents last wrote it: what they have not changed since is not theirs to undo
    ADD COLUMN IF NOT EXISTS their_context jsonb,
    ADD COLUMN IF NOT EXISTS change_kind text,
    ADD COLUMN IF NOT EXISTS change_actor text,
    ADD COLUMN IF NOT EXISTS change_reason text,
    ADD COLUMN IF NOT EXISTS change_source text,
    ADD COLUMN IF NOT EXISTS change_id uuid,
    ADD COLUMN IF NOT EXISTS change_detail jsonb;

-- A row without a state cannot be read by anyone; of the others none is touched.
UPDATE agent_sessions SET state = 'active' WHERE state IS NULL;

-- Times that no program can read never get in. What is there already is not looked at.
ALTER TABLE agent_sessions ADD CONSTRAINT agent_sessions_times_are_readable CHECK (
    created_at BETWEEN '0002-01-01' AND '9999-01-01' AND updated_at BETWEEN '0002-01-01' AND '9999-01-01'
    AND last_heartbeat BETWEEN '0002-01-01' AND '9999-01-01') NOT VALID;

-- Half of each page is free: when one statement brings a beat to every row of it, all of them stay HOT.
-- last_heartbeat is for the same reason never indexed.
-- Of a wide row everything wide leaves the page, so that a write copies and logs only what it changes.
ALTER TABLE agent_sessions SET (
    fillfactor = 50, toast_tuple_target = 512, autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_cost_limit = 1000
);

-- The list's order and its page keys; then the same within one state and one agent type.
CREATE INDEX IF NOT EXISTS agent_sessions_newest ON agent_sessions (created_at DESC, id DESC);
CREATE INDEX IF NOT EXISTS agent_sessions_by_state ON agent_sessions (state, created_at DESC, id DESC);
CREATE INDEX IF NOT EXISTS agent_sessions_by_type ON agent_sessions (agent_type, created_at DESC, id DESC);
CREATE INDEX IF NOT EXISTS agent_sessions_by_user ON agent_sessions (user_id, created_at DESC, id DESC);

-- No foreign key: its check would lock the parent row once more for every checkpoint; purging deletes both.
CREATE TABLE agent_session_checkpoints (
    session_id uuid NOT NULL,
    n integer NOT NULL,
    name text NOT NULL,
    at timestamptz NOT NULL,
    -- what the agent said, where that was in the future or no time: by it the checkpoint is known again
    claimed text,
    data jsonb NOT NULL DEFAULT '{}',
    metadata jsonb NOT NULL DEFAULT '{}',
    context_version bigint,
    version bigint NOT NULL,
    actor text,
    source text NOT NULL,
    PRIMARY KEY (session_id, n)
);

-- Past contexts, copied when they are replaced; the current one is in agent_sessions.
CREATE TABLE agent_session_contexts (
    session_id uuid NOT NULL,
    context_version bigint NOT NULL,
    replaced_at timestamptz NOT NULL,
    context jsonb NOT NULL,
    PRIMARY KEY (session_id, context_version)
);

CREATE TABLE agent_session_history (
    session_id uuid NOT NULL,
    version bigint NOT NULL,
    at timestamptz NOT NULL,
    kind text NOT NULL,
    from_state varchar(20),
    to_state varchar(20),
    epoch integer NOT NULL,
    checkpoint_n integer,
    checkpoint_name text,
    paths text[],
    actor text,
    reason text,
    source text NOT NULL,
    change_id uuid,
    detail jsonb,
    PRIMARY KEY (session_id, version, at)
) PARTITION BY RANGE (at);

-- The chart reads the newest entries of all sessions; entries arrive in time order, so BRIN costs almost nothing.
CREATE INDEX agent_session_history_at ON agent_session_history USING brin (at) WITH (pages_per_range = 16);

-- Differences, summed by whoever reads and folded together by the sweeper: no counter row is ever contended.
CREATE TABLE agent_session_counts (
    agent_type text NOT NULL,
    state text NOT NULL,
    n bigint NOT NULL
);
