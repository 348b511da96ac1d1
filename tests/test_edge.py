"""JSON at the edge: each rule broken once, and nothing but JsonInvalid comes out of any bytes."""

from __future__ import annotations

import json
import sys
import time
import tracemalloc
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi import APIRouter, FastAPI, Request
from fastapi.testclient import TestClient
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict

from api import edge, problems
from ledger import errors

SMALL = edge.Limits(body=200, depth=3, members=6, string=10, number=5)

REFUSED = [
    (b"\xef\xbb\xbf{}", "byte-order-mark", None),
    (b'{"a":"\xff"}', "not-utf-8", None),
    (b'{"a":"\xed\xa0\x80"}', "not-utf-8", None),
    ('{"a":1}'.encode("utf-16"), "not-utf-8", None),
    (b"", "syntax", None),
    (b"{", "syntax", None),
    (b"{} {}", "syntax", None),
    (b"{'a':1}", "syntax", None),
    (b'{"a":1,}', "syntax", None),
    (b'{"a":01}', "syntax", None),
    (b'{"a":+1}', "syntax", None),
    (b'{"a":.5}', "syntax", None),
    (b'{"a":1.}', "syntax", None),
    (b'{"a":0x1}', "syntax", None),
    ('{"a":\u0661}'.encode(), "syntax", None),
    (b'{"a":"\n"}', "syntax", None),
    (b'{"a":"\\x"}', "syntax", None),
    (b'["\\', "syntax", None),
    (b"[[[[]]]]", "too-deep", None),
    (b'[{"a":[[]]}]', "too-deep", None),
    (b"[1,2,3,4,5,6,7]", "too-many-members", None),
    (b'{"a":[1,2,3],"b":[1,2]}', "too-many-members", "b"),
    (b'{"a":{"b":1,"b":1}}', "duplicate-name", "a.b"),
    (b'{"a":1,"\\u0061":2}', "duplicate-name", "a"),
    (b'{"a":[NaN]}', "not-a-number", "a[0]"),
    (b"Infinity", "not-a-number", None),
    (b'{"a":-Infinity}', "not-a-number", "a"),
    (b'{"a":123456}', "number-too-long", "a"),
    (b'{"a":1e-999}', "number-too-long", "a"),
    (b'{"a":{"b":["12345678901"]}}', "string-too-long", "a.b[0]"),
    (b'{"12345678901":1}', "string-too-long", None),
    (b'{"a":"\\u0000"}', "null-character", "a"),
    (b'{"x\\u0000":1}', "null-character", None),
    (b'{"a":"\\ud800"}', "lone-surrogate", "a"),
    (b'{"a":"\\udc00\\ud800"}', "lone-surrogate", "a"),
    (b'{"\\ud800":1}', "lone-surrogate", None),
]


@pytest.mark.parametrize(("body", "reason", "field"), REFUSED)
def test_a_body_is_refused_with_reason_and_field(body: bytes, reason: str, field: str | None) -> None:
    with pytest.raises(errors.JsonInvalid) as caught:
        edge.parse(body, limits=SMALL)
    assert (caught.value.extra["reason"], caught.value.field) == (reason, field)


@pytest.mark.parametrize(
    "body",
    [
        b"[[[]]]",
        b"[1,2,3,4,5,6]",
        b'["1234567890"]',
        b"[12345]",
        b'["[[[[[{{{", "\\"[[[["]',
        b'["\\\\",[[]]]',
    ],
)
def test_a_body_at_its_limits_is_accepted(body: bytes) -> None:
    assert edge.parse(body, limits=SMALL) == json.loads(body)


def test_defaults_are_the_documented_limits() -> None:
    assert edge.parse(b"[" * 16 + b"]" * 16)
    with pytest.raises(errors.JsonInvalid):
        edge.parse(b"[" * 17 + b"]" * 17)
    with pytest.raises(errors.JsonInvalid):
        edge.parse(json.dumps(["x"] * 5_001).encode())
    with pytest.raises(errors.JsonInvalid):
        edge.parse(json.dumps(["x" * 10_001]).encode())


@pytest.mark.parametrize("escape", ["", "\\n"])
def test_nothing_but_the_data_of_an_attachment_may_be_longer_than_other_strings(escape: str) -> None:
    limits = edge.Limits(string=12, data=20)

    long, longer = "x" * 15 + escape, "x" * 25 + escape
    fitting = f'{{"attachments":[{{"data":"{long}"}},{{"data":"{long}"}}]}}'
    assert edge.parse(fitting.encode(), limits=limits) == json.loads(fitting)
    for body, field in (
        (f'{{"attachments":[{{"data":"{longer}"}}]}}', "attachments[0].data"),
        (f'{{"attachments":[{{"name":"{long}"}}]}}', "attachments[0].name"),
        (f'{{"attachments":[{{"data":["{long}"]}}]}}', "attachments[0].data[0]"),
        (f'{{"attachments":[{{"data":{{"{long}":1}}}}]}}', "attachments[0].data"),
        (f'{{"attachments":[{{"{long}":1}}]}}', "attachments[0]"),
        (f'{{"attachments":["{long}"]}}', "attachments[0]"),
        (f'{{"attachments":{{"x":{{"data":"{long}"}}}}}}', "attachments.x.data"),
        (f'{{"fields":{{"data":"{long}"}}}}', "fields.data"),
        (f'{{"fields":{{"attachments":[{{"data":"{long}"}}]}}}}', "fields.attachments[0].data"),
        (f'{{"attachments":[{{"data":""}}],"fields":{{"data":"{long}"}}}}', "fields.data"),
    ):
        with pytest.raises(errors.JsonInvalid) as refused:
            edge.parse(body.encode(), limits=limits)
        assert (refused.value.extra["reason"], refused.value.field) == ("string-too-long", field), body


@pytest.mark.parametrize(
    "bomb",
    [
        *(b"[" * 10**6, b'{"a":' * 10**5, b'"' + b'\\"' * 10**5 + b"[" * 17, b'"x' * 10**5),
        b"[" + b" " * 10**6,
        *(b"[" + b"0," * 10**6 + b"0]", b"[" + b"{}," * 10**6 + b"{}]", b"[]" * 10**6),
    ],
)
def test_a_bomb_is_refused_in_linear_time_and_without_recursion(bomb: bytes) -> None:
    limit, start = sys.getrecursionlimit(), time.process_time()
    with pytest.raises(errors.JsonInvalid):
        edge.parse(bomb)
    assert time.process_time() - start < 5
    assert sys.getrecursionlimit() == limit


def test_what_has_far_too_many_members_is_never_built() -> None:
    strings = json.dumps(['[{,"[{,' * 20] * 400).encode()
    assert len(edge.parse(strings)) == 400
    tracemalloc.start()
    try:
        for many in (b"0," * 10**6 + b"0", b"[]," * 10**5 + b"[]", b'"",' * 10**5 + b'""'):
            before = tracemalloc.get_traced_memory()[0]
            tracemalloc.reset_peak()
            with pytest.raises(errors.JsonInvalid) as refused:
                edge.parse(b'{"a":[' + many + b"]}")
            assert refused.value.extra["reason"] == "too-many-members"
            assert tracemalloc.get_traced_memory()[1] - before < 12 * len(many) + 100_000
    finally:
        tracemalloc.stop()


def test_names_and_strings_are_kept_exactly_as_given() -> None:
    decomposed = {"e\u0301": "\ufb01 \u00a0\u3000 A\u030a \U0001f600"}
    assert edge.parse(json.dumps(decomposed).encode()) == decomposed
    assert edge.parse(json.dumps(decomposed, ensure_ascii=False).encode()) == decomposed


@pytest.mark.parametrize(
    "written",
    ["0", "-0", "7", "123456789012345678", "1234567890123456789", "1.10", "-0.0", "1E+2", "0.1e-30"],
)
def test_a_number_in_a_field_value_is_text_as_written(written: str) -> None:
    parsed = edge.parse(f'{{"a":[{written}, true, null, "x"]}}'.encode())
    assert edge.as_field_value(parsed) == {"a": [written, True, None, "x"]}


def test_integers_are_integers_up_to_18_digits() -> None:
    assert edge.parse(b"999999999999999999") == 999999999999999999
    assert isinstance(edge.parse(b"-999999999999999999"), int)
    assert edge.parse(b"1000000000000000000") == edge.DecimalText("1000000000000000000")
    assert not isinstance(edge.parse(b"1.5"), str)


@given(st.text(alphabet='{}[]",:\\a01.eE+-nulltrue \n', max_size=60).map(str.encode))
@example(b'{"a":1,"a":2}')
@example(b'{"a":-123456789012345678,"b":1234567890123456789,"c":1.0}')
@example(b'["\\u0000",NaN]')
def test_a_small_document_is_read_the_short_way_and_means_the_same(body: bytes) -> None:
    long_way = edge.Limits(number=edge.DEFAULT.number, members=0 if body.count(b",") else 1)

    def told(limits: edge.Limits) -> Any:
        try:
            return repr(edge.parse(body, limits=limits))
        except errors.JsonInvalid as error:
            return error.extra.get("reason"), error.field

    if told(long_way)[0] != "too-many-members":
        assert told(edge.DEFAULT) == told(long_way)


def test_a_path_shows_no_step_that_could_be_a_value() -> None:
    assert edge.path(["uses", 3, "holder", "code"]) == "uses[3].holder.code"
    assert edge.path(["fields", "姓名"]) == "fields.姓名"
    assert edge.path(["fields", "350102190001011235", "x" * 65, "a b"]) == "fields.*.*.*"


@given(st.binary(max_size=60) | st.text(alphabet='{}[]",:\\u0d81.eE+-nNtfI \n', max_size=40).map(str.encode))
@example(b'"\\')
@example(b'[[[["')
def test_nothing_but_json_invalid_comes_out_and_what_is_accepted_agrees(body: bytes) -> None:
    try:
        parsed = edge.parse(body, limits=SMALL)
    except errors.JsonInvalid:
        return
    assert edge.as_field_value(parsed) == json.loads(body, parse_int=str, parse_float=str)


VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text("abc\u00e9", max_size=3), inner, max_size=4)
    ),
    max_leaves=20,
)


@given(VALUES, st.booleans())
def test_every_ordinary_document_is_accepted(value: Any, ensure_ascii: bool) -> None:
    body = json.dumps(value, ensure_ascii=ensure_ascii).encode("utf-8", "surrogatepass")
    parsed = edge.parse(body, limits=edge.Limits(depth=100, number=1_000))
    assert edge.as_field_value(parsed) == json.loads(body, parse_int=str)


# --- the route ---


class Holder(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    code: str
    count: int = 0
    fields: dict[str, edge.FieldValue] = {}


def make_app() -> FastAPI:
    app = FastAPI()
    problems.install(app)
    router = APIRouter(route_class=edge.strict_route(SMALL))

    @router.post("/holders")
    def post_holder(holder: Holder) -> dict[str, Any]:
        return holder.model_dump()

    @router.post("/raw")
    async def post_raw(request: Request) -> dict[str, int]:
        return {"size": len(await request.body()), "again": len(await request.json())}

    @router.post("/empty")
    def post_empty() -> dict[str, str]:
        return {}

    outer = APIRouter(prefix="/v1")
    outer.include_router(router)
    app.include_router(outer)
    return app


@pytest.fixture
def client() -> TestClient:
    return TestClient(make_app())


JSON = {"content-type": "application/json"}


def test_a_model_gets_what_the_strict_parser_made(client: TestClient) -> None:
    body = '{"code":"x","count":3,"fields":{"面积":1.10}}'
    answer = client.post("/v1/holders", content=body, headers=JSON)
    assert answer.json() == {"code": "x", "count": 3, "fields": {"面积": "1.10"}}


def test_a_number_is_no_string_however_long(client: TestClient) -> None:
    for number in ("1.5", "12345"):
        answer = client.post("/v1/holders", content=f'{{"code":{number}}}', headers=JSON)
        assert (answer.status_code, answer.json()["field"]) == (422, "code")


def test_the_route_answers_with_the_parser_s_refusal(client: TestClient) -> None:
    answer = client.post("/v1/holders", content=b'{"code":"1","code":"2"}', headers=JSON)
    assert answer.status_code == 400
    assert answer.json()["type"] == "urn:license-ledger:problem:invalid-json"
    assert answer.json()["field"] == "code"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"content-type": "text/plain"},
        {"content-type": "application/json; charset=gbk"},
        {"content-type": "application/merge-patch+json"},
        {"content-type": "application/json", "content-encoding": "gzip"},
        {"content-type": "application"},
    ],
)
def test_another_media_type_is_refused(client: TestClient, headers: dict[str, str]) -> None:
    answer = client.post("/v1/holders", content=b'{"code":"1"}', headers=headers)
    assert answer.status_code == 415


def test_parameters_of_the_media_type_are_read(client: TestClient) -> None:
    headers = {"content-type": 'Application/JSON ; charset="UTF-8"'}
    assert client.post("/v1/holders", content=b'{"code":"1"}', headers=headers).status_code == 200


def test_a_large_body_is_refused_by_its_header_before_it_is_read(client: TestClient) -> None:
    answer = client.post("/v1/holders", content=b" " * 201, headers=JSON)
    assert answer.status_code == 413
    assert answer.json()["limit_bytes"] == 200


def test_a_large_body_is_refused_while_it_is_read(client: TestClient) -> None:
    read: list[int] = []

    def chunks() -> Iterator[bytes]:
        for number in range(100):
            read.append(number)
            yield b" " * 10

    assert client.post("/v1/raw", content=chunks(), headers=JSON).status_code == 413


@pytest.mark.parametrize("length", ["1", "abc", "9" * 400])
def test_a_content_length_that_lies_does_not_help(client: TestClient, length: str) -> None:
    headers = {**JSON, "content-length": length}
    assert client.post("/v1/holders", content=b" " * 300, headers=headers).status_code == 413


def test_an_endpoint_may_read_the_strict_body_itself(client: TestClient) -> None:
    assert client.post("/v1/raw", content=b"[1]", headers=JSON).json() == {"size": 3, "again": 1}
    assert client.post("/v1/raw", content=b"[NaN]", headers=JSON).status_code == 400


def test_a_missing_body_is_named_by_the_model(client: TestClient) -> None:
    assert client.post("/v1/holders", headers=JSON).status_code == 422
    assert client.post("/v1/empty").status_code == 200


def test_models_are_in_the_api_description(client: TestClient) -> None:
    described = client.get("/openapi.json").json()
    assert described["openapi"].startswith("3.1")
    assert "Holder" in described["components"]["schemas"]


@pytest.mark.anyio
async def test_a_hang_up_while_reading_is_malformed() -> None:
    async def receive() -> dict[str, str]:
        return {"type": "http.disconnect"}

    request = Request({"type": "http", "headers": []}, receive)
    with pytest.raises(errors.Malformed):
        await edge.read_body(request, limit=10)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"
