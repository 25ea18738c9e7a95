-- min_compatible: 1
ALTER TABLE jobs ADD COLUMN depends_on text;
-- How many of the jobs it depends on have not completed.
ALTER TABLE jobs ADD COLUMN blockers bigint NOT NULL DEFAULT 0;
-- How many jobs depend on it: tells an ending whether there is anybody to look for.
ALTER TABLE jobs ADD COLUMN dependants bigint NOT NULL DEFAULT 0;
CREATE TABLE dependencies (
    parent_id text COLLATE "C" NOT NULL,
    job_id text COLLATE "C" NOT NULL,
    PRIMARY KEY (parent_id, job_id)
);
CREATE INDEX dependencies_of_job ON dependencies (job_id);
CREATE INDEX jobs_blocked ON jobs (queue) WHERE status = 'blocked';
