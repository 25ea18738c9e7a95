-- min_compatible: 1
-- Whose job it is, so that all events of an owner can be read on from one of them. Rows from before this migration have
-- none: whoever reads on begins at a row that is younger.
ALTER TABLE job_events ADD COLUMN owner TEXT;
-- For databases in which positions are not given out in the order of commits; here it is 0 for ever.
ALTER TABLE job_events ADD COLUMN horizon INTEGER NOT NULL DEFAULT 0;
-- By the twelve characters in which sessions differ: the whole would make it twice as large, and each event dearer to store.
CREATE INDEX job_events_of_owner ON job_events (substr(owner, 9, 12), horizon, pos) WHERE owner IS NOT NULL;

-- For older programs beside this schema, and for rows that come from an export.
CREATE TRIGGER job_events_owner AFTER INSERT ON job_events WHEN NEW.owner IS NULL
BEGIN
    UPDATE job_events SET owner = (SELECT owner FROM jobs WHERE jobs.id = NEW.job_id) WHERE pos = NEW.pos;
END;

-- Another one each time that positions begin to mean something else: a cursor of another era leads nowhere.
ALTER TABLE record ADD COLUMN era TEXT NOT NULL DEFAULT '';
UPDATE record SET era = lower(hex(randomblob(4)));
