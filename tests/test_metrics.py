"""Metrics say how much of what happened, to who has the token, and nothing about anyone."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client import parser
from starlette.testclient import TestClient

from api import metrics_server
from ledger import config, errors, fact, opening, use, verification
from projections import registry
from tests import api_world, world
from tests.api_world import Face, grant_body, issue_body, use_body
from tests.conftest import Cluster

TOKEN = "synthetic-token"
DOCS = Path(__file__).parents[1] / "docs" / "operations.md"


@pytest.fixture(scope="module")
def face(cluster: Cluster) -> Iterator[Face]:
    with api_world.fresh(cluster) as running:
        running.cover()
        issuer, hall = running.register(), running.register(world.HALL, "license:use")
        issuer.done("/v1/licenses", issue_body(1))
        assert hall.done("/v1/uses", use_body(1))["uses"][0]["reason"] == "not-authorized"
        issuer.done("/v1/authorizations", grant_body(to=world.HALL))
        for _ in range(2):
            assert hall.done("/v1/uses", use_body(1))["uses"][0]["decision"] == "granted"
        assert hall.done("/v1/uses", use_body(2))["uses"][0]["reason"] == "not-held"
        assert hall.post("/v1/licenses", issue_body(3)).status_code == 403
        assert hall.post("/v1/uses", b"{").status_code == 400
        assert hall.get("/v1/nowhere/110101190001010011").status_code == 404
        assert running.http.get("/V/AAAA").status_code == 404
        yield running


@pytest.fixture(scope="module")
def reader(face: Face) -> TestClient:
    return TestClient(metrics_server.application(TOKEN, face.app.state.metrics, face.served))


def read(reader: TestClient) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Every sample by its name and labels."""
    answer = reader.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in parser.text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def test_what_was_decided_is_counted_by_reason(reader: TestClient) -> None:
    found = read(reader)
    uses = {labels: value for (name, labels), value in found.items() if name == "ledger_uses_total"}
    assert uses == {
        (("decision", "granted"), ("reason", "")): 2,
        (("decision", "refused"), ("reason", "not-authorized")): 1,
        (("decision", "refused"), ("reason", "not-held")): 1,
    }
    assert found["ledger_events_total", (("topic", "LicenseUsed"),)] == 2
    assert found["ledger_events_total", (("topic", "UseRefused"),)] == 2


def test_requests_are_counted_by_route_and_status_and_problems_by_type(reader: TestClient) -> None:
    found = read(reader)
    told = {
        (dict(labels)["route"], dict(labels)["status"]): value
        for (name, labels), value in found.items()
        if name == "ledger_requests_total"
    }
    assert told["/v1/uses", "200"] == 4
    assert told["/v1/uses", "400"] == told["/v1/licenses", "403"] == told["unmatched", "404"] == 1
    assert found["ledger_request_seconds_count", (("route", "/v1/uses"),)] == 5
    problems = {labels: value for (name, labels), value in found.items() if name == "ledger_problems_total"}
    kinds = {errors.JsonInvalid.type: 1, errors.ScopeMissing.type: 1, errors.NotFound.type: 2}
    assert problems == {(("type", kind),): count for kind, count in kinds.items()}
    assert found["ledger_looks_total", (("result", "unknown"),)] == 1


def test_batches_are_counted_and_timed_and_lags_are_told(face: Face, reader: TestClient) -> None:
    found = read(reader)
    assert found["ledger_batch_commands_count", ()] >= found["ledger_commit_seconds_count", ()] > 0
    for part in ("commit", "anchor"):
        assert 0 < found[f"ledger_{part}_seconds_sum", ()] < found["ledger_append_seconds_sum", ()]
    assert found["ledger_size_events", ()] == face.events()
    expected = {"queue_commands": 0, "appending": 1, "database_reachable": 1, "frontier_lag_events": 0}
    assert {name: found[f"ledger_{name}", ()] for name in expected} == expected
    for projection in registry.ALL:
        labels = (("projection", projection.name),)
        assert found["ledger_projection_ready", labels] == 1
        assert 0 <= found["ledger_projection_lag_events", labels] <= face.events()


def test_no_label_holds_a_word_that_is_not_of_a_closed_list(face: Face, reader: TestClient) -> None:
    known = {
        "method": {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "other"},
        "route": {*face.app.openapi()["paths"], "unmatched"},
        "status": {str(status) for status in range(100, 600)} | {"none"},
        "type": {one.type for one in leaves(errors.LedgerError)} | {"about:blank"},
        "decision": {"granted", "refused"},
        "reason": {"", *use.NATIONAL_CODES},
        "result": {*verification.NATIONAL_RESULTS, "limited", "unavailable"},
        "topic": set(fact.topics()),
        "projection": {projection.name for projection in registry.ALL},
    }
    for name, labels in read(reader):
        for label, value in labels:
            assert label == "le" or value in known[label], name


def leaves(branch: type[errors.LedgerError]) -> Iterator[type[errors.LedgerError]]:
    """A branch of the tree of errors and all behind it."""
    yield branch
    for leaf in branch.__subclasses__():
        yield from leaves(leaf)


@pytest.mark.parametrize(
    "said", [None, "", TOKEN, f"Basic {TOKEN}", "Bearer ", f"Bearer {TOKEN}x", "Bearer \xe9"]
)
def test_without_the_token_nothing_is_told(reader: TestClient, said: str | None) -> None:
    headers = {} if said is None else {"Authorization": said.encode("latin-1")}
    answer = reader.get("/metrics", headers=headers)  # type: ignore[arg-type]
    assert (answer.status_code, answer.content) == (401, b"")


def test_the_public_address_has_no_metrics(face: Face, reader: TestClient) -> None:
    assert face.http.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"}).status_code == 404
    assert "/metrics" not in json.dumps(face.app.openapi())
    assert reader.post("/metrics", headers={"Authorization": f"Bearer {TOKEN}"}).status_code == 405


def test_the_token_is_made_once_in_a_private_file(face: Face) -> None:
    configured = face.served.ledger.config
    token = opening.metrics_token(configured)
    assert len(token) >= 40
    assert opening.metrics_token(configured) == token
    assert (configured.data / "secrets" / "metrics").stat().st_mode & 0o777 == 0o600


def test_every_metric_is_documented(reader: TestClient) -> None:
    documented = set(re.findall(r"^\| `(ledger_\w+)`", DOCS.read_text(encoding="utf-8"), re.MULTILINE))
    answer = reader.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
    told = set(re.findall(r"^# TYPE (\w+)", answer.text, re.MULTILINE))
    assert told == documented


@pytest.mark.parametrize(
    ("said", "bind"),
    [("", None), ("127.0.0.1:9464", ("127.0.0.1", 9464)), ("[::1]:9464", ("::1", 9464))],
)
def test_where_metrics_are_given_is_an_address_and_a_port(said: str, bind: tuple[str, int] | None) -> None:
    assert config.from_environment({"LEDGER_METRICS_BIND": said}).metrics_bind == bind


@pytest.mark.parametrize(
    "said", ["9464", ":9464", "127.0.0.1:", "127.0.0.1:0", "127.0.0.1:65536", "a:b", "a:٣"]
)
def test_another_address_of_metrics_is_refused(said: str) -> None:
    with pytest.raises(errors.Invalid) as refused:
        config.from_environment({"LEDGER_METRICS_BIND": said})
    assert refused.value.field == "LEDGER_METRICS_BIND"
