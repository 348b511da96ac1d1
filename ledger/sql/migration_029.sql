-- renewal_windows --
-- Decision state: how many days before its last valid day a license of a type may be renewed.
ALTER TABLE license_type_rules ADD COLUMN renewal_window_days bigint
