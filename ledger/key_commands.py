"""Commands that change signing keys: a key is prepared, another takes over, one was in other hands.

Each decides, without I/O, on the key ring from its batch on and on the facts that say so; the batch saves
the ring before it commits. What a crash left in the ring and not in the log is told by the next of these.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from ledger import errors, log, registry_commands
from ledger.command import Command, RowKey, View, Wants
from ledger.fact import Draft, Fact
from ledger.state import KeyRow, StreamRow
from ledger.vault import Vault
from signing import keyring


@dataclass(frozen=True, kw_only=True)
class ChangeKeys(Command):
    """Base of these commands: they read what the log says of every key of the ring."""

    fresh: keyring.HeldKey = field(repr=False)
    """A key that the command may take into the ring."""

    def wants(self, vault: Vault) -> Wants:
        held = {self.fresh.key_id, *(key.key_id for key in vault.ring.signing)}
        rows: set[RowKey] = {(KeyRow, key_id) for key_id in held}
        return Wants(rows=rows | {(StreamRow, vault.ring.registry)})

    def decide(self, view: View) -> list[Draft]:
        ring = self.changed(view)
        if ring is not view.ring:
            view.effects.ring = ring
        facts = key_facts(ring, view)
        if not facts:
            raise errors.Conflict("the keys were changed meanwhile: look at them again")
        return [Draft(fact=fact, stream_id=ring.registry) for fact in facts]

    def changed(self, view: View) -> keyring.KeyRing:
        """The ring from this command on; the same where a try before this one saved it."""
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class PrepareSigningKey(ChangeKeys):
    """The next key is made known, so that who verifies offline knows it before it signs."""

    def changed(self, view: View) -> keyring.KeyRing:
        known = prepared(view.ring, self.fresh.purpose)
        if known is not None and view.state.get(KeyRow, known.key_id) is not None:
            raise errors.Conflict(f"the key {known.key_id.hex()} is prepared")
        if known is not None:
            return view.ring
        return _renewed(view.ring, (*view.ring.signing, replace(self.fresh, is_prepared=True)))


@dataclass(frozen=True, kw_only=True)
class RotateSigningKey(ChangeKeys):
    """The prepared key, or else a fresh one, signs from here on; the one before it is retired."""

    before: bytes
    """The id of the key that is to be retired: another rotation that came first is not repeated."""

    def changed(self, view: View) -> keyring.KeyRing:
        if view.ring.active(self.fresh.purpose).key_id != self.before:
            return view.ring
        return with_key(view.ring, self.fresh, at=view.at)


@dataclass(frozen=True, kw_only=True)
class CompromiseSigningKey(ChangeKeys):
    """A key is believed no more; if it signed until now, the prepared key or a fresh one takes over."""

    key_id: bytes
    since: int | None
    """A size of the log; None: since the key came."""

    def changed(self, view: View) -> keyring.KeyRing:
        held = next((one for one in view.ring.signing if one.key_id == self.key_id), None)
        if held is None:
            raise errors.NotFound("no such key")
        row, ring = view.state.get(KeyRow, self.key_id), view.ring
        since = 0 if row is None else row.introduced_index
        if self.since is not None:
            since = self.since
        if since > view.size:
            raise errors.Invalid(f"the log has {view.size} events", field="since")
        if held.compromised_since is not None and since >= held.compromised_since:
            if row is not None and row.compromised_since == held.compromised_since:
                raise errors.Conflict(f"the key is compromised since size {held.compromised_since}")
            return ring  # a try before this one saved the ring, and the log does not know yet
        if not held.is_retired and not held.is_prepared:
            ring = with_key(ring, self.fresh, at=view.at)
        return _renewed(ring, tuple(_doubted(one, self.key_id, since, view.at) for one in ring.signing))


def with_key(ring: keyring.KeyRing, fresh: keyring.HeldKey, *, at: int | None = None) -> keyring.KeyRing:
    """The ring in which the key prepared for the purpose of `fresh`, or else `fresh`, signs from `at` on.

    The same ring when `fresh` is in it already.
    """
    if any(held.key_id == fresh.key_id for held in ring.signing):
        return ring
    following = prepared(ring, fresh.purpose)
    kept = tuple(_retired(held, at) if held.purpose == fresh.purpose else held for held in ring.signing)
    if following is None:
        return _renewed(ring, (*kept, fresh))
    others = tuple(held for held in kept if held.key_id != following.key_id)
    return _renewed(ring, (*others, replace(following, is_prepared=False)))


def prepared(ring: keyring.KeyRing, purpose: str) -> keyring.HeldKey | None:
    """The key that is to sign for `purpose` after the next rotation, if one is known."""
    return next((held for held in ring.signing if held.purpose == purpose and held.is_prepared), None)


def key_facts(ring: keyring.KeyRing, view: View) -> list[Fact]:
    """The facts about signing keys that the ring has and the history lacks."""
    facts: list[Fact] = []
    for held in ring.signing:
        row = view.state.get(KeyRow, held.key_id)
        if row is None:
            facts.append(registry_commands.introduced(held))
        if held.is_retired and (row is None or row.retired_index is None):
            facts.append(log.SigningKeyRetired(key_id=held.key_id))
        told = None if row is None else row.compromised_since
        # A history that lost its end is shorter than the one that the ring knew.
        since = None if held.compromised_since is None else min(held.compromised_since, view.size)
        if since is not None and (told is None or since < told):
            facts.append(log.SigningKeyCompromised(key_id=held.key_id, since=since))
    return facts


def _retired(held: keyring.HeldKey, at: int | None) -> keyring.HeldKey:
    return held if held.is_retired or held.is_prepared else replace(held, is_retired=True, retired_at=at)


def _doubted(held: keyring.HeldKey, key_id: bytes, since: int, at: int) -> keyring.HeldKey:
    """The key called `key_id` compromised and retired; any other as it is."""
    if held.key_id != key_id:
        return held
    return replace(_retired(replace(held, is_prepared=False), at), compromised_since=since)


def _renewed(ring: keyring.KeyRing, signing: tuple[keyring.HeldKey, ...]) -> keyring.KeyRing:
    return replace(ring, version=ring.version + 1, signing=signing)
