-- min_compatible: 1
-- Whose job it is, so that all events of an owner can be read on from one of them. Rows from before this migration have
-- none: whoever reads on begins at a row that is younger.
ALTER TABLE job_events ADD COLUMN owner text COLLATE "C";

-- Positions are given out in the order of statements, and transactions end in any order: what has a lower position may
-- come later. So events are told in the order of (horizon, pos), and one is told only when no transaction up to its horizon
-- is under way any more. The horizon is the event's own transaction, or the newest that had ended when the event was
-- stored, whichever is higher. By the transaction alone, two events of one job could change places: a transaction that
-- began first may have waited for the job's row until another one had ended.
CREATE FUNCTION horizon() RETURNS bigint LANGUAGE sql STABLE
    RETURN greatest(
        CAST(CAST(pg_current_xact_id() AS text) AS bigint),
        CAST(CAST(pg_snapshot_xmax(pg_current_snapshot()) AS text) AS bigint) - 1
    );
-- Below this one, all events that there will ever be can be seen.
CREATE FUNCTION settled_below() RETURNS bigint LANGUAGE sql STABLE PARALLEL SAFE
    RETURN CAST(CAST(pg_snapshot_xmin(pg_current_snapshot()) AS text) AS bigint);
-- Without a default first: the rows that are there are not written anew.
ALTER TABLE job_events ADD COLUMN horizon bigint NOT NULL DEFAULT 0;
ALTER TABLE job_events ALTER COLUMN horizon SET DEFAULT horizon();
-- By the twelve characters in which sessions differ: the whole would make it twice as large, and each event dearer to store.
CREATE INDEX job_events_of_owner ON job_events (substr(owner, 9, 12), horizon, pos) WHERE owner IS NOT NULL;
-- Else the planner takes every owner for a small one, and reads all that is left of a large one for each page of it.
CREATE STATISTICS job_events_owners ON (substr(owner, 9, 12)) FROM job_events;

-- For older programs beside this schema, and for rows that come from an export.
CREATE FUNCTION fill_owner() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    NEW.owner := (SELECT owner FROM jobs WHERE id = NEW.job_id);
    RETURN NEW;
END
$$;
CREATE TRIGGER job_events_owner BEFORE INSERT ON job_events
    FOR EACH ROW WHEN (NEW.owner IS NULL) EXECUTE FUNCTION fill_owner();

-- Another one each time that positions begin to mean something else: a cursor of another era leads nowhere.
ALTER TABLE record ADD COLUMN era text NOT NULL DEFAULT '';
UPDATE record SET era = left(CAST(gen_random_uuid() AS text), 8);

-- A record that was restored on another server brings horizons along which that one may reach in years. The newest row
-- tells: none of a server's own is beyond what has been begun on it.
CREATE FUNCTION mend_horizons() RETURNS void LANGUAGE sql VOLATILE
BEGIN ATOMIC
    UPDATE record SET era = left(CAST(gen_random_uuid() AS text), 8)
        WHERE (SELECT horizon FROM job_events ORDER BY pos DESC LIMIT 1)
            >= CAST(CAST(pg_snapshot_xmax(pg_current_snapshot()) AS text) AS bigint);
    UPDATE job_events SET horizon = 0
        WHERE (SELECT horizon FROM job_events ORDER BY pos DESC LIMIT 1)
            >= CAST(CAST(pg_snapshot_xmax(pg_current_snapshot()) AS text) AS bigint);
END;
