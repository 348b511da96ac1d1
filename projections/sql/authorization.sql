-- granted --
-- Authorizations that stand in some streams, or those for a requester, in the order in which they were granted.
SELECT * FROM holder_authorizations
WHERE partition = %(partition)b AND {named}
  AND granted_index BETWEEN %(since)b AND least(%(until)b, p.through)
  AND (%(seen_by)b::text IS NULL OR %(seen_by)b::text IN (requester, grantor)
       OR (mode <> 'holder' AND grantor = ANY(%(of_whom)b::text[])
           AND NOT EXISTS (
               SELECT FROM jsonb_array_elements_text(type_codes) AS named (type_code)
               WHERE NOT EXISTS (
                   SELECT FROM unnest(%(of_whom)b::text[], %(taken_types)b::text[]) AS taken (organization, type_code)
                   WHERE taken.organization = grantor AND taken.type_code IN (named.type_code, '*')))
           AND EXISTS (
               SELECT FROM jsonb_array_elements_text(type_codes) AS named (type_code)
               WHERE NOT ARRAY[named.type_code, '*'] && %(gone_types)b::text[])))
ORDER BY granted_index LIMIT %(limit)b
