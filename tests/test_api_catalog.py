"""The catalog over HTTP: lists, names both ways, registration with all faults at once, and what follows."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from api import examples, examples_catalog
from tests import api_world, world
from tests.api_world import Caller, Face

NEXT = iter(range(902, 999))


@pytest.fixture(scope="module")
def caller(face: Face) -> Caller:
    return face.register()


def body(**definition: Any) -> dict[str, Any]:
    """A registration under a type code that is free."""
    shown = examples_catalog.RegisterBody.__metadata__[0].openapi_examples  # type: ignore[attr-defined]
    (said,) = (one["value"] for one in shown.values())
    code = f"{examples.ORGANIZATION}{next(NEXT)}"
    return {**said, "type_code": code, "definition": {**said["definition"], **definition}}


def act(**members: Any) -> dict[str, Any]:
    return {"operator": examples.OPERATOR, "case_number": "CASE-1", "reason": "目录调整"} | members


def registered(caller: Caller, **definition: Any) -> str:
    done = caller.done("/v1/license-types", body(**definition))
    return str(done["type_code"])


def seen(caller: Caller, type_code: str, at: int, **query: str) -> dict[str, Any]:
    path = f"/v1/license-types/{type_code}"
    answer = caller.get(path, params=query, **{"Ledger-At-Least": str(at)})
    assert answer.status_code == 200, answer.text
    content: dict[str, Any] = answer.json()
    return content


def issuer_of(face: Face, type_code: str) -> Caller:
    """A client that may issue licenses of one more type."""
    return face.register_with_types(examples.ORGANIZATION, type_code)


def issue_body(type_code: str, **members: Any) -> dict[str, Any]:
    fields = {"name": "榕城示例", "permit_number": "AB00000001", "area_m2": 120.5}
    said = api_world.example("IssueBody") | {
        "license_type": type_code,
        "fields": fields,
        "valid_to": "2031-01-30",
        "number": type_code[-3:],
    }
    return {**said, **members}


def fields_of(answer: httpx.Response) -> list[str]:
    return [fault["field"] for fault in answer.json()["errors"]]


def test_what_cannot_be_a_type_code_is_not_looked_for(caller: Caller) -> None:
    """Neither in the database, which has no place for some of it, nor under the lock."""
    definition = body()["definition"]
    for text in ("%00", "x" * 5_000, "a%ff", "11100000MB0143028R00%E4%BA%8C"):
        assert api_world.problem(caller.get(f"/v1/license-types/{text}"))[:2] == (404, "not-found")
        for verb, more in (
            ("retire", {}),
            ("map", {"national_type": examples.LICENSE_TYPE, "since": "2026-01-01"}),
            ("revise", {"definition": definition}),
        ):
            answer = caller.post(f"/v1/license-types/{text}/{verb}", act(**more))
            assert api_world.problem(answer)[:2] == (404, "not-found"), (text, verb)


def test_the_list_is_paged_and_complete(caller: Caller) -> None:
    codes: list[str] = []
    cursor = ""
    while True:
        page = caller.get(f"/v1/license-types?limit=30{cursor}").json()
        assert len(page["types"]) <= 30
        codes += [one["type_code"] for one in page["types"]]
        if page["cursor"] is None:
            break
        cursor = f"&cursor={page['cursor']}"
    assert len(codes) == len(set(codes)) >= 73
    assert codes[0] == world.BUSINESS_LICENSE


@pytest.mark.parametrize(
    ("query", "field"),
    [("limit=0", "query.limit"), ("limit=101", "query.limit"), ("cursor=!", "query.cursor")],
)
def test_a_bad_page_is_refused_and_named(caller: Caller, query: str, field: str) -> None:
    answer = caller.get(f"/v1/license-types?{query}")
    assert api_world.problem(answer) == (422, "invalid-value", field)


def test_a_type_is_shown_as_it_was_registered_and_under_both_names(caller: Caller) -> None:
    said = body()
    done = caller.done("/v1/license-types", said)
    shown = seen(caller, said["type_code"], done["index"])
    assert shown["definition"] == said["definition"] | {
        "multi_holder": False,
        "fields": [
            {"short_name": None, "is_public": False} | field for field in said["definition"]["fields"]
        ],
    }
    names = {one["short_name"]: one["field"] for one in shown["names"]}
    assert names["ZZBH"] == "@license_number"
    assert names["CZZT"] == "@holder_name"
    assert names["KZ_XKZH"] == "permit_number"
    assert shown["registered_index"] == shown["changed_index"] == done["index"]


def test_a_name_is_the_one_registered_on_the_day(caller: Caller) -> None:
    said = body()
    at = caller.done("/v1/license-types", said)["index"]
    assert seen(caller, said["type_code"], at, on="2029-12-31")["name_zh"] == "示例经营许可证"
    assert seen(caller, said["type_code"], at, on="2030-01-01")["name_zh"] == "示例经营备案证"
    answer = caller.get(f"/v1/license-types/{said['type_code']}?on=2030")
    assert api_world.problem(answer) == (422, "invalid-value", "query.on")


def test_a_definition_is_refused_with_all_its_faults_and_nothing_is_stored(
    face: Face, caller: Caller
) -> None:
    schema = {"type": "object", "properties": {"height": {"$ref": "https://example.com"}}}
    said = body(validity_rule="P5", area="350100", field_schema=schema, name_en=" padded ")
    before = face.events()
    answer = caller.post("/v1/license-types", said)
    assert api_world.problem(answer) == (422, "invalid-value", "name_en")
    assert fields_of(answer) == [
        *("name_en", "validity_rule", "field_schema.additionalProperties"),
        "field_schema.properties.height.type",
    ]
    assert face.events() == before
    assert caller.get(f"/v1/license-types/{said['type_code']}").status_code == 404


def test_what_is_shown_can_be_sent_again_as_a_revision(caller: Caller) -> None:
    said = body()
    type_code = said["type_code"]
    shown = seen(caller, type_code, caller.done("/v1/license-types", said)["index"])
    changed = {**shown["definition"], "sharing_class": "none"}
    done = caller.done(f"/v1/license-types/{type_code}/revise", act(definition=changed))
    again = seen(caller, type_code, done["index"])
    assert again["definition"] == changed
    assert again["changed_index"] == done["index"] > again["registered_index"]


def test_an_issue_is_told_every_fault_of_its_fields_at_once(face: Face, caller: Caller) -> None:
    type_code = registered(caller)
    issuer = issuer_of(face, type_code)
    fields = {"permit_number": "ab1", "area_m2": -1, "height": 3}
    answer = issuer.post("/v1/licenses", issue_body(type_code, fields=fields))
    assert api_world.problem(answer)[:2] == (422, "fields-unfit")
    assert sorted(fields_of(answer)) == [
        f"fields.{name}" for name in ("area_m2", "height", "name", "permit_number")
    ]
    made = issuer.done("/v1/licenses", issue_body(type_code))
    assert made["warnings"] == []
    amended = api_world.example("AmendBody") | {"fields": {"name": "榕城"}, "number": type_code[-3:]}
    answer = issuer.post(f"/v1/licenses/{made['license_ref']}/amend", amended)
    assert api_world.problem(answer)[:2] == (422, "fields-unfit")
    assert fields_of(answer) == ["fields.permit_number"]


def test_a_repeated_issue_is_answered_as_before_also_after_a_revision(face: Face, caller: Caller) -> None:
    type_code = registered(caller)
    issuer = issuer_of(face, type_code)
    said = issue_body(type_code)
    first = issuer.done("/v1/licenses", said, key="the-same")
    definition = {**body()["definition"], "fields": [], "field_schema": None}
    empty = {"type": "object", "properties": {}, "additionalProperties": False}
    caller.done(
        f"/v1/license-types/{type_code}/revise", act(definition={**definition, "field_schema": empty})
    )
    again = issuer.done("/v1/licenses", said, key="the-same")
    assert again["index"] == first["index"]
    assert api_world.problem(issuer.post("/v1/licenses", said))[1] == "fields-unfit"


def test_dates_that_do_not_fit_warn_or_are_refused_as_the_type_says(face: Face, caller: Caller) -> None:
    warning, refusing = registered(caller), registered(caller, validity_check="refuse")
    issuer = face.register_with_types(examples.ORGANIZATION, warning, refusing)
    made = issuer.done("/v1/licenses", issue_body(warning, valid_to=None))
    assert [(one["field"], one["code"]) for one in made["warnings"]] == [("valid_to", "end-missing")]
    answer = issuer.post("/v1/licenses", issue_body(refusing, valid_to=None))
    assert api_world.problem(answer) == (422, "validity-unfit", "valid_to")
    issuer.done("/v1/licenses", issue_body(refusing))


def test_a_printed_number_is_refused_where_it_is_taken(face: Face, caller: Caller) -> None:
    type_code = registered(caller)
    issuer = issuer_of(face, type_code)
    issuer.done("/v1/licenses", issue_body(type_code))
    answer = issuer.post("/v1/licenses", issue_body(type_code))
    assert api_world.problem(answer) == (409, "number-taken", "number")
    issuer.done("/v1/licenses", issue_body(type_code, number="another"))


def test_a_license_is_found_by_a_number_that_is_unique(face: Face, caller: Caller) -> None:
    type_code = registered(caller, field_schema=None)
    issuer = issuer_of(face, type_code)
    made = issuer.done("/v1/licenses", issue_body(type_code, number="FIND-1"))
    asked = {"license_type": type_code, "number": "FIND-1"}
    own = issuer.done("/v1/licenses/search", asked)["license"]
    assert own["license_ref"] == made["license_ref"]
    auditor = face.register(world.AUDITOR, "audit:read")
    organization = own["issuer"]
    told = auditor.done("/v1/licenses/search", {**asked, "issuer": organization})["license"]
    assert told["license_ref"] == made["license_ref"]
    assert auditor.done("/v1/licenses/search", asked)["license"]["license_ref"] == made["license_ref"]
    for changes in ({"number": "FIND-2"}, {"issuer": world.AUDITOR}):
        assert issuer.done("/v1/licenses/search", {**asked, **changes})["license"] is None


def test_a_retired_type_is_shown_and_issues_nothing(face: Face, caller: Caller) -> None:
    type_code = registered(caller)
    issuer = issuer_of(face, type_code)
    retire = act(successor=world.BUSINESS_LICENSE)
    done = caller.done(f"/v1/license-types/{type_code}/retire", retire)
    shown = seen(caller, type_code, done["index"])
    assert (shown["is_retired"], shown["successor"]) == (True, world.BUSINESS_LICENSE)
    answer = issuer.post("/v1/licenses", issue_body(type_code))
    assert api_world.problem(answer) == (409, "license-type-retired", "license_type")
    answer = caller.post(f"/v1/license-types/{type_code}/revise", act(definition=body()["definition"]))
    assert api_world.problem(answer)[1] == "license-type-retired"


def test_a_local_type_stands_for_a_national_one(caller: Caller) -> None:
    type_code = registered(caller)
    said = act(
        national_type=world.BUSINESS_LICENSE,
        since="2026-01-01",
        fields=[{"local": "permit_number", "national": "credit_code"}],
    )
    done = caller.done(f"/v1/license-types/{type_code}/map", said)
    mapping = seen(caller, type_code, done["index"])["mapping"]
    assert mapping["national_type"] == world.BUSINESS_LICENSE
    assert mapping["fields"] == [{"local": "permit_number", "national": "credit_code"}]
    local_types = seen(caller, world.BUSINESS_LICENSE, done["index"])["local_types"]
    assert mapping in local_types


def test_nobody_registers_or_changes_the_type_of_another(face: Face, caller: Caller) -> None:
    other = face.register(world.AUDITOR)
    type_code = registered(caller)
    for path, said in (
        ("/v1/license-types", body()),
        (f"/v1/license-types/{type_code}/revise", act(definition=body()["definition"])),
        (f"/v1/license-types/{type_code}/retire", act()),
        (f"/v1/license-types/{world.BUSINESS_LICENSE}/retire", act()),
    ):
        assert api_world.problem(other.post(path, said)) == (403, "not-the-issuer", "type_code")


def test_a_client_without_the_scope_reads_the_catalog_and_writes_nothing(face: Face) -> None:
    reader = face.register(examples.ORGANIZATION, "license:use")
    assert reader.get(f"/v1/license-types/{world.BUSINESS_LICENSE}").status_code == 200
    assert api_world.problem(reader.post("/v1/license-types", body()))[:2] == (403, "scope-missing")
    assert api_world.problem(reader.get("/v1/license-types/unknown"))[:2] == (404, "not-found")
