-- columns --
-- The columns of a table or view of a front-end database, with type and what our role may do with each.
SELECT a.attname::text, t.typname::text, a.atttypmod,
       has_schema_privilege(n.oid, 'USAGE'),
       has_column_privilege(c.oid, a.attnum, 'SELECT'),
       has_column_privilege(c.oid, a.attnum, 'UPDATE')
FROM pg_catalog.pg_class AS c
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.oid
JOIN pg_catalog.pg_type AS t ON t.oid = a.atttypid
WHERE n.nspname = %s AND c.relname = %s AND c.relkind IN ('r', 'p', 'v', 'f', 'm')
  AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attnum LIMIT 1601

-- batches --
-- Numbers of batches of which some row has no answer yet, or waits; behind a number.
SELECT DISTINCT {batch}::text AS number FROM {table}
WHERE ({state} IS NULL OR {state} = 'waiting') AND {batch}::text ~ %s AND {batch}::text > %s
ORDER BY number LIMIT %s

-- nameless --
-- Rows without an answer whose batch has no number, or one that none can have; behind a sequence.
SELECT {sequence}::bigint, {batch} IS NULL FROM {table}
WHERE {state} IS NULL AND ({batch} IS NULL OR {batch}::text !~ %s) AND {sequence} > %s
ORDER BY {sequence} LIMIT %s

-- unanswered --
-- Rows of a batch without an answer, behind a sequence.
SELECT {sequence}::bigint FROM {table}
WHERE {batch}::text = %s AND {state} IS NULL AND {sequence} > %s
ORDER BY {sequence} LIMIT %s

-- counts --
-- How many rows of a batch are there, and how many it should have, as its rows say.
SELECT count(*), count({batch_rows}), min({batch_rows}), max({batch_rows}) FROM {table}
WHERE {batch}::text = %s

-- count --
-- How many rows of a batch are there.
SELECT count(*) FROM {table} WHERE {batch}::text = %s

-- rows --
-- The rows of a batch in their order.
SELECT {sequence}::bigint, {cells} FROM {table} WHERE {batch}::text = %s ORDER BY {sequence}

-- cell --
-- A value as text; of what is far too long, enough to see that it is.
left({column}::text, 65537)

-- cell_of_instant --
-- An instant in Beijing time.
left(({column} AT TIME ZONE 'Asia/Shanghai')::text, 65537)

-- answer --
-- Answer one row, unless it has the answer; that the ledger had a row is no news where it took it before.
UPDATE {table}
SET {state} = %(state)s::text, {error_remark} = %(remark)s::text, {handled_at} = now()
WHERE {sequence} = %(sequence)s::bigint AND {batch}::text = %(batch)s::text
  AND ({state}::text IS DISTINCT FROM %(state)s::text OR {error_remark}::text IS DISTINCT FROM %(remark)s::text)
  AND NOT (
      %(state)s::text = 'exists'
      AND coalesce({state}::text, '') IN ('issued', 'amended', 'changed', 'ended')
  )

-- answer_nameless --
-- Refuse one row whose batch has no number.
UPDATE {table} SET {state} = 'rejected', {error_remark} = %(remark)s::text, {handled_at} = now()
WHERE {sequence} = %(sequence)s::bigint AND {state} IS NULL
