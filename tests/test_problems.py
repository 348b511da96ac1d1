"""Every error of an application is a problem document, and none repeats what the request said."""

from __future__ import annotations

import enum
import json
import logging
import re
from collections.abc import AsyncIterator
from datetime import date
from typing import Annotated, Any, Literal

import pytest
from fastapi import FastAPI, HTTPException, Query
from fastapi.responses import StreamingResponse
from fastapi.testclient import TestClient
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from api import problems
from ledger import errors

SECRET = "350102190001011235"


class Color(enum.Enum):
    RED = "red"


class Cat(BaseModel):
    kind: Literal["cat"]


class Dog(BaseModel):
    kind: Literal["dog"]


def refuse(value: str) -> str:
    raise ValueError(f"{value} is wrong")


class Holder(BaseModel):
    model_config = ConfigDict(extra="forbid")
    code: str = Field("", pattern="^x+$", max_length=3)
    day: date = date(2020, 1, 1)
    color: Color = Color.RED
    pet: Annotated[Cat | Dog, Field(discriminator="kind")] = Cat(kind="cat")
    checked: Annotated[str, AfterValidator(refuse)] = ""


class Case(BaseModel):
    holders: list[Holder] = []


def make_app() -> FastAPI:
    app = FastAPI()
    problems.install(app)

    @app.post(
        "/cases", responses=problems.responses(errors.Invalid, errors.InvalidHolderCode, errors.TooLarge)
    )
    def post_case(case: Case, limit: Annotated[int, Query(gt=0)] = 1) -> None: ...

    @app.get("/raise/{name}")
    def get_raise(name: str) -> None:
        raise RAISED[name]

    @app.get("/half")
    def get_half() -> StreamingResponse:
        async def chunks() -> AsyncIterator[bytes]:
            yield b"x"
            raise ValueError(SECRET)

        return StreamingResponse(chunks())

    return app


RAISED: dict[str, Exception] = {
    "holder": errors.InvalidHolderCode(
        "The check digit is wrong", field="holder.code", title="no", code_type="111"
    ),
    "busy": errors.QueueFull(retry_after_s=7),
    "behind": errors.BehindIndex(),
    "token": errors.Unauthenticated(),
    "no-token": errors.Unauthenticated(reason="missing"),
    "broken": errors.HistoryBroken(index=4),
    "bug": ValueError(SECRET),
    "teapot": HTTPException(418, SECRET, headers={"X-Tea": "yes"}),
    "framework": HTTPException(403, SECRET),
}


@pytest.fixture
def client() -> TestClient:
    return TestClient(make_app(), raise_server_exceptions=False)


def test_a_ledger_error_is_its_document(client: TestClient) -> None:
    answer = client.get("/raise/holder")
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.status_code == 422
    assert answer.json() == {
        "type": "urn:license-ledger:problem:invalid-holder-code",
        "title": "The holder code is not valid for its type",
        "title_zh": "持证主体代码不合规",
        "status": 422,
        "detail": "The check digit is wrong",
        "field": "holder.code",
        "national_code": "103",
        "code_type": "111",
    }


def test_an_overload_says_when_to_come_back(client: TestClient) -> None:
    assert client.get("/raise/busy").headers["retry-after"] == "7"
    assert client.get("/raise/behind").headers["retry-after"] == "5"


def test_a_401_names_the_scheme(client: TestClient) -> None:
    assert client.get("/raise/token").headers["www-authenticate"].endswith('error="invalid_token"')
    assert client.get("/raise/no-token").headers["www-authenticate"] == 'Bearer realm="license-ledger"'


INVALID: list[tuple[dict[str, Any], str]] = [
    ({"code": SECRET}, "code"),
    ({"code": [SECRET]}, "code"),
    ({"day": SECRET}, "day"),
    ({"color": SECRET}, "color"),
    ({"pet": {"kind": SECRET}}, "pet"),
    ({"checked": SECRET}, "checked"),
    ({SECRET: 1}, "*"),
]


@pytest.mark.parametrize(("holder", "member"), INVALID)
def test_a_refusal_of_a_model_names_the_member_and_repeats_no_value(
    client: TestClient, holder: dict[str, Any], member: str
) -> None:
    answer = client.post("/cases", json={"holders": [{}, holder]})
    problem = answer.json()
    assert (answer.status_code, problem["type"]) == (422, "urn:license-ledger:problem:invalid-value")
    assert [flaw["field"] for flaw in problem["errors"]] == [f"holders[1].{member}"]
    assert problem["field"] == f"holders[1].{member}"
    assert problem["errors"][0]["message"]
    assert SECRET not in answer.text


def test_a_document_has_the_national_code_that_says_the_same_and_else_none(client: TestClient) -> None:
    told = {name: client.get(f"/raise/{name}").json().get("national_code") for name in ("behind", "token")}
    assert told == {"behind": "99", "token": "11"}
    assert "national_code" not in problems.document(errors.NumberTaken())
    missing, wrong = client.post("/cases", json=None), client.post("/cases", json={"holders": 1})
    assert missing.json()["national_code"] == problems.VALUE_MISSING
    assert "national_code" not in wrong.json()


def test_a_parameter_is_named_with_its_place(client: TestClient) -> None:
    answer = client.post("/cases?limit=-350", json={})
    assert answer.json()["errors"] == [{"field": "query.limit", "message": "Input should be greater than 0"}]
    assert client.post("/cases").json()["field"] == "body"


def test_the_framework_s_refusals_are_documents_too(client: TestClient) -> None:
    missing, method = client.get("/nothing/" + SECRET), client.put("/cases")
    assert missing.json()["type"] == "urn:license-ledger:problem:not-found"
    assert method.json()["type"] == "urn:license-ledger:problem:method-not-allowed"
    assert method.headers["allow"] == "POST"
    assert client.get("/raise/framework").json()["type"] == "urn:license-ledger:problem:forbidden"
    teapot = client.get("/raise/teapot")
    assert (teapot.json()["type"], teapot.headers["x-tea"]) == ("about:blank", "yes")
    for answer in (missing, method, teapot):
        assert answer.headers["content-type"] == "application/problem+json"
        assert SECRET not in answer.text


@pytest.mark.parametrize(("name", "type_"), [("bug", "internal"), ("broken", "history-broken")])
def test_a_failure_has_an_incident_that_the_log_knows(
    client: TestClient, caplog: pytest.LogCaptureFixture, name: str, type_: str
) -> None:
    with caplog.at_level(logging.ERROR):
        answer = client.get(f"/raise/{name}")
    problem = answer.json()
    assert (answer.status_code, problem["type"]) == (500, f"urn:license-ledger:problem:{type_}")
    assert re.fullmatch("[0-9a-f]{16}", problem["incident"])
    assert SECRET not in answer.text
    assert [record.__dict__["incident"] for record in caplog.records] == [problem["incident"]]
    assert SECRET not in caplog.records[0].getMessage()


def test_each_failure_has_an_incident_of_its_own(client: TestClient) -> None:
    incidents = {client.get("/raise/broken").json()["incident"] for _ in range(3)}
    assert len(incidents) == 3


def test_an_answer_that_had_begun_is_broken_off_without_values() -> None:
    client = TestClient(make_app())
    with pytest.raises(problems.AnswerBrokenOff) as caught:
        client.get("/half")
    assert SECRET not in repr(caught.value)
    assert caught.value.__cause__ is None


def test_an_error_of_a_middleware_is_a_document_too() -> None:
    app = FastAPI()

    @app.middleware("http")
    async def refuse_all(request: Any, call_next: Any) -> Any:
        raise errors.TooManyRequests(retry_after_s=3)

    problems.install(app)
    answer = TestClient(app).get("/")
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "3")


def test_the_api_description_has_an_example_of_each_type(client: TestClient) -> None:
    described = client.get("/openapi.json").json()["paths"]["/cases"]["post"]["responses"]
    assert set(described["422"]["content"][problems.MEDIA_TYPE]["examples"]) == {
        "invalid-value",
        "invalid-holder-code",
    }
    assert described["413"]["description"]
    assert "HTTPValidationError" not in json.dumps(described)
