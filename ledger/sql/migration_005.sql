-- coverage --
-- What departments declare that the ledger holds of a type, and the state of a type's own source.
ALTER TABLE license_types
    ADD COLUMN coverage jsonb NOT NULL DEFAULT '[]',
    ADD COLUMN source text;

-- authorizations_more --
-- A cap a day with its count, the cases and the entrusting organization of an authorization.
ALTER TABLE authorizations
    ADD COLUMN uses_per_day bigint,
    ADD COLUMN case_numbers jsonb,
    ADD COLUMN entrusted_by text,
    ADD COLUMN uses_day bigint NOT NULL DEFAULT 0,
    ADD COLUMN uses_today bigint NOT NULL DEFAULT 0;

-- comparison_misses --
-- Decision state: comparisons of a holder by a requester that missed on a day.
CREATE TABLE comparison_misses (
    partition integer NOT NULL,
    miss_key bytea NOT NULL,
    day bigint NOT NULL,
    misses bigint NOT NULL,
    PRIMARY KEY (partition, miss_key)
);

-- comparison_misses_grants --
-- As for the other tables of decision state.
GRANT SELECT ON comparison_misses TO ledger_service, ledger_reader;
GRANT INSERT, UPDATE ON comparison_misses TO ledger_service;
