"""An ordinary engineer's license sharing service, tuned as its author would tune it.

FastAPI with pydantic v2 models, `eventsourcing` aggregates (one for each use) on the library's own
PostgreSQL recorder, a counter row for each authorization, psycopg's pool and prepared statements. It
does for a use what ours does: the same token, the same request, the rule of the authorization, AES-GCM
for what is stored, an idempotency key, a durable commit, and one Ed25519 signature for each use. It has
no Merkle tree, no receipts, no field proofs, no trail and no refusal events: that is in its favor.
"""
