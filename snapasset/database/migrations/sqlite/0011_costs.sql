-- min_compatible: 1
-- One row for each call that was paid for or may have been, by the attempt that made it. They outlive their jobs: what was
-- spent stays spent. `micro_usd` is NULL where nobody knows; `estimate` is what was expected.
CREATE TABLE costs (
    job_id TEXT NOT NULL,
    run INTEGER NOT NULL,
    step TEXT NOT NULL,
    fence INTEGER NOT NULL,
    owner TEXT NOT NULL,
    kind TEXT NOT NULL,
    generation_id TEXT,
    state TEXT NOT NULL CHECK (state = 'charged' OR state = 'doubtful'),
    provider TEXT,
    model TEXT,
    request_id TEXT,
    size TEXT,
    quality TEXT,
    usage TEXT,
    priced TEXT,
    micro_usd INTEGER,
    estimate INTEGER,
    at INTEGER NOT NULL,
    PRIMARY KEY (job_id, run, step, fence)
) STRICT, WITHOUT ROWID;
CREATE INDEX costs_of_owner ON costs (owner, at, state, micro_usd, estimate);
CREATE INDEX costs_of_day ON costs (at, micro_usd, estimate);
-- What a job is expected to cost, 0 when nothing, NULL when nobody knows; and what it has cost by now, as JSON.
ALTER TABLE jobs ADD COLUMN estimate INTEGER;
ALTER TABLE jobs ADD COLUMN cost TEXT;
