-- license_marks --
-- Decision state: the events that set a license's marks; null where a mark does not stand.
ALTER TABLE licenses
    ADD COLUMN frozen_index bigint,
    ADD COLUMN lost_index bigint,
    ADD COLUMN restricted_index bigint;

-- license_serials --
-- Decision state: the version with which a license's serial began, and when its next endorsement is due.
ALTER TABLE licenses
    ADD COLUMN serial_version bigint NOT NULL DEFAULT 1,
    ADD COLUMN endorsement_due bigint,
    ADD COLUMN overdue_after bigint,
    ADD COLUMN overdue_suspends boolean NOT NULL DEFAULT false;

-- counterparts --
-- Decision state: counterparts of the present version, and those that are dead; pieces are listed by license.
ALTER TABLE licenses ADD COLUMN counterparts bigint NOT NULL DEFAULT 0;
ALTER TABLE pieces ADD COLUMN is_cancelled boolean NOT NULL DEFAULT false;
CREATE INDEX pieces_by_license ON pieces (partition, license_ref, version, piece);

-- license_parties --
-- Decision state: the parties of licenses that have several.
ALTER TABLE licenses
    ADD COLUMN parties jsonb NOT NULL DEFAULT '[]',
    ADD COLUMN is_orphaned boolean NOT NULL DEFAULT false;
ALTER TABLE authorizations ADD COLUMN joined jsonb NOT NULL DEFAULT '[]';
CREATE TABLE license_parties (
    partition integer NOT NULL,
    party_key bytea NOT NULL,
    license_ref bytea NOT NULL,
    stream_id bytea NOT NULL,
    type_code text NOT NULL,
    is_current boolean NOT NULL,
    PRIMARY KEY (partition, party_key)
);
CREATE INDEX license_parties_by_stream ON license_parties (partition, stream_id, type_code, license_ref)
    WHERE is_current;
GRANT SELECT ON license_parties TO ledger_service, ledger_reader;
GRANT INSERT, UPDATE ON license_parties TO ledger_service;

-- drafts --
-- Decision state: drafts of licenses, and how far each came.
CREATE TABLE drafts (
    partition integer NOT NULL,
    draft_ref bytea NOT NULL,
    organization text NOT NULL,
    type_code text NOT NULL,
    drafter bytea NOT NULL,
    drafted_at bigint NOT NULL,
    draft_index bigint NOT NULL,
    status text NOT NULL,
    PRIMARY KEY (partition, draft_ref)
);
GRANT SELECT ON drafts TO ledger_service, ledger_reader;
GRANT INSERT, UPDATE ON drafts TO ledger_service;
