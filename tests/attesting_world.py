"""Witnesses of a real ledger's log for tests, and a clock that is put ahead."""

from __future__ import annotations

import contextlib
import itertools
import time
from pathlib import Path

from ledger import outsiders
from signing import cosignature, keys, note, witness, witnessing
from tests import witness_world
from tests.api_world import Face

NUMBERS = itertools.count(1)
WARN_S, STOP_S = 900, 3600
LIMITS = outsiders.Limits(warn_s=WARN_S, stop_s=STOP_S)


class Clock:
    """The wall clock, and how far it was put ahead."""

    def __init__(self) -> None:
        self.ahead_s = 0

    def __call__(self) -> int:
        return time.time_ns() // 1000 + self.ahead_s * 1_000_000


class Witnesses:
    """Witnesses of a ledger's log, each answering on a port of its own until it is silenced."""

    def __init__(self, stack: contextlib.ExitStack, folder: Path, face: Face, count: int) -> None:
        vault = face.served.ledger.vault
        origin = f"{vault.ring.origin}/0"
        self.log = note.VerifierKey(name=origin, public=vault.log_key.public)
        self.held: list[witness.Witness] = []
        self.silencing: list[contextlib.ExitStack] = []
        self.urls: list[str] = []
        for _ in range(count):
            number = next(NUMBERS)
            own = folder / f"w{number}"
            witness.create(own, name=f"witness.example/w{number}", seed=number.to_bytes(32, "big"))
            witness.add_log(own, self.log.text)
            one = stack.enter_context(witness.opened(own))
            serving = stack.enter_context(contextlib.ExitStack())
            self.urls.append(serving.enter_context(witness_world.serving(one)))
            self.held.append(one)
            self.silencing.append(serving)

    @property
    def policy(self) -> cosignature.Policy:
        return cosignature.Policy(
            witnesses=tuple(one.key for one in self.held), quorum=len(self.held) // 2 + 1
        )

    def named(self, **more: object) -> outsiders.Outsiders:
        """The witnesses as a configuration has them."""
        found = tuple(
            outsiders.Witness(url=url, key=one.key) for url, one in zip(self.urls, self.held, strict=True)
        )
        members = {"witnesses": found, "quorum": self.policy.quorum, "witness_limits": LIMITS}
        return outsiders.Outsiders(**members | more)  # type: ignore[arg-type]

    def submit(self, number: int, head: note.Checkpoint, signing: keys.SigningKey) -> None:
        """Have a witness cosign a tree that the log's key signed, past the ledger."""
        signed = note.sign(head.text, name=head.origin, key=signing)
        sent = witnessing.Submission(old_size=0, proof=(), checkpoint=signed)
        self.held[number].add(sent, now_s=int(time.time()))
