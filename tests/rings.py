"""Key rings of tests: with one more key, or one that signs no more, at once and without the ledger's word."""

from __future__ import annotations

from dataclasses import replace

from signing import keyring


def introduced(ring: keyring.KeyRing, purpose: str) -> keyring.KeyRing:
    """The ring with a new active key of `purpose`."""
    key = keyring.new_key(ring.suite, purpose)
    return replace(ring, version=ring.version + 1, signing=(*ring.signing, key))


def retired(ring: keyring.KeyRing, key_id: bytes) -> keyring.KeyRing:
    """The ring in which a key signs no more."""
    kept = tuple(replace(held, is_retired=held.is_retired or held.key_id == key_id) for held in ring.signing)
    return replace(ring, version=ring.version + 1, signing=kept)
