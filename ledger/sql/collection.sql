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
-- Rows that were rejected, those sent again as they were rejected last.
INSERT INTO collection_rejects (partition, row_key, source, number, line, remark, rejected_at)
SELECT p.partition, u.row_key, u.source, u.number, u.line, u.remark, u.rejected_at
FROM partitions p
CROSS JOIN unnest(%b::bytea[], %b::text[], %b::text[], %b::bigint[], %b::text[], %b::bigint[])
    AS u (row_key, source, number, line, remark, rejected_at)
WHERE p.partition = %b::integer
ON CONFLICT (partition, row_key) DO UPDATE SET
    source = excluded.source,
    number = excluded.number,
    line = excluded.line,
    remark = excluded.remark,
    rejected_at = excluded.rejected_at

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
