-- begin --
-- One snapshot for the whole backup.
BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY

-- head --
-- The newest tree head.
SELECT size, generation, root FROM checkpoints WHERE partition = %s ORDER BY size DESC LIMIT 1

-- checkpoint_at --
-- The tree head at one size.
SELECT generation, root FROM checkpoints WHERE partition = %s AND size = %s

-- is_empty --
-- Whether nothing was ever appended here.
SELECT NOT EXISTS (SELECT FROM events) AND NOT EXISTS (SELECT FROM checkpoints)
   AND NOT EXISTS (SELECT FROM directory) AND NOT EXISTS (SELECT FROM data_keys)
   AND NOT EXISTS (SELECT FROM blobs)

-- save_checkpoints --
-- Every tree head.
COPY (SELECT partition, size, generation, root, frontier, at, mac FROM checkpoints ORDER BY partition, size)
TO STDOUT (FORMAT binary)

-- load_checkpoints --
-- The tree heads of a backup.
COPY checkpoints (partition, size, generation, root, frontier, at, mac) FROM STDIN (FORMAT binary)

-- load_checkpoints_without_mac --
-- The tree heads of a backup from before they had one.
COPY checkpoints (partition, size, generation, root, frontier, at) FROM STDIN (FORMAT binary)

-- save_events --
-- Every fact in its order.
COPY (SELECT partition, position, stream_id, version, topic, recorded_at, state
      FROM events ORDER BY partition, position) TO STDOUT (FORMAT binary)

-- load_events --
-- The facts of a backup.
COPY events (partition, position, stream_id, version, topic, recorded_at, state) FROM STDIN (FORMAT binary)

-- save_tiles --
-- Every full hash tile.
COPY (SELECT partition, level, tile, hashes FROM tiles ORDER BY partition, level, tile) TO STDOUT (FORMAT binary)

-- load_tiles --
-- The hash tiles of a backup.
COPY tiles (partition, level, tile, hashes) FROM STDIN (FORMAT binary)

-- save_directory --
-- Every lookup with its sealed content.
COPY (SELECT partition, lookup, kind, pepper_id, stream_id, target, sealed
      FROM directory ORDER BY partition, lookup) TO STDOUT (FORMAT binary)

-- load_directory --
-- The lookups of a backup.
COPY directory (partition, lookup, kind, pepper_id, stream_id, target, sealed) FROM STDIN (FORMAT binary)

-- save_idempotency --
-- Keys of the last days and what they led to.
COPY (SELECT partition, day, key, body_digest, first_index, events
      FROM idempotency ORDER BY partition, day, key) TO STDOUT (FORMAT binary)

-- load_idempotency --
-- The idempotency keys of a backup.
COPY idempotency (partition, day, key, body_digest, first_index, events) FROM STDIN (FORMAT binary)

-- save_blobs --
-- Every sealed attachment.
COPY (SELECT partition, digest, sealed, stored_at FROM blobs ORDER BY partition, digest) TO STDOUT (FORMAT binary)

-- load_blobs --
-- The sealed attachments of a backup.
COPY blobs (partition, digest, sealed, stored_at) FROM STDIN (FORMAT binary)

-- drop_data_keys --
-- The wraps of an older copy of the database: those outside take their place.
DELETE FROM data_keys WHERE partition = %b::integer

-- drop_stray_keys --
-- Data keys of streams that the restored history does not have, or has as erased.
DELETE FROM data_keys k WHERE NOT EXISTS (
    SELECT FROM streams s
    WHERE s.partition = k.partition AND s.stream_id = k.stream_id AND NOT s.is_erased)

-- drop_stray_entries --
-- Directory rows of streams without a data key: their holders were erased after the backup.
DELETE FROM directory d WHERE NOT EXISTS (
    SELECT FROM data_keys k WHERE k.partition = d.partition AND k.stream_id = d.stream_id)

-- keyless_streams --
-- How many streams that the history does not call erased have no data key.
SELECT count(*) FROM streams s WHERE NOT s.is_erased AND NOT EXISTS (
    SELECT FROM data_keys k WHERE k.partition = s.partition AND k.stream_id = s.stream_id)

-- file_numbers_again --
-- Whether the directory of a backup has the numbers of all licenses is not known.
UPDATE number_filing SET through = 0, is_done = false

-- save_cosignatures --
-- What witnesses cosigned last.
COPY (SELECT partition, witness, generation, size, root, line, stored_at FROM cosignatures
      ORDER BY partition, witness) TO STDOUT (FORMAT binary)

-- load_cosignatures --
-- The cosignatures of a backup.
COPY cosignatures (partition, witness, generation, size, root, line, stored_at) FROM STDIN (FORMAT binary)

-- save_cosigned_checkpoints --
-- Every cosigned tree head.
COPY (SELECT partition, generation, size, root, note, stored_at FROM cosigned_checkpoints
      ORDER BY partition, generation, size) TO STDOUT (FORMAT binary)

-- load_cosigned_checkpoints --
-- The cosigned tree heads of a backup.
COPY cosigned_checkpoints (partition, generation, size, root, note, stored_at) FROM STDIN (FORMAT binary)

-- save_time_stamps --
-- Every time-stamped tree head.
COPY (SELECT partition, generation, size, root, note, response, stamped_at, stored_at FROM time_stamps
      ORDER BY partition, generation, size) TO STDOUT (FORMAT binary)

-- load_time_stamps --
-- The time-stamped tree heads of a backup.
COPY time_stamps (partition, generation, size, root, note, response, stamped_at, stored_at)
FROM STDIN (FORMAT binary)
