"""A live face for tests: an application on a fresh ledger, and clients that sign in to it.

Requests go through the real application with its lifespan; nothing of it is replaced.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
from fastapi import FastAPI
from fastapi.testclient import TestClient

from api import appending as appendings
from api import auth, client, description, examples, main, problems, service
from ledger import (
    catalog,
    check,
    config,
    coverage_commands,
    opening,
    queueing,
    registry_commands,
    remote_connection,
)
from ledger.appender import Appender
from signing import ids, note, trust
from tests import world

ALL_SCOPES = tuple(description.SCOPES)
CITIZEN = {"code_type": "111", "code": world.citizen(7).code}
GENEROUS = service.Settings(
    address_rate=service.limits.Rate(burst=10_000, per_s=1_000.0),
    client_rate=service.limits.Rate(burst=10_000, per_s=1_000.0),
    look_rates=service.limits.LookRates(
        per_address=service.limits.Rate(burst=10_000, per_s=1_000.0),
        papers_per_address=service.limits.Rate(burst=10_000, per_s=1_000.0),
        together=service.limits.Rate(burst=10_000, per_s=1_000.0),
    ),
)
KEYS = itertools.count(1)
INDEX_MAX, TRIES = 10**9, 30
"""No ledger of the tests has so many facts; how often a caller comes back for one that it has."""


@dataclass(kw_only=True)
class Caller:
    """A registered client with its key."""

    http: TestClient
    public_url: str
    client_id: bytes
    private: dict[str, Any]
    headers: dict[str, str] = field(default_factory=dict)

    def assertion(self, **changes: Any) -> str:
        """A fresh client assertion."""
        said = {
            "algorithm": self.private["alg"],
            "client_id": ids.text(self.client_id),
            "audience": f"{self.public_url}/oauth/token",
            "now": int(time.time()),
            **changes,
        }
        return auth.make_assertion(self.private, **said)

    def ask_token(self, assertion: str | None = None, **fields: str) -> httpx.Response:
        """The answer of the token endpoint."""
        form = {
            "grant_type": "client_credentials",
            "client_assertion_type": client.ASSERTION_TYPE,
            "client_assertion": assertion or self.assertion(),
            **fields,
        }
        return self.http.post("/oauth/token", data=form)

    def sign_in(self, **fields: str) -> Caller:
        """Get an access token for the next requests."""
        answer = self.ask_token(**fields)
        assert answer.status_code == 200, answer.text
        self.headers = {"Authorization": f"Bearer {answer.json()['access_token']}"}
        return self

    def post(self, path: str, body: Any, *, key: str | None = None, **headers: str) -> httpx.Response:
        """A POST under a fresh key, or under `key`."""
        sent = {"Idempotency-Key": key or f"key-{next(KEYS)}", **self.headers, **headers}
        content = body if isinstance(body, bytes) else json.dumps(body)
        return self._patiently(
            "POST", path, content=content, headers={"Content-Type": "application/json", **sent}
        )

    def get(self, path: str, *, params: dict[str, str] | None = None, **headers: str) -> httpx.Response:
        """A GET."""
        return self._patiently("GET", path, params=params, headers={**self.headers, **headers})

    def _patiently(self, method: str, path: str, *, headers: dict[str, str], **said: Any) -> httpx.Response:
        """The answer, asked for again while lists are behind an index that is there, on a slow machine."""
        is_there = headers.get("Ledger-At-Least") != str(INDEX_MAX)
        for _ in range(TRIES):
            answer = self.http.request(method, path, headers=headers, **said)
            if not (is_there and answer.status_code == 503 and "behind-index" in answer.text):
                break
        return answer

    def done(self, path: str, body: Any, **more: str) -> dict[str, Any]:
        """What a POST that must succeed answers."""
        answer = self.post(path, body, **more)
        assert answer.status_code == 200, answer.text
        content: dict[str, Any] = answer.json()
        return content


@dataclass(kw_only=True)
class Face:
    """An application that runs, and ways to be its client."""

    app: FastAPI
    http: TestClient

    @property
    def served(self) -> service.Service:
        """What the application works with."""
        found: service.Service = self.app.state.service
        return found

    def register(
        self, organization: str = examples.ORGANIZATION, *scopes: str, algorithm: str = "Ed25519"
    ) -> Caller:
        """A new client that has signed in; every scope and type unless `scopes` are named."""
        private, public = auth.generate_client_key(algorithm)
        ledger = self.served.ledger
        asked = registry_commands.RegisterClient(
            actor=ledger.console,
            name="client",
            acts_for=organization,
            scopes=scopes or ALL_SCOPES,
            license_types=tuple(fact.type_code for fact in catalog.national_catalog(world.OPERATOR)),
            algorithm=algorithm,
            keys=(json.dumps(public),),
        )
        self.served.appender.submit(asked).result(timeout=30)
        url = ledger.config.public_url
        return Caller(http=self.http, public_url=url, client_id=asked.client_id, private=private).sign_in()

    def register_with_types(self, organization: str, *license_types: str) -> Caller:
        """A new client that may issue, and nothing but licenses of some types."""
        private, public = auth.generate_client_key("Ed25519")
        ledger = self.served.ledger
        asked = registry_commands.RegisterClient(
            actor=ledger.console,
            name="issuing client",
            acts_for=organization,
            scopes=("license:issue",),
            license_types=license_types,
            algorithm="Ed25519",
            keys=(json.dumps(public),),
        )
        self.served.appender.submit(asked).result(timeout=30)
        url = ledger.config.public_url
        return Caller(http=self.http, public_url=url, client_id=asked.client_id, private=private).sign_in()

    def events(self) -> int:
        """How many facts there are."""
        return self.served.ledger.recorder.newest_index() + 1

    def cover(self, type_code: str = world.CITIZEN_CARD) -> None:
        """Declare that the ledger holds every license of a type."""
        actor = self.served.ledger.console
        self.console(coverage_commands.DeclareCoverage(actor=actor, type_code=type_code, holds="all"))

    def console(self, asked: Any) -> None:
        """Append a command of the ledger's console, or of anyone."""
        self.served.appender.submit(asked).result(timeout=30)


@contextlib.contextmanager
def through_a_socket(
    ledger: opening.Ledger,
    observed: Callable[[queueing.Appended], None],
    loop: asyncio.AbstractEventLoop,
) -> Iterator[queueing.Appends]:
    """An appender of this process that is asked through a socket, as the one of another process is."""

    async def listening(appending: Appender, path: Path) -> asyncio.AbstractServer:
        connections = remote_connection.Connections(appending, ring_version=lambda: ledger.vault.ring.version)
        return await loop.create_unix_server(connections.another, str(path))

    with ledger.appending() as appending, tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "appender"
        server = asyncio.run_coroutine_threadsafe(listening(appending, path), loop).result()
        with appendings.elsewhere(path)(ledger, observed, loop) as asked:
            yield asked
        loop.call_soon_threadsafe(server.close)


@contextlib.contextmanager
def running(configured: config.Config, settings: service.Settings = GENEROUS) -> Iterator[Face]:
    """The application of a configured ledger, started."""
    app = main.create_app(configured, settings=settings, appended=through_a_socket)
    with TestClient(app, raise_server_exceptions=False) as http:
        yield Face(app=app, http=http)


def example(name: str, which: str | None = None) -> Any:
    """A copy of an example body, by the name of its annotation."""
    shown = getattr(examples, name).__metadata__[0].openapi_examples
    chosen = shown[which] if which is not None else next(iter(shown.values()))
    return json.loads(json.dumps(chosen["value"]))


def example_of(annotation: Any) -> Any:
    """A copy of the first example body of an annotation."""
    (first, *_) = annotation.__metadata__[0].openapi_examples.values()
    return json.loads(json.dumps(first["value"]))


def in_background(function: Callable[[], Any]) -> Future[Any]:
    """What a function gives, from a thread of its own."""
    pool = ThreadPoolExecutor(max_workers=1)
    pending = pool.submit(function)
    pool.shutdown(wait=False)
    return pending


def person(number: int) -> dict[str, str]:
    """Synthetic citizen `number` as a request names it."""
    return {"code_type": "111", "code": world.citizen(number).code}


def issue_body(number: int, **changes: Any) -> dict[str, Any]:
    """An identity card for synthetic citizen `number`."""
    return {
        **example("IssueBody"),
        "license_type": world.CITIZEN_CARD,
        "holder": {**person(number), "name": f"合成居民{number}"},
        "number": f"NO-{number}",
        "fields": {"name": f"合成居民{number}", "address": "福州市示例路"},
        **changes,
    }


def grant_body(number: int | None = None, *, to: str = examples.ORGANIZATION, **scope: Any) -> dict[str, Any]:
    """Consent of synthetic citizen `number`, or a statutory grant, to use identity cards."""
    said = {**example("GrantBody"), "requester": to, "mode": "statutory"}
    if number is not None:
        said |= {"mode": "holder", "holder": person(number), "evidence": "0" * 64}
    return {**said, "scope": {"license_types": [world.CITIZEN_CARD], **scope}}


def use_body(number: int, **changes: Any) -> dict[str, Any]:
    """A use of the identity card of synthetic citizen `number`."""
    return {**example("UseBody"), "holder": person(number), "license_type": world.CITIZEN_CARD, **changes}


def by_code(use_code: str) -> dict[str, Any]:
    """A use by use code."""
    said = example("UseBody")
    return {"use_code": use_code, "purpose": said["purpose"], "operator": said["operator"]}


def trust_of(face: Face) -> trust.TrustFile:
    """What a verifier of this ledger trusts."""
    vault = face.served.ledger.vault
    origin = f"{vault.ring.origin}/0"
    key = note.VerifierKey(name=origin, public=vault.log_key.public)
    known = trust.Ledger(
        ledger_id=vault.ring.ledger_id,
        suite=vault.suite,
        is_demonstration=True,
        origins=(trust.Origin(origin=origin, generation=0, keys=(trust.LogKey(key=key),)),),
        token_keys=(),
    )
    return trust.TrustFile(ledgers=(known,), made_at=datetime(2026, 1, 1, tzinfo=UTC))


def problem(answer: httpx.Response) -> tuple[int, str, str | None]:
    """Status, type and field of a problem document."""
    said = answer.json()
    assert answer.headers["content-type"] == "application/problem+json"
    assert said["status"] == answer.status_code
    return answer.status_code, said["type"].removeprefix(problems.TYPE_PREFIX), said.get("field")


def dumps(content: Any) -> bytes:
    """Compact JSON."""
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()


@contextlib.contextmanager
def fresh(cluster: Any, settings: service.Settings = GENEROUS) -> Iterator[Face]:
    """The application on a fresh ledger, for the tests of a module; at their end it is checked in full."""
    configured = cluster.clone()
    try:
        with running(configured, settings) as face:
            yield face
            require_whole(face.served.ledger)
    finally:
        cluster.drop(configured)


def require_whole(ledger: opening.Ledger) -> None:
    """Nothing when a full check of the ledger finds nothing."""
    report = check.check(
        ledger.ways.service,
        identity=check.identity_of(ledger.vault.ring),
        anchor=ledger.vault.anchor,
        vault=ledger.vault,
    )
    assert report.findings == ()
