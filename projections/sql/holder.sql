-- tables --
-- The holder's file 一人一档/一企一档: licenses by party, authorizations by stream, uses by license.
CREATE TABLE holder_licenses (
    partition integer NOT NULL,
    license_ref bytea NOT NULL,
    stream_id bytea NOT NULL,
    type_code text NOT NULL,
    issuer text NOT NULL,
    status text NOT NULL,
    status_since bigint NOT NULL,
    status_index bigint NOT NULL,
    version bigint NOT NULL,
    version_index bigint NOT NULL,
    valid_from bigint NOT NULL,
    valid_to bigint,
    issued_index bigint NOT NULL,
    uses bigint NOT NULL,
    used_index bigint,
    frozen_index bigint,
    lost_index bigint,
    restricted_index bigint,
    PRIMARY KEY (partition, license_ref)
) WITH (fillfactor = 80);
CREATE TABLE holder_parties (
    partition integer NOT NULL,
    stream_id bytea NOT NULL,
    issued_index bigint NOT NULL,
    license_ref bytea NOT NULL,
    roles text[] NOT NULL,
    PRIMARY KEY (partition, stream_id, issued_index)
);
CREATE INDEX holder_parties_by_license ON holder_parties (partition, license_ref);
CREATE TABLE holder_authorizations (
    partition integer NOT NULL,
    authorization_ref bytea NOT NULL,
    stream_id bytea NOT NULL,
    mode text NOT NULL,
    requester text NOT NULL,
    grantor text NOT NULL,
    license_refs jsonb NOT NULL,
    type_codes jsonb NOT NULL,
    field_names jsonb,
    service_items jsonb,
    valid_from bigint NOT NULL,
    valid_until bigint,
    uses_max bigint,
    uses_per_day bigint,
    case_numbers jsonb,
    entrusted_by text,
    uses bigint NOT NULL,
    used_index bigint,
    is_withdrawn boolean NOT NULL,
    granted_index bigint NOT NULL,
    changed_index bigint NOT NULL,
    PRIMARY KEY (partition, authorization_ref)
) WITH (fillfactor = 80);
CREATE INDEX holder_authorizations_by_stream ON holder_authorizations (partition, stream_id, granted_index);
CREATE INDEX holder_authorizations_by_requester
    ON holder_authorizations (partition, requester, granted_index);
CREATE TABLE holder_uses (
    partition integer NOT NULL,
    license_ref bytea NOT NULL,
    authorization_ref bytea NOT NULL,
    requester text NOT NULL,
    mode text NOT NULL,
    uses bigint NOT NULL,
    first_index bigint NOT NULL,
    last_index bigint NOT NULL,
    PRIMARY KEY (partition, license_ref, authorization_ref)
) WITH (fillfactor = 80);
CREATE INDEX holder_uses_by_license ON holder_uses (partition, license_ref, first_index)

-- forget_parties --
-- Parties of some licenses, before they are set anew.
DELETE FROM holder_parties WHERE partition = %b AND license_ref = ANY(%b)

-- set_parties --
-- Parties of some licenses, one row a party and license.
INSERT INTO holder_parties (partition, stream_id, issued_index, license_ref, roles)
SELECT %b, u.stream_id, u.issued_index, u.license_ref, array_agg(u.role ORDER BY u.n)
FROM unnest(%b::bytea[], %b::bigint[], %b::bytea[], %b::text[])
    WITH ORDINALITY AS u (stream_id, issued_index, license_ref, role, n)
GROUP BY u.stream_id, u.issued_index, u.license_ref

-- count_uses --
-- Uses of licenses under authorizations, added to those before.
INSERT INTO holder_uses
    (partition, license_ref, authorization_ref, requester, mode, uses, first_index, last_index)
SELECT %b, u.license_ref, u.authorization_ref, u.requester, u.mode, u.uses, u.first_index, u.last_index
FROM unnest(%b::bytea[], %b::bytea[], %b::text[], %b::text[], %b::bigint[], %b::bigint[], %b::bigint[])
    AS u (license_ref, authorization_ref, requester, mode, uses, first_index, last_index)
ON CONFLICT (partition, license_ref, authorization_ref) DO UPDATE
SET uses = holder_uses.uses + excluded.uses, last_index = excluded.last_index

-- count_licenses --
-- Uses of licenses, added to those before. The fence (OFFSET 0) keeps the planner, which knows nothing of a
-- table that is being filled, from reading all rows of the partition: each is found by its whole key.
UPDATE holder_licenses h SET uses = h.uses + u.uses, used_index = u.used_index
FROM (
    SELECT %b::integer AS partition, n.*
    FROM unnest(%b::bytea[], %b::bigint[], %b::bigint[]) AS n (ref, uses, used_index) OFFSET 0
) AS u
WHERE h.partition = u.partition AND h.license_ref = u.ref

-- count_authorizations --
-- Uses and comparisons under authorizations, added to those before.
UPDATE holder_authorizations h SET uses = h.uses + u.uses, used_index = u.used_index
FROM (
    SELECT %b::integer AS partition, n.*
    FROM unnest(%b::bytea[], %b::bigint[], %b::bigint[]) AS n (ref, uses, used_index) OFFSET 0
) AS u
WHERE h.partition = u.partition AND h.authorization_ref = u.ref

-- licenses --
-- Licenses to which some streams of one holder are a party, in the order of their issue.
SELECT p.through, listed.roles, {columns}
FROM positions p
LEFT JOIN LATERAL (
    SELECT DISTINCT ON (one.issued_index) one.*
    FROM unnest(%(value)b::bytea[]) AS asked (stream_id)
    CROSS JOIN LATERAL (
        SELECT * FROM holder_parties
        WHERE partition = %(partition)b AND stream_id = asked.stream_id
          AND issued_index BETWEEN %(since)b AND least(%(until)b, p.through)
        ORDER BY issued_index LIMIT %(limit)b
    ) AS one
    ORDER BY one.issued_index, one.stream_id LIMIT %(limit)b
) AS listed ON true
LEFT JOIN holder_licenses t ON t.partition = %(partition)b AND t.license_ref = listed.license_ref
WHERE p.partition = %(partition)b AND p.name = 'holder'
ORDER BY listed.issued_index LIMIT %(limit)b

-- authorizations --
-- Authorizations that stand in a stream, in the order in which they were granted.
SELECT * FROM holder_authorizations
WHERE partition = %(partition)b AND stream_id = %(value)b
  AND granted_index BETWEEN %(since)b AND least(%(until)b, p.through)
ORDER BY granted_index LIMIT %(limit)b

-- uses --
-- Who used a license, by authorization, in the order of their first use.
SELECT * FROM holder_uses
WHERE partition = %(partition)b AND license_ref = %(value)b
  AND first_index BETWEEN %(since)b AND least(%(until)b, p.through)
ORDER BY first_index LIMIT %(limit)b
