-- roles --
-- The service reads and adds; the reader reads; both are granted to logins by `migrate`.
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'ledger_service') THEN
        CREATE ROLE ledger_service NOLOGIN;
    END IF;
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'ledger_reader') THEN
        CREATE ROLE ledger_reader NOLOGIN;
    END IF;
END $$;

-- partitions --
-- One row a partition, locked by every append and never updated.
CREATE TABLE partitions (
    partition integer PRIMARY KEY
);
INSERT INTO partitions VALUES (0);

-- events --
-- Facts in their order. Columns beside `state` are copies for indexes; `check` compares every one.
CREATE TABLE events (
    partition integer NOT NULL,
    position bigint NOT NULL CHECK (position > 0),
    stream_id uuid NOT NULL,
    version bigint NOT NULL,
    topic text NOT NULL,
    recorded_at bigint NOT NULL,
    state bytea NOT NULL,
    PRIMARY KEY (partition, position)
) PARTITION BY RANGE (position);
ALTER TABLE events ALTER COLUMN state SET STORAGE EXTERNAL;

-- checkpoints --
-- The tree head of every committed batch; `frontier` is the peaks, largest first.
CREATE TABLE checkpoints (
    partition integer NOT NULL,
    size bigint NOT NULL CHECK (size > 0),
    generation integer NOT NULL,
    root bytea NOT NULL,
    frontier bytea NOT NULL,
    at bigint NOT NULL,
    PRIMARY KEY (partition, size)
);

-- tiles --
-- Full hash tiles of 256 nodes (C2SP tlog-tiles), from which receipts of older events are built.
CREATE TABLE tiles (
    partition integer NOT NULL,
    level integer NOT NULL,
    tile bigint NOT NULL,
    hashes bytea NOT NULL,
    PRIMARY KEY (partition, level, tile)
);
ALTER TABLE tiles ALTER COLUMN hashes SET STORAGE EXTERNAL;

-- ring_state --
-- The version of the key ring that appenders must have; rises when keys, peppers or buckets change.
CREATE TABLE ring_state (
    partition integer PRIMARY KEY,
    ledger_id bytea NOT NULL,
    ring_version bigint NOT NULL
);

-- idempotency --
-- Client + operation + key of the last days, with the digest of the body and the events it led to.
CREATE TABLE idempotency (
    partition integer NOT NULL,
    day integer NOT NULL,
    key bytea NOT NULL,
    body_digest bytea NOT NULL,
    first_index bigint NOT NULL,
    events integer NOT NULL,
    PRIMARY KEY (partition, day, key)
) PARTITION BY RANGE (day);
CREATE TABLE idempotency_other PARTITION OF idempotency DEFAULT;

-- directory --
-- Keyed lookups of codes, identifiers and operators; the only tie between a code and a stream.
CREATE TABLE directory (
    partition integer NOT NULL,
    lookup bytea NOT NULL,
    kind text NOT NULL,
    pepper_id integer NOT NULL,
    stream_id bytea NOT NULL,
    target bytea,
    sealed bytea NOT NULL,
    PRIMARY KEY (partition, lookup)
);
CREATE INDEX directory_by_stream ON directory (partition, stream_id);
CREATE INDEX directory_by_pepper ON directory (partition, pepper_id, lookup);

-- data_keys --
-- Data keys wrapped under the key-encryption key of their stream's bucket.
CREATE TABLE data_keys (
    partition integer NOT NULL,
    stream_id bytea NOT NULL,
    number integer NOT NULL,
    bucket integer NOT NULL,
    generation integer NOT NULL,
    wrapped bytea NOT NULL,
    PRIMARY KEY (partition, stream_id, number)
);
CREATE INDEX data_keys_by_bucket ON data_keys (partition, bucket, stream_id);

-- spent_assertions --
-- Digests of client assertions already used, until they would have expired.
CREATE TABLE spent_assertions (
    digest bytea PRIMARY KEY,
    expires_at bigint NOT NULL
);
CREATE INDEX spent_assertions_by_expiry ON spent_assertions (expires_at);

-- ledger_facts --
-- Decision state: the ledger itself.
CREATE TABLE ledger_facts (
    partition integer NOT NULL,
    ledger_key bigint NOT NULL,
    operator text NOT NULL,
    registry bytea NOT NULL,
    suite text NOT NULL,
    PRIMARY KEY (partition, ledger_key)
);

-- generations --
-- Decision state: origins of this partition.
CREATE TABLE generations (
    partition integer NOT NULL,
    generation bigint NOT NULL,
    origin text NOT NULL,
    from_size bigint NOT NULL,
    PRIMARY KEY (partition, generation)
);

-- signing_keys --
-- Decision state: verification keys and when they came and went.
CREATE TABLE signing_keys (
    partition integer NOT NULL,
    key_id bytea NOT NULL,
    purpose text NOT NULL,
    public bytea NOT NULL,
    introduced_index bigint NOT NULL,
    retired_index bigint,
    PRIMARY KEY (partition, key_id)
);

-- license_types --
-- Decision state: the catalog.
CREATE TABLE license_types (
    partition integer NOT NULL,
    type_code text NOT NULL,
    name_zh text NOT NULL,
    name_en text NOT NULL,
    holder_kind text NOT NULL,
    sharing_class text NOT NULL,
    field_names jsonb NOT NULL,
    PRIMARY KEY (partition, type_code)
);

-- streams --
-- Decision state: streams and whether their holder was erased.
CREATE TABLE streams (
    partition integer NOT NULL,
    stream_id bytea NOT NULL,
    kind text NOT NULL,
    is_erased boolean NOT NULL,
    PRIMARY KEY (partition, stream_id)
);

-- organizations --
-- Decision state: organizations that act here.
CREATE TABLE organizations (
    partition integer NOT NULL,
    organization text NOT NULL,
    stream_id bytea NOT NULL,
    PRIMARY KEY (partition, organization)
);

-- clients --
-- Decision state: client systems.
CREATE TABLE clients (
    partition integer NOT NULL,
    client_id bytea NOT NULL,
    name text NOT NULL,
    organization text NOT NULL,
    scopes jsonb NOT NULL,
    license_types jsonb NOT NULL,
    algorithm text NOT NULL,
    keys jsonb NOT NULL,
    generation bigint NOT NULL,
    is_suspended boolean NOT NULL,
    PRIMARY KEY (partition, client_id)
);

-- licenses --
-- Decision state: licenses with their present version.
CREATE TABLE licenses (
    partition integer NOT NULL,
    license_ref bytea NOT NULL,
    stream_id bytea NOT NULL,
    type_code text NOT NULL,
    issuer text NOT NULL,
    status text NOT NULL,
    status_since bigint NOT NULL,
    status_index bigint NOT NULL,
    version bigint NOT NULL,
    version_index bigint NOT NULL,
    valid_from bigint NOT NULL,
    valid_to bigint,
    field_names jsonb NOT NULL,
    PRIMARY KEY (partition, license_ref)
) WITH (fillfactor = 90);
CREATE INDEX licenses_by_holder ON licenses (partition, stream_id, type_code, license_ref);

-- authorizations --
-- Decision state: authorizations with their scope and count as they are now.
CREATE TABLE authorizations (
    partition integer NOT NULL,
    authorization_ref bytea NOT NULL,
    stream_id bytea NOT NULL,
    mode text NOT NULL,
    requester text NOT NULL,
    grantor text NOT NULL,
    license_refs jsonb NOT NULL,
    type_codes jsonb NOT NULL,
    field_names jsonb,
    service_items jsonb,
    valid_from bigint NOT NULL,
    valid_until bigint,
    uses_max bigint,
    uses bigint NOT NULL,
    is_withdrawn boolean NOT NULL,
    use_code_digest bytea,
    PRIMARY KEY (partition, authorization_ref)
) WITH (fillfactor = 80);
CREATE INDEX authorizations_by_requester ON authorizations (partition, stream_id, requester);
CREATE UNIQUE INDEX authorizations_by_use_code ON authorizations (partition, use_code_digest)
    WHERE use_code_digest IS NOT NULL;

-- pieces --
-- Decision state: printed pieces by their place in a status list.
CREATE TABLE pieces (
    partition integer NOT NULL,
    piece_key bigint NOT NULL,
    license_ref bytea NOT NULL,
    version bigint NOT NULL,
    piece bigint NOT NULL,
    PRIMARY KEY (partition, piece_key)
);

-- grants --
-- Facts can only be added; state, directory and keys can be changed; nothing else.
GRANT USAGE ON SCHEMA public TO ledger_service, ledger_reader;
GRANT SELECT ON ALL TABLES IN SCHEMA public TO ledger_service, ledger_reader;
REVOKE SELECT ON data_keys, directory, idempotency, spent_assertions FROM ledger_reader;
GRANT INSERT ON events, checkpoints, tiles, idempotency TO ledger_service;
GRANT UPDATE ON partitions, ring_state TO ledger_service;
GRANT INSERT ON ring_state TO ledger_service;
GRANT INSERT, UPDATE, DELETE ON directory, data_keys TO ledger_service;
GRANT INSERT, DELETE ON spent_assertions TO ledger_service;
GRANT INSERT, UPDATE ON
    ledger_facts, generations, signing_keys, license_types, streams, organizations, clients,
    licenses, authorizations, pieces TO ledger_service;
