"""The ordinary peer of the benchmark: it grants and refuses what the ledger does, and repeats safely."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from eventsourcing.persistence import OperationalError
from fastapi.testclient import TestClient
from psycopg import conninfo as conninfos
from psycopg import errors as faults

from benchmarks import serving
from benchmarks.peers.ordinary import app, filling, settings, uses
from tests import api_world, world
from tests.conftest import Cluster

SIGNING_KEY = secrets.token_hex(32)


class Peer:
    """The ordinary service on the ledger's own server, and how to ask both."""

    def __init__(self, face: api_world.Face) -> None:
        self.face = face
        self.caller = face.register()
        self.rows: list[dict[str, Any]] = []
        owner = str(face.served.ledger.ways.owner)
        self.owner = owner
        parts = conninfos.conninfo_to_dict(owner)
        self.chosen = settings.Settings(
            **{name: str(parts[name]) for name in ("dbname", "host", "port", "user")},
            password=str(parts.get("password", "")),
            schema=f"ordinary_{secrets.token_hex(4)}",
            pool_size=4,
            threads=8,
            issuer=face.served.ledger.config.public_url,
            token_keys=serving.token_keys(face.served.ledger),
            signing_key=SIGNING_KEY,
            data_key=secrets.token_hex(32),
            lookup_key=secrets.token_hex(32),
        )

    def issue(self, number: int, **changes: Any) -> None:
        """A license in the ledger, and the same in the peer's rows."""
        body = api_world.issue_body(number, **changes)
        made = self.caller.done("/v1/licenses", body)
        self.rows.append(
            {
                "license_ref": made["license_ref"],
                "code_type": body["holder"]["code_type"],
                "code": body["holder"]["code"],
                "type_code": body["license_type"],
                "status": "active",
                "valid_from": body["valid_from"],
                "valid_to": body.get("valid_to"),
                "fields": body["fields"],
            }
        )

    def suspend(self, number: int) -> None:
        """Suspended in both."""
        row = self.rows[number]
        act = {name: api_world.example("IssueBody")[name] for name in ("operator",)}
        basis = {"reason": "示例", "legal_basis": "行政许可法"}
        self.caller.done(f"/v1/licenses/{row['license_ref']}/suspend", {**act, **basis})
        row["status"] = "suspended"

    def start(self) -> TestClient:
        """The peer's application, filled."""
        types = [world.CITIZEN_CARD]
        filling.prepare(self.chosen, self.rows, [(api_world.examples.ORGANIZATION, types)])
        return TestClient(app.create_app(self.chosen))


@pytest.fixture
def peer(cluster: Cluster) -> Iterator[Peer]:
    with api_world.fresh(cluster) as face:
        made = Peer(face)
        made.caller.done("/v1/authorizations", api_world.grant_body())
        face.cover()
        yield made


def ask(http: TestClient, peer: Peer, body: Any, *, key: str | None = None) -> Any:
    """The peer's answer."""
    headers = {**peer.caller.headers, "Idempotency-Key": key or secrets.token_hex(8)}
    return http.post("/v1/uses", json=body, headers=headers)


def decided(answer: Any) -> list[tuple[str, str | None, Any]]:
    """Decision, reason, and the values that were told."""
    told = []
    for one in answer["uses"]:
        shown = one["license"] if one["decision"] == "granted" else None
        fields = {} if shown is None else shown["fields"]
        values = {
            name: value["value"] if isinstance(value, dict) else value for name, value in fields.items()
        }
        plain = {name: value for name, value in values.items() if not name.startswith("@")}
        told.append((one["decision"], one["reason"], plain))
    return told


def test_the_ordinary_service_grants_and_refuses_what_the_ledger_does(peer: Peer) -> None:
    peer.issue(1)
    peer.issue(2, valid_from="2020-01-01", valid_to="2021-01-01")
    peer.issue(3, valid_from="2099-01-01")
    peer.issue(4)
    peer.suspend(3)
    with peer.start() as http:
        asked = [api_world.use_body(number) for number in (1, 2, 3, 4, 5)]
        by_reference = {name: asked[0][name] for name in ("purpose", "operator")}
        asked += [
            api_world.use_body(1, fields=["name"]),
            {**by_reference, "license_ref": peer.rows[0]["license_ref"]},
        ]
        ours = [decided(peer.caller.done("/v1/uses", body)) for body in asked]
        theirs = [decided(ask(http, peer, body).json()) for body in asked]
    assert theirs == ours
    assert [one[0][1] for one in ours] == [
        None, "license-expired", "license-not-yet-effective", "license-suspended", "not-held", None, None
    ]  # fmt: skip


def test_the_ordinary_service_signs_each_use_and_repeats_it_under_its_key(peer: Peer) -> None:
    peer.issue(1)
    public = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(SIGNING_KEY)).public_key()
    with peer.start() as http:
        body = api_world.use_body(1)
        first = ask(http, peer, body, key="key-1").json()
        again = ask(http, peer, body, key="key-1").json()
        other = ask(http, peer, api_world.use_body(1, fields=["name"]), key="key-1")
        stranger = http.post("/v1/uses", json=body, headers={"Idempotency-Key": "key-2"})
    assert again == first
    assert (other.status_code, stranger.status_code) == (422, 401)
    proof = first["uses"][0]["proof"]
    public.verify(base64.b64decode(proof["signature"]), base64.b64decode(proof["event"]))
    with psycopg.connect(peer.owner) as conn:
        rows = conn.execute(f"SELECT state FROM {peer.chosen.schema}.uses_events".encode()).fetchall()
    assert [b"name" in state for (state,) in rows] == [False]


def test_the_ordinary_service_never_grants_beyond_the_counter(peer: Peer) -> None:
    peer.issue(1)
    with peer.start() as http:
        with psycopg.connect(peer.owner) as conn:
            conn.execute(f"UPDATE {peer.chosen.schema}.authorizations SET uses_max = 3".encode())
        with ThreadPoolExecutor(8) as callers:
            answers = list(callers.map(lambda _: ask(http, peer, api_world.use_body(1)), range(12)))
    told = [decided(answer.json())[0][:2] for answer in answers]
    assert sorted(told, key=str) == [("granted", None)] * 3 + [("refused", "uses-exhausted")] * 9


def test_a_refusal_whose_reason_was_not_fetched_is_asked_for_again(
    peer: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed: list[bool] = []

    def aborted(self: uses.Uses, *said: Any) -> Any:
        if failed:
            return record(self, *said)
        failed.append(True)
        raise OperationalError from faults.PipelineAborted()

    record = uses.Uses.record
    peer.issue(1)
    monkeypatch.setattr(uses.Uses, "record", aborted)
    with peer.start() as http:
        answer = ask(http, peer, api_world.use_body(1))
    assert failed
    assert decided(answer.json())[0][:2] == ("granted", None)
