-- min_compatible: 1
-- Only queues that are paused or limited have a row: a claim from any other one pays nothing for those. An older program
-- beside this schema claims as if there were no rows.
CREATE TABLE queues (
    name TEXT PRIMARY KEY,
    paused INTEGER NOT NULL DEFAULT 0,
    concurrency INTEGER CHECK (concurrency > 0),
    rate_jobs INTEGER CHECK (rate_jobs > 0),
    rate_ms INTEGER CHECK (rate_ms > 0),
    updated_at INTEGER NOT NULL
) STRICT;
-- The claims from a queue with a rate, as far back as its rate looks.
CREATE TABLE queue_claims (
    id INTEGER PRIMARY KEY,
    queue TEXT NOT NULL,
    at INTEGER NOT NULL
) STRICT;
CREATE INDEX queue_claims_of_queue ON queue_claims (queue, at);
CREATE TABLE workers (
    id TEXT PRIMARY KEY,
    role TEXT NOT NULL,
    host TEXT NOT NULL,
    pid INTEGER NOT NULL,
    version TEXT NOT NULL,
    kinds TEXT NOT NULL,
    queues TEXT NOT NULL,
    mode TEXT NOT NULL,
    started_at INTEGER NOT NULL,
    seen_at INTEGER NOT NULL
) STRICT;
