-- renewal_windows --
-- Decision state: how many days before its last valid day a license of a type may be renewed.
ALTER TABLE license_type_rules ADD COLUMN renewal_window_days bigint;

-- authorizations_of_representatives --
-- Decision state: whether a consent is over because somebody else represents the body.
ALTER TABLE authorizations ADD COLUMN is_unrepresented boolean NOT NULL DEFAULT false
