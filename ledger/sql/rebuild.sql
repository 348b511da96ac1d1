-- be_patient --
-- A rebuild takes as long as the history is long.
SELECT set_config('statement_timeout', '0', true), set_config('lock_timeout', '0', true),
       set_config('idle_in_transaction_session_timeout', '0', true), set_config('jit', 'off', true)

-- events --
-- Stored bytes of the positions that follow one.
SELECT position, state FROM events WHERE partition = %b AND position > %b ORDER BY position LIMIT %b

-- keep_before --
-- A state table as it was, to be compared.
CREATE TEMPORARY TABLE before_{table} ON COMMIT DROP AS SELECT * FROM {table} WHERE partition = {partition}

-- clear --
-- A state table without rows.
DELETE FROM {table} WHERE partition = {partition}

-- changed --
-- How many keys of a state table have another row than before, or no row on one side.
SELECT count(DISTINCT {key}) FROM (
    (SELECT * FROM before_{table} EXCEPT SELECT * FROM {table} WHERE partition = {partition})
    UNION ALL
    (SELECT * FROM {table} WHERE partition = {partition} EXCEPT SELECT * FROM before_{table})
) AS differing
