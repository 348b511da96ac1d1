-- attachments --
-- Decision state: sealed attachments by their digest, of which license or draft, and whose key opens them.
CREATE TABLE attachments (
    partition integer NOT NULL,
    digest bytea NOT NULL,
    license_ref bytea,
    draft_ref bytea,
    stream_id bytea NOT NULL,
    PRIMARY KEY (partition, digest)
);
CREATE INDEX attachments_by_stream ON attachments (partition, stream_id);
CREATE INDEX attachments_by_draft ON attachments (partition, draft_ref) WHERE draft_ref IS NOT NULL;

-- attachments_grants --
-- As for the other tables of decision state.
GRANT SELECT ON attachments TO ledger_service, ledger_reader;
GRANT INSERT, UPDATE ON attachments TO ledger_service;

-- blobs --
-- The sealed bytes themselves; stored before the fact that names them, and settled once one did.
CREATE TABLE blobs (
    partition integer NOT NULL,
    digest bytea NOT NULL,
    sealed bytea NOT NULL,
    stored_at timestamptz NOT NULL DEFAULT now(),
    is_settled boolean NOT NULL DEFAULT false,
    PRIMARY KEY (partition, digest)
);
ALTER TABLE blobs ALTER COLUMN sealed SET STORAGE EXTERNAL;
CREATE INDEX blobs_unsettled ON blobs (partition, stored_at) WHERE NOT is_settled;

-- blobs_grants --
-- Sealed bytes come and go; they are never changed, and the reader sees neither them nor their sizes.
GRANT SELECT, INSERT, DELETE ON blobs TO ledger_service;
