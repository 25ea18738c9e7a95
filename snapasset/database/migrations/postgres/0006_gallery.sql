-- min_compatible: 1
-- What a generation came to, kept here because it outlives its job. No record on PostgreSQL is older than this.
ALTER TABLE generations ADD COLUMN outcome text COLLATE "C";
ALTER TABLE generations ADD COLUMN ended_at bigint;
ALTER TABLE generations ADD COLUMN made text;
-- Set before the first of its files is removed: nothing is begun with it any more.
ALTER TABLE generations ADD COLUMN condemned_at bigint;
ALTER TABLE files ADD COLUMN details text;
CREATE INDEX generations_lost ON generations (ended_at) WHERE outcome = 'failed' OR outcome = 'cancelled';
CREATE INDEX generations_condemned ON generations (condemned_at) WHERE condemned_at IS NOT NULL;
-- For statistics, estimates and the retention of ended jobs.
CREATE INDEX jobs_finished ON jobs (kind, status, finished_at) WHERE finished_at IS NOT NULL;
