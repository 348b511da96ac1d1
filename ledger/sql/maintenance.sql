-- versions --
-- Which migrations ran.
CREATE TABLE IF NOT EXISTS schema_versions (version integer PRIMARY KEY, migrated_at timestamptz NOT NULL DEFAULT now())

-- lock_migration --
-- One migration at a time.
SELECT pg_advisory_xact_lock(hashtext('license-ledger migrate'))

-- applied --
-- The newest migration that ran.
SELECT coalesce(max(version), 0) FROM schema_versions

-- record_version --
-- A migration ran.
INSERT INTO schema_versions (version) VALUES (%s)

-- newest_range --
-- The first position that no range table holds yet, and the newest position.
SELECT coalesce(max((regexp_match(pg_get_expr(c.relpartbound, c.oid), 'TO \(''(\d+)''\)'))[1]::bigint), 1),
       coalesce((SELECT max(size) FROM checkpoints), 0)
FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
WHERE i.inhparent = 'events'::regclass

-- add_range --
-- One more table of events, its positions from {first} up to {end}, not included.
CREATE TABLE events_{first} PARTITION OF events FOR VALUES FROM ({first}) TO ({end});
CREATE UNIQUE INDEX events_{first}_by_stream ON events_{first} (partition, stream_id, version);
GRANT SELECT, INSERT ON events_{first} TO ledger_service;
GRANT SELECT ON events_{first} TO ledger_reader

-- key_tables --
-- First day and end of each table of idempotency keys, oldest first.
SELECT (regexp_match(pg_get_expr(c.relpartbound, c.oid), 'FROM \((\d+)\)'))[1]::integer,
       (regexp_match(pg_get_expr(c.relpartbound, c.oid), 'TO \((\d+)\)'))[1]::integer
FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
WHERE i.inhparent = 'idempotency'::regclass AND pg_get_expr(c.relpartbound, c.oid) LIKE 'FOR VALUES%%'
ORDER BY 1

-- add_key_table --
-- The idempotency keys of the days from {first} up to {end}, not included.
CREATE TABLE idempotency_{first} PARTITION OF idempotency FOR VALUES FROM ({first}) TO ({end});
GRANT SELECT, INSERT ON idempotency_{first} TO ledger_service

-- drop_key_table --
-- Keys older than any repeat is promised for.
DROP TABLE idempotency_{first}

-- default_keys --
-- Whether keys of some days went to the default table.
SELECT EXISTS (SELECT FROM idempotency_other WHERE day >= %s AND day < %s)

-- make_login --
-- A login that may do what a role may.
CREATE ROLE {login} LOGIN

-- login_exists --
-- Whether a login is there.
SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = %s)

-- set_password --
-- A login's password; the server keeps its SCRAM verifier only.
ALTER ROLE {login} LOGIN PASSWORD {password}

-- grant_role --
-- What the login may do.
GRANT {role} TO {login}

-- ring_state --
-- The key ring that appenders must have.
INSERT INTO ring_state (partition, ledger_id, ring_version) VALUES (0, %s, %s) ON CONFLICT DO NOTHING

-- create_database --
-- The ledger's own database.
CREATE DATABASE {name} ENCODING 'UTF8' TEMPLATE template0

-- database_exists --
-- Whether a database is there.
SELECT EXISTS (SELECT FROM pg_database WHERE datname = %s)
