-- min_compatible: 1
ALTER TABLE jobs ADD COLUMN ttl bigint;
ALTER TABLE jobs ADD COLUMN expires_at bigint;
-- Told by columns that a claim does not touch.
CREATE INDEX jobs_expiring ON jobs (expires_at) WHERE expires_at IS NOT NULL AND finished_at IS NULL;
