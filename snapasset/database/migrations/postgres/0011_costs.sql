-- min_compatible: 1
-- One row for each call that was paid for or may have been, by the attempt that made it. They outlive their jobs: what was
-- spent stays spent. `micro_usd` is NULL where nobody knows; `estimate` is what was expected.
CREATE TABLE costs (
    job_id text COLLATE "C" NOT NULL,
    run bigint NOT NULL,
    step text COLLATE "C" NOT NULL,
    fence bigint NOT NULL,
    owner text COLLATE "C" NOT NULL,
    kind text COLLATE "C" NOT NULL,
    generation_id text COLLATE "C",
    state text NOT NULL CHECK (state IN ('charged', 'doubtful')),
    provider text,
    model text,
    request_id text,
    size text,
    quality text,
    usage text,
    priced text,
    micro_usd bigint,
    estimate bigint,
    at bigint NOT NULL,
    PRIMARY KEY (job_id, run, step, fence)
);
CREATE INDEX costs_of_owner ON costs (owner, at) INCLUDE (state, micro_usd, estimate);
CREATE INDEX costs_of_day ON costs (at) INCLUDE (micro_usd, estimate);
-- What a job is expected to cost, 0 when nothing, NULL when nobody knows; and what it has cost by now, as JSON.
ALTER TABLE jobs ADD COLUMN estimate bigint;
ALTER TABLE jobs ADD COLUMN cost text;
