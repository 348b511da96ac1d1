-- tables --
-- The catalog as a list: each type with its present definition, and local types by their national one.
CREATE TABLE catalog_types (
    partition integer NOT NULL,
    type_code text NOT NULL,
    definition text NOT NULL,
    registered_index bigint NOT NULL,
    changed_index bigint NOT NULL,
    is_retired boolean NOT NULL,
    retired_at bigint,
    successor text,
    PRIMARY KEY (partition, type_code)
);
CREATE UNIQUE INDEX catalog_types_in_order ON catalog_types (partition, registered_index);
CREATE TABLE catalog_mappings (
    partition integer NOT NULL,
    type_code text NOT NULL,
    national_type text NOT NULL,
    since bigint NOT NULL,
    until bigint,
    fields text NOT NULL,
    mapped_index bigint NOT NULL,
    PRIMARY KEY (partition, type_code)
);
CREATE INDEX catalog_mappings_by_national_type ON catalog_mappings (partition, national_type, mapped_index);
CREATE TABLE catalog_entrustments (
    partition integer NOT NULL,
    entrustment_ref bytea NOT NULL,
    delegator text NOT NULL,
    delegate text NOT NULL,
    type_codes jsonb NOT NULL,
    areas jsonb NOT NULL,
    valid_from bigint NOT NULL,
    valid_until bigint,
    entrusted_index bigint NOT NULL,
    ended_index bigint,
    ended_on bigint,
    PRIMARY KEY (partition, entrustment_ref)
);
CREATE UNIQUE INDEX catalog_entrustments_in_order ON catalog_entrustments (partition, entrusted_index)

-- types --
-- License types in the order of their registration.
SELECT * FROM catalog_types
WHERE partition = %(partition)b
  AND registered_index BETWEEN %(since)b AND least(%(until)b, p.through)
ORDER BY registered_index LIMIT %(limit)b

-- type --
-- One license type.
SELECT p.through, {columns}
FROM positions p
LEFT JOIN catalog_types t ON t.partition = %(partition)b AND t.type_code = %(value)b
WHERE p.partition = %(partition)b AND p.name = 'catalog'

-- mapping --
-- Which national type a local type stands for.
SELECT p.through, {columns}
FROM positions p
LEFT JOIN catalog_mappings t ON t.partition = %(partition)b AND t.type_code = %(value)b
WHERE p.partition = %(partition)b AND p.name = 'catalog'

-- local_types --
-- Local types that stand for a national one, in the order in which they were mapped.
SELECT * FROM catalog_mappings
WHERE partition = %(partition)b AND national_type = %(value)b
  AND mapped_index BETWEEN %(since)b AND least(%(until)b, p.through)
ORDER BY mapped_index LIMIT %(limit)b

-- entrustments --
-- Entrusted issuing in the order of recording: of one organization or of all, of one day or of every day.
SELECT * FROM catalog_entrustments
WHERE partition = %(partition)b
  AND entrusted_index BETWEEN %(since)b AND least(%(until)b, p.through)
  AND (%(organization)b::text IS NULL OR %(organization)b::text IN (delegator, delegate))
  AND (%(day)b::bigint IS NULL
       OR %(day)b::bigint BETWEEN valid_from AND least(coalesce(valid_until, 1000000), coalesce(ended_on, 1000000)))
ORDER BY entrusted_index LIMIT %(limit)b
