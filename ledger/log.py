"""The log's own facts: the ledger opened, signing keys come, go and are compromised, loss declared.

They stand in the registry stream and come from the ledger's console alone. What a checkpoint's origin
is called follows from them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from ledger import errors
from ledger.fact import Fact, Touched
from ledger.state import GenerationRow, KeyRow, LedgerRow, State, StreamRow
from signing import event


def origin_line(origin: str, *, partition: int, generation: int) -> str:
    """The checkpoint origin and key name of a partition: HOST/PATH/<partition>[.<generation>]."""
    return f"{origin}/{partition}" + (f".{generation}" if generation else "")


@dataclass(frozen=True, kw_only=True)
class LedgerOpened(Fact):
    """The first fact of every ledger."""

    origin: str
    """The first origin line."""
    operator: str
    suite: str

    def touches(self, about: event.Event) -> Touched:
        return ((GenerationRow, 0),)

    def allow(self, about: event.Event, state: State) -> None:
        if state.get(LedgerRow, 0) is not None:
            raise errors.AlreadyExists("the ledger is open")

    def evolve(self, about: event.Event, state: State, index: int) -> None:
        state.put(LedgerRow(ledger_key=0, operator=self.operator, registry=about.stream_id, suite=self.suite))
        state.put(GenerationRow(generation=0, origin=self.origin, from_size=0))
        state.put(StreamRow(stream_id=about.stream_id, kind="registry", is_erased=False))


@dataclass(frozen=True, kw_only=True)
class SigningKeyIntroduced(Fact):
    """A verification key that the ledger signs with from here on."""

    purpose: str
    key_id: bytes
    public: bytes

    def touches(self, about: event.Event) -> Touched:
        return ((KeyRow, self.key_id),)

    def allow(self, about: event.Event, state: State) -> None:
        if state.get(KeyRow, self.key_id) is not None:
            raise errors.AlreadyExists("the key is known")

    def evolve(self, about: event.Event, state: State, index: int) -> None:
        state.put(
            KeyRow(
                key_id=self.key_id,
                purpose=self.purpose,
                public=self.public,
                introduced_index=index,
                retired_index=None,
            )
        )


@dataclass(frozen=True, kw_only=True)
class SigningKeyRetired(Fact):
    """A key that signs no more; what it signed stays valid."""

    key_id: bytes

    def touches(self, about: event.Event) -> Touched:
        return ((KeyRow, self.key_id),)

    def allow(self, about: event.Event, state: State) -> None:
        row = state.get(KeyRow, self.key_id)
        if row is None:
            raise errors.NotFound("no such key")
        if row.retired_index is not None:
            raise errors.Conflict("the key is retired")

    def evolve(self, about: event.Event, state: State, index: int) -> None:
        state.put(replace(state.need(KeyRow, self.key_id), retired_index=index))


@dataclass(frozen=True, kw_only=True)
class SigningKeyCompromised(Fact):
    """A key was in other hands: what it alone signed proves nothing, whatever size it names.

    Told again when it turns out to have been earlier; never later.
    """

    key_id: bytes
    since: int
    """The size of the log from which on the key was not the ledger's alone, as the operator says."""

    def touches(self, about: event.Event) -> Touched:
        return ((KeyRow, self.key_id),)

    def allow(self, about: event.Event, state: State) -> None:
        row = state.get(KeyRow, self.key_id)
        if row is None:
            raise errors.NotFound("no such key")
        if self.since < 0:
            raise errors.Invalid("a size of the log is a whole number from 0", field="since")
        if row.retired_index is None:
            raise errors.Conflict("a compromised key is retired first")
        if row.compromised_since is not None and self.since >= row.compromised_since:
            raise errors.Conflict(f"the key is compromised since size {row.compromised_since}")

    def evolve(self, about: event.Event, state: State, index: int) -> None:
        state.put(replace(state.need(KeyRow, self.key_id), compromised_since=self.since))


@dataclass(frozen=True, kw_only=True)
class LossDeclared(Fact):
    """The operator declares that facts the anchor had seen are lost, and opens a successor origin."""

    generation: int
    """Above every generation ever anchored, also those that are lost."""
    origin: str
    anchored_size: int
    anchored_root: bytes
    surviving_generation: int
    surviving_size: int
    surviving_root: bytes

    def touches(self, about: event.Event) -> Touched:
        return ((GenerationRow, self.generation), (GenerationRow, self.surviving_generation))

    def allow(self, about: event.Event, state: State) -> None:
        if self.generation <= self.surviving_generation:
            raise errors.Conflict("generations follow one another")
        if state.get(GenerationRow, self.surviving_generation) is None:
            raise errors.Conflict("the surviving generation is not known")
        if state.get(GenerationRow, self.generation) is not None:
            raise errors.AlreadyExists("the generation is open")

    def evolve(self, about: event.Event, state: State, index: int) -> None:
        state.put(GenerationRow(generation=self.generation, origin=self.origin, from_size=index))
