-- scan_rows --
-- Rows of one state table in key order, after a key.
SELECT {columns} FROM {table} WHERE partition = %b AND (%b::{type} IS NULL OR {key} > %b) ORDER BY {key} LIMIT %b
