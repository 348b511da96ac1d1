"""A service in a process of its own, to be killed, stopped and cut off by the crash campaigns.

`python -m tests.crash_worker` reads its order as one JSON line and appends uses from several threads.
An answered use is on disk, synced, before it counts as answered. Further lines on standard input arm a
point to wait at (`arm STAGE N`), end the wait (`go`) and the program (`stop`, or end of file). Says
`ready`, `reached STAGE SIZE` and `failed REASON` on standard output.
"""

from __future__ import annotations

import json
import os
import random
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TextIO

from ledger import command, config, errors, opening, reading, use_commands
from ledger.appender import Appender
from ledger.command import Command
from ledger.pen import Pen, Result, Stage
from signing import note, receipt
from tests import world

BATCH_MIN = 8
"""Points are reached with at least so many commands in the batch."""
PATIENCE_S = 60.0
TICK_S = 0.04
COUNTED_TYPE = "11100000000013338W050"
"""The type whose uses are counted."""


class ArmedPen(Pen):
    """A pen that waits at a chosen point of a chosen batch."""

    def __init__(self, ledger: opening.Ledger) -> None:
        super().__init__(ledger.recorder, ledger.vault, reached=self._wait_at)
        self._size = 0
        self._armed: tuple[str, int] | None = None
        self.go = threading.Event()

    def arm(self, stage: str, batches: int) -> None:
        """Wait at `stage` of the `batches`th large batch from now."""
        self.go.clear()
        self._armed = stage, batches

    def append(self, commands: Sequence[Command]) -> list[Result | errors.LedgerError]:
        self._size = len(commands)
        return super().append(commands)

    def _wait_at(self, stage: Stage) -> None:
        if self._armed is None or self._armed[0] != stage or self._size < BATCH_MIN:
            return
        self._armed = (stage, self._armed[1] - 1)
        if self._armed[1] <= 0:
            self._armed = None
            say(f"reached {stage} {self._size}")
            self.go.wait()


class Caller:
    """Uses licenses again and again, each under its own key until that is answered."""

    def __init__(
        self, order: dict[str, Any], ledger: opening.Ledger, appender: Appender, answered: TextIO
    ) -> None:
        self._actor = command.Actor(
            client_id=bytes.fromhex(order["client_id"]),
            organization=order["organization"],
            generation=0,
            operator=command.Operator(account="account-1", name="经办人一"),
            service_item="item-1",
            channel="window",
        )
        self._ledger = ledger
        self._appender = appender
        self._answered = answered
        self._guard = threading.Lock()
        self._reader = reading.Reader(ledger.ways.service, ledger.vault, pool_max=4)
        self.is_ending = threading.Event()

    def run(self, rng: random.Random) -> None:
        """Use, until told to end."""
        try:
            while not self.is_ending.is_set():
                # All threads at once, so that batches are large while the rate is bounded.
                self.is_ending.wait(TICK_S - time.monotonic() % TICK_S)
                self._use(rng.randbytes(16), is_counted=rng.random() < 0.25)
        except Exception as error:  # noqa: BLE001
            say(f"failed {type(error).__name__}: {error}")

    def _use(self, key: bytes, *, is_counted: bool) -> None:
        asked = use(self._actor, key, is_counted=is_counted)
        while not self.is_ending.is_set():
            try:
                result = self._appender.submit(asked).result(timeout=PATIENCE_S)
                index = result.indexes[0]
                if result.is_repeat:
                    data, proof = self._reader.events([index])[0], self._reader.receipt(index)
                else:
                    data, proof = result.recorded[0].data, result.recorded[0].receipt
            except (errors.Unavailable, errors.TooManyRequests) as error:
                say(f"unavailable {error.type}")
                self.is_ending.wait(0.05)  # as a client does that was told to come back
                continue
            self._note(key, index, data, proof, is_counted=is_counted)
            return

    def _note(self, key: bytes, index: int, data: bytes, proof: str, *, is_counted: bool) -> None:
        text = receipt.parse(proof).checkpoint.partition("\n\n")[0] + "\n"
        size = note.parse_checkpoint(text).size
        if self._ledger.vault.anchor.read().size < size:
            raise AssertionError("a receipt was signed that the anchor lacks")
        line = {
            "at": time.monotonic(),
            "key": key.hex(),
            "is_counted": is_counted,
            "index": index,
            "data": data.hex(),
            "receipt": proof,
        }
        with self._guard:
            self._answered.write(json.dumps(line) + "\n")
            self._answered.flush()
            os.fdatasync(self._answered.fileno())


def use(actor: command.Actor, key: bytes, *, is_counted: bool) -> use_commands.UseLicense:
    """The use that `key` stands for: under the counted authorization, or under the other."""
    return use_commands.UseLicense(
        actor=actor,
        repeat=command.Repeat(key=key, body_digest=key[::-1]),
        holder=world.ENTERPRISE,
        type_code=COUNTED_TYPE if is_counted else world.BUSINESS_LICENSE,
    )


def say(line: str) -> None:
    """One line to whoever started this program, whole."""
    os.write(1, f"{line}\n".encode())


def main() -> None:
    """Work until told to stop."""
    order = json.loads(sys.stdin.readline())
    asked = config.Config(data=Path(order["data"]), database_url=order["database_url"])
    with opening.opened(asked, migrate=False) as ledger, Path(order["answered"]).open("a") as answered:
        pen = ArmedPen(ledger)
        appender = Appender(pen).start()
        caller = Caller(order, ledger, appender, answered)
        seeds = random.Random(order["seed"])
        threads = [
            threading.Thread(target=caller.run, args=(random.Random(seeds.random()),), daemon=True)
            for _ in range(order["threads"])
        ]
        for thread in threads:
            thread.start()
        say("ready")
        for line in sys.stdin:
            words = line.split()
            if words[0] == "arm":
                pen.arm(words[1], int(words[2]))
            elif words[0] == "go":
                pen.go.set()
            else:
                break
        caller.is_ending.set()
        pen.go.set()
        for thread in threads:
            thread.join(PATIENCE_S)
        appender.stop()


if __name__ == "__main__":
    main()
