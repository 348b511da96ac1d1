-- disputes --
-- Decision state: what is said to be wrong or missing, until when it is to be decided, and how it was settled.
CREATE TABLE disputes (
    partition integer NOT NULL,
    dispute_ref bytea NOT NULL,
    stream_id bytea NOT NULL,
    license_ref bytea,
    kind text NOT NULL,
    raised_by text NOT NULL,
    party bytea,
    organization text NOT NULL,
    type_code text NOT NULL,
    issuer text NOT NULL,
    field_names jsonb NOT NULL,
    filed_at bigint NOT NULL,
    filed_index bigint NOT NULL,
    working_days bigint NOT NULL,
    due_on bigint NOT NULL,
    known_until bigint NOT NULL,
    outcome text,
    settled_at bigint,
    settled_index bigint,
    mended_index bigint,
    PRIMARY KEY (partition, dispute_ref)
) WITH (fillfactor = 90);
CREATE INDEX disputes_by_license ON disputes (partition, license_ref, filed_index);
GRANT SELECT ON disputes TO ledger_service, ledger_reader;
GRANT INSERT, UPDATE ON disputes TO ledger_service;

-- dispute_claims --
-- Decision state: the newest dispute of somebody about the same.
CREATE TABLE dispute_claims (
    partition integer NOT NULL,
    claim_key bytea NOT NULL,
    dispute_ref bytea NOT NULL,
    PRIMARY KEY (partition, claim_key)
);
GRANT SELECT ON dispute_claims TO ledger_service, ledger_reader;
GRANT INSERT, UPDATE ON dispute_claims TO ledger_service;

-- disputed_licenses --
-- Decision state: how many open disputes are about a license.
ALTER TABLE licenses ADD COLUMN open_disputes bigint NOT NULL DEFAULT 0
