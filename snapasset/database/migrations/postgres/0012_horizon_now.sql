-- min_compatible: 1
-- The horizon of this moment. That of `horizon()` is of the moment in which the statement began, so it suits a statement that
-- stores events and changes nothing else. One that changes jobs as well may have waited for a job's row until another
-- transaction had ended, and that one's events come before its own. A volatile function of this language looks anew.
CREATE FUNCTION horizon_now() RETURNS bigint LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    RETURN greatest(
        CAST(CAST(pg_current_xact_id() AS text) AS bigint),
        CAST(CAST(pg_snapshot_xmax(pg_current_snapshot()) AS text) AS bigint) - 1
    );
END
$$;
