-- ring_version --
-- The key ring version that appenders must have.
SELECT ring_version FROM ring_state WHERE partition = %b::integer

-- old_lookups --
-- Directory rows under peppers before the active one.
SELECT lookup, kind, stream_id, sealed FROM directory
WHERE partition = %b::integer AND pepper_id < %b::integer ORDER BY pepper_id, lookup LIMIT %b::bigint

-- move_lookups --
-- Directory rows as they are under the active pepper.
UPDATE directory d SET lookup = u.fresh, pepper_id = %b::integer
FROM unnest(%b::bytea[], %b::bytea[]) AS u (lookup, fresh)
WHERE d.partition = %b::integer AND d.lookup = u.lookup

-- old_wraps --
-- Data keys of a bucket wrapped under a key before its newest.
SELECT stream_id, number, bucket, generation, wrapped FROM data_keys
WHERE partition = %b::integer AND bucket = %b::integer AND generation < %b::integer
ORDER BY stream_id, number LIMIT %b::bigint

-- move_wraps --
-- Data keys under the newest key of their bucket.
UPDATE data_keys k SET generation = u.generation, wrapped = u.wrapped
FROM unnest(%b::bytea[], %b::integer[], %b::integer[], %b::bytea[]) AS u (stream_id, number, generation, wrapped)
WHERE k.partition = %b::integer AND k.stream_id = u.stream_id AND k.number = u.number

-- erased_streams --
-- Streams whose holder was erased, in order, after one of them.
SELECT stream_id FROM streams
WHERE partition = %b::integer AND is_erased AND stream_id > %b::bytea ORDER BY stream_id LIMIT %b::bigint

-- keyless_holders --
-- Holders whose data key is gone and whom the history does not call erased.
SELECT s.stream_id FROM streams s
WHERE s.partition = %b::integer AND s.kind = 'holder' AND NOT s.is_erased AND NOT EXISTS (
    SELECT FROM data_keys k WHERE k.partition = s.partition AND k.stream_id = s.stream_id)
ORDER BY s.stream_id LIMIT 1000000

-- filing --
-- Up to which position numbers are filed, and the newest one; nothing when all are.
SELECT f.through, (SELECT coalesce(max(e.position), 0) FROM events e WHERE e.partition = f.partition)
FROM number_filing f WHERE f.partition = %b::integer AND NOT f.is_done

-- versions --
-- Events of some topics in a run of positions.
SELECT position, state FROM events
WHERE partition = %b::integer AND position > %b::bigint AND position <= %b::bigint AND topic = ANY(%b::text[])
ORDER BY position LIMIT %b::bigint

-- set_filing --
-- Numbers are filed up to a position.
UPDATE number_filing SET through = %b::bigint, is_done = %b::boolean WHERE partition = %b::integer

-- size_before --
-- How many events the log had before a moment, in microseconds UTC.
SELECT coalesce(max(size), 0) FROM checkpoints WHERE partition = %b::integer AND at < %b::bigint
