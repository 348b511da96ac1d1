"""The walk in `docs/walk.md`: every request is sent, in its order, and answered as the page says."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tests import api_world, world
from tests.api_world import Caller, Face
from tests.conftest import Cluster

PAGE = (Path(__file__).parent.parent / "docs" / "walk.md").read_text("utf-8")
_STEP = re.compile(
    r"```json (GET|POST) ([^\n]+?) as (\w+), ([^\n]+)\n(.*?)```|^- `([^`]+)` is `([^`]+)`$",
    re.DOTALL | re.MULTILINE,
)
_SAID = re.compile(r"<([^<>.]+)\.([^<>]+)>")


@pytest.fixture
def face(cluster: Cluster) -> Iterator[Face]:
    with api_world.fresh(cluster) as running:
        yield running


def test_the_day_goes_as_the_page_says(face: Face) -> None:
    callers: dict[str, Caller] = {
        "issuer": face.register(world.ISSUER, "license:issue", "authorization:grant"),
        "hall": face.register(world.HALL, "license:use", "file:attest", "case:upload"),
        "auditor": face.register(world.AUDITOR, "audit:read"),
    }
    answers: dict[str, Any] = {}
    last: Any = None
    steps = expectations = 0
    for method, path, who, name, body, member, value in _STEP.findall(PAGE):
        if member:
            assert str(at(last, member)) == filled(value, answers), (member, last)
            expectations += 1
            continue
        last = answers[name] = sent(face, callers[who], method, path, filled(body, answers), answers)
        steps += 1
    assert steps == PAGE.count("```json") == 18
    assert expectations == PAGE.count("` is `") == 30


def sent(
    face: Face, caller: Caller, method: str, path: str, body: str, answers: dict[str, Any]
) -> dict[str, Any]:
    """What a step is answered, once the projections have come as far as the ledger."""
    fresh = {"Ledger-At-Least": str(face.events() - 1)}
    where = filled(path, answers, is_path=True)
    answer = caller.get(where, **fresh) if method == "GET" else caller.post(where, json.loads(body), **fresh)
    assert answer.status_code == 200, (where, answer.text)
    said: dict[str, Any] = answer.json()
    return said


def filled(text: str, answers: dict[str, Any], *, is_path: bool = False) -> str:
    """The text with what earlier answers said in place of references."""

    def said(match: re.Match[str]) -> str:
        value = str(at(answers[match[1]], match[2]))
        return quote(value, safe="") if is_path else value

    return _SAID.sub(said, text)


def at(content: Any, path: str) -> Any:
    """A member of an answer: names and places with dots between."""
    for step in path.split("."):
        content = content[int(step)] if isinstance(content, list) else content[step]
    return content
