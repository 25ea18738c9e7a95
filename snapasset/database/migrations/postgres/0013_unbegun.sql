-- min_compatible: 1
-- 1: claimed for an attempt that is to run alone and has not begun; if its worker dies, that attempt is not counted.
ALTER TABLE jobs ADD COLUMN unbegun bigint NOT NULL DEFAULT 0;
