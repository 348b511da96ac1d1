-- unsynced --
-- The file lives as long as one run: nothing of it has to survive a crash.
PRAGMA journal_mode = OFF

-- unflushed --
-- As above: no waiting for the disk.
PRAGMA synchronous = OFF

-- create --
-- Rows of a batch as they stand in its file.
CREATE TABLE found (
    key BLOB NOT NULL,
    moment INTEGER NOT NULL,
    rank INTEGER NOT NULL,
    line INTEGER NOT NULL,
    start INTEGER NOT NULL,
    lines INTEGER NOT NULL
)

-- add --
-- One row.
INSERT INTO found VALUES (?, ?, ?, ?, ?, ?)

-- arrange --
-- The rows in waves: in each at most one row of a license, and in the file's order within it.
CREATE TABLE arranged AS
SELECT row_number() OVER (ORDER BY wave, line) AS place, wave, line, start, lines
FROM (
    SELECT row_number() OVER (PARTITION BY key ORDER BY moment, rank, line) AS wave, line, start, lines
    FROM found
) AS waved
ORDER BY place

-- count --
-- How many rows there are.
SELECT count(*) FROM arranged

-- spots --
-- Rows behind a place, a page at a time; places are the row numbers of the table.
SELECT place, wave, line, start, lines FROM arranged WHERE rowid > ? ORDER BY rowid LIMIT ?

-- known_batches --
-- Which of some batches came.
SELECT batch_key FROM collection_batches WHERE partition = %b::integer AND batch_key = ANY(%b::text[])

-- events_at --
-- Events at some positions.
SELECT position, state FROM events WHERE partition = %b::integer AND position = ANY(%b::bigint[])

-- filed_many --
-- Licenses filed under each of some printed numbers.
SELECT asked.place, d.target
FROM unnest(%b::bytea[], %b::bytea[]) WITH ORDINALITY AS asked (first, beyond, place)
CROSS JOIN LATERAL (
    SELECT one.target FROM directory AS one
    WHERE one.partition = %b::integer
      AND one.lookup >= asked.first AND one.lookup < asked.beyond AND one.kind = 'number'
    ORDER BY one.lookup LIMIT %b::bigint
) AS d

-- keep_rejects --
-- Rows that were rejected, those sent again as they were rejected last; put right and wrong again is new.
INSERT INTO collection_rejects (
    partition, row_key, source, number, line, remark, rejected_at, license_key, type_code, operation,
    operated_at, organization, first_at
)
SELECT p.partition, u.row_key, u.source, u.number, u.line, u.remark, u.rejected_at, u.license_key, u.type_code,
       u.operation, u.operated_at, u.organization, u.rejected_at
FROM partitions p
CROSS JOIN unnest(
    %b::bytea[], %b::text[], %b::text[], %b::bigint[], %b::text[], %b::bigint[], %b::bytea[], %b::text[],
    %b::text[], %b::bigint[], %b::text[]
) AS u (
    row_key, source, number, line, remark, rejected_at, license_key, type_code, operation, operated_at,
    organization
)
WHERE p.partition = %b::integer
ON CONFLICT (partition, row_key) DO UPDATE SET
    source = excluded.source,
    number = excluded.number,
    line = excluded.line,
    remark = excluded.remark,
    rejected_at = excluded.rejected_at,
    license_key = excluded.license_key,
    type_code = excluded.type_code,
    operation = excluded.operation,
    operated_at = excluded.operated_at,
    organization = excluded.organization,
    first_at = CASE WHEN collection_rejects.settled_at IS NULL
                    THEN collection_rejects.first_at ELSE excluded.first_at END,
    times = collection_rejects.times + (collection_rejects.number <> excluded.number)::integer,
    settled_at = NULL

-- settle_rejects --
-- Rows that were rejected of licenses of which as new a row was applied leave the list.
UPDATE collection_rejects AS r SET settled_at = %b::bigint
FROM unnest(%b::bytea[], %b::bigint[]) AS u (license_key, operated_at)
WHERE r.partition = %b::integer AND r.settled_at IS NULL AND r.license_key = u.license_key
  AND (r.operated_at IS NULL OR r.operated_at <= u.operated_at)

-- dismiss_rejects --
-- The rows of a batch leave the list.
UPDATE collection_rejects SET settled_at = %b::bigint
WHERE partition = %b::integer AND source = %b::text AND number = %b::text AND settled_at IS NULL
RETURNING line

-- open_rejects --
-- Rejected rows of an organization that nobody put right yet, the oldest first.
SELECT first_at, row_key, source, number, line, remark, rejected_at, type_code, operation, operated_at, times
FROM collection_rejects
WHERE partition = %b::integer AND organization = %b::text AND source = coalesce(%b::text, source)
  AND settled_at IS NULL AND (first_at, row_key) > (%b::bigint, %b::bytea)
ORDER BY first_at, row_key LIMIT %b::bigint

-- reject_backlogs --
-- Sources with such rows, those with the oldest first; there are as many as an organization has systems.
SELECT organization, split_part(source, ' ', 2), count(*), min(first_at), max(rejected_at)
FROM collection_rejects
WHERE partition = %b::integer AND organization = coalesce(%b::text, organization) AND settled_at IS NULL
GROUP BY organization, source
ORDER BY min(first_at), organization, source LIMIT 10000

-- rejects --
-- Those of some rows that were rejected.
SELECT row_key, remark FROM collection_rejects WHERE partition = %b::integer AND row_key = ANY(%b::bytea[])

-- applied_between_first --
-- Rows of a source applied that changed in a span of time, the first page.
SELECT c.row_key, c.license_ref, c.number, c.type_code, c.operation, c.operated_at, c.collected_index, c.digest,
       l.issuer, l.area_code
FROM collected_rows AS c
JOIN licenses AS l ON l.partition = c.partition AND l.license_ref = c.license_ref
WHERE c.partition = %b::integer AND c.source = %b::text
  AND c.operated_at >= %b::bigint AND c.operated_at < %b::bigint
ORDER BY c.operated_at, c.row_key LIMIT %b::bigint

-- applied_between --
-- As above, behind a row.
SELECT c.row_key, c.license_ref, c.number, c.type_code, c.operation, c.operated_at, c.collected_index, c.digest,
       l.issuer, l.area_code
FROM collected_rows AS c
JOIN licenses AS l ON l.partition = c.partition AND l.license_ref = c.license_ref
WHERE c.partition = %b::integer AND c.source = %b::text
  AND (c.operated_at, c.row_key) > (%b::bigint, %b::bytea) AND c.operated_at < %b::bigint
ORDER BY c.operated_at, c.row_key LIMIT %b::bigint

-- create_seen --
-- Rows that a sheet names and the ledger has.
CREATE TABLE seen (row_key BLOB PRIMARY KEY) WITHOUT ROWID

-- see --
-- One more of them; once.
INSERT OR IGNORE INTO seen VALUES (?)

-- is_seen --
-- Whether a sheet named it.
SELECT 1 FROM seen WHERE row_key = ?
