-- min_compatible: 1
-- 1: claimed for an attempt that is to run alone and has not begun; if its worker dies, that attempt is not counted.
ALTER TABLE jobs ADD COLUMN unbegun INTEGER NOT NULL DEFAULT 0;
-- With both columns that are asked for: with one, SQLite took it or `jobs_of_owner`, by how wide it held a row to be.
DROP INDEX jobs_live;
CREATE INDEX jobs_live ON jobs (owner, finished_at) WHERE finished_at IS NULL;
