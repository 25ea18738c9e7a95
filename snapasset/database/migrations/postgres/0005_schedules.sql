-- min_compatible: 1
CREATE TABLE schedules (
    id text COLLATE "C" PRIMARY KEY,
    owner text COLLATE "C" NOT NULL,
    kind text COLLATE "C" NOT NULL,
    queue text COLLATE "C" NOT NULL,
    data text NOT NULL,
    priority bigint NOT NULL,
    attempts bigint NOT NULL,
    cron text NOT NULL,
    zone text NOT NULL,
    next_run bigint NOT NULL,
    last_run bigint,
    last_job_id text,
    created_at bigint NOT NULL
);
CREATE INDEX schedules_due ON schedules (next_run);
-- One row for each time that a schedule has fired: no time can fire twice, whatever happens to its row.
CREATE TABLE schedule_firings (
    schedule_id text COLLATE "C" NOT NULL,
    fire_at bigint NOT NULL,
    job_id text COLLATE "C" NOT NULL,
    PRIMARY KEY (schedule_id, fire_at)
);
