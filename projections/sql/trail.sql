-- tables --
-- The audit trail: under which subjects events are found. What an event says stands in its bytes; what
-- it does not say itself, of its license and its authorization, is kept beside.
CREATE TABLE trail_postings (
    subject bigint NOT NULL,
    partition integer NOT NULL,
    block integer NOT NULL,
    offsets bytea NOT NULL,
    PRIMARY KEY (subject, partition, block)
) WITH (fillfactor = 85);
CREATE TABLE trail_blocks (
    partition integer NOT NULL,
    recorded_at bigint NOT NULL,
    block integer NOT NULL,
    PRIMARY KEY (partition, recorded_at, block)
);
CREATE TABLE trail_changes (
    partition integer NOT NULL,
    license_ref bytea NOT NULL,
    index bigint NOT NULL,
    PRIMARY KEY (partition, license_ref, index)
);
CREATE TABLE trail_licenses (
    partition integer NOT NULL,
    license_ref bytea NOT NULL,
    type_code text NOT NULL,
    issuer text NOT NULL,
    PRIMARY KEY (partition, license_ref)
);
CREATE TABLE trail_authorizations (
    partition integer NOT NULL,
    authorization_ref bytea NOT NULL,
    requester text NOT NULL,
    PRIMARY KEY (partition, authorization_ref)
);
CREATE TABLE trail_cases (
    partition integer NOT NULL,
    case_key bytea NOT NULL,
    spans jsonb NOT NULL,
    missing jsonb NOT NULL,
    PRIMARY KEY (partition, case_key)
)

-- add_postings --
-- Where the events of some subjects lie, added to what their blocks have.
INSERT INTO trail_postings (partition, subject, block, offsets)
SELECT %b, u.subject, u.block, u.offsets
FROM unnest(%b::bigint[], %b::integer[], %b::bytea[]) AS u (subject, block, offsets)
ON CONFLICT (subject, partition, block) DO UPDATE
SET offsets = trail_postings.offsets || excluded.offsets

-- begin_postings --
-- Where the events of some subjects lie in blocks that have no rows yet.
INSERT INTO trail_postings (partition, subject, block, offsets)
SELECT %b, u.subject, u.block, u.offsets
FROM unnest(%b::bigint[], %b::integer[], %b::bytea[]) AS u (subject, block, offsets)

-- some_postings --
-- The postings of some subjects in some blocks.
SELECT t.subject, t.block, t.offsets FROM trail_postings t, unnest(%b::bigint[], %b::integer[]) AS u (subject, block)
WHERE t.partition = %b AND t.subject = u.subject AND t.block = u.block

-- set_postings --
-- Where the events of some subjects lie, in place of what their blocks have.
UPDATE trail_postings t SET offsets = u.offsets
FROM unnest(%b::bigint[], %b::integer[], %b::bytea[]) AS u (subject, block, offsets)
WHERE t.partition = %b AND t.subject = u.subject AND t.block = u.block

-- drop_postings --
-- Blocks in which some subjects have no events any more.
DELETE FROM trail_postings t USING unnest(%b::bigint[], %b::integer[]) AS u (subject, block)
WHERE t.partition = %b AND t.subject = u.subject AND t.block = u.block AND octet_length(t.offsets) = 0

-- earlier_postings --
-- The newest blocks, from a first one on, in which some subjects have events.
SELECT u.subject, t.block, t.offsets FROM unnest(%b::bigint[], %b::integer[]) AS u (subject, first)
CROSS JOIN LATERAL (
    SELECT block, offsets FROM trail_postings
    WHERE subject = u.subject AND partition = %b AND block >= u.first
    ORDER BY block DESC LIMIT %b
) AS t

-- earlier_events --
-- Stored bytes of the events at some positions that have one of some topics, in their order.
SELECT position - 1, state FROM events
WHERE partition = %b AND position = ANY(%b::bigint[]) AND topic = ANY(%b::text[])
ORDER BY position

-- blocks_at --
-- For some instants the block in which the events recorded from then on begin.
SELECT u.at, coalesce((
    SELECT block FROM trail_blocks
    WHERE partition = %b AND recorded_at < u.at
    ORDER BY recorded_at DESC, block DESC LIMIT 1
), 0) FROM unnest(%b::bigint[]) AS u (at)

-- any_case --
-- Whether anything was said of any case.
SELECT 1 FROM trail_cases WHERE partition = %b LIMIT 1

-- add_blocks --
-- When the first event of some blocks was recorded.
INSERT INTO trail_blocks (partition, recorded_at, block)
SELECT %b, u.recorded_at, u.block FROM unnest(%b::bigint[], %b::integer[]) AS u (recorded_at, block)

-- add_changes --
-- Events that made or changed licenses.
INSERT INTO trail_changes (partition, license_ref, index)
SELECT %b, u.license_ref, u.index FROM unnest(%b::bytea[], %b::bigint[]) AS u (license_ref, index)

-- changes --
-- Events that made or changed one license, the first first.
SELECT p.through, c.index FROM positions p
LEFT JOIN LATERAL (
    SELECT index FROM trail_changes
    WHERE partition = %(partition)b AND license_ref = %(license_ref)b AND index <= p.through
    ORDER BY index LIMIT %(limit)b
) AS c ON true
WHERE p.partition = %(partition)b AND p.name = 'trail'
ORDER BY c.index LIMIT %(limit)b

-- changes_of --
-- The newest events that made or changed some licenses, of each after an index; but for topics of which others
-- than its issuer record as many as they please.
SELECT u.license_ref, c.index FROM unnest(%(refs)b::bytea[]) AS u (license_ref)
CROSS JOIN LATERAL (
    SELECT t.index FROM trail_changes t
    JOIN events e ON e.partition = t.partition AND e.position = t.index + 1
    WHERE t.partition = %(partition)b AND t.license_ref = u.license_ref AND t.index > %(after)b
      AND e.topic <> ALL(%(unlike)b::text[])
    ORDER BY t.index DESC LIMIT %(limit)b
) AS c
ORDER BY u.license_ref, c.index LIMIT %(limit)b * cardinality(%(refs)b::bytea[])

-- postings --
-- Blocks in which one of some subjects has events.
SELECT t.block, string_agg(t.offsets, '' ORDER BY u.subject) FROM unnest(%(subjects)b::bigint[]) AS u (subject)
CROSS JOIN LATERAL (
    SELECT block, offsets FROM trail_postings
    WHERE subject = u.subject AND partition = %(partition)b AND block BETWEEN %(first)b AND %(last)b
    ORDER BY block {order} LIMIT %(limit)b
) AS t
GROUP BY t.block ORDER BY t.block {order} LIMIT %(limit)b

-- posted --
-- Those of some subjects that have events.
SELECT u.subject FROM unnest(%(subjects)b::bigint[]) AS u (subject)
WHERE EXISTS (SELECT FROM trail_postings WHERE subject = u.subject AND partition = %(partition)b)
ORDER BY u.subject LIMIT %(limit)b

-- other_postings --
-- What other subjects have in some blocks.
SELECT subject, block, offsets FROM trail_postings
WHERE subject = ANY(%(others)b::bigint[]) AND partition = %(partition)b AND block = ANY(%(blocks)b::integer[])
ORDER BY subject, block LIMIT %(limit)b

-- streams --
-- Events of some streams between two indexes, by the index that the store itself keeps.
SELECT DISTINCT listed.index FROM unnest(%(values)b::uuid[]) AS asked (stream_id)
CROSS JOIN LATERAL (
    SELECT e.version - 1 AS index FROM events e
    WHERE e.partition = %(partition)b AND e.stream_id = asked.stream_id
      AND e.version BETWEEN %(since)b::bigint + 1 AND %(until)b::bigint + 1
    ORDER BY e.version {order} LIMIT %(limit)b
) AS listed
ORDER BY listed.index {order} LIMIT %(limit)b

-- events --
-- Stored bytes by index.
SELECT position - 1, state FROM events
WHERE partition = %(partition)b AND position = ANY(%(positions)b::bigint[])
ORDER BY position LIMIT %(limit)b

-- recorded_from --
-- The first index whose event was recorded at an instant or later, below a bound; times never fall. The
-- blocks say where to look, halves of one block the rest.
WITH RECURSIVE halves (low, high) AS (
    SELECT b.low, least(b.low + {block}, %(bound)b::bigint)
    FROM (
        SELECT coalesce(max(t.block), 0)::bigint * {block} AS low FROM (
            SELECT block FROM trail_blocks
            WHERE partition = %(partition)b AND recorded_at < %(at)b AND block < %(bound)b::bigint / {block} + 1
            ORDER BY recorded_at DESC, block DESC LIMIT 1
        ) AS t
    ) AS b
    UNION ALL
    SELECT CASE WHEN e.recorded_at < %(at)b THEN e.position ELSE h.low END,
           CASE WHEN e.recorded_at < %(at)b THEN h.high ELSE e.position - 1 END
    FROM halves h
    CROSS JOIN LATERAL (
        SELECT position, recorded_at FROM events
        WHERE partition = %(partition)b AND position = (h.low + h.high) / 2 + 1
    ) AS e
    WHERE h.low < h.high
)
SELECT low FROM halves WHERE low = high LIMIT 1
