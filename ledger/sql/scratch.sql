-- unsynced --
-- The file lives as long as one check: nothing of it has to survive a crash.
PRAGMA journal_mode = OFF

-- unflushed --
-- As above: no waiting for the disk.
PRAGMA synchronous = OFF

-- create --
-- Encoded rows by kind and key; keys order as the database orders them.
CREATE TABLE rows (kind INTEGER NOT NULL, key BLOB NOT NULL, data BLOB NOT NULL, PRIMARY KEY (kind, key))
WITHOUT ROWID

-- find --
-- One row.
SELECT data FROM rows WHERE kind = ? AND key = ?

-- save --
-- Rows as they are now.
INSERT INTO rows (kind, key, data) VALUES (?, ?, ?) ON CONFLICT (kind, key) DO UPDATE SET data = excluded.data

-- run --
-- Rows of a kind after a key and up to another, in key order, a page at a time.
SELECT key, data FROM rows
WHERE kind = ?1 AND key > ?2 AND (?3 IS NULL OR key <= ?3) ORDER BY key LIMIT ?4
