"""Field schemas: the subset of JSON Schema, all faults at once, and agreement with another judge."""

from __future__ import annotations

import json
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger import field_schema

PROPERTIES: dict[str, Any] = {
    "name": {"type": "string", "minLength": 1, "maxLength": 20},
    "grade": {"type": "string", "enum": ["甲", "乙"]},
    "capital": {"type": "number", "minimum": 0, "maximum": 1000},
    "count": {"type": "integer"},
    "number": {"type": "string", "pattern": "^JY[0-9]{4}$"},
    "since": {"type": "string", "format": "date"},
    "is_branch": {"type": ["boolean", "null"]},
    "outlets": {
        "type": "array",
        "maxItems": 2,
        "items": {
            "type": "object",
            "properties": {"place": {"type": "string"}},
            "required": ["place"],
            "additionalProperties": False,
        },
    },
}


def text(**members: Any) -> str:
    document = {"type": "object", "properties": PROPERTIES, "additionalProperties": False} | members
    return field_schema.write(document)


def faults(values: dict[str, Any], **members: Any) -> dict[str, str]:
    return dict(field_schema.parse(text(**members)).faults(values))


def test_fields_that_fit_have_no_faults() -> None:
    values = {
        "name": "榕城",
        "grade": "甲",
        "capital": "999.50",
        "count": "-3",
        "number": "JY0001",
        "since": "2026-02-28",
        "is_branch": None,
        "outlets": [{"place": "福州"}],
    }
    assert faults(values, required=["name"]) == {}


def test_all_faults_are_said_at_once_and_no_value_is_repeated() -> None:
    values = {
        "grade": "丙",
        "capital": "1000.01",
        "count": "1.5",
        "number": "JY00015",
        "since": "2026-02-30",
        "is_branch": "yes",
        "outlets": [{"place": "a"}, {"spot": "b"}, {"place": "1"}],
        "height": "1",
    }
    found = faults(values, required=["name"])
    assert set(found) == {
        *("fields.name", "fields.grade", "fields.capital", "fields.count", "fields.number", "fields.since"),
        *("fields.is_branch", "fields.outlets", "fields.outlets[1].place", "fields.outlets[1].spot"),
        "fields.height",
    }
    assert not any("丙" in message or "00015" in message for message in found.values())


def test_a_name_that_tells_somebodys_number_is_not_repeated() -> None:
    assert set(faults({"x350102190001010015": "1", "No Name": "2"})) == {"fields.*"}


def test_at_most_a_hundred_faults_are_said() -> None:
    values = {f"f{number}": "1" for number in range(200)}
    assert len(field_schema.parse(text()).faults(values)) == field_schema.FAULTS_MAX


@pytest.mark.parametrize("number", ["0", "-0", "1.10", "1E+2", "1e-400"])
def test_a_number_is_decimal_text_as_it_was_written(number: str) -> None:
    assert faults({"capital": number}) == {}


@pytest.mark.parametrize("number", ["", "01", "1.", ".5", "+1", "NaN", "1e9999999999999999999", "9" * 41])
def test_what_json_has_no_number_for_is_none(number: str) -> None:
    assert set(faults({"capital": number})) == {"fields.capital"}


@pytest.mark.parametrize(
    ("members", "field"),
    [
        ({"type": "array"}, "field_schema.type"),
        ({"$schema": "http://json-schema.org/draft-07/schema#"}, "field_schema.$schema"),
        ({"additionalProperties": True}, "field_schema.additionalProperties"),
        ({"$ref": "https://example.com/schema"}, "field_schema.$ref"),
        ({"allOf": []}, "field_schema.allOf"),
        ({"required": ["height"]}, "field_schema.required"),
        ({"required": "name"}, "field_schema.required"),
        ({"properties": {"No Name": {"type": "string"}}}, "field_schema.properties"),
        ({"properties": {"a": {}}}, "field_schema.properties.a.type"),
        ({"properties": {"a": True}}, "field_schema.properties.a"),
        ({"properties": {"a": {"type": "string", "minimum": 1}}}, "field_schema.properties.a.minimum"),
        ({"properties": {"a": {"type": "string", "pattern": "(a+)+$"}}}, "field_schema.properties.a.pattern"),
        ({"properties": {"a": {"type": "string", "format": "email"}}}, "field_schema.properties.a.format"),
        ({"properties": {"a": {"type": "string", "minLength": -1}}}, "field_schema.properties.a.minLength"),
        ({"properties": {"a": {"type": "string", "enum": []}}}, "field_schema.properties.a.enum"),
        (
            {"properties": {"a": {"type": "string", "minLength": 3, "maxLength": 2}}},
            "field_schema.properties.a.maxLength",
        ),
        (
            {"properties": {"a": {"type": "array", "items": {"$ref": "#/properties/a"}}}},
            "field_schema.properties.a.items.type",
        ),
    ],
)
def test_a_schema_outside_the_subset_is_refused_and_the_place_is_named(
    members: dict[str, Any], field: str
) -> None:
    assert field in dict(field_schema.faults_of(text(**members)))
    with pytest.raises(ValueError, match=r"."):
        field_schema.parse(text(**members))


def test_a_schema_has_one_spelling() -> None:
    spaced = json.dumps(json.loads(text()))
    assert [fault.field for fault in field_schema.faults_of(spaced)] == ["field_schema"]
    twice = '{"type":"object","type":"object","additionalProperties":false}'
    assert field_schema.faults_of(twice)


def test_a_schema_is_bounded_in_size_and_depth() -> None:
    many = {f"f{number}": {"type": "string"} for number in range(field_schema.PROPERTIES_MAX + 1)}
    assert field_schema.faults_of(text(properties=many))
    long = {"a": {"type": "string", "enum": [f"{number:0>900}" for number in range(20)]}}
    assert field_schema.faults_of(text(properties=long))
    deep: dict[str, Any] = {"type": "string"}
    for _ in range(field_schema.DEPTH_MAX):
        deep = {"type": "array", "items": deep}
    assert field_schema.faults_of(text(properties={"a": deep}))
    assert field_schema.faults_of("[" * 5_000)


VALUES = st.recursive(
    st.none() | st.booleans() | st.sampled_from(["甲", "JY0001", "", "x" * 21, "榕城"]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["place", "spot"]), inner, max_size=2)
    ),
    max_leaves=6,
)
CHECKED = [name for name in PROPERTIES if name not in ("capital", "count", "since")]


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(st.sampled_from([*CHECKED, "height"]), VALUES, max_size=5))
def test_it_decides_as_a_judge_of_json_schema_does(values: dict[str, Any]) -> None:
    """Of what is no number: those are text here, and numbers there."""
    properties = {name: PROPERTIES[name] for name in CHECKED}
    document = {
        "type": "object",
        "properties": properties,
        "additionalProperties": False,
        "required": ["name"],
    }
    judge = jsonschema_rs.Draft202012Validator(document)
    ours = field_schema.parse(field_schema.write(document)).faults(values)
    assert (not ours) is judge.is_valid(values)
