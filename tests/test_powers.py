"""What a client may not do over HTTP, asked of every operation that there is: nothing is stored."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from api import stock
from tests import api_world, world
from tests.api_world import Caller, Face, grant_body, problem
from tests.test_openapi import bodies, operations

READ = {"read_trail", "read_findings"}
"""What an auditor reads is itself recorded."""
NOBODY = "a" * 26
GRANTING = ("license:issue", "authorization:grant", "catalog:write")


@pytest.fixture(scope="module")
def said(face: Face) -> dict[str, Any]:
    content: dict[str, Any] = face.http.get("/openapi.json").json()
    return content


def scopes(operation: dict[str, Any]) -> set[str]:
    """Any of which lets a client in; none: every client is."""
    return {scope for one in operation["security"] for many in one.values() for scope in many}


def changing(said: dict[str, Any]) -> Iterator[tuple[str, str, str, Any]]:
    """(name, method, path, body) of everything that records something, for a client with a scope."""
    for name, (path, method, operation) in operations(said).items():
        if method != "get" and scopes(operation):
            yield from ((name, method, path, body) for body in bodies(operation))


def ask(caller: Caller, method: str, path: str, body: Any) -> Any:
    if method == "post":
        return caller.post(path, body)
    headers = {**caller.headers, "Content-Type": stock.FILE_TYPE}
    return caller.http.request(method.upper(), path, content=b"", headers=headers)


def test_an_auditor_changes_nothing_whatever_is_asked(face: Face, said: dict[str, Any]) -> None:
    auditor, before = face.register(world.AUDITOR, "audit:read"), face.events()
    refused = 0
    for name, method, path, body in changing(said):
        if name in READ or "audit:read" in scopes(operations(said)[name][2]):
            continue
        answer = ask(auditor, method, re.sub(r"{\w+}", NOBODY, path), body)
        assert problem(answer)[:2] == (403, "scope-missing"), name
        refused += 1
    assert refused > 40
    assert face.events() == before


def test_a_client_without_a_scope_of_its_own_is_let_in_nowhere(face: Face, said: dict[str, Any]) -> None:
    """The scope with which nothing but figures are read opens no other operation."""
    reader, before = face.register(world.AUDITOR, "statistics:read"), face.events()
    for name, (path, method, operation) in operations(said).items():
        if scopes(operation) and "statistics:read" not in scopes(operation):
            body = next(iter(bodies(operation)))
            where = re.sub(r"{\w+}", NOBODY, path)
            answer = reader.get(where) if method == "get" else ask(reader, method, where, body)
            assert problem(answer)[:2] == (403, "scope-missing"), name
    assert face.events() == before


def test_an_issuer_cannot_touch_what_is_anothers(face: Face, said: dict[str, Any]) -> None:
    owner = face.register(world.ISSUER, *GRANTING)
    ref = owner.done("/v1/licenses", api_world.example("IssueBody"))["license_ref"]
    grant = owner.done("/v1/authorizations", grant_body(to=world.HALL))["authorization_ref"]
    draft = owner.done("/v1/drafts", api_world.example("IssueBody"))["draft_ref"]
    made = {"license_ref": ref, "authorization_ref": grant, "draft_ref": draft, "piece": "1"}
    made["type_code"] = world.BUSINESS_LICENSE
    # Its own organization may know how far a draft is.
    strangers = {
        "of every type": (face.register(world.AUDITOR, *GRANTING), {403, 404}),
        "of another type": (face.register_with_types(world.ISSUER, world.CITIZEN_CARD), {403, 404, 409}),
    }
    before, asked = face.events(), 0
    for name, method, path, body in changing(said):
        places = re.findall(r"{(\w+)}", path)
        if method != "post" or not places or not set(places) <= made.keys():
            continue
        where = re.sub(r"{(\w+)}", lambda found: made[found[1]], path)
        for who, (stranger, refusals) in strangers.items():
            answer = stranger.post(where, body)
            assert answer.status_code in refusals, (name, who, answer.text)
        asked += 1
    assert asked > 25
    assert face.events() == before
    assert owner.get(f"/v1/licenses/{ref}").json()["status"] == "effective"
