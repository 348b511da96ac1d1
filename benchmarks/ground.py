"""The ground of a benchmark over HTTP: a fresh ledger with holders, licenses, clients and authorizations.

`prepared` makes it in a folder of its own, which is gone afterwards, on the embedded server with its
settings as shipped: `fsync` and `synchronous_commit` on. The licenses are issued through the appender,
so that whoever serves the ledger later starts with nothing in its caches.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import tempfile
import time
import urllib.parse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from api import auth, client, demo, demo_people
from benchmarks import workload
from ledger import (
    authorization,
    authorization_commands,
    command,
    config,
    days,
    license_commands,
    opening,
    registry_commands,
)
from ledger.appender import Appender
from signing import ids

ORIGIN = "demo.license-ledger.example/bench"
SCOPES = ("license:use", "license:verify", "file:attest")
_CALLERS = 256


@dataclass(kw_only=True)
class Caller:
    """A registered client system."""

    organization: str
    client_id: bytes
    private: dict[str, Any]

    def token(self, base_url: str, *, audience: str) -> str:
        """A fresh access token."""
        assertion = auth.make_assertion(
            self.private,
            algorithm="Ed25519",
            client_id=ids.text(self.client_id),
            audience=f"{audience}/oauth/token",
            now=int(time.time()),
        )
        form = {
            "grant_type": "client_credentials",
            "client_assertion_type": client.ASSERTION_TYPE,
            "client_assertion": assertion,
        }
        answer = httpx.post(
            f"{base_url}/oauth/token",
            content=urllib.parse.urlencode(form),
            headers={"Content-Type": "application/x-www-form-urlencoded"},
        )
        answer.raise_for_status()
        token: str = answer.json()["access_token"]
        return token


@dataclass(kw_only=True)
class Ground:
    """A ledger that is ready to be served."""

    configured: config.Config
    ledger: opening.Ledger
    issuer: Caller
    halls: list[Caller]
    auditor: Caller
    held: dict[str, list[workload.Held]] = field(default_factory=dict)
    """By workload, what was issued for it."""

    def grants(self) -> list[tuple[str, list[str]]]:
        """Who may use which types."""
        types = [workload.natural_types(), workload.legal_types()]
        return [
            (hall.organization, [entry.type_code for entry in some]) for hall in self.halls for some in types
        ]


@contextlib.contextmanager
def prepared(
    workloads: Sequence[workload.Workload], *, base_url: str, last_day: int | None = None
) -> Iterator[Ground]:
    """The ground for some workloads, whose people are others in each; the service will be at `base_url`.

    `last_day`: of the licenses that expire during the run.
    """
    with tempfile.TemporaryDirectory(dir="/var/tmp", prefix="ledger-bench-") as folder:
        Path(folder).chmod(0o755)
        configured = config.Config(data=Path(folder) / "data", public_url=base_url)
        opening.init(configured, origin=ORIGIN, operator=demo.OPERATOR)
        with opening.opened(configured) as ledger:
            with ledger.appending() as appender:
                ground = _registered(ledger, appender, halls=_halls(workloads))
                _authorize(ground, appender)
                start = 0
                for one in workloads:
                    ground.held[one.name] = asyncio.run(_issue(ground, appender, one, start, last_day))
                    start += max(one.population.natural, one.population.legal)
            yield ground


def _halls(workloads: Sequence[workload.Workload]) -> int:
    return max(int(one.uses.requesters["count"]) for one in workloads)


def _registered(ledger: opening.Ledger, appender: Appender, *, halls: int) -> Ground:
    def register(organization: str, scopes: tuple[str, ...]) -> Caller:
        private, public = auth.generate_client_key("Ed25519")
        types = [*workload.natural_types(), *workload.legal_types()]
        asked = registry_commands.RegisterClient(
            actor=ledger.console,
            name="benchmark",
            acts_for=organization,
            scopes=scopes,
            license_types=tuple(entry.type_code for entry in types) if "license:issue" in scopes else (),
            algorithm="Ed25519",
            keys=(json.dumps(public, sort_keys=True),),
        )
        appender.submit(asked).result()
        return Caller(organization=organization, client_id=asked.client_id, private=private)

    issuer = register(demo.OPERATOR, ("license:issue", "authorization:grant"))
    return Ground(
        configured=ledger.config,
        ledger=ledger,
        issuer=issuer,
        halls=[register(demo_people.organization(number), SCOPES) for number in range(1, halls + 1)],
        auditor=register(demo_people.organization(halls + 1), ("audit:read",)),
    )


def actor(caller: Caller) -> command.Actor:
    """A caller as the commands name it."""
    return command.Actor(
        client_id=caller.client_id,
        organization=caller.organization,
        generation=0,
        operator=command.Operator(account="account-1", name="合成经办人"),
        case_number="BENCH-2026-1",
        service_item="item-1",
        channel="batch",
        reason="办理业务",
    )


def _authorize(ground: Ground, appender: Appender) -> None:
    for requester, types in ground.grants():
        scope = authorization.Scope(
            license_refs=(),
            type_codes=tuple(sorted(types)),
            field_names=None,
            service_items=None,
            valid_from=0,
            valid_until=None,
            uses_max=None,
        )
        asked = authorization_commands.GrantAuthorization(
            actor=actor(ground.issuer),
            mode="statutory",
            requester=requester,
            holder=None,
            evidence=None,
            scope=scope,
        )
        appender.submit(asked).result()


def issue_command(
    issuer: Caller, one: workload.Holding, *, last_day: int | None = None
) -> license_commands.IssueLicense:
    """The command that issues a license; one that expires is valid through `last_day`."""
    content = license_commands.Content(
        serial=license_commands.draw_serial(),
        number=one.number,
        holder_name=one.holder_name,
        values=dict(one.fields),
        valid_from=days.parse("2020-01-01"),
        valid_to=last_day if one.is_expiring else None,
        issued_on=days.parse("2020-01-01"),
    )
    return license_commands.IssueLicense(
        actor=actor(issuer), type_code=one.type_code, holder=one.holder, content=content
    )


async def _issue(
    ground: Ground, appender: Appender, chosen: workload.Workload, start: int, last_day: int | None
) -> list[workload.Held]:
    """Issue everything, many at once; the licenses in the order of the workload."""
    numbered = enumerate(chosen.holdings(start=start))
    made: dict[int, workload.Held] = {}

    async def work() -> None:
        for number, one in numbered:
            asked = issue_command(ground.issuer, one, last_day=last_day)
            await appender.submit_soon(asked)
            made[number] = workload.Held(holding=one, license_ref=ids.text(asked.license_ref))

    await asyncio.gather(*(work() for _ in range(_CALLERS)))
    return [made[number] for number in sorted(made)]


def first(requests: Iterator[workload.Asked], count: int) -> list[workload.Asked]:
    """The next requests of a workload."""
    return list(itertools.islice(requests, count))
