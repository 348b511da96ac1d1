-- schema --
-- Where projections live, and where their next versions are built beside them.
CREATE SCHEMA IF NOT EXISTS projections;
CREATE SCHEMA IF NOT EXISTS projections_next;
GRANT USAGE ON SCHEMA projections TO ledger_service, ledger_reader;
CREATE TABLE IF NOT EXISTS projections.positions (
    partition integer NOT NULL,
    name text NOT NULL,
    version integer NOT NULL,
    through bigint NOT NULL,
    halted_at bigint,
    PRIMARY KEY (partition, name)
) WITH (fillfactor = 50)

-- grants --
-- The service keeps the projections of one schema; the reader reads them.
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {schema} TO ledger_service;
GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO ledger_reader

-- lock_migration --
-- One migration at a time.
SELECT pg_advisory_xact_lock(hashtext('license-ledger projections'))

-- lock_rebuild --
-- One rebuild of a projection at a time, for the time of the session.
SELECT pg_try_advisory_lock(hashtext('license-ledger projections rebuild'), hashtext(%b))

-- unlock_rebuild --
-- The rebuild is over.
SELECT pg_advisory_unlock(hashtext('license-ledger projections rebuild'), hashtext(%b))

-- known --
-- Projections that have tables.
SELECT name, version FROM projections.positions WHERE partition = %b ORDER BY name LIMIT 1000

-- begin --
-- A projection that has followed nothing yet.
INSERT INTO projections.positions (partition, name, version, through) VALUES (%b, %b, %b, -1)
ON CONFLICT (partition, name) DO UPDATE SET version = excluded.version, through = -1, halted_at = NULL

-- position --
-- How far a projection came.
SELECT version, through, halted_at FROM projections.positions WHERE partition = %b AND name = %b

-- lock_position --
-- The same, for the one process that follows; no row comes back while another one does.
SELECT version, through, halted_at FROM projections.positions WHERE partition = %b AND name = %b
FOR UPDATE SKIP LOCKED

-- wait_for_position --
-- The same, once whoever follows has committed.
SELECT version, through, halted_at FROM projections.positions WHERE partition = %b AND name = %b
FOR UPDATE

-- advance --
-- The projection has come through an index.
UPDATE projections.positions SET through = %b WHERE partition = %b AND name = %b

-- halt --
-- The projection stops before an index, or goes on again.
UPDATE projections.positions SET halted_at = %b WHERE partition = %b AND name = %b

-- forget --
-- The rebuilt version has taken the place of the one before.
DELETE FROM projections.positions WHERE partition = %b AND name = %b

-- page --
-- A page of a list with the index that its projection has come through, which stands alone where nothing is.
SELECT p.through, {columns}
FROM positions p
LEFT JOIN LATERAL (
    {listed}
) AS t ON true
WHERE p.partition = %(partition)b AND p.name = '{projection}'
ORDER BY t.{index} LIMIT %(limit)b

-- drop_table --
-- A table of an unfinished rebuild, or of the version that was replaced.
DROP TABLE IF EXISTS {schema}.{table}

-- lock_tables --
-- Wait for those who read; they lock the tables of a projection in the same order.
LOCK TABLE {tables} IN ACCESS EXCLUSIVE MODE

-- put_in_place --
-- A rebuilt table becomes the one that is read.
ALTER TABLE projections_next.{table} SET SCHEMA projections
