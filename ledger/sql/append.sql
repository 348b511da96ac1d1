-- lock_partition --
-- Wait for the partition; the row is never updated, so no version of it piles up under a long snapshot.
SELECT partition FROM partitions WHERE partition = %b::integer FOR UPDATE

-- waited --
-- Right after the lock: how many microseconds ago the transaction began.
SELECT (extract(epoch FROM clock_timestamp() - now()) * 1000000)::bigint

-- look --
-- Under the lock: the database's clock in microseconds UTC, how many microseconds ago the transaction began,
-- the key ring version that appenders must have, the newest committed tree head, and the one of the anchor's
-- size.
SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint,
       (extract(epoch FROM clock_timestamp() - now()) * 1000000)::bigint, r.ring_version,
       h.size, h.generation, h.root, h.frontier, h.at, h.mac, a.root, a.generation
FROM partitions p
LEFT JOIN ring_state r ON r.partition = p.partition
LEFT JOIN LATERAL (
    SELECT size, generation, root, frontier, at, mac FROM checkpoints
    WHERE partition = p.partition ORDER BY size DESC LIMIT 1
) AS h ON true
LEFT JOIN checkpoints a ON a.partition = p.partition AND a.size = %b::bigint
WHERE p.partition = %b::integer

-- clock --
-- The database's clock in microseconds UTC, and the key ring version that appenders must have.
SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint,
       (SELECT ring_version FROM ring_state WHERE partition = %b::integer)

-- directory_entries --
-- What some lookups name.
SELECT lookup, stream_id, target FROM directory WHERE partition = %b::integer AND lookup = ANY(%b::bytea[])

-- naming_entries --
-- Directory rows of some streams that name a target, such as a license.
SELECT d.stream_id, d.target, d.kind, d.sealed
FROM unnest(%b::bytea[], %b::bytea[]) AS asked (stream_id, target)
JOIN directory d ON d.partition = %b::integer AND d.stream_id = asked.stream_id AND d.target = asked.target

-- idempotency --
-- What some keys of the last days led to.
SELECT key, body_digest, first_index, events FROM idempotency
WHERE partition = %b::integer AND day BETWEEN %b::integer AND %b::integer AND key = ANY(%b::bytea[])

-- rows --
-- Rows of one state table by key.
SELECT {columns} FROM {table} WHERE partition = %b::integer AND {key} = ANY(%b::{key_type}[])

-- by_use_code --
-- Authorizations that use codes stand for.
SELECT {columns} FROM authorizations WHERE partition = %b::integer AND use_code_digest = ANY(%b::bytea[])

-- held --
-- Of each holder and type, the licenses that come first: effective on this Beijing day, then the newest.
SELECT l.* FROM unnest(%b::bytea[], %b::text[]) AS asked (stream_id, type_code)
CROSS JOIN LATERAL (
    SELECT {columns} FROM licenses
    WHERE partition = %b::integer AND stream_id = asked.stream_id AND type_code = asked.type_code
    ORDER BY (status = 'active'
              AND (statement_timestamp() AT TIME ZONE 'UTC' + interval '8 hours')::date - date '1970-01-01'
                  BETWEEN valid_from AND coalesce(valid_to, valid_from + 1000000)) DESC,
             valid_from DESC, license_ref DESC
    LIMIT 200
) AS l

-- held_with_others --
-- Of each holder and type, the licenses that stand in another party's stream, in the order of `held`.
SELECT l.* FROM unnest(%b::bytea[], %b::text[]) AS asked (stream_id, type_code)
CROSS JOIN LATERAL (
    SELECT one.* FROM license_parties p
    CROSS JOIN LATERAL (
        SELECT {columns} FROM licenses WHERE partition = p.partition AND license_ref = p.license_ref LIMIT 1
    ) AS one
    WHERE p.partition = %b::integer AND p.stream_id = asked.stream_id AND p.type_code = asked.type_code
      AND p.is_current
    ORDER BY (one.status = 'active'
              AND (statement_timestamp() AT TIME ZONE 'UTC' + interval '8 hours')::date - date '1970-01-01'
                  BETWEEN one.valid_from AND coalesce(one.valid_to, one.valid_from + 1000000)) DESC,
             one.valid_from DESC, one.license_ref DESC
    LIMIT 200
) AS l

-- shared --
-- Licenses with several parties, of which each of these streams is one.
SELECT l.* FROM unnest(%b::bytea[]) AS asked (stream_id)
CROSS JOIN LATERAL (
    (SELECT license_ref, partition FROM licenses
     WHERE partition = %b::integer AND stream_id = asked.stream_id AND parties <> '[]' AND NOT is_orphaned
     ORDER BY license_ref LIMIT 3000)
    UNION
    (SELECT license_ref, partition FROM license_parties
     WHERE partition = %b::integer AND stream_id = asked.stream_id AND is_current
     ORDER BY license_ref LIMIT 3000)
) AS p
CROSS JOIN LATERAL (
    SELECT {columns} FROM licenses WHERE partition = p.partition AND license_ref = p.license_ref LIMIT 1
) AS l

-- candidates --
-- Of each stream and requester, the authorizations that name the type (or, without one, all), usable ones first.
SELECT a.* FROM unnest(%b::bytea[], %b::text[], %b::text[]) AS asked (stream_id, requester, type_code)
CROSS JOIN LATERAL (
    SELECT {columns} FROM authorizations
    WHERE partition = %b::integer AND stream_id = asked.stream_id AND requester = asked.requester
      AND (asked.type_code IS NULL OR type_codes @> to_jsonb(asked.type_code))
    ORDER BY is_withdrawn,
             coalesce(uses >= uses_max, false),
             coalesce(valid_until <= extract(epoch FROM statement_timestamp()) * 1000000, false),
             valid_from > extract(epoch FROM statement_timestamp()) * 1000000,
             authorization_ref
    LIMIT 100
) AS a

-- data_keys --
-- Wrapped data keys of some streams.
SELECT stream_id, number, bucket, generation, wrapped FROM data_keys
WHERE partition = %b::integer AND stream_id = ANY(%b::bytea[])

-- insert_events --
-- The batch's facts; joined to `partitions` so that a distributed table is reached on one node.
INSERT INTO events (partition, position, stream_id, version, topic, recorded_at, state)
SELECT p.partition, %b::bigint + u.n, u.stream_id, u.version, u.topic, u.recorded_at, u.state
FROM partitions p
CROSS JOIN unnest(%b::uuid[], %b::bigint[], %b::text[], %b::bigint[], %b::bytea[])
    WITH ORDINALITY AS u (stream_id, version, topic, recorded_at, state, n)
WHERE p.partition = %b::integer

-- insert_checkpoint --
-- The batch's tree head.
INSERT INTO checkpoints (partition, size, generation, root, frontier, at, mac)
SELECT p.partition, %b::bigint, %b::integer, %b::bytea, %b::bytea, %b::bigint, %b::bytea
FROM partitions p WHERE p.partition = %b::integer

-- insert_tiles --
-- Hash tiles that the batch filled.
INSERT INTO tiles (partition, level, tile, hashes)
SELECT p.partition, u.level, u.tile, u.hashes
FROM partitions p CROSS JOIN unnest(%b::integer[], %b::bigint[], %b::bytea[]) AS u (level, tile, hashes)
WHERE p.partition = %b::integer

-- insert_idempotency --
-- Keys that the batch answered.
INSERT INTO idempotency (partition, day, key, body_digest, first_index, events)
SELECT p.partition, %b::integer, u.key, u.body_digest, u.first_index, u.events
FROM partitions p
CROSS JOIN unnest(%b::bytea[], %b::bytea[], %b::bigint[], %b::integer[])
    AS u (key, body_digest, first_index, events)
WHERE p.partition = %b::integer

-- insert_directory --
-- New lookups.
INSERT INTO directory (partition, lookup, kind, pepper_id, stream_id, target, sealed)
SELECT p.partition, u.lookup, u.kind, u.pepper_id, u.stream_id, u.target, u.sealed
FROM partitions p
CROSS JOIN unnest(%b::bytea[], %b::text[], %b::integer[], %b::bytea[], %b::bytea[], %b::bytea[])
    AS u (lookup, kind, pepper_id, stream_id, target, sealed)
WHERE p.partition = %b::integer

-- insert_data_keys --
-- New data keys, wrapped.
INSERT INTO data_keys (partition, stream_id, number, bucket, generation, wrapped)
SELECT p.partition, u.stream_id, u.number, u.bucket, u.generation, u.wrapped
FROM partitions p
CROSS JOIN unnest(%b::bytea[], %b::integer[], %b::integer[], %b::integer[], %b::bytea[])
    AS u (stream_id, number, bucket, generation, wrapped)
WHERE p.partition = %b::integer

-- save_rows --
-- State rows as they are after the batch.
INSERT INTO {table} (partition, {columns})
SELECT p.partition, {selected}
FROM partitions p CROSS JOIN unnest({arrays}) AS u ({columns})
WHERE p.partition = %b::integer
ON CONFLICT (partition, {key}) DO UPDATE SET {assignments}

-- forget_stream --
-- Erasure: directory rows of a stream.
DELETE FROM directory WHERE partition = %b::integer AND stream_id = %b::bytea

-- forget_lookups --
-- Directory rows of lookups that lead nowhere any more.
DELETE FROM directory WHERE partition = %b::integer AND lookup = ANY(%b::bytea[])

-- forget_key --
-- Erasure: data keys of a stream.
DELETE FROM data_keys WHERE partition = %b::integer AND stream_id = %b::bytea

-- set_ring_version --
-- Appenders must have this key ring from here on.
UPDATE ring_state SET ring_version = %b::bigint WHERE partition = %b::integer

-- end_backend --
-- End the session whose COMMIT was never answered, and no other that took its process id since.
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE pid = %b::integer AND (extract(epoch FROM backend_start) * 1000000)::bigint = %b::bigint

-- end_stalled --
-- End our sessions that hold the partition and have waited 3 s for a client that may have stopped.
SELECT pg_terminate_backend(a.pid)
FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
WHERE l.relation = 'partitions'::regclass AND l.mode = 'RowShareLock' AND l.granted
  AND a.datname = current_database() AND a.usename = current_user AND a.pid <> pg_backend_pid()
  AND a.wait_event_type = 'Client' AND a.state_change < clock_timestamp() - interval '3 seconds'

-- session_identity --
-- What tells this session, server and timeline apart from others.
SELECT pg_backend_pid(),
       (SELECT (extract(epoch FROM backend_start) * 1000000)::bigint
        FROM pg_stat_activity WHERE pid = pg_backend_pid()),
       pg_is_in_recovery(),
       (SELECT system_identifier FROM pg_control_system())::text,
       CASE WHEN pg_is_in_recovery() THEN '' ELSE substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8) END

-- tile --
-- One full hash tile.
SELECT hashes FROM tiles WHERE partition = %b::integer AND level = %b::integer AND tile = %b::bigint

-- event_states --
-- Stored bytes of a run of positions.
SELECT position, state FROM events WHERE partition = %b::integer AND position BETWEEN %b::bigint AND %b::bigint ORDER BY position LIMIT 70000

-- events_at --
-- Stored bytes at some positions.
SELECT position, state FROM events WHERE partition = %b::integer AND position = ANY(%b::bigint[])

-- spend_assertion --
-- A client assertion is used; no row comes back when it was before.
INSERT INTO spent_assertions (digest, expires_at) VALUES (%b::bytea, %b::bigint) ON CONFLICT DO NOTHING RETURNING digest

-- sweep_assertions --
-- Forget assertions that have expired.
DELETE FROM spent_assertions WHERE expires_at < %b::bigint
