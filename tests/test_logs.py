"""The log says what happened and where, and never what was in the request."""

from __future__ import annotations

import ast
import asyncio
import io
import json
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import APIRouter, FastAPI, Request
from fastapi.testclient import TestClient

from api import logs, problems
from ledger import errors

SECRET = "350102190001011235"


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    """What `configure` writes to; everything it changed is put back."""
    root, access = logging.getLogger(), logging.getLogger("uvicorn.access")
    before = (root.handlers[:], root.level, access.disabled)
    stream = io.StringIO()
    logs.configure(stream=stream)
    yield stream
    root.handlers[:], access.disabled = before[0], before[2]
    root.setLevel(before[1])
    logging.captureWarnings(False)


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def make_app() -> FastAPI:
    app = FastAPI()
    router = APIRouter(prefix="/v1")

    @router.get("/licenses/{license_ref}")
    def get_license(license_ref: str, request: Request) -> dict[str, str | None]:
        request.state.client_id = "aaaqeayeaudaocajbifqydiob4"
        return {"request_id": logs.request_id()}

    @router.get("/bug/{code}")
    def get_bug(code: str) -> None:
        try:
            {}[code]
        except KeyError as error:
            raise ValueError(f"{code} is wrong") from error

    outer = APIRouter()
    outer.include_router(router)
    app.include_router(outer)
    problems.install(app)
    app.add_middleware(logs.RequestLog, clock=iter([1.0, 1.25] * 9).__next__, randomness=bytes)
    return app


def test_a_request_is_one_line_with_its_route_s_template(stream: io.StringIO) -> None:
    answer = TestClient(make_app()).get(f"/v1/licenses/{SECRET}?q={SECRET}", headers={"request-id": SECRET})
    [line] = [line for line in lines(stream) if line["logger"] == "api.logs"]
    time = line.pop("time")
    assert time.endswith("+00:00")
    assert line == {
        "level": "INFO",
        "logger": "api.logs",
        "event": "request",
        "request_id": "a" * 26,
        "method": "GET",
        "route": "/v1/licenses/{license_ref}",
        "status": 200,
        "duration_ms": 250.0,
        "client_id": "aaaqeayeaudaocajbifqydiob4",
    }
    assert answer.headers["request-id"] == answer.json()["request_id"] == "a" * 26
    assert SECRET not in stream.getvalue()


def test_those_turned_away_in_crowds_are_one_line_a_client(stream: io.StringIO) -> None:
    async def crowd() -> None:
        log = logs.RequestLog(FastAPI())
        for client_id in ("a" * 26, "a" * 26, None):
            scope = {"method": "POST", "state": {"client_id": client_id}}
            log.turned_away(log.begin(), scope, problem="queue-full")
        assert logs.request_id() is None
        log._say_turned_away()

    asyncio.run(crowd())
    found = [line for line in lines(stream) if line["logger"] == "api.logs"]
    assert [(line["event"], line.get("client_id"), line["count"]) for line in found] == [
        ("requests turned away", "a" * 26, 2),
        ("requests turned away", None, 1),
    ]


def test_what_matches_no_route_is_not_repeated(stream: io.StringIO) -> None:
    client = TestClient(make_app())
    client.get(f"/{SECRET}")
    client.request(f"X{SECRET}", "/v1/licenses/x")
    found = [line for line in lines(stream) if line["logger"] == "api.logs"]
    assert [(line["route"], line["method"], line["status"]) for line in found] == [
        ("unmatched", "GET", 404),
        ("/v1/licenses/{license_ref}", "other", 405),
    ]
    assert SECRET not in stream.getvalue()


def test_a_failure_is_types_and_places_without_words(stream: io.StringIO) -> None:
    answer = TestClient(make_app()).get(f"/v1/bug/{SECRET}")
    incident, request = [line for line in lines(stream) if line["logger"].startswith("api.")]
    assert incident["incident"] == answer.json()["incident"]
    assert incident["request_id"] == request["request_id"]
    assert incident["error"] == "ledger.errors_tree.LedgerError"
    assert incident["causes"] == ["builtins.ValueError", "builtins.KeyError"]
    assert incident["frames"][-1].startswith("tests/test_logs.py:")
    assert incident["frames"][-1].endswith(" get_bug")
    assert request["status"] == 500
    assert SECRET not in stream.getvalue()


def test_arguments_of_a_message_stay_out(stream: io.StringIO) -> None:
    logging.getLogger("ledger.appender").warning(
        "batch of %s refused", SECRET, extra={"count": 3, "code": SECRET}
    )
    [line] = lines(stream)
    assert (line["event"], line["count"]) == ("batch of %s refused", 3)
    assert "code" not in line
    assert SECRET not in stream.getvalue()


def test_whatever_our_code_says_beside_a_message_is_a_field_that_lines_carry() -> None:
    root = Path(logs.__file__).parents[1]
    texts = [
        path.read_text()
        for floor in ("api", "ledger", "projections", "signing")
        for path in (root / floor).rglob("*.py")
    ]
    speaking = [ast.parse(text) for text in texts if "extra=" in text]
    calls = [node for tree in speaking for node in ast.walk(tree) if isinstance(node, ast.Call)]
    said = {
        key.value
        for call in calls
        if isinstance(call.func, ast.Attribute) and ast.unparse(call.func.value) == "_log"
        for given in call.keywords
        if given.arg == "extra" and isinstance(given.value, ast.Dict)
        for key in given.value.keys
        if isinstance(key, ast.Constant)
    }
    assert "error_type" in said
    assert said - set(logs.FIELDS) == set()


def test_of_another_library_a_line_says_only_from_where(stream: io.StringIO) -> None:
    logging.getLogger("psycopg.pool").warning(f"error connecting as {SECRET}")
    logging.getLogger("apiculture").warning(SECRET)
    logging.getLogger("ledger").warning({"code": SECRET})  # an object is no template
    assert all(
        "event" not in line and line["place"].startswith("tests/test_logs.py:") for line in lines(stream)
    )
    assert SECRET not in stream.getvalue()


def test_warnings_and_uvicorn_write_the_same_lines(stream: io.StringIO) -> None:
    logging.getLogger("uvicorn.error").info("Uvicorn running on %s", "x")
    logging.getLogger("uvicorn.access").info(f"GET /{SECRET}")
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(False)
        logging.captureWarnings(True)
        warnings.warn(SECRET, stacklevel=1)
    assert [line["logger"] for line in lines(stream)] == ["uvicorn.error", "py.warnings"]
    assert SECRET not in stream.getvalue()


def test_a_value_that_is_not_json_is_its_type(stream: io.StringIO) -> None:
    logging.getLogger("api").error("x", extra={"size": errors.NotFound(SECRET)})
    assert lines(stream)[0]["size"] == "ledger.errors_tree.NotFound"


def test_a_chain_of_causes_is_bounded(stream: io.StringIO) -> None:
    first = error = ValueError()
    for _ in range(50):
        error.__cause__ = ValueError(SECRET)
        error = error.__cause__
    error.__cause__ = first  # a ring
    logging.getLogger("api").error("x", exc_info=first)
    assert len(lines(stream)[0]["causes"]) == logs.CAUSES_MAX
    assert SECRET not in stream.getvalue()


@pytest.mark.anyio
async def test_what_is_no_request_passes_untouched(stream: io.StringIO) -> None:
    seen: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope["type"])

    await logs.RequestLog(app)({"type": "lifespan"}, None, None)  # type: ignore[arg-type]
    assert (seen, lines(stream)) == (["lifespan"], [])


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"
