-- min_compatible: 1
CREATE TABLE schedules (
    id TEXT PRIMARY KEY,
    owner TEXT NOT NULL,
    kind TEXT NOT NULL,
    queue TEXT NOT NULL,
    data TEXT NOT NULL,
    priority INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    cron TEXT NOT NULL,
    zone TEXT NOT NULL,
    next_run INTEGER NOT NULL,
    last_run INTEGER,
    last_job_id TEXT,
    created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX schedules_due ON schedules (next_run);
-- One row for each time that a schedule has fired: no time can fire twice, whatever happens to its row.
CREATE TABLE schedule_firings (
    schedule_id TEXT NOT NULL,
    fire_at INTEGER NOT NULL,
    job_id TEXT NOT NULL,
    PRIMARY KEY (schedule_id, fire_at)
) STRICT, WITHOUT ROWID;
