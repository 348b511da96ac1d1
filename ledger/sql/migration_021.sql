-- issuer_seals --
-- Decision state: certificates under which issuers sign documents.
CREATE TABLE issuer_seals (
    partition integer NOT NULL,
    fingerprint bytea NOT NULL,
    organization text NOT NULL,
    certificate bytea NOT NULL,
    chain jsonb NOT NULL,
    valid_from bigint NOT NULL,
    valid_until bigint NOT NULL,
    is_demonstration boolean NOT NULL,
    registered_index bigint NOT NULL,
    registered_at bigint NOT NULL,
    revoked_at bigint,
    revocation text,
    PRIMARY KEY (partition, fingerprint)
);
CREATE INDEX ON issuer_seals (partition, organization);
GRANT SELECT ON issuer_seals TO ledger_service, ledger_reader;
GRANT INSERT, UPDATE ON issuer_seals TO ledger_service;

-- copies --
-- Decision state: copies that uses asked for, by the digest of their links.
CREATE TABLE copies (
    partition integer NOT NULL,
    link_digest bytea NOT NULL,
    license_ref bytea NOT NULL,
    use_index bigint NOT NULL,
    expires_at bigint NOT NULL,
    downloaded_at bigint,
    PRIMARY KEY (partition, link_digest)
);
GRANT SELECT ON copies TO ledger_service, ledger_reader;
GRANT INSERT, UPDATE ON copies TO ledger_service;
