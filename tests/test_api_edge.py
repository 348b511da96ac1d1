"""Bad input at every endpoint: the right problem, the member at fault, and nothing stored."""

from __future__ import annotations

from typing import Any

import pytest

from api import edge, main
from tests import api_world, world
from tests.api_world import Caller, Face, grant_body, issue_body, problem, use_body

CITIZEN_ID = world.citizen(1).code
POSTS = {
    "/v1/licenses": issue_body(1),
    f"/v1/licenses/{'a' * 26}/amend": api_world.example("AmendBody"),
    f"/v1/licenses/{'a' * 26}/suspend": api_world.example("ChangeBody"),
    f"/v1/licenses/{'a' * 26}/cancel": api_world.example("ChangeBody"),
    "/v1/authorizations": grant_body(),
    f"/v1/authorizations/{'a' * 26}/narrow": api_world.example("NarrowBody"),
    f"/v1/authorizations/{'a' * 26}/withdraw": api_world.example("WithdrawBody"),
    "/v1/uses": use_body(1),
    "/v1/uses/batch": api_world.example("BatchBody"),
    "/v1/verifications": api_world.example("VerifyBody"),
    "/v1/holders/link": api_world.example("PairBody"),
    "/v1/holders/names": api_world.example("NameBody"),
    "/v1/holders/end": api_world.example("EndBody"),
    "/v1/holders/contest": api_world.example("RegistrationBody"),
    "/v1/holders/search": api_world.example("SearchBody"),
    "/v1/audit/trail": api_world.example("TrailBody"),
}


@pytest.fixture(scope="module")
def caller(face: Face) -> Caller:
    return face.register()


BROKEN = [
    (b"", 422, "invalid-value"),
    (b"{", 400, "invalid-json"),
    (b'{"a":1,"a":2}', 400, "invalid-json"),
    (b'{"a":"\\u0000"}', 400, "invalid-json"),
    (b'{"a":"\\ud800"}', 400, "invalid-json"),
    (b'{"a":NaN}', 400, "invalid-json"),
    (b"\xff", 400, "invalid-json"),
    (b"[" * 17 + b"]" * 17, 400, "invalid-json"),
    (b'{"a":1}', 422, "invalid-value"),
    (b"[]", 422, "invalid-value"),
    (b"null", 422, "invalid-value"),
]


@pytest.mark.parametrize("path", POSTS)
def test_a_body_that_is_not_the_one_asked_for_is_refused(face: Face, caller: Caller, path: str) -> None:
    before = face.events()
    for content, status, name in BROKEN:
        answer = caller.post(path, content)
        assert problem(answer)[:2] == (status, name), content
    assert face.events() == before


def strict_routes() -> list[edge.StrictRoute]:
    every = [route for router in main._ROUTERS for route in router.routes]
    return [
        route for route in every if isinstance(route, edge.StrictRoute) and "POST" in (route.methods or ())
    ]


@pytest.mark.parametrize("path", POSTS)
def test_a_body_too_large_or_not_json_is_refused(face: Face, caller: Caller, path: str) -> None:
    before = face.events()
    (limits,) = {route.limits for route in strict_routes() if route.path_regex.fullmatch(path)}
    assert problem(caller.post(path, b"[" + b" " * limits.body))[:2] == (413, "too-large")
    answer = caller.post(path, b"{}", **{"Content-Type": "text/plain"})
    assert problem(answer)[:2] == (415, "unsupported-media-type")
    assert face.events() == before


@pytest.mark.parametrize("path", [path for path in POSTS if not path.endswith("batch")])
def test_a_request_that_appends_needs_its_key(face: Face, caller: Caller, path: str) -> None:
    before = face.events()
    sent = {**caller.headers, "Content-Type": "application/json"}
    content = api_world.dumps(POSTS[path])
    assert problem(caller.http.post(path, content=content, headers=sent))[:2] == (
        400,
        "idempotency-key-missing",
    )
    for key in ("", "a b", "k" * 256):
        answer = caller.http.post(path, content=content, headers={**sent, "Idempotency-Key": key})
        assert problem(answer)[:2] == (400, "idempotency-key-missing")
    assert face.events() == before


@pytest.mark.parametrize("path", POSTS)
def test_a_client_without_the_scope_is_refused(face: Face, path: str) -> None:
    stranger = face.register(world.HALL, "catalog:write")
    before = face.events()
    assert problem(stranger.post(path, POSTS[path]))[:2] == (403, "scope-missing")
    assert face.events() == before


def changed(body: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """A copy of `body` with another value at a dotted path."""
    name, _, rest = path.partition(".")
    return {**body, name: changed(body.get(name) or {}, rest, value) if rest else value}


REFUSED = [
    ("/v1/licenses", "holder.code", "350102190001011235", "invalid-holder-code", "holder.code"),
    ("/v1/licenses", "holder.code_type", "000", "invalid-holder-code", "holder.code_type"),
    ("/v1/licenses", "holder.name", "", "invalid-value", "holder.name"),
    ("/v1/licenses", "license_type", "11100000MB0143028R999", "license-type-unknown", "license_type"),
    ("/v1/licenses", "valid_from", "2026-02-30", "invalid-value", "valid_from"),
    ("/v1/licenses", "valid_to", "1999-01-01", "invalid-value", "valid_to"),
    ("/v1/licenses", "issued_on", "20260131", "invalid-value", "issued_on"),
    ("/v1/licenses", "serial", "lower", "invalid-value", "serial"),
    ("/v1/licenses", "fields", {"no_such_field": 1}, "field-unknown", "fields.no_such_field"),
    ("/v1/licenses", "fields", {"@holder_code": "1"}, "field-unknown", "fields"),
    ("/v1/licenses", "fields", {f"n{CITIZEN_ID}": "1"}, "field-unknown", "fields"),
    ("/v1/licenses", "case_number", f"办件{CITIZEN_ID}", "case-number-unfit", "case_number"),
    ("/v1/licenses", "case_number", "x" * 65, "invalid-value", "case_number"),
    ("/v1/licenses", "service_item_code", CITIZEN_ID, "invalid-value", "service_item_code"),
    ("/v1/licenses", "operator.account", "", "invalid-value", "operator.account"),
    ("/v1/licenses", "effective_at", "2026-01-31T00:00:00", "invalid-value", "effective_at"),
    ("/v1/licenses", "channel", "fax", "invalid-value", "channel"),
    ("/v1/authorizations", "scope.uses_max", 0, "invalid-value", "scope.uses_max"),
    ("/v1/authorizations", "scope.uses_max", True, "invalid-value", "scope.uses_max"),
    ("/v1/authorizations", "scope.service_items", [CITIZEN_ID], "invalid-value", "scope.service_items"),
    ("/v1/authorizations", "scope.valid_until", "1969-01-01T00:00:00Z", "invalid-value", "scope.valid_until"),
    ("/v1/authorizations", "mode", "public", "invalid-value", "mode"),
    ("/v1/uses", "purpose.case_number", CITIZEN_ID, "case-number-unfit", "purpose.case_number"),
    ("/v1/uses", "purpose.service_item_code", CITIZEN_ID, "invalid-value", "purpose.service_item_code"),
    ("/v1/uses", "purpose.reason", None, "invalid-value", "purpose.reason"),
    ("/v1/uses", "operator", None, "invalid-value", "operator"),
    ("/v1/uses", "license_ref", "a" * 26, "invalid-value", "body"),
    ("/v1/uses", "license_type", None, "invalid-value", "license_type"),
    ("/v1/uses", "license_type", "11100000MB0143028R999", "license-type-unknown", "license_type"),
    ("/v1/uses", "holder.code", "1" * 18, "invalid-holder-code", "holder.code"),
    ("/v1/uses", "fields", ["@other"], "invalid-value", "fields[0]"),
    ("/v1/holders/search", "holder.code", "1" * 18, "invalid-holder-code", "holder.code"),
    ("/v1/holders/search", "evidence", "seen", "invalid-value", "evidence"),
    ("/v1/holders/search", "limit", 0, "invalid-value", "limit"),
    (
        "/v1/audit/trail",
        "filter.holder",
        {"code_type": "111", "code": "1"},
        "invalid-holder-code",
        "filter.holder.code",
    ),
    ("/v1/audit/trail", "limit", 101, "invalid-value", "limit"),
]


@pytest.mark.parametrize(("path", "member", "value", "name", "field"), REFUSED)
def test_a_value_that_breaks_a_rule_is_named_and_changes_nothing(
    face: Face, caller: Caller, path: str, member: str, value: Any, name: str, field: str
) -> None:
    before = face.events()
    answer = caller.post(path, changed(POSTS[path], member, value))
    assert problem(answer) == (422, name, field)
    assert CITIZEN_ID not in answer.text
    assert face.events() == before


def test_a_path_or_method_that_is_not_there_is_a_problem_too(face: Face, caller: Caller) -> None:
    assert problem(caller.get("/v1/none"))[:2] == (404, "not-found")
    assert problem(caller.get("/v1/uses"))[:2] == (405, "method-not-allowed")


@pytest.mark.parametrize(
    "path",
    [
        "/v1/receipts/0/999999",
        "/v1/receipts/1/0",
        "/v1/receipts/0/-1",
        "/v1/receipts/0/01",
        "/v1/receipts/0/x",
    ],
)
def test_a_receipt_that_is_not_there_is_not_found(caller: Caller, path: str) -> None:
    assert problem(caller.get(path))[:2] == (404, "event-not-found")


def test_another_partition_has_no_checkpoint(caller: Caller) -> None:
    for path in ("/log/1/checkpoint", "/log/x/checkpoint", "/log/00/checkpoint"):
        assert problem(caller.http.get(path))[0] == 404


def test_every_answer_has_the_headers_that_keep_it_where_it_belongs(face: Face, caller: Caller) -> None:
    for path in ("/healthz", "/docs", "/openapi.json", "/v1/none", "/log/0/checkpoint", "/V/AAAA"):
        headers = face.http.get(path).headers
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Cache-Control"] == "no-store"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        assert headers["Request-Id"]
