-- head --
-- The newest position and the newest tree size, which one snapshot must show alike; the ledger's id.
SELECT (SELECT max(position) FROM events WHERE partition = %b),
       (SELECT max(size) FROM checkpoints WHERE partition = %b),
       (SELECT ledger_id FROM ring_state WHERE partition = %b)

-- events --
-- Every column of a run of positions, a stream as its 16 bytes.
SELECT position, uuid_send(stream_id), version, topic, recorded_at, state FROM events
WHERE partition = %b AND position > %b AND position <= %b ORDER BY position LIMIT %b

-- next_position --
-- The first position after one.
SELECT position FROM events WHERE partition = %b AND position > %b ORDER BY position LIMIT 1

-- first_position --
-- The lowest position there is.
SELECT position FROM events WHERE partition = %b ORDER BY position LIMIT 1

-- checkpoints --
-- Every column of the tree heads in a run of sizes.
SELECT size, generation, root, frontier, at, mac FROM checkpoints
WHERE partition = %b AND size > %b AND size <= %b ORDER BY size LIMIT %b

-- tiles --
-- Some hash tiles.
SELECT t.level, t.tile, t.hashes FROM unnest(%b::integer[], %b::bigint[]) AS u (level, tile)
JOIN tiles t ON t.partition = %b AND t.level = u.level AND t.tile = u.tile
ORDER BY t.level, t.tile LIMIT %b

-- tiles_beyond --
-- Tiles that a tree of the newest position's size cannot have filled.
SELECT level, tile FROM tiles
WHERE partition = %b
  AND (level NOT BETWEEN 0 AND 6
       OR tile < 0
       OR tile >= (SELECT coalesce(max(position), 0) FROM events WHERE partition = %b) >> (8 * (level + 1)))
ORDER BY level, tile LIMIT %b

-- scan_rows_first --
-- The first rows of one state table in key order.
SELECT {columns} FROM {table} WHERE partition = %b::integer ORDER BY {order} LIMIT %b::bigint

-- scan_rows --
-- Rows of one state table in key order, after a key.
SELECT {columns} FROM {table} WHERE partition = %b AND {order} > %b ORDER BY {order} LIMIT %b

-- directory_strays --
-- Streams with directory rows that are not in the history, or are erased.
SELECT DISTINCT d.stream_id FROM directory d
WHERE d.partition = %b AND NOT EXISTS (
    SELECT FROM streams s
    WHERE s.partition = d.partition AND s.stream_id = d.stream_id AND NOT s.is_erased)
ORDER BY d.stream_id LIMIT %b

-- data_key_strays --
-- Streams with data keys that are not in the history, or are erased.
SELECT DISTINCT k.stream_id FROM data_keys k
WHERE k.partition = %b AND NOT EXISTS (
    SELECT FROM streams s
    WHERE s.partition = k.partition AND s.stream_id = k.stream_id AND NOT s.is_erased)
ORDER BY k.stream_id LIMIT %b

-- keyless_streams --
-- Streams that are not erased and whose sealed parts nobody could open again.
SELECT s.stream_id FROM streams s
WHERE s.partition = %b AND NOT s.is_erased AND NOT EXISTS (
    SELECT FROM data_keys k WHERE k.partition = s.partition AND k.stream_id = s.stream_id)
ORDER BY s.stream_id LIMIT %b

-- nameless_holders --
-- Holders that are not erased and that no code leads to.
SELECT s.stream_id FROM streams s
WHERE s.partition = %b AND s.kind = 'holder' AND NOT s.is_erased AND NOT EXISTS (
    SELECT FROM directory d
    WHERE d.partition = s.partition AND d.stream_id = s.stream_id AND d.kind = 'holder')
ORDER BY s.stream_id LIMIT %b

-- misled_licenses --
-- Streams with a lookup of a license that is not there, or is another stream's; later versions may move.
SELECT DISTINCT d.stream_id FROM directory d
WHERE d.partition = %b AND d.kind IN ('license', 'license-text', 'number', 'stock-source') AND NOT EXISTS (
    SELECT FROM licenses l
    WHERE l.partition = d.partition AND l.license_ref = d.target
      AND (l.stream_id = d.stream_id OR l.version > 1 OR d.kind = 'stock-source'))
ORDER BY d.stream_id LIMIT %b

-- sourceless --
-- Of some imported licenses, those to which no source leads.
SELECT r.license_ref FROM unnest(%b::bytea[]) AS r (license_ref)
WHERE NOT EXISTS (
    SELECT FROM directory d
    WHERE d.partition = %b AND d.kind = 'stock-source' AND d.target = r.license_ref)
ORDER BY r.license_ref LIMIT %b

-- lost_numbers --
-- Streams that are not erased, with a license filed under no number; asked once those of before are filed.
SELECT DISTINCT l.stream_id FROM licenses l
JOIN streams s ON s.partition = l.partition AND s.stream_id = l.stream_id AND NOT s.is_erased
JOIN number_filing f ON f.partition = l.partition AND f.is_done
WHERE l.partition = %b AND NOT EXISTS (
    SELECT FROM directory d
    WHERE d.partition = l.partition AND d.stream_id = l.stream_id AND d.kind = 'number'
      AND d.target = l.license_ref)
ORDER BY l.stream_id LIMIT %b

-- misled_codes --
-- Streams with a lookup of a linked code whose link is not there, is reversed, or is another stream's.
SELECT DISTINCT d.stream_id FROM directory d
WHERE d.partition = %b AND d.kind = 'holder' AND d.target IS NOT NULL AND NOT EXISTS (
    SELECT FROM holder_links l
    WHERE l.partition = d.partition AND l.link_ref = d.target AND l.stream_id = d.stream_id
      AND NOT l.is_reversed)
ORDER BY d.stream_id LIMIT %b

-- lost_codes --
-- Streams that are not erased, with a link to which no lookup leads.
SELECT DISTINCT l.stream_id FROM holder_links l
JOIN streams s ON s.partition = l.partition AND s.stream_id = l.stream_id AND NOT s.is_erased
WHERE l.partition = %b AND NOT l.is_reversed AND NOT EXISTS (
    SELECT FROM directory d
    WHERE d.partition = l.partition AND d.stream_id = l.stream_id AND d.kind = 'holder'
      AND d.target = l.link_ref)
ORDER BY l.stream_id LIMIT %b

-- repeats_beyond --
-- Idempotency keys that lead to events which do not exist.
SELECT first_index, events FROM idempotency
WHERE partition = %b
  AND (first_index < 0 OR events < 0
       OR first_index + events > (SELECT coalesce(max(position), 0) FROM events WHERE partition = %b))
ORDER BY first_index, events LIMIT %b

-- misattested --
-- Cosigned and time-stamped tree heads that this history does not have, or whose texts say another.
SELECT DISTINCT a.size FROM (
    SELECT generation, size, root, NULL AS note FROM cosignatures WHERE partition = %b
    UNION ALL SELECT generation, size, root, note FROM cosigned_checkpoints WHERE partition = %b
    UNION ALL SELECT generation, size, root, note FROM time_stamps WHERE partition = %b
) AS a
WHERE NOT EXISTS (
    SELECT FROM checkpoints c
    WHERE c.partition = %b AND c.size = a.size AND c.generation = a.generation AND c.root = a.root)
   OR split_part(a.note, E'\n', 2) <> a.size::text
   OR split_part(a.note, E'\n', 3) <> encode(a.root, 'base64')
ORDER BY a.size LIMIT %b

-- directory_first --
-- The first directory rows in order of lookup, each with the data key that seals it.
SELECT d.lookup, d.kind, d.stream_id, d.sealed, k.number, k.bucket, k.generation, k.wrapped FROM directory d
LEFT JOIN data_keys k ON k.partition = d.partition AND k.stream_id = d.stream_id AND k.number = 0
WHERE d.partition = %b ORDER BY d.lookup LIMIT %b

-- directory --
-- Directory rows after a lookup, as above.
SELECT d.lookup, d.kind, d.stream_id, d.sealed, k.number, k.bucket, k.generation, k.wrapped FROM directory d
LEFT JOIN data_keys k ON k.partition = d.partition AND k.stream_id = d.stream_id AND k.number = 0
WHERE d.partition = %b AND d.lookup > %b ORDER BY d.lookup LIMIT %b
