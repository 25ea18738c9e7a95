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
-- What is still to be paid for, whatever its state: a claim does not touch these columns.
CREATE INDEX jobs_to_pay ON jobs (owner, estimate) WHERE finished_at IS NULL AND estimate > 0;
-- What an owner may still ask for is the sum of these. A row is named by what it is for, so none counts twice: `grant` by a name
-- of the giver's, with run 0; `reserve`, `take` and `return` by the run of a job.
CREATE TABLE credits (
    job_id TEXT NOT NULL,
    run INTEGER NOT NULL,
    reason TEXT NOT NULL,
    owner TEXT NOT NULL,
    amount INTEGER NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (job_id, run, reason)
) STRICT, WITHOUT ROWID;
CREATE INDEX credits_of_owner ON credits (owner, amount);
-- How many of them a run of the job takes.
ALTER TABLE jobs ADD COLUMN credits INTEGER NOT NULL DEFAULT 0;
-- Why a queue was paused by the program itself, as the code of an error; NULL: somebody has paused it.
ALTER TABLE queues ADD COLUMN reason TEXT;
-- A mark of all that made the master what it is: another one with the same mark would be the same picture.
ALTER TABLE generations ADD COLUMN likeness TEXT;
CREATE INDEX generations_alike ON generations (owner, likeness, created_at) WHERE likeness IS NOT NULL;
