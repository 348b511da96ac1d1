-- collection_batches --
-- Decision state: batches of sources, by organization, source and number.
CREATE TABLE collection_batches (
    partition integer NOT NULL,
    batch_key text COLLATE "C" NOT NULL,
    digest bytea NOT NULL,
    rows bigint NOT NULL,
    received_index bigint NOT NULL,
    settled_index bigint,
    rejected bigint NOT NULL,
    waiting bigint NOT NULL,
    PRIMARY KEY (partition, batch_key)
);
GRANT SELECT ON collection_batches TO ledger_service, ledger_reader;
GRANT INSERT, UPDATE ON collection_batches TO ledger_service;

-- collected_licenses --
-- Decision state: the newest row of a source about a license.
CREATE TABLE collected_licenses (
    partition integer NOT NULL,
    license_ref bytea NOT NULL,
    batch_key text NOT NULL,
    operation text NOT NULL,
    operated_at bigint NOT NULL,
    PRIMARY KEY (partition, license_ref)
);
GRANT SELECT ON collected_licenses TO ledger_service, ledger_reader;
GRANT INSERT, UPDATE ON collected_licenses TO ledger_service;

-- collected_rows --
-- Decision state: every row of a source that was applied.
CREATE TABLE collected_rows (
    partition integer NOT NULL,
    row_key bytea NOT NULL,
    license_ref bytea NOT NULL,
    source text COLLATE "C" NOT NULL,
    number text NOT NULL,
    type_code text NOT NULL,
    operation text NOT NULL,
    operated_at bigint NOT NULL,
    digest bytea NOT NULL,
    collected_index bigint NOT NULL,
    PRIMARY KEY (partition, row_key)
);
CREATE INDEX collected_rows_by_time ON collected_rows (partition, source, operated_at, row_key);
GRANT SELECT ON collected_rows TO ledger_service, ledger_reader;
GRANT INSERT, UPDATE ON collected_rows TO ledger_service;

-- collection_rejects --
-- Rows of sources that were rejected, by an HMAC of their key and moment; beside the history, for reconciliation.
CREATE TABLE collection_rejects (
    partition integer NOT NULL,
    row_key bytea NOT NULL,
    source text NOT NULL,
    number text NOT NULL,
    line bigint NOT NULL,
    remark text NOT NULL,
    rejected_at bigint NOT NULL,
    PRIMARY KEY (partition, row_key)
);
GRANT SELECT ON collection_rejects TO ledger_service, ledger_reader;
GRANT INSERT, UPDATE ON collection_rejects TO ledger_service
