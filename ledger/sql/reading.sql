-- checkpoint --
-- The tree head at one size, and the key ring version that whoever signs it must have.
SELECT c.root, c.generation, c.frontier, r.ring_version
FROM checkpoints c LEFT JOIN ring_state r ON r.partition = c.partition
WHERE c.partition = %b AND c.size = %b

-- pieces --
-- Printed pieces of a version of a license, in their order.
SELECT piece, piece_key, is_cancelled FROM pieces
WHERE partition = %b AND license_ref = %b AND version = %b ORDER BY piece LIMIT %b

-- clients --
-- Every client that was ever registered.
SELECT client_id FROM clients WHERE partition = %b ORDER BY client_id LIMIT 20000

-- seals --
-- The newest seals of an issuer.
SELECT {columns} FROM issuer_seals
WHERE partition = %b AND organization = %b ORDER BY registered_index DESC LIMIT %b

-- successors --
-- Organizations that took over from others.
SELECT {columns} FROM organizations
WHERE partition = %b AND took_over <> '[]' ORDER BY organization LIMIT %b

-- mandates --
-- Who may act for the holder of some streams on a day, between its end and its beginning; of some persons, or any.
SELECT {columns} FROM mandates
WHERE partition = %b AND stream_id = ANY(%b)
  AND since < %b AND coalesce(until > %b, true) AND coalesce(over_at > %b, true)
  AND (%b::bytea[] IS NULL OR person = ANY(%b))
ORDER BY since, mandate_ref LIMIT %b

-- filed --
-- Licenses filed under a printed number: directory rows whose lookup begins with one of the number's; in turn
-- one of each beginning, so that none of them crowds the others out.
SELECT f.target
FROM unnest(%b::bytea[], %b::bytea[]) WITH ORDINALITY AS asked (first, beyond, place)
CROSS JOIN LATERAL (
    SELECT one.target, row_number() OVER (ORDER BY one.lookup) AS turn
    FROM (
        SELECT lookup, target FROM directory
        WHERE partition = %b AND lookup >= asked.first AND lookup < asked.beyond AND kind = 'number'
        ORDER BY lookup LIMIT %b
    ) AS one
) AS f
ORDER BY f.turn, asked.place LIMIT %b

-- is_filing_done --
-- Whether licenses of before numbers were filed are filed too.
SELECT is_done FROM number_filing WHERE partition = %b

-- topic_in_stream --
-- Events of a topic in a stream after one index and before another, recorded at an instant or later.
SELECT position - 1, state FROM events
WHERE partition = %b AND stream_id = %b AND version BETWEEN %b AND %b
  AND topic = %b AND recorded_at >= %b
ORDER BY version LIMIT %b

-- head_at --
-- When the newest batch was recorded.
SELECT at FROM checkpoints WHERE partition = %b ORDER BY size DESC LIMIT 1

-- count_looks --
-- Add anonymous looks to their hours.
INSERT INTO looks (partition, hour, type_code, issuer, result, count)
SELECT %b, u.hour, u.type_code, u.issuer, u.result, u.count
FROM unnest(%b::bigint[], %b::text[], %b::text[], %b::text[], %b::bigint[])
    AS u (hour, type_code, issuer, result, count)
ON CONFLICT (partition, hour, type_code, issuer, result) DO UPDATE SET count = looks.count + excluded.count

-- disputes --
-- Disputes about a license that were raised before a leaf index, the newest first.
SELECT {columns} FROM disputes
WHERE partition = %b::integer AND license_ref = %b::bytea AND filed_index < %b::bigint
ORDER BY filed_index DESC LIMIT %b::integer
