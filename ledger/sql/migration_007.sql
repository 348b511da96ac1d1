-- short_keys --
-- Idempotency keys and body digests are 16 bytes.
UPDATE idempotency SET key = substr(key, 1, 16), body_digest = substr(body_digest, 1, 16)
