-- numbers --
-- Numbers of the status lists that have a place taken, in their order: one step through the index for each.
WITH RECURSIVE taken AS (
    (SELECT piece_key / %b AS number FROM pieces WHERE partition = %b ORDER BY piece_key LIMIT 1)
    UNION ALL
    SELECT (
        SELECT p.piece_key / %b FROM pieces AS p
        WHERE p.partition = %b AND p.piece_key >= (taken.number + 1) * %b
        ORDER BY p.piece_key LIMIT 1
    )
    FROM taken WHERE taken.number IS NOT NULL
)
SELECT number FROM taken WHERE number IS NOT NULL ORDER BY number LIMIT %b

-- standings --
-- Places of one list of which something is to be said, those alike together. A license whose dates alone
-- could be against it says nothing here, unless a date suspends it: its token has the dates itself.
SELECT
    l.status,
    l.frozen_index IS NOT NULL AS is_frozen,
    l.lost_index IS NOT NULL AS is_lost,
    l.restricted_index IS NOT NULL AS is_restricted,
    p.version = l.version AS is_present,
    p.is_cancelled,
    s.is_erased,
    s.ended_at IS NOT NULL AS is_ended,
    CASE WHEN s.ended_at IS NOT NULL THEN l.type_code END AS type_code,
    CASE WHEN l.overdue_suspends THEN l.overdue_after END AS overdue_after,
    CASE WHEN l.overdue_suspends THEN l.valid_from END AS valid_from,
    CASE WHEN l.overdue_suspends THEN l.valid_to END AS valid_to,
    array_agg((p.piece_key - %b)::integer) AS places
FROM pieces AS p
JOIN licenses AS l ON l.partition = p.partition AND l.license_ref = p.license_ref
JOIN streams AS s ON s.partition = l.partition AND s.stream_id = l.stream_id
WHERE p.partition = %b AND p.piece_key >= %b AND p.piece_key < %b
  AND NOT (
      l.status = 'active' AND l.frozen_index IS NULL AND l.lost_index IS NULL
      AND l.restricted_index IS NULL AND p.version = l.version AND NOT p.is_cancelled
      AND (NOT l.overdue_suspends OR l.overdue_after IS NULL) AND NOT s.is_erased AND s.ended_at IS NULL
  )
GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12
ORDER BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12 LIMIT %b
