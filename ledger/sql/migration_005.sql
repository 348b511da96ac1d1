-- coverage --
-- What departments declare that the ledger holds of a type, and the state of a type's own source.
ALTER TABLE license_types
    ADD COLUMN coverage jsonb NOT NULL DEFAULT '[]',
    ADD COLUMN source text;
