-- type_mappings --
-- Decision state: what a local type stands for, and the local types that stand for a national one.
ALTER TABLE license_types
    ADD COLUMN stands_for jsonb NOT NULL DEFAULT '[]',
    ADD COLUMN local_types jsonb NOT NULL DEFAULT '[]'
