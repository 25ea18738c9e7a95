-- min_compatible: 1
CREATE TABLE record (
    singleton INTEGER PRIMARY KEY CHECK (singleton = 1),
    record_id TEXT NOT NULL,
    created_at INTEGER NOT NULL
);
INSERT INTO record VALUES (1, lower(hex(randomblob(16))), now_ms());

CREATE TABLE jobs (
    id TEXT PRIMARY KEY,
    kind TEXT NOT NULL,
    queue TEXT NOT NULL,
    owner TEXT NOT NULL,
    -- Spelt out: SQLite builds a table for a long IN list each time it checks one, a tenth of what a claim costs.
    status TEXT NOT NULL CHECK (
        status = 'waiting' OR status = 'active' OR status = 'completed' OR status = 'delayed' OR status = 'failed'
        OR status = 'cancelled' OR status = 'blocked'
    ),
    priority INTEGER NOT NULL,
    rank INTEGER NOT NULL,
    data TEXT NOT NULL,
    result TEXT,
    error TEXT,
    generation_id TEXT,
    run INTEGER NOT NULL DEFAULT 1,
    attempt INTEGER NOT NULL DEFAULT 0,
    attempts INTEGER NOT NULL,
    fence INTEGER NOT NULL DEFAULT 0,
    beat INTEGER NOT NULL DEFAULT 0,
    seq INTEGER NOT NULL DEFAULT 1,
    step TEXT,
    progress REAL NOT NULL DEFAULT 0,
    cancel_requested INTEGER NOT NULL DEFAULT 0,
    worker_id TEXT,
    created_at INTEGER NOT NULL,
    due_at INTEGER,
    started_at INTEGER,
    finished_at INTEGER,
    updated_at INTEGER NOT NULL
) STRICT;
-- Claims read only this one, so delayed, blocked and ended rows cost a claim nothing.
CREATE INDEX jobs_ready ON jobs (queue, rank, id, kind) WHERE status = 'waiting';
CREATE INDEX jobs_due ON jobs (due_at, queue) WHERE status = 'delayed';
CREATE INDEX jobs_active ON jobs (worker_id, queue) WHERE status = 'active';
-- Not ended; told by a column that a claim does not touch.
CREATE INDEX jobs_live ON jobs (owner) WHERE finished_at IS NULL;
CREATE INDEX jobs_of_owner ON jobs (owner, created_at, id);

-- The row with the highest position is never deleted, so that no position is given out twice.
CREATE TABLE job_events (
    pos INTEGER PRIMARY KEY,
    job_id TEXT NOT NULL,
    seq INTEGER NOT NULL,
    type TEXT NOT NULL,
    body TEXT NOT NULL,
    at INTEGER NOT NULL,
    UNIQUE (job_id, seq)
) STRICT;

CREATE TABLE job_steps (
    job_id TEXT NOT NULL,
    run INTEGER NOT NULL,
    step TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state = 'started' OR state = 'done' OR state = 'failed' OR state = 'doubtful'),
    paid INTEGER NOT NULL,
    doubts INTEGER NOT NULL DEFAULT 0,
    fence INTEGER NOT NULL,
    output TEXT,
    error TEXT,
    started_at INTEGER NOT NULL,
    finished_at INTEGER,
    PRIMARY KEY (job_id, run, step)
) STRICT, WITHOUT ROWID;

CREATE TABLE generations (
    id TEXT PRIMARY KEY,
    owner TEXT NOT NULL,
    job_id TEXT NOT NULL,
    request TEXT NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX generations_of_owner ON generations (owner, created_at, id);

CREATE TABLE files (
    id TEXT PRIMARY KEY,
    owner TEXT NOT NULL,
    job_id TEXT NOT NULL,
    generation_id TEXT,
    role TEXT NOT NULL,
    name TEXT NOT NULL,
    key TEXT NOT NULL UNIQUE,
    content_type TEXT NOT NULL,
    size INTEGER NOT NULL,
    width INTEGER,
    height INTEGER,
    created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX files_of_generation ON files (generation_id);
