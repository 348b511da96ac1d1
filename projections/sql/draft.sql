-- tables --
-- Drafts with how far they came; the index holds those alone that may still be issued.
CREATE TABLE waiting_drafts (
    partition integer NOT NULL,
    draft_ref bytea NOT NULL,
    organization text NOT NULL,
    type_code text NOT NULL,
    drafter bytea NOT NULL,
    drafted_at bigint NOT NULL,
    draft_index bigint NOT NULL,
    status text NOT NULL,
    PRIMARY KEY (partition, draft_ref)
) WITH (fillfactor = 90);
CREATE INDEX waiting_drafts_open ON waiting_drafts (partition, organization, draft_index)
    WHERE status IN ('drafted', 'approved')

-- waiting --
-- Drafts of an organization that may still be issued, in the order in which they came.
SELECT * FROM waiting_drafts
WHERE partition = %(partition)b AND organization = %(organization)b
  AND status IN ('drafted', 'approved') AND status = ANY(%(statuses)b::text[])
  AND drafted_at > %(drafted_after)b
  AND draft_index BETWEEN %(since)b AND least(%(until)b, p.through)
ORDER BY draft_index LIMIT %(limit)b
