-- store --
-- Sealed bytes, before the fact that names them.
INSERT INTO blobs (partition, digest, sealed)
SELECT %b::integer, u.digest, u.sealed FROM unnest(%b::bytea[], %b::bytea[]) AS u (digest, sealed)

-- fetch --
-- Sealed bytes by their digest.
SELECT sealed FROM blobs WHERE partition = %b::integer AND digest = %b::bytea

-- drop_unnamed --
-- Sealed bytes that were stored for a request which named none of them in the end.
DELETE FROM blobs b WHERE b.partition = %b::integer AND b.digest = ANY(%b::bytea[])
  AND NOT EXISTS (SELECT FROM attachments a WHERE a.partition = b.partition AND a.digest = b.digest)

-- drop_of_draft --
-- Sealed bytes of a draft that is not to be issued any more.
DELETE FROM blobs b USING attachments a, drafts d
WHERE b.partition = %b::integer AND a.partition = b.partition AND a.digest = b.digest
  AND a.draft_ref = %b::bytea AND d.partition = a.partition AND d.draft_ref = a.draft_ref
  AND d.status IN ('issued', 'returned')

-- drop_of_stream --
-- Sealed bytes whose holder was erased: what opens them is gone with the holder's key.
DELETE FROM blobs b USING attachments a, streams s
WHERE b.partition = %b::integer AND a.partition = b.partition AND a.digest = b.digest
  AND a.stream_id = %b::bytea AND s.partition = a.partition AND s.stream_id = a.stream_id AND s.is_erased

-- settle --
-- Sealed bytes of yesterday and before that a fact names.
UPDATE blobs b SET is_settled = true
WHERE NOT b.is_settled AND b.stored_at < now() - interval '1 day'
  AND EXISTS (SELECT FROM attachments a WHERE a.partition = b.partition AND a.digest = b.digest)

-- collect_unnamed --
-- Sealed bytes of yesterday and before that no fact came to name.
DELETE FROM blobs b WHERE NOT b.is_settled AND b.stored_at < now() - interval '1 day'

-- collect_drafts --
-- Sealed bytes of drafts that were issued, returned, or are void since yesterday.
DELETE FROM blobs b USING attachments a, drafts d
WHERE a.draft_ref IS NOT NULL AND b.partition = a.partition AND b.digest = a.digest
  AND d.partition = a.partition AND d.draft_ref = a.draft_ref
  AND (d.status IN ('issued', 'returned')
       OR d.drafted_at < (extract(epoch FROM now() - interval '31 days') * 1000000)::bigint)

-- collect_erased --
-- Sealed bytes of holders who were erased.
DELETE FROM blobs b USING attachments a, streams s
WHERE s.is_erased AND s.kind = 'holder' AND a.partition = s.partition AND a.stream_id = s.stream_id
  AND b.partition = a.partition AND b.digest = a.digest

-- wanted_first --
-- The first sealed bytes that must be there, and those that are; drafts want theirs while they may be issued.
SELECT a.digest, a.license_ref, b.sealed FROM attachments a
LEFT JOIN blobs b ON b.partition = a.partition AND b.digest = a.digest
LEFT JOIN streams s ON s.partition = a.partition AND s.stream_id = a.stream_id
LEFT JOIN drafts d ON d.partition = a.partition AND d.draft_ref = a.draft_ref
WHERE a.partition = %b::integer AND s.is_erased IS NOT TRUE
  AND (a.draft_ref IS NULL OR b.digest IS NOT NULL
       OR (d.status IN ('drafted', 'approved')
           AND d.drafted_at >= (extract(epoch FROM now() - interval '30 days') * 1000000)::bigint))
ORDER BY a.digest LIMIT %b::bigint

-- wanted --
-- As above, after a digest.
SELECT a.digest, a.license_ref, b.sealed FROM attachments a
LEFT JOIN blobs b ON b.partition = a.partition AND b.digest = a.digest
LEFT JOIN streams s ON s.partition = a.partition AND s.stream_id = a.stream_id
LEFT JOIN drafts d ON d.partition = a.partition AND d.draft_ref = a.draft_ref
WHERE a.partition = %b::integer AND a.digest > %b::bytea AND s.is_erased IS NOT TRUE
  AND (a.draft_ref IS NULL OR b.digest IS NOT NULL
       OR (d.status IN ('drafted', 'approved')
           AND d.drafted_at >= (extract(epoch FROM now() - interval '30 days') * 1000000)::bigint))
ORDER BY a.digest LIMIT %b::bigint
