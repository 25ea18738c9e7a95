-- min_compatible: 1
-- What was paid for and a remote storage does not have yet; `due_at` is when it is next to be brought there. The bytes stand
-- last, so that whoever looks at the rest does not read them.
CREATE TABLE blobs (
    key TEXT PRIMARY KEY,
    content_type TEXT NOT NULL,
    size INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    due_at INTEGER NOT NULL,
    data BLOB NOT NULL
) STRICT;
