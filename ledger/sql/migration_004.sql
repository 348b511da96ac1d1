-- license_marks --
-- Decision state: the events that set a license's marks; null where a mark does not stand.
ALTER TABLE licenses
    ADD COLUMN frozen_index bigint,
    ADD COLUMN lost_index bigint,
    ADD COLUMN restricted_index bigint;
