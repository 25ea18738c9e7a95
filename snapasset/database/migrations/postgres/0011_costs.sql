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
-- What is still to be paid for, whatever its state: a claim does not touch these columns.
CREATE INDEX jobs_to_pay ON jobs (owner, estimate) WHERE finished_at IS NULL AND estimate > 0;
-- What an owner may still ask for is the sum of these. A row is named by what it is for, so none counts twice: `grant` by a name
-- of the giver's, with run 0; `reserve`, `take` and `return` by the run of a job.
CREATE TABLE credits (
    job_id text COLLATE "C" NOT NULL,
    run bigint NOT NULL,
    reason text COLLATE "C" NOT NULL,
    owner text COLLATE "C" NOT NULL,
    amount bigint NOT NULL,
    at bigint NOT NULL,
    PRIMARY KEY (job_id, run, reason)
);
CREATE INDEX credits_of_owner ON credits (owner) INCLUDE (amount);
-- How many of them a run of the job takes.
ALTER TABLE jobs ADD COLUMN credits bigint NOT NULL DEFAULT 0;
-- Why a queue was paused by the program itself, as the code of an error; NULL: somebody has paused it.
ALTER TABLE queues ADD COLUMN reason text;
-- A mark of all that made the master what it is: another one with the same mark would be the same picture.
ALTER TABLE generations ADD COLUMN likeness text COLLATE "C";
CREATE INDEX generations_alike ON generations (owner, likeness, created_at) WHERE likeness IS NOT NULL;
