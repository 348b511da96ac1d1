-- tables --
-- The audit trail: one row an event, and under which subjects it is found. The subjects' key is the
-- only way to them, so a page costs the same however long the trail is.
CREATE TABLE trail (
    partition integer NOT NULL,
    index bigint NOT NULL,
    recorded_at bigint NOT NULL,
    effective_at bigint NOT NULL,
    topic text NOT NULL,
    stream_id bytea NOT NULL,
    license_ref bytea,
    type_code text,
    issuer text,
    organization text NOT NULL,
    requester text,
    client bytea,
    operator_ref bytea,
    case_number text,
    service_item text,
    channel text NOT NULL,
    outcome text,
    reason text,
    authorization_ref bytea,
    PRIMARY KEY (partition, index)
);
CREATE TABLE trail_subjects (
    partition integer NOT NULL,
    kind smallint NOT NULL,
    value bytea NOT NULL,
    index bigint NOT NULL,
    PRIMARY KEY (partition, kind, value, index)
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
)

-- add_subjects --
-- Under which subjects some events are found.
INSERT INTO trail_subjects (partition, kind, value, index)
SELECT %b, u.kind, u.value, u.index
FROM unnest(%b::smallint[], %b::bytea[], %b::bigint[]) AS u (kind, value, index)

-- page --
-- Events of one subject, which may have several values, between two indexes.
SELECT p.through, {columns}
FROM positions p
LEFT JOIN LATERAL (
    SELECT DISTINCT found.index FROM unnest(%(values)b::bytea[]) AS asked (value)
    CROSS JOIN LATERAL (
        SELECT s.index FROM trail_subjects s
        WHERE s.partition = %(partition)b AND s.kind = %(kind)b AND s.value = asked.value
          AND s.index BETWEEN %(since)b AND least(%(until)b, p.through)
        ORDER BY s.index {order} LIMIT %(limit)b
    ) AS found
    ORDER BY found.index {order} LIMIT %(limit)b
) AS chosen ON true
LEFT JOIN trail t ON t.partition = %(partition)b AND t.index = chosen.index
WHERE p.partition = %(partition)b AND p.name = 'trail'
ORDER BY chosen.index {order} LIMIT %(limit)b

-- page_of_all --
-- Every event between two indexes.
SELECT p.through, {columns}
FROM positions p
LEFT JOIN LATERAL (
    SELECT * FROM trail
    WHERE partition = %(partition)b AND index BETWEEN %(since)b AND least(%(until)b, p.through)
    ORDER BY index {order} LIMIT %(limit)b
) AS t ON true
WHERE p.partition = %(partition)b AND p.name = 'trail'
ORDER BY t.index {order} LIMIT %(limit)b
