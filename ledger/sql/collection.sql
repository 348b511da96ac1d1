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
