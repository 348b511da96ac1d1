-- streams --
-- Authorizations that stand in some streams, in the order in which they were granted.
SELECT * FROM holder_authorizations
WHERE partition = %(partition)b AND stream_id = ANY(%(value)b)
  AND granted_index BETWEEN %(since)b AND least(%(until)b, p.through)
  AND (%(seen_by)b::text IS NULL OR %(seen_by)b::text IN (requester, grantor))
ORDER BY granted_index LIMIT %(limit)b

-- requester --
-- Authorizations for a requester, in the order in which they were granted.
SELECT * FROM holder_authorizations
WHERE partition = %(partition)b AND requester = %(value)b
  AND granted_index BETWEEN %(since)b AND least(%(until)b, p.through)
  AND (%(seen_by)b::text IS NULL OR %(seen_by)b::text IN (requester, grantor))
ORDER BY granted_index LIMIT %(limit)b
