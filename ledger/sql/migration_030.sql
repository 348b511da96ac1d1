-- mandates --
-- Decision state: who may consent for whom, guardians and agents, and which consents rest on that.
CREATE TABLE mandates (
    partition integer NOT NULL,
    mandate_ref bytea NOT NULL,
    stream_id bytea NOT NULL,
    person bytea NOT NULL,
    kind text NOT NULL,
    since bigint NOT NULL,
    until bigint,
    type_codes jsonb NOT NULL,
    represents_by bytea,
    representative bytea,
    over_at bigint,
    rooted jsonb NOT NULL,
    PRIMARY KEY (partition, mandate_ref)
);
CREATE INDEX mandates_by_holder ON mandates (partition, stream_id, mandate_ref);
GRANT SELECT ON mandates TO ledger_service, ledger_reader;
GRANT INSERT, UPDATE ON mandates TO ledger_service;

-- authorizations_by_mandate --
-- Decision state: whether a consent is over because the mandate of who consented has ended.
ALTER TABLE authorizations ADD COLUMN is_unmandated boolean NOT NULL DEFAULT false
