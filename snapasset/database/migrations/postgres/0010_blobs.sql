-- min_compatible: 1
-- What was paid for and a remote storage does not have yet; `due_at` is when it is next to be brought there. The bytes stand
-- last, so that whoever looks at the rest does not read them.
CREATE TABLE blobs (
    key text COLLATE "C" PRIMARY KEY,
    content_type text NOT NULL,
    size bigint NOT NULL,
    created_at bigint NOT NULL,
    due_at bigint NOT NULL,
    data bytea NOT NULL
);
ALTER TABLE blobs ALTER COLUMN data SET STORAGE EXTERNAL;
