"""The whole API description, fuzzed by a signed-in client: no 5xx, and nothing stored by what is refused.

Requests come from the description alone: its examples, values that fit it and values that do not.
References in paths are those of a license and an authorization that are there, every other time.
"""

from __future__ import annotations

import collections
import contextlib
import itertools
import json
import os
import random
from collections.abc import Iterator
from typing import Any

import httpx
import hypothesis
import pytest
import schemathesis
from hypothesis import HealthCheck
from schemathesis.generation import GenerationMode

from api import examples, examples_catalog, examples_issuing, stock
from ledger import issuer_seal_register, store
from tests import api_world
from tests.api_world import Caller, Face
from tests.conftest import Cluster

UNFIT, FITTING, AT_HOME = 6, 6, 20
"""Requests an operation: that do not fit the description, that do, and that name what is there."""
ANEW = 4
"""Requests at home until what their path names is made anew."""
PASSED_MIN, ACCEPTED_MIN = 0.6, 0.2
SEED = int(os.environ.get("LEDGER_FAULTS_SEED") or random.SystemRandom().getrandbits(32))
KEYS, LOCAL = itertools.count(), itertools.count(950)


class Fuzz:
    """Sends generated requests and keeps count."""

    def __init__(self, face: Face, caller: Caller) -> None:
        self.face = face
        self.caller = caller
        self.statuses: collections.Counter[int] = collections.Counter()
        self.imports: list[str] = []
        """Those that were begun, of which a client has few that are not over."""

    def send(self, case: schemathesis.Case, *, is_fitting: bool) -> httpx.Response:
        """Send one request; what it was refused with must have stored nothing."""
        headers = dict(self.caller.headers)
        if is_fitting:
            headers["Idempotency-Key"] = f"fuzz-{next(KEYS)}"
        said = case.as_transport_kwargs(base_url="http://testserver", headers=headers)
        before = self.face.events()
        answer = self.caller.http.request(
            said["method"],
            said["url"],
            params=said.get("params"),
            headers=said["headers"],
            **_content(said),
        )
        self.statuses[answer.status_code] += 1
        assert answer.status_code < 500, (said["method"], case.operation.path, answer.text)
        if said["method"] == "POST" and case.operation.path == "/v1/imports" and answer.status_code == 200:
            self.imports.append(answer.json()["import_ref"])
        if answer.status_code >= 400:
            assert self.face.events() == before, (said["method"], case.operation.path, answer.text)
        return answer


def _content(said: dict[str, Any]) -> dict[str, Any]:
    if "json" in said:
        return {"content": json.dumps(said["json"]).encode()}
    data = said.get("data")
    return {"content": data} if isinstance(data, bytes | str) else {"data": data}


@pytest.fixture
def face(cluster: Cluster) -> Iterator[Face]:
    with api_world.fresh(cluster) as running:
        yield running


@pytest.mark.faults
@pytest.mark.timeout(900)
# The service's own threads, not the strategies, draw from `random` meanwhile (jitter of connection pools).
@pytest.mark.filterwarnings("ignore:Do not use the `random` module inside strategies")
def test_no_request_that_the_description_leads_to_breaks_the_ledger(face: Face) -> None:
    print(f"seed {SEED}: repeat with LEDGER_FAULTS_SEED={SEED}")  # noqa: T201
    fuzz = Fuzz(face, face.register(examples.ORGANIZATION))
    _seal(face)
    made = fuzz.caller.done("/v1/licenses", api_world.example("IssueBody"))
    made |= fuzz.caller.done("/v1/authorizations", api_world.example("GrantBody", "consent_of_the_holder"))
    said = face.http.get("/openapi.json").json()
    for operation in _operations(said):
        _run(operation.as_strategy(GenerationMode.NEGATIVE), fuzz, count=UNFIT, is_fitting=False)
        _run(operation.as_strategy(**_fixed(operation)), fuzz, count=FITTING, is_fitting=True)
    for operation in _operations(at_home(said)):
        # A run takes longer than a token lives.
        fuzz.caller.sign_in()
        made |= _fresh(fuzz, operation)
        for strategy in operation.get_strategies_from_examples():
            _run(strategy, fuzz, count=1, is_fitting=True)
        for _ in range(AT_HOME // ANEW):
            # What ends a license ends it once.
            made |= _fresh(fuzz, operation)
            known = {item.name: made[item.name] for item in operation.path_parameters if item.name in made}
            fixed = {"path_parameters": known} if known else {}
            _run(operation.as_strategy(**fixed, **_fixed(operation)), fuzz, count=ANEW, is_fitting=True)
    total = fuzz.statuses.total()
    passed = 1 - fuzz.statuses[401] / total
    accepted = sum(count for status, count in fuzz.statuses.items() if status < 300) / total
    told = f"{total} requests, {passed:.0%} passed authentication, {accepted:.0%} accepted: {fuzz.statuses}"
    print(told)  # noqa: T201
    assert passed >= PASSED_MIN
    assert accepted >= ACCEPTED_MIN


def _fresh(fuzz: Fuzz, operation: Any) -> dict[str, Any]:
    """What an operation's path names, made anew: those before may have ended what there was."""
    caller = fuzz.caller
    names = {item.name for item in operation.path_parameters}
    made: dict[str, Any] = {"partition": "0", "index": "0", "old": "1", "new": "2", "size": "2"}
    made["path"] = "000.p/1" if "/entries/" in operation.path else "0/000.p/1"
    if names & {"license_ref", "token"}:
        made |= caller.done("/v1/licenses", api_world.example("IssueBody"))
        made |= {"token": made["qr"].rpartition("/")[2], "index": "0"}
    if "link" in names:
        caller.done("/v1/authorizations", api_world.example("GrantBody"))
        made |= {"link": _link(caller)}
    if "draft_ref" in names:
        made |= caller.done("/v1/drafts", api_world.example("DraftBody")) | {"index": "0"}
    if "authorization_ref" in names:
        made |= caller.done("/v1/authorizations", api_world.example("GrantBody", "consent_of_the_holder"))
    if "entrustment_ref" in names:
        said = api_world.example_of(examples_issuing.EntrustBody)
        made |= caller.done("/v1/issuing-entrustments", said)
    if "import_ref" in names:
        for import_ref in fuzz.imports:
            caller.http.delete(f"/v1/imports/{import_ref}", headers=caller.headers)
        made |= caller.done("/v1/imports", api_world.example_of(stock.ImportBody))
        fuzz.imports = [made["import_ref"]]
    if operation.path.startswith("/v1/license-types/"):
        said = api_world.example_of(examples_catalog.RegisterBody)
        said["type_code"] = f"{examples.ORGANIZATION}{next(LOCAL)}"
        made |= caller.done("/v1/license-types", said)
    return made


def _link(caller: Caller) -> str:
    """The end of a copy's address."""
    ref = caller.done("/v1/licenses", api_world.example("IssueBody"))["license_ref"]
    asked = api_world.example("UseBody", "by_reference") | {"license_ref": ref}
    (one,) = caller.done("/v1/copies", asked)["copies"]
    return str(one["url"].rpartition("/")[2])


def at_home(said: dict[str, Any]) -> dict[str, Any]:
    """The description with types, holders and organizations that this ledger knows."""
    known: dict[str, Any] = json.loads(json.dumps(said))
    schemas = known["components"]["schemas"]
    for schema in schemas.values():
        # Nobody entrusted this client with anything: it is the issuer itself.
        if "Whose license" in schema.get("properties", {}).get("issuer", {}).get("description", ""):
            del schema["properties"]["issuer"]
    for name in ("Holder", "NamedHolder"):
        for member, value in examples.HOLDER.items():
            schemas[name]["properties"][member] = {"const": value}
    for name, members in AT_HOME_MEMBERS.items():
        for member, schema in members.items():
            if schema is None:
                del schemas[name]["properties"][member]
            else:
                schemas[name]["properties"][member] = schema
                schemas[name]["required"] = [*schemas[name].get("required", ()), member]
    return known


_TYPE = {"const": examples.LICENSE_TYPE}
_HOLDER = {"$ref": "#/components/schemas/Holder"}
_USE = {"use_code": None, "license_ref": None, "holder": _HOLDER, "license_type": _TYPE}
_FIELDS = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "registered_capital": {"type": "number"}},
    "additionalProperties": False,
}
_LOCAL_TYPE = {"type": "string", "pattern": f"^{examples.ORGANIZATION}[0-8][0-9]{{2}}$"}
_DEFINITION = {"const": api_world.example_of(examples_catalog.RegisterBody)["definition"]}
AT_HOME_MEMBERS: dict[str, dict[str, Any]] = {
    "Attachment": {
        "data": {"const": api_world.example("IssueBody", "with_a_photo")["attachments"][0]["data"]},
        "media_type": {"const": "image/png"},
        "party": None,
    },
    "Operator": {"account": {"type": "string", "pattern": "^[a-z][a-z0-9]{1,20}$"}},
    "Issue": {"license_type": _TYPE, "fields": _FIELDS, "valid_to": None, "effective_at": None},
    "Draft": {"license_type": _TYPE, "fields": _FIELDS, "valid_to": None, "effective_at": None},
    "Amend": {
        "removed_attachments": None,
        "fields": _FIELDS,
        "valid_to": None,
        "effective_at": None,
        "serial": None,
    },
    "ChangeStatus": {"effective_at": None},
    "Renew": {
        "removed_attachments": None,
        "fields": None,
        "valid_to": None,
        "effective_at": None,
        "endorsement_due": None,
    },
    "Replace": {"removed_attachments": None, "effective_at": None},
    "Endorse": {"effective_at": None, "next_due": None},
    "CourtOrder": {"effective_at": None},
    "TransferOut": {"effective_at": None},
    "Grant": {
        "mode": {"const": "statutory"},
        "requester": {"const": examples.ORGANIZATION},
        "holder": None,
        "evidence": None,
        "representative": None,
    },
    "Scope": {
        "license_types": {"type": "array", "items": _TYPE, "minItems": 1, "maxItems": 1},
        "license_refs": None,
        "valid_until": None,
    },
    "Use": _USE,
    "BatchItem": _USE,
    "Compare": _USE
    | {"claims": {"type": "object", "properties": {"name": {"type": "string", "minLength": 1}}}},
    "Register": {"type_code": _LOCAL_TYPE, "definition": _DEFINITION},
    "Revise": {"definition": _DEFINITION},
    "Map": {"national_type": _TYPE, "since": {"const": "2026-01-01"}, "until": None, "fields": None},
    "Retire": {"successor": None},
    "Entrust": {
        "delegate": {"const": examples.REQUESTER},
        "license_types": {"type": "array", "items": _TYPE, "minItems": 1, "maxItems": 1},
        "valid_until": None,
    },
    "End": {"delegator": None, "delegate": {"const": examples.REQUESTER}},
    "Expected": {"issuer": None, "area": None},
    "Declare": {"issuer": None, "issued_from": None},
    "Verify": {"token": None, "license_ref": {"type": "string", "pattern": "^[a-z2-7]{25}a$"}},
    "SearchHolder": {"cursor": None},
    "SearchAuthorizations": {"holder": None, "cursor": None, "requester": {"const": examples.ORGANIZATION}},
    "ReadTrail": {"cursor": None},
    "TrailFilter": {
        "holder": None,
        "operator": None,
        "case_number": None,
        "license_ref": None,
        "issuer": None,
    },
}


def _seal(face: Face) -> None:
    """The client's organization signs documents."""
    served = face.served
    issuer_seal_register.demonstrate(
        served.ledger,
        served.appender,
        organization=examples.ORGANIZATION,
        name="示例市行政审批局",
        at=store.wall_clock(),
    )


def _operations(said: dict[str, Any]) -> Iterator[Any]:
    for result in schemathesis.openapi.from_dict(said).get_all_operations():
        yield result.ok()


def _fixed(operation: Any) -> dict[str, Any]:
    """An index that is not reached yet is answered 503 on purpose: that is asked elsewhere."""
    names = {item.name for item in operation.headers}
    return {"headers": {"Ledger-At-Least": "0"}} if "Ledger-At-Least" in names else {}


def _run(strategy: Any, fuzz: Fuzz, *, count: int, is_fitting: bool) -> None:
    """Send `count` requests; an operation that nothing can be wrong with has no unfit ones."""

    @hypothesis.seed(SEED)
    @hypothesis.settings(
        max_examples=count, database=None, deadline=None, suppress_health_check=list(HealthCheck)
    )
    @hypothesis.given(strategy)
    def send(case: schemathesis.Case) -> None:
        fuzz.send(case, is_fitting=is_fitting)

    with contextlib.suppress(hypothesis.errors.Unsatisfiable):
        send()
