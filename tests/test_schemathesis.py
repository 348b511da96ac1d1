"""The whole API description, fuzzed by a signed-in client: no 5xx, and nothing stored by what is refused.

Requests come from the description alone: its examples, values that fit it and values that do not. Then
each operation is asked at home: by a client of its own, about a holder whom nothing named before, and with
paths that name what was made for it. What became of the things of the operations before it is all one.
"""

from __future__ import annotations

import collections
import contextlib
import functools
import itertools
import json
import os
import random
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import httpx
import hypothesis
import pytest
import schemathesis
from hypothesis import HealthCheck
from schemathesis.generation import GenerationMode

from api import (
    examples,
    examples_catalog,
    examples_dispute,
    examples_household,
    examples_issuing,
    examples_mandate,
    limits,
    stock,
)
from ledger import identifiers, issuer_seal_register, store
from tests import api_world
from tests.api_world import Caller, Face
from tests.conftest import Cluster

HOUSEHOLDS = "/v1/households"
UNFIT, FITTING, AT_HOME = 6, 6, 20
"""Requests an operation: that do not fit the description, that do, and that name what is there."""
ANEW = 4
"""Requests at home until what their path names is made anew."""
PATIENCE_S = 60
PASSED_MIN, ACCEPTED_MIN = 0.6, 0.2
SEED = int(os.environ.get("LEDGER_FAULTS_SEED") or random.SystemRandom().getrandbits(32))
KEYS, LOCAL = itertools.count(), itertools.count(800)
BEFORE = {
    "reinstate": ("suspend", "ChangeBody"),
    "release": ("freeze", "CourtOrderBody"),
    "found": ("report-lost", "ChangeBody"),
    "lift-restriction": ("restrict", "ChangeBody"),
    "cancel-transfer": ("transfer-out", "TransferOutBody"),
}
"""What must have been done to a license for another act on it to undo it, and the example that does it."""
INTERIM = "ZZ3501020000000017"
"""The examples' second code of the holder."""
RATE = limits.Rate(burst=10_000, per_s=1_000.0)
SETTINGS = replace(
    api_world.GENEROUS, refusals_per_minute=10_000, copy_rate=RATE, log_rate=RATE, trust_rate=RATE
)
"""Nothing is turned away for how fast this machine asks."""
Done = Callable[[str, Any], dict[str, Any]]


class Fuzz:
    """Sends generated requests and keeps count."""

    def __init__(self, face: Face, caller: Caller) -> None:
        self.face = face
        self.caller = caller
        self.statuses: collections.Counter[int] = collections.Counter()

    def at_home(self) -> None:
        """Go on as another client of the organization, whose imports, drafts and limits are all its own."""
        self.caller = self.face.register(examples.ORGANIZATION)

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
        if answer.status_code >= 400:
            assert self.face.events() == before, (said["method"], case.operation.path, answer.text)
        elif case.operation.path == "/v1/imports/{import_ref}/file":
            self._await_import(said["url"].removesuffix("/file"))
        return answer

    def _await_import(self, url: str) -> None:
        """An import that has its file goes on behind the answer: what it records is of no later request."""
        give_up_at = time.monotonic() + PATIENCE_S
        while self.caller.get(url).json()["status"] in ("queued", "running"):
            assert time.monotonic() < give_up_at, "an import is not worked off"
            threading.Event().wait(0.02)


def _content(said: dict[str, Any]) -> dict[str, Any]:
    if "json" in said:
        return {"content": json.dumps(said["json"]).encode()}
    data = said.get("data")
    return {"content": data} if isinstance(data, bytes | str) else {"data": data}


@pytest.fixture
def face(cluster: Cluster) -> Iterator[Face]:
    with api_world.fresh(cluster, SETTINGS) as running:
        yield running


@pytest.mark.faults
@pytest.mark.timeout(900)
# The service's own threads, not the strategies, draw from `random` meanwhile (jitter of connection pools).
@pytest.mark.filterwarnings("ignore:Do not use the `random` module inside strategies")
def test_no_request_that_the_description_leads_to_breaks_the_ledger(face: Face) -> None:
    print(f"seed {SEED}: repeat with LEDGER_FAULTS_SEED={SEED}")  # noqa: T201
    fuzz = Fuzz(face, face.register(examples.ORGANIZATION))
    _seal(face)
    said = face.http.get("/openapi.json").json()
    for operation in _operations(said):
        _run(operation.as_strategy(GenerationMode.NEGATIVE), fuzz, count=UNFIT, is_fitting=False)
        _run(operation.as_strategy(**_fixed(operation)), fuzz, count=FITTING, is_fitting=True)
    known = at_home(said)
    for number, named in enumerate(_operations(said)):
        # A run takes longer than a token lives.
        fuzz.at_home()
        described = schemathesis.openapi.from_dict(_about(number, known))
        _ask_at_home(fuzz, described[named.path][named.method], number)
    total = fuzz.statuses.total()
    passed = 1 - fuzz.statuses[401] / total
    accepted = sum(count for status, count in fuzz.statuses.items() if status < 300) / total
    told = f"{total} requests, {passed:.0%} passed authentication, {accepted:.0%} accepted: {fuzz.statuses}"
    print(told)  # noqa: T201
    assert passed >= PASSED_MIN
    assert accepted >= ACCEPTED_MIN


def _ask_at_home(fuzz: Fuzz, operation: Any, number: int) -> None:
    """The examples of an operation, and requests that fit it; what its path names is there."""
    # The holder is there.
    fuzz.caller.done("/v1/licenses", _about(number, api_world.example("IssueBody")))
    for strategy in operation.get_strategies_from_examples():
        known = _fresh(fuzz, operation, number)
        _run(strategy.map(functools.partial(_to, known)), fuzz, count=1, is_fitting=True)
    for _ in range(AT_HOME // ANEW):
        # What ends a license ends it once.
        known = _fresh(fuzz, operation, number)
        fixed = {"path_parameters": known} if known else {}
        _run(operation.as_strategy(**fixed, **_fixed(operation)), fuzz, count=ANEW, is_fitting=True)


def _to(known: dict[str, Any], case: schemathesis.Case) -> schemathesis.Case:
    """An example whose path names what is there."""
    case.path_parameters.update(known)
    return case


def _about(number: int, said: Any) -> Any:
    """A body or a description that names holder `number` and no other; nothing else names that one."""
    subject = f"MB{number:06}"
    first = f"91350100{subject}{identifiers.subject_code_check_character(subject)}"
    interim = f"ZZ350102{number + 100:09}"
    text = json.dumps(said)
    text = text.replace(examples.HOLDER["code"], first + identifiers.credit_code_check_character(first))
    return json.loads(text.replace(INTERIM, interim + identifiers.mod_37_36(interim)))


def _fresh(fuzz: Fuzz, operation: Any, number: int) -> dict[str, Any]:
    """What an operation's path names, made anew: those before may have ended what there was."""

    def done(path: str, said: Any) -> dict[str, Any]:
        return fuzz.caller.done(path, _about(number, said))

    names, verb = {item.name for item in operation.path_parameters}, operation.path.rpartition("/")[2]
    made: dict[str, Any] = {"partition": "0", "old": "1", "new": "2", "size": "2"}
    made["path"] = "000.p/1" if "/entries/" in operation.path else "0/000.p/1"
    if names & {"license_ref", "token"}:
        made |= done("/v1/licenses", api_world.example("IssueBody", "with_a_photo"))
        made["token"] = made["qr"].rpartition("/")[2]
        if verb in BEFORE:
            act, body = BEFORE[verb]
            done(f"/v1/licenses/{made['license_ref']}/{act}", api_world.example(body))
    if "link" in names:
        made["link"] = _link(done)
    if "draft_ref" in names:
        made |= _draft(done, is_approved=verb == "issue")
    made |= _consents(done, operation.path, names)
    made |= _other(names, done)
    if "type_code" in names:
        made |= _type(done, is_national="/coverage" in operation.path or verb == "source")
    if "coverage_ref" in names:
        path = f"/v1/license-types/{made['type_code']}/coverage"
        made |= done(path, api_world.example("CoverageBody"))
    made |= {"name": "photo", "index": str(made["index"]) if "name" in names else "0"}
    return {name: made[name] for name in names if name in made}


def _consents(done: Done, path: str, names: set[str]) -> dict[str, Any]:
    """A consent, what others may do for a holder or an issuer, and a dispute."""
    made: dict[str, Any] = {}
    if "authorization_ref" in names:
        made |= done("/v1/authorizations", api_world.example("GrantBody", "consent_of_the_holder"))
    if "entrustment_ref" in names:
        made |= done("/v1/issuing-entrustments", api_world.example_of(examples_issuing.EntrustBody))
    if "mandate_ref" in names:
        is_agent = path.startswith("/v1/entrustments/")
        said = examples_mandate.AppointBody if is_agent else examples_mandate.GuardianshipBody
        where = "/v1/entrustments" if is_agent else "/v1/guardianships"
        made |= done(where, api_world.example_of(said))
    if "dispute_ref" in names:
        ref = done("/v1/licenses", api_world.example("IssueBody"))["license_ref"]
        made |= done(f"/v1/licenses/{ref}/corrections", api_world.example_of(examples_dispute.DisputeBody))
    return made


def _other(names: set[str], done: Done) -> dict[str, Any]:
    """What is made of one request, or there already."""
    made: dict[str, Any] = {}
    if "household_ref" in names:
        made |= _household(done)
    if "import_ref" in names:
        made |= done("/v1/imports", api_world.example_of(stock.ImportBody))
    return made


def _household(done: Done) -> dict[str, Any]:
    """The household of the examples, registered once: a person is in one at a time."""
    found = done(f"{HOUSEHOLDS}/search", {"holder": examples_household.HEAD})["households"]
    if found:
        return {"household_ref": found[0]["household_ref"]}
    own, first = (done("/v1/licenses", said)["license_ref"] for said in examples_household.PAGES[:2])
    said = api_world.example_of(examples_household.RegisterBody)
    return done(HOUSEHOLDS, {**said, "head": own, "first_page": first})


def _draft(done: Done, *, is_approved: bool) -> dict[str, Any]:
    """A draft with an attachment."""
    made = done("/v1/drafts", api_world.example("DraftBody", "with_a_photo"))
    if is_approved:
        done(f"/v1/drafts/{made['draft_ref']}/review", api_world.example("ReviewDraftBody"))
    return made


def _type(done: Done, *, is_national: bool) -> dict[str, Any]:
    """A type of the organization's own, or the national one that it issues under."""
    if is_national:
        return {"type_code": examples.LICENSE_TYPE}
    said = api_world.example_of(examples_catalog.RegisterBody)
    said["type_code"] = f"{examples.ORGANIZATION}{next(LOCAL)}"
    return done("/v1/license-types", said)


def _link(done: Done) -> str:
    """The end of a copy's address."""
    done("/v1/authorizations", api_world.example("GrantBody"))
    ref = done("/v1/licenses", api_world.example("IssueBody"))["license_ref"]
    asked = api_world.example("UseBody", "by_reference") | {"license_ref": ref}
    (one,) = done("/v1/copies", asked)["copies"]
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
_LOCAL_TYPE = {"type": "string", "pattern": f"^{examples.ORGANIZATION}[0-7][0-9]{{2}}$"}
_DEFINITION = {"const": api_world.example_of(examples_catalog.RegisterBody)["definition"]}
_GUARDIANSHIP = {
    name: value
    for name, value in api_world.example_of(examples_mandate.GuardianshipBody).items()
    if name in ("holder", "guardian", "kind", "basis", "born_on")
}
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
        "acting": None,
    },
    "RegisterGuardianship": {
        **{name: {"const": value} for name, value in _GUARDIANSHIP.items()},
        "effective_at": None,
        "ends_on": None,
    },
    "AppointAgent": {
        "agent": {"const": examples_mandate.PERSON},
        "license_types": {"type": "array", "items": _TYPE, "maxItems": 1},
        "valid_until": {"const": "2099-12-31T16:00:00Z"},
        "representative": None,
    },
    "EndMandate": {"effective_at": None},
    "DisputeLicense": {
        "kind": {"enum": ["duplicate", "stale", "unreadable"]},
        "raised_by": {"const": "office"},
        "holder": None,
        "fields": None,
        "values": None,
        "case_number": {"type": "string", "pattern": "^[a-z0-9]{1,20}$"},
    },
    "ReportMissing": {
        "license_type": _TYPE,
        "should_be_issued_by": {"const": examples.ORGANIZATION},
        "case_number": {"type": "string", "pattern": "^[a-z0-9]{1,20}$"},
    },
    "DecideDispute": {"outcome": {"const": "rejected"}, "license_ref": None},
    "WithdrawDispute": {"holder": None, "evidence": None},
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
    "Declare": {"issuer": {"const": examples.ORGANIZATION}, "issued_from": None},
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
