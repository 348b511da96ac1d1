-- tables --
-- Tasks of issuers: licenses with the end of their holder, and the holders who have ended.
CREATE TABLE task_licenses (
    partition integer NOT NULL,
    license_ref bytea NOT NULL,
    stream_id bytea NOT NULL,
    issuer text NOT NULL,
    type_code text NOT NULL,
    issued_index bigint NOT NULL,
    is_over boolean NOT NULL,
    ended_index bigint,
    ended_at bigint,
    end_kind text,
    stale_index bigint,
    prints_representative boolean NOT NULL,
    represented_index bigint,
    expires_key bigint,
    endorse_key bigint,
    area text NOT NULL,
    valid_from bigint NOT NULL,
    PRIMARY KEY (partition, license_ref)
) WITH (fillfactor = 90);
CREATE INDEX task_licenses_by_holder ON task_licenses (partition, stream_id);
CREATE INDEX task_licenses_of_ended ON task_licenses (partition, issuer, issued_index)
    WHERE ended_index IS NOT NULL AND NOT is_over;
CREATE INDEX task_licenses_of_renamed ON task_licenses (partition, issuer, issued_index)
    WHERE (stale_index IS NOT NULL OR represented_index IS NOT NULL) AND NOT is_over;
CREATE INDEX task_licenses_expiring ON task_licenses (partition, issuer, expires_key)
    WHERE expires_key IS NOT NULL AND NOT is_over;
CREATE INDEX task_licenses_to_endorse ON task_licenses (partition, issuer, endorse_key)
    WHERE endorse_key IS NOT NULL AND NOT is_over;
CREATE TABLE task_holders (
    partition integer NOT NULL,
    stream_id bytea NOT NULL,
    ended_index bigint,
    ended_at bigint,
    end_kind text,
    PRIMARY KEY (partition, stream_id)
);
CREATE TABLE task_types (
    partition integer NOT NULL,
    type_code text NOT NULL,
    window_days bigint,
    PRIMARY KEY (partition, type_code)
);
CREATE TABLE task_findings (
    partition integer NOT NULL,
    raised_index bigint NOT NULL,
    license_ref bytea NOT NULL,
    issuer text NOT NULL,
    finding text NOT NULL,
    other_ref bytea,
    is_settled boolean NOT NULL,
    PRIMARY KEY (partition, raised_index)
) WITH (fillfactor = 90);
CREATE INDEX task_findings_by_license ON task_findings (partition, license_ref);
CREATE INDEX task_findings_open ON task_findings (partition, issuer, raised_index) WHERE NOT is_settled

-- end --
-- The holder of these licenses ended, or has not after all.
UPDATE task_licenses SET ended_index = %b::bigint, ended_at = %b::bigint, end_kind = %b::text
WHERE partition = %b::integer AND stream_id = %b::bytea

-- forget --
-- The holder of these licenses was erased: nothing is left to do.
UPDATE task_licenses SET is_over = true WHERE partition = %b::integer AND stream_id = %b::bytea

-- rename --
-- The holder of these licenses has another name than they print.
UPDATE task_licenses SET stale_index = %b::bigint WHERE partition = %b::integer AND stream_id = %b::bytea

-- represent --
-- Somebody else represents the holder of these licenses than they print, but for the one that says so.
UPDATE task_licenses SET represented_index = %b::bigint
WHERE partition = %b::integer AND stream_id = %b::bytea AND license_ref <> %b::bytea AND prints_representative

-- answered --
-- Whether an organization answers for a license: it is its own or taken over, and was not handed over.
(issuer = ANY(%(issuer)b::text[]) OR EXISTS (
    SELECT FROM unnest(%(of_whom)b::text[], %(taken_types)b::text[], %(taken_areas)b::text[])
        AS taken (organization, type_code, area)
    WHERE taken.organization = {licenses}.issuer
      AND taken.type_code IN ({licenses}.type_code, '*') AND starts_with({licenses}.area, taken.area)))
AND NOT EXISTS (
    SELECT FROM unnest(%(gone_types)b::text[], %(gone_areas)b::text[]) AS gone (type_code, area)
    WHERE gone.type_code IN ({licenses}.type_code, '*') AND starts_with({licenses}.area, gone.area))

-- remaining --
-- Licenses that an issuer answers for, its own and of whom it succeeded, that have not ended and bear a mark, in the order of their issue.
SELECT one.* FROM unnest(%(issuers)b::text[]) AS named (organization)
CROSS JOIN LATERAL (
    SELECT * FROM task_licenses
    WHERE partition = %(partition)b AND issuer = named.organization
      AND {marked} AND NOT is_over
      AND issued_index BETWEEN %(since)b AND least(%(until)b, p.through)
      AND {answered}
    ORDER BY issued_index LIMIT %(limit)b
) AS one
ORDER BY one.issued_index LIMIT %(limit)b

-- reminders --
-- Licenses that an issuer answers for, its own and of whom it succeeded, that have not ended and of which something is due between two days, the nearest first.
SELECT one.* FROM unnest(%(issuers)b::text[]) AS named (organization)
CROSS JOIN LATERAL (
    SELECT * FROM task_licenses
    WHERE partition = %(partition)b AND issuer = named.organization
      AND {key} IS NOT NULL AND NOT is_over AND {key} BETWEEN %(since)b AND %(until)b
      AND (NOT %(by_window)b::boolean OR {key} >> 40 <= %(first)b::bigint + coalesce(
          (SELECT w.window_days FROM task_types w
           WHERE w.partition = %(partition)b AND w.type_code = task_licenses.type_code), %(ahead)b::bigint))
      AND {answered}
    ORDER BY {key} LIMIT %(limit)b
) AS one
ORDER BY one.{key} LIMIT %(limit)b

-- longest_window --
-- How long before their end the licenses of any type are renewed at most.
SELECT max(window_days) FROM task_types WHERE partition = %b

-- settle --
-- Next versions of some licenses leave none of these findings about the versions before.
UPDATE task_findings f SET is_settled = true
FROM unnest(%b::bytea[], %b::bigint[], %b::text[]) AS u (license_ref, index, finding)
WHERE f.partition = %b::integer AND f.license_ref = u.license_ref AND f.raised_index < u.index
  AND f.finding = u.finding AND NOT f.is_settled

-- findings --
-- What is doubtful still about licenses that an issuer answers for, its own and of whom it succeeded, and that have not ended.
SELECT one.* FROM unnest(%(issuers)b::text[]) AS named (organization)
CROSS JOIN LATERAL (
    SELECT f.* FROM task_findings f
    WHERE f.partition = %(partition)b AND f.issuer = named.organization AND NOT f.is_settled
      AND (%(finding)b::text IS NULL OR f.finding = %(finding)b)
      AND f.raised_index BETWEEN %(since)b AND least(%(until)b, p.through)
      AND (f.other_ref IS NULL OR EXISTS (
          SELECT FROM task_licenses o
          WHERE o.partition = %(partition)b AND o.license_ref = f.other_ref AND NOT o.is_over))
      AND EXISTS (
          SELECT FROM task_licenses
          WHERE partition = %(partition)b AND license_ref = f.license_ref AND NOT is_over
          AND {answered})
    ORDER BY f.raised_index LIMIT %(limit)b
) AS one
ORDER BY one.raised_index LIMIT %(limit)b
