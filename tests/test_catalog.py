"""The catalog's rules: given what was recorded, when a type changes or is issued under, then row or error."""

from __future__ import annotations

from typing import Any

import pytest

from ledger import catalog, catalog_rules, days, errors, field_schema, license
from ledger.state import LicenseRow, TypeRow, TypeRulesRow
from tests.history import (
    CONDITIONAL,
    FREE,
    HALL,
    ISSUER,
    OTHER,
    REF,
    REGISTRY,
    UNSHARED,
    History,
    begun,
    registered_client,
    registered_type,
    version,
)

LOCAL = f"{HALL}901"
"""A type that the hall defines itself."""
SCHEMA = field_schema.write(
    {
        "type": "object",
        "properties": {
            "domicile": {"type": "string", "maxLength": 100},
            "name": {"type": "string", "minLength": 1},
        },
        "required": ["name"],
        "additionalProperties": False,
    }
)


def defined(cls: type[Any] = catalog.LicenseTypeRevised, type_code: str = FREE, **members: Any) -> Any:
    """A definition with the members of `registered_type` and some more."""
    plain = vars(registered_type(type_code, "unconditional"))
    return cls(**plain | members)


def catalog_of(**members: Any) -> History:
    """A history whose first type was revised to ask something."""
    history = begun()
    history.record(defined(**members), stream=REGISTRY, by=None)
    return history


def test_a_definition_that_asks_nothing_leaves_no_rules() -> None:
    history = begun()
    assert (TypeRulesRow, FREE) not in history.rows
    asking = defined(catalog.LicenseTypeRegistered, "11100000MB0143028R009", validity_check="warn")
    history.record(asking, stream=REGISTRY, by=None)
    assert history.row(TypeRulesRow, asking.type_code).validity_check == "warn"


@pytest.mark.parametrize(
    ("members", "fields"),
    [
        ({"name_zh": "", "name_en": " x"}, ["name_zh", "name_en"]),
        ({"names": ((9, "乙", "B"), (9, "丙", "C"))}, ["names"]),
        ({"names": ((9, "甲\n乙", "B"),)}, ["names[0].name_zh"]),
        (
            {"holder_kind": "both", "sharing_class": "public", "holder_end": "end"},
            ["holder_kind", "sharing_class", "holder_end"],
        ),
        (
            {"validity_check": "error", "validity_rule": "P5", "number_scope": "area"},
            ["validity_check", "number_scope", "validity_rule"],
        ),
        ({"area": "35010", "issuer_level": "9"}, ["area", "issuer_level"]),
        ({"issuer_level": "3", "issuer_level_text": "省级"}, ["issuer_level_text"]),
        ({"fields": (("a", "甲"), ("a", "乙"))}, ["fields"]),
        ({"fields": (("No", "甲"), ("b", ""))}, ["fields", "fields.b"]),
        ({"public_fields": ("name", "domicile")}, ["public_fields"]),
        ({"public_fields": ("height",)}, ["public_fields"]),
        ({"short_names": (("name", "KZ_MC"),)}, ["short_names"]),
        ({"short_names": (("height", "SG"),)}, ["short_names"]),
        ({"parties": (("owner", "in-file", "own", "all"),)}, ["parties[0].role"]),
        ({"parties": (("child", "file", "mine", "some"),)}, [f"parties[0].{p}" for p in ("file", "key")]),
        ({"parties": (("holder", "not-in-file", "own", "all"),)}, ["parties[0]"]),
        ({"endorsement_cycle": "P0Y", "endorsement_grace": "1M"}, ["endorsement_cycle", "endorsement_grace"]),
        ({"endorsement_past_due": "revoked"}, ["endorsement_past_due"]),
        ({"renewal_window_days": -1}, ["renewal_window_days"]),
        ({"renewal_window_days": 3661}, ["renewal_window_days"]),
        ({"field_schema": "{}"}, ["field_schema.type"]),
        ({"field_schema": SCHEMA, "fields": (("name", "名称"),)}, ["field_schema.properties"]),
    ],
)
def test_a_definition_is_refused_with_all_its_faults(members: dict[str, Any], fields: list[str]) -> None:
    for cls in (catalog.LicenseTypeRegistered, catalog.LicenseTypeRevised):
        code = FREE if cls is catalog.LicenseTypeRevised else "11100000MB0143028R009"
        with pytest.raises(errors.Invalid) as refused:
            begun().record(defined(cls, code, **members), stream=REGISTRY, by=None)
        told = [fault["field"] for fault in refused.value.extra["errors"]]
        assert told[: len(fields)] == fields
        assert refused.value.field == fields[0]


def test_a_revision_is_the_whole_definition_from_now_on() -> None:
    history = catalog_of(
        sharing_class="conditional",
        public_fields=("name",),
        number_scope="type-issuer",
        parties=(("co-owner", "in-file", "own", "any"),),
        endorsement_cycle="P1Y",
        endorsement_grace="P30D",
        endorsement_past_due="suspended",
        holder_end="keep",
        field_schema=SCHEMA,
    )
    row, rules = history.row(TypeRow, FREE), history.row(TypeRulesRow, FREE)
    assert (row.sharing_class, row.public_fields) == ("conditional", ("name",))
    assert (rules.number_scope, rules.holder_end, rules.field_schema) == ("type-issuer", "keep", SCHEMA)
    assert catalog_rules.party_rule(rules, "co-owner").consent == "any"
    assert catalog_rules.party_rule(rules, "obligor").file == "not-in-file"
    history.record(defined(), stream=REGISTRY, by=None)
    assert history.row(TypeRulesRow, FREE).field_schema is None
    assert history.row(TypeRow, FREE).public_fields == ()


def test_public_fields_and_sharing_class_are_two_things() -> None:
    history = catalog_of(sharing_class="none", public_fields=("domicile", "name"))
    row = history.row(TypeRow, FREE)
    assert (row.sharing_class, row.public_fields) == ("none", ("domicile", "name"))


def test_an_endorsement_is_due_after_its_cycle_and_past_due_after_its_grace() -> None:
    rules = catalog_of(endorsement_cycle="P1Y", endorsement_grace="P30D").row(TypeRulesRow, FREE)
    due = catalog_rules.endorsement_due(rules, days.parse("2026-03-01"))
    assert due == days.parse("2027-03-01")
    assert catalog_rules.due_columns(rules, due)["overdue_after"] == days.parse("2027-03-31")
    assert catalog_rules.due_columns(None, due)["overdue_after"] == due
    assert catalog_rules.due_columns(rules, None)["overdue_after"] is None
    assert catalog_rules.endorsement_due(None, 0) is None


def test_a_retired_type_issues_nothing_new_and_what_there_is_stays() -> None:
    history = begun()
    history.record(version())
    retired = catalog.LicenseTypeRetired(type_code=FREE, successor=CONDITIONAL)
    history.record(retired, stream=REGISTRY, by=None)
    assert history.row(TypeRow, FREE).is_retired
    with pytest.raises(errors.LicenseTypeRetiredConflict):
        history.record(version(license_ref=b"n" * 16))
    history.record(version(license.LicenseAmended, version=2))
    for made in (retired, defined()):
        with pytest.raises(errors.LicenseTypeRetiredConflict):
            history.record(made, stream=REGISTRY, by=None)


@pytest.mark.parametrize("successor", [FREE, "11100000MB0143028R999"])
def test_a_type_is_followed_by_another_that_is_registered(successor: str) -> None:
    with pytest.raises(errors.LicenseTypeUnknown):
        begun().record(
            catalog.LicenseTypeRetired(type_code=FREE, successor=successor), stream=REGISTRY, by=None
        )


def test_nobody_touches_the_type_of_another() -> None:
    history = begun()
    writer = registered_client(OTHER, "catalog:write", client_id=b"w" * 16)
    history.record(writer, stream=REGISTRY, by=None)
    for made in (
        defined(),
        defined(catalog.LicenseTypeRegistered, LOCAL),
        catalog.LicenseTypeRetired(type_code=FREE, successor=None),
        mapped(),
    ):
        with pytest.raises(errors.NotTheIssuer):
            history.record(made, stream=REGISTRY, by=OTHER, client=b"w" * 16)


def test_an_organization_defines_the_types_that_carry_its_own_code() -> None:
    history = begun()
    history.record(registered_client(HALL, "catalog:write", client_id=b"w" * 16), stream=REGISTRY, by=None)
    history.record(defined(catalog.LicenseTypeRegistered, LOCAL), stream=REGISTRY, by=HALL, client=b"w" * 16)
    history.record(defined(type_code=LOCAL), stream=REGISTRY, by=HALL, client=b"w" * 16)
    with pytest.raises(errors.ScopeMissing):
        history.record(defined(type_code=LOCAL), stream=REGISTRY, by=HALL)


def mapped(**members: Any) -> catalog.LicenseTypeMapped:
    values = {"type_code": UNSHARED, "national_type": FREE, "since": 0, "until": None, "fields": ()}
    return catalog.LicenseTypeMapped(**values | members)


def test_a_local_type_is_mapped_to_a_national_one_with_days_and_fields() -> None:
    history = begun()
    history.record(mapped(fields=(("name", "domicile"),), until=9), stream=REGISTRY, by=ISSUER)
    for members, field in (
        ({"national_type": UNSHARED}, "national_type"),
        ({"national_type": "11100000MB0143028R999"}, "national_type"),
        ({"since": 9, "until": 8}, "until"),
        ({"fields": (("height", "name"),)}, "fields.from"),
        ({"fields": (("name", "height"),)}, "fields.to"),
        ({"fields": (("name", "name"), ("domicile", "name"))}, "fields.to"),
    ):
        with pytest.raises(errors.Invalid) as refused:
            history.record(mapped(**members), stream=REGISTRY, by=ISSUER)
        assert refused.value.field == field
    with pytest.raises(errors.NotFound):
        history.record(mapped(type_code="11100000MB0143028R999"), stream=REGISTRY, by=ISSUER)


def test_a_version_names_every_field_that_its_type_requires() -> None:
    history = catalog_of(field_schema=SCHEMA)
    with pytest.raises(errors.FieldsUnfit) as refused:
        history.record(version(field_names=("@license_id", "domicile")))
    assert refused.value.field == "fields.name"
    history.record(version())


def test_a_type_that_refuses_holds_dates_against_its_validity_rule() -> None:
    term = {"valid_from": days.parse("2026-01-31"), "valid_to": days.parse("2030-01-01")}
    warned = catalog_of(validity_rule="P5Y", validity_check="warn")
    warned.record(version(**term))
    assert warned.row(LicenseRow, REF).valid_to == term["valid_to"]
    refusing = catalog_of(validity_rule="P5Y", validity_check="refuse")
    with pytest.raises(errors.ValidityUnfit) as refused:
        refusing.record(version(**term))
    assert refused.value.field == "valid_to"
    refusing.record(version(**term | {"valid_to": days.parse("2031-01-30")}))


def test_dates_that_stay_are_not_held_against_a_rule_that_came_later() -> None:
    history = begun()
    history.record(version())
    history.record(defined(validity_rule="P5Y", validity_check="refuse"), stream=REGISTRY, by=None)
    history.record(version(license.LicenseAmended, version=2))
    with pytest.raises(errors.ValidityUnfit):
        history.record(version(license.LicenseAmended, version=3, valid_to=days.parse("2099-01-01")))


def test_fields_are_judged_by_the_revision_in_force() -> None:
    rules = catalog_of(field_schema=SCHEMA).row(TypeRulesRow, FREE)
    with pytest.raises(errors.FieldsUnfit) as refused:
        catalog_rules.require_fields(rules, {"domicile": "x" * 101, "height": "2"})
    assert {fault["field"] for fault in refused.value.extra["errors"]} == {
        *("fields.name", "fields.domicile", "fields.height")
    }
    catalog_rules.require_fields(None, {"anything": "x"})


def test_the_shipped_catalog_warns_and_knows_its_cycles_and_parties() -> None:
    made = {fact.name_zh: fact for fact in catalog.national_catalog(ISSUER)}
    assert {fact.validity_check for fact in made.values()} == {"warn"}
    assert made["道路运输证"].endorsement_cycle == "P1Y"
    assert made["结婚证"].parties == (("spouse", "in-file", "own", "all"),)
    assert made["不动产权证书"].holder_end == "keep"
    assert not any(catalog_rules.faults_of(fact) for fact in made.values())
