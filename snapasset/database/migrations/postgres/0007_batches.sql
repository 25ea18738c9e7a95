-- min_compatible: 1
-- For a key that made several jobs: each one's id and first status, in order, as JSON.
ALTER TABLE idempotency ADD COLUMN jobs text;
