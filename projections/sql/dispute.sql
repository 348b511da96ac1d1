-- tables --
-- Disputes with their last day and how they were settled; the indexes of days hold those alone that are open.
CREATE TABLE filed_disputes (
    partition integer NOT NULL,
    dispute_ref bytea NOT NULL,
    stream_id bytea NOT NULL,
    license_ref bytea,
    kind text NOT NULL,
    raised_by text NOT NULL,
    organization text NOT NULL,
    type_code text NOT NULL,
    issuer text NOT NULL,
    area text NOT NULL,
    filed_at bigint NOT NULL,
    filed_index bigint NOT NULL,
    working_days bigint NOT NULL,
    due_on bigint NOT NULL,
    known_until bigint NOT NULL,
    due_key bigint NOT NULL,
    status text NOT NULL,
    settled_at bigint,
    PRIMARY KEY (partition, dispute_ref)
) WITH (fillfactor = 90);
CREATE INDEX filed_disputes_by_license ON filed_disputes (partition, license_ref);
CREATE INDEX filed_disputes_by_holder ON filed_disputes (partition, stream_id) WHERE status = 'open';
CREATE INDEX filed_disputes_by_organization ON filed_disputes (partition, organization, filed_index);
CREATE INDEX filed_disputes_of_issuer ON filed_disputes (partition, issuer, due_key) WHERE status = 'open';
CREATE INDEX filed_disputes_open ON filed_disputes (partition, due_key) WHERE status = 'open'

-- move --
-- Licenses about which something was disputed are another holder's, or lie in another division; where none is
-- said, in their issuer's. Settled ones too: whether one is settled in the same batch makes no difference.
UPDATE filed_disputes f SET stream_id = u.stream_id, area = coalesce(nullif(u.area, ''), substr(f.issuer, 3, 6))
FROM unnest(%b::bytea[], %b::bytea[], %b::text[]) AS u (license_ref, stream_id, area)
WHERE f.partition = %b::integer AND f.license_ref = u.license_ref

-- lapse --
-- The holders of some streams were erased: nothing is left to decide.
UPDATE filed_disputes SET status = 'lapsed'
WHERE partition = %b::integer AND stream_id = ANY(%b::bytea[]) AND status = 'open'

-- waiting --
-- Open disputes about licenses that an issuer answers for, its own and of whom it succeeded, the nearest last day first.
SELECT one.* FROM unnest(%(issuers)b::text[]) AS named (organization)
CROSS JOIN LATERAL (
    SELECT * FROM filed_disputes d
    WHERE d.partition = %(partition)b AND d.issuer = named.organization AND d.status = 'open'
      AND d.due_key BETWEEN %(since)b AND %(until)b
      AND (%(before)b::bigint IS NULL OR d.due_key < (%(before)b::bigint + %(slack)b::bigint) << 40
           AND (d.due_on < %(before)b::bigint OR d.due_on > d.known_until))
      AND {answered}
    ORDER BY d.due_key LIMIT %(limit)b
) AS one
ORDER BY one.due_key LIMIT %(limit)b

-- all_waiting --
-- Open disputes of all issuers, the nearest last day first.
SELECT * FROM filed_disputes
WHERE partition = %(partition)b AND status = 'open' AND due_key BETWEEN %(since)b AND %(until)b
  AND (%(before)b::bigint IS NULL OR due_key < (%(before)b::bigint + %(slack)b::bigint) << 40
       AND (due_on < %(before)b::bigint OR due_on > known_until))
ORDER BY due_key LIMIT %(limit)b

-- waiting_of --
-- Open disputes about licenses of one issuer, the nearest last day first.
SELECT * FROM filed_disputes
WHERE partition = %(partition)b AND issuer = %(value)b AND status = 'open'
  AND due_key BETWEEN %(since)b AND %(until)b
  AND (%(before)b::bigint IS NULL OR due_key < (%(before)b::bigint + %(slack)b::bigint) << 40
       AND (due_on < %(before)b::bigint OR due_on > known_until))
ORDER BY due_key LIMIT %(limit)b

-- raised --
-- Disputes that came through an organization, in the order in which they came.
SELECT * FROM filed_disputes
WHERE partition = %(partition)b AND organization = %(value)b AND raised_by = ANY(%(raised_by)b::text[])
  AND (%(status)b::text IS NULL OR status = %(status)b::text)
  AND filed_index BETWEEN %(since)b AND least(%(until)b, p.through)
ORDER BY filed_index LIMIT %(limit)b
