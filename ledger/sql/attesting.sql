-- begin --
-- Whether this session alone asks outsiders now.
SELECT pg_try_advisory_lock(%b::integer, %b::integer)

-- end --
-- Let another session ask.
SELECT pg_advisory_unlock(%b::integer, %b::integer)

-- latest --
-- What each of some witnesses cosigned last.
SELECT witness, generation, size, root, line, stored_at FROM cosignatures
WHERE partition = %b::integer AND witness = ANY(%b::text[]) ORDER BY witness LIMIT 64

-- save_cosignature --
-- A witness has cosigned a tree head; an older one of another process changes nothing.
INSERT INTO cosignatures (partition, witness, generation, size, root, line, stored_at)
VALUES (%b::integer, %b::text, %b::integer, %b::bigint, %b::bytea, %b::text, %b::bigint)
ON CONFLICT (partition, witness) DO UPDATE
SET generation = EXCLUDED.generation, size = EXCLUDED.size, root = EXCLUDED.root,
    line = EXCLUDED.line, stored_at = EXCLUDED.stored_at
WHERE (EXCLUDED.generation, EXCLUDED.size) >= (cosignatures.generation, cosignatures.size)

-- save_cosigned --
-- Enough witnesses have cosigned a tree head; further lines may come to it.
INSERT INTO cosigned_checkpoints (partition, generation, size, root, note, stored_at)
VALUES (%b::integer, %b::integer, %b::bigint, %b::bytea, %b::text, %b::bigint)
ON CONFLICT (partition, generation, size) DO UPDATE
SET note = EXCLUDED.note, stored_at = EXCLUDED.stored_at

-- cosigned --
-- The newest cosigned tree head of a generation, up to a size.
SELECT c.size, c.root, c.note, h.frontier FROM cosigned_checkpoints c
JOIN checkpoints h ON h.partition = c.partition AND h.size = c.size AND h.root = c.root
WHERE c.partition = %b::integer AND c.generation = %b::integer AND c.size <= %b::bigint
ORDER BY c.size DESC LIMIT 1

-- newest_cosigned --
-- Size of the newest cosigned tree head of a generation, and when it was stored.
SELECT size, stored_at FROM cosigned_checkpoints
WHERE partition = %b::integer AND generation = %b::integer ORDER BY size DESC LIMIT 1

-- save_stamp --
-- The authority has stamped a tree head; the first stamp of a head stands.
INSERT INTO time_stamps (partition, generation, size, root, note, response, stamped_at, stored_at)
VALUES (%b::integer, %b::integer, %b::bigint, %b::bytea, %b::text, %b::bytea, %b::bigint, %b::bigint)
ON CONFLICT DO NOTHING

-- newest_stamp --
-- The newest time-stamped tree head of a generation, and when it was stored.
SELECT size, note, response, stored_at FROM time_stamps
WHERE partition = %b::integer AND generation = %b::integer ORDER BY size DESC LIMIT 1

-- stamp_over --
-- The first time-stamped tree head of a generation that has a leaf index.
SELECT size, note, response, stored_at FROM time_stamps
WHERE partition = %b::integer AND generation = %b::integer AND size > %b::bigint ORDER BY size LIMIT 1

-- grown_at --
-- When the first tree head larger than a size was made.
SELECT at FROM checkpoints WHERE partition = %b::integer AND size > %b::bigint ORDER BY size LIMIT 1
