-- min_compatible: 1
CREATE TABLE idempotency (
    owner text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL,
    fingerprint text NOT NULL,
    job_id text COLLATE "C" NOT NULL,
    status text NOT NULL,
    created_at bigint NOT NULL,
    PRIMARY KEY (owner, key)
);
