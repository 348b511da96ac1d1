"""A service in a process of its own, for races between several of them on one ledger.

`python -m tests.service_process` reads JSON lines from standard input: first where its ledger is, then
one order a line. To each it says on standard output how many commands it queued, and then what became
of them, in their order. `Service` is the other end of the pipes. `Ending` is of any process.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ledger import (
    authorization_commands,
    client,
    command,
    config,
    errors,
    opening,
    registry_commands,
    status_commands,
    use_commands,
)
from ledger.appender import Appender
from ledger.pen import Pen, Result
from tests import world

ROOT = Path(__file__).resolve().parent.parent
PATIENCE_S = 60.0


class Service:
    """A service process, from outside."""

    def __init__(self, configured: config.Config, *, batch_max: int = 256) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.service_process"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._say(data=str(configured.data), database_url=configured.database_url, batch_max=batch_max)
        assert self._hear() == {"ready": True}

    def send(self, actor: command.Actor, verb: str, *, times: int = 1, **members: Any) -> None:
        """Have commands queued; returns when they are."""
        self._say(
            verb=verb,
            times=times,
            actor={
                "client_id": None if actor.client_id is None else actor.client_id.hex(),
                "organization": actor.organization,
                "generation": actor.generation,
            },
            **members,
        )
        assert self._hear() == {"queued": times}

    def told(self) -> list[dict[str, Any]]:
        """What became of them."""
        outcomes: list[dict[str, Any]] = self._hear()["outcomes"]
        return outcomes

    def ask(self, actor: command.Actor, verb: str, **members: Any) -> dict[str, Any]:
        """One command, and what became of it."""
        self.send(actor, verb, **members)
        (outcome,) = self.told()
        return outcome

    def stop(self) -> None:
        """End of file ends the process."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        assert self._process.wait(PATIENCE_S) == 0
        self._process.stdout.close()

    def _say(self, **message: Any) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(message) + "\n")
        self._process.stdin.flush()

    def _hear(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "the service process ended"
        return json.loads(line)


@contextmanager
def services(configured: config.Config, *, count: int = 2, batch_max: int = 256) -> Iterator[list[Service]]:
    """Several service processes on one ledger."""
    started: list[Service] = []
    try:
        started += (Service(configured, batch_max=batch_max) for _ in range(count))
        yield started
    finally:
        for service in started:
            service.stop()


class Ending:
    """The end of any process that lives now."""

    def __init__(self, process_id: int) -> None:
        self._fd = os.pidfd_open(process_id)

    def wait(self) -> None:
        """Return once it has ended."""
        try:
            ended, _, _ = select.select([self._fd], [], [], PATIENCE_S)
            assert ended, "the process lives"
        finally:
            os.close(self._fd)


def command_of(order: dict[str, Any]) -> command.Command:
    """The command that an order means."""
    named = order["actor"]
    actor = command.Actor(
        client_id=None if named["client_id"] is None else bytes.fromhex(named["client_id"]),
        organization=named["organization"],
        generation=named["generation"],
        operator=None if named["client_id"] is None else command.Operator(account="a", name="经办人"),
        service_item="item-1",
        channel="window",
    )
    ref = bytes.fromhex(order.get("ref", ""))
    if order["verb"] == "use":
        return use_commands.UseLicense(actor=actor, holder=world.ENTERPRISE, type_code=world.BUSINESS_LICENSE)
    if order["verb"] == "withdraw":
        return authorization_commands.WithdrawAuthorization(actor=actor, authorization_ref=ref)
    if order["verb"] == "suspend-client":
        suspended = client.ClientSuspended(client_id=ref)
        return registry_commands.RecordInRegistry(actor=actor, facts=(suspended,))
    if order["verb"] == "change-key":
        changed = client.ClientKeyChanged(client_id=ref, algorithm="Ed25519", keys=("another",))
        return registry_commands.RecordInRegistry(actor=actor, facts=(changed,))
    return status_commands.ChangeStatus(actor=actor, license_ref=ref, verb=order["verb"])


def outcome_of(future: Future[Result]) -> dict[str, Any]:
    """What became of one command, as JSON."""
    try:
        (recorded,) = future.result(PATIENCE_S).recorded
    except errors.LedgerError as error:
        return {"error": error.type}
    return {
        "index": recorded.index,
        "topic": recorded.event.topic,
        "reason": recorded.event.fact.get("reason"),
        "data": recorded.data.hex(),
        "receipt": recorded.receipt,
    }


def serve() -> None:
    """Orders from standard input, until it ends."""
    first = json.loads(sys.stdin.readline())
    where = config.Config(data=Path(first["data"]), database_url=first["database_url"])
    with opening.opened(where, migrate=False) as ledger:
        appender = Appender(Pen(ledger.recorder, ledger.vault), batch_max=first["batch_max"]).start()
        answer(ready=True)
        for line in sys.stdin:
            order = json.loads(line)
            futures = [appender.submit(command_of(order)) for _ in range(order["times"])]
            answer(queued=len(futures))
            answer(outcomes=[outcome_of(future) for future in futures])
        appender.stop()


def answer(**message: Any) -> None:
    """One line on standard output."""
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    serve()
