-- min_compatible: 1
-- What a generation came to, kept here because it outlives its job.
ALTER TABLE generations ADD COLUMN outcome TEXT;
ALTER TABLE generations ADD COLUMN ended_at INTEGER;
ALTER TABLE generations ADD COLUMN made TEXT;
-- Set before the first of its files is removed: nothing is begun with it any more.
ALTER TABLE generations ADD COLUMN condemned_at INTEGER;
ALTER TABLE files ADD COLUMN details TEXT;
UPDATE generations SET
    outcome = (SELECT status FROM jobs WHERE jobs.id = job_id AND finished_at IS NOT NULL),
    ended_at = (SELECT finished_at FROM jobs WHERE jobs.id = job_id),
    made = (
        SELECT json_object(
            'model', json_extract(output, '$.model'),
            'simulated', json(CASE WHEN json_extract(output, '$.simulated') THEN 'true' ELSE 'false' END),
            'source', json_extract(output, '$.source'),
            'understood', json_extract(output, '$.understood'),
            'focalPoint', CASE WHEN json_extract(output, '$.focal[0]') IS NOT NULL THEN json_object(
                'x', json_extract(output, '$.focal[0]'), 'y', json_extract(output, '$.focal[1]')
            ) END
        ) FROM job_steps
        WHERE job_steps.job_id = generations.job_id AND step = 'generate' AND state = 'done' ORDER BY run DESC LIMIT 1
    );
CREATE INDEX generations_lost ON generations (ended_at) WHERE outcome = 'failed' OR outcome = 'cancelled';
CREATE INDEX generations_condemned ON generations (condemned_at) WHERE condemned_at IS NOT NULL;
-- For statistics, estimates and the retention of ended jobs.
CREATE INDEX jobs_finished ON jobs (kind, status, finished_at) WHERE finished_at IS NOT NULL;
