"""Local types that stand for a national one: found, permitted and translated while the mapping says so."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ledger import (
    catalog,
    comparison_commands,
    coverage_commands,
    days,
    ending_commands,
    errors,
    identifiers,
    linking_commands,
    mapping,
    registry_commands,
    use,
)
from ledger.state import TypeRow
from tests.history import (
    CONDITIONAL,
    FREE,
    HALL,
    HOLDER,
    ISSUER,
    NOON,
    OTHER_REF,
    REF,
    REGISTRY,
    STREAMS,
    UNSHARED,
    History,
    begun,
    granted,
    registered_type,
    version,
)
from tests.world import AUDITOR, BUSINESS_LICENSE, ENTERPRISE, OPERATOR, World, citizen

LOCAL, OTHER_LOCAL = f"{OPERATOR}900", f"{OPERATOR}901"
PAIRS = (("shop_name", "name"), ("shop_address", "domicile"))
VALUES = {"shop_name": "榕城小店", "shop_address": "福州市示例路", "shop_size": "12"}


# --- the rule ---


def mapped_history(sharing_class: str = "conditional", *, until: int | None = None) -> History:
    """CONDITIONAL, or what has that class, stands for FREE; a license of it is there."""
    own = {"unconditional": FREE, "conditional": CONDITIONAL, "none": UNSHARED}[sharing_class]
    history = begun()
    history.record(mapped(type_code=own, until=until), stream=REGISTRY, by=None)
    history.record(version(type_code=own, field_names=("@license_id", "domicile", "name")), by=None)
    return history


def mapped(**members: Any) -> catalog.LicenseTypeMapped:
    values: dict[str, Any] = {
        "type_code": CONDITIONAL,
        "national_type": FREE,
        "since": days.of_instant(NOON),
        "until": None,
        "fields": (("domicile", "name"),),
        "in_uses": True,
    }
    return catalog.LicenseTypeMapped(**values | members)


def used(**members: Any) -> use.LicenseUsed:
    values: dict[str, Any] = {
        "license_ref": REF,
        "version": 1,
        "license_index": 9,
        "authorization_ref": OTHER_REF,
        "mode": "statutory",
        "fields": ("@license_id", "domicile"),
        "status": "effective",
        "own_type": CONDITIONAL,
        "asked_type": FREE,
        "named_as": (("domicile", "name"),),
    }
    return use.LicenseUsed(**values | members)


def permitted(history: History, mode: str = "statutory", **members: Any) -> History:
    history.record(
        granted(mode, authorization_ref=OTHER_REF, **members),
        stream=HOLDER if mode == "holder" else STREAMS[HALL],
    )
    return history


def index_of(history: History) -> int:
    return history.size - 1


def test_a_grant_for_the_national_type_covers_a_license_of_the_local_one_in_its_own_words() -> None:
    history = mapped_history()
    at = index_of(history)
    permitted(history, field_names=("name",))
    history.record(used(license_index=at), by=HALL)
    for members in (
        {"fields": ("@license_id", "domicile", "name")},
        {"named_as": ()},
        {"named_as": (("domicile", "domicile"),)},
        {"own_type": None},
        {"own_type": None, "asked_type": None, "named_as": ()},
        {"own_type": UNSHARED},
        {"asked_type": UNSHARED},
    ):
        with pytest.raises(errors.Forbidden):
            history.record(used(license_index=at, **members), by=HALL)
    asked_by_own_name = used(license_index=at, asked_type=None, named_as=())
    history.record(asked_by_own_name, by=HALL)


def test_a_grant_for_the_local_type_covers_what_the_national_one_was_asked_for_and_no_more() -> None:
    history = mapped_history()
    at = index_of(history)
    permitted(history, type_codes=(CONDITIONAL,), field_names=("domicile",))
    history.record(used(license_index=at), by=HALL)
    history.record(used(license_index=at, own_type=None, asked_type=None, named_as=()), by=HALL)
    with pytest.raises(errors.Forbidden):
        # By its own type nothing was mapped.
        history.record(used(license_index=at, asked_type=None, named_as=()), by=HALL)
    history.record(version(license_ref=b"n" * 16, type_code=FREE), by=None)
    with pytest.raises(errors.Forbidden):
        history.record(
            used(
                license_ref=b"n" * 16,
                license_index=index_of(history),
                own_type=None,
                asked_type=None,
                named_as=(),
            ),
            by=HALL,
        )


def test_a_mapping_counts_on_its_days_and_not_before_or_after() -> None:
    today = days.of_instant(NOON)
    history = mapped_history(until=today + 1)
    at = index_of(history)
    permitted(history)
    for day, is_in_force in ((today, True), (today + 1, True), (today + 2, False)):
        made = used(license_index=at)
        if is_in_force:
            history.record(made, by=HALL, at=NOON + (day - today) * days.DAY_US)
        else:
            with pytest.raises(errors.Forbidden):
                history.record(made, by=HALL, at=NOON + (day - today) * days.DAY_US)
    row = history.row(TypeRow, CONDITIONAL)
    assert mapping.in_force(row, at=NOON - days.DAY_US) is None


def test_what_a_local_type_does_not_share_is_not_shared_by_way_of_the_national_one() -> None:
    history = mapped_history("none")
    history.record(mapped(type_code=UNSHARED), stream=REGISTRY, by=None)
    history.record(version(license_ref=b"u" * 16, type_code=UNSHARED), by=None)
    at = index_of(history)
    permitted(history)
    members: dict[str, Any] = {"license_ref": b"u" * 16, "license_index": at, "own_type": UNSHARED}
    with pytest.raises(errors.Forbidden):
        history.record(used(**members), by=HALL)
    consent = b"c" * 16
    history.record(granted("holder", authorization_ref=consent), by=ISSUER)
    history.record(used(**members, mode="holder", authorization_ref=consent), by=HALL)


def test_what_was_mapped_before_uses_went_by_it_finds_nothing() -> None:
    history = begun()
    history.record(mapped(in_uses=False), stream=REGISTRY, by=None)
    assert history.row(TypeRow, CONDITIONAL).stands_for == ()
    history.record(mapped(), stream=REGISTRY, by=None)
    assert history.row(TypeRow, FREE).local_types == (CONDITIONAL,)
    for members in (
        {"type_code": FREE, "national_type": CONDITIONAL},
        {"type_code": UNSHARED, "national_type": CONDITIONAL},
    ):
        with pytest.raises(errors.Invalid) as refused:
            history.record(mapped(fields=(), **members), stream=REGISTRY, by=None)
        assert refused.value.field == "national_type"


def test_a_type_keeps_what_it_stands_for_when_it_is_revised() -> None:
    history = mapped_history()
    before = {code: history.row(TypeRow, code) for code in (FREE, CONDITIONAL)}
    for code, sharing_class in ((FREE, "unconditional"), (CONDITIONAL, "conditional")):
        revised = catalog.LicenseTypeRevised(**vars(registered_type(code, sharing_class)))
        history.record(revised, stream=REGISTRY, by=None)
    assert {code: history.row(TypeRow, code) for code in before} == before


# --- through the append path ---


def local_type(world: World, type_code: str = LOCAL, **members: Any) -> None:
    """A local shop license that stands for the business license."""
    values = {
        **vars(registered_type(type_code, "unconditional")),
        "fields": tuple((name, name) for name in sorted(VALUES)),
    }
    said: dict[str, Any] = {
        "type_code": type_code,
        "national_type": BUSINESS_LICENSE,
        "since": 0,
        "until": None,
        "fields": PAIRS,
        "in_uses": True,
    }
    defined = catalog.LicenseTypeRevised(**values)
    stands = catalog.LicenseTypeMapped(**said | members)
    world.do(registry_commands.RecordInRegistry(actor=world.ledger.console, facts=(defined, stands)))


def local_license(world: World, holder: identifiers.HolderCode = ENTERPRISE, type_code: str = LOCAL) -> bytes:
    return world.issue(holder, type_code=type_code, **VALUES)


def facts(world: World, **asked: Any) -> list[dict[str, Any]]:
    return [item.event.fact for item in world.use(**asked)]


def test_a_use_of_the_national_type_reads_the_local_license_by_national_names(world: World) -> None:
    local_type(world)
    ref = local_license(world)
    world.grant(field_names=("domicile", "name"))
    (used_,) = facts(world, field_names=("name",))
    assert used_["license_ref"] == ref
    assert used_["fields"] == ["@license_id", "shop_name"]
    assert (used_["own_type"], used_["asked_type"]) == (LOCAL, BUSINESS_LICENSE)
    assert used_["named_as"] == [["shop_name", "name"]]
    (all_,) = facts(world)
    assert all_["fields"] == ["@license_id", "shop_address", "shop_name"]
    (refused,) = facts(world, field_names=("business_scope",))
    assert refused["reason"] == "fields-not-covered"


def test_a_use_by_the_local_type_or_by_reference_goes_by_the_grant_for_the_national_one(
    world: World,
) -> None:
    local_type(world)
    ref = local_license(world)
    world.grant(field_names=("name",))
    for asked in ({"license_ref": ref}, {"holder": ENTERPRISE, "type_code": LOCAL}):
        (used_,) = facts(world, **asked)
        assert (used_["own_type"], used_.get("asked_type")) == (LOCAL, None)
        assert used_["fields"] == ["@license_id", "shop_name"]
        (refused,) = facts(world, **asked, field_names=("shop_address",))
        assert refused["reason"] == "fields-not-covered"


def test_national_and_local_licenses_are_used_together_and_counted_together(world: World) -> None:
    local_type(world)
    both = {local_license(world), world.issue(name="榕城公司")}
    world.grant(uses_max=3)
    found = facts(world)
    assert {one["license_ref"] for one in found} == both
    (refused,) = facts(world)
    assert refused["reason"] == "authorization-exhausted"
    assert len(facts(world, license_ref=min(both))) == 1


def test_a_grant_for_the_local_type_finds_nothing_of_the_national_one(world: World) -> None:
    local_type(world)
    world.issue(name="榕城公司")
    world.grant(type_codes=(LOCAL,))
    assert facts(world)[0]["reason"] == "not-authorized"
    ref = local_license(world)
    (used_,) = facts(world)
    assert (used_["license_ref"], used_["asked_type"]) == (ref, BUSINESS_LICENSE)
    assert facts(world, field_names=("name",))[0]["fields"] == ["@license_id", "shop_name"]


def test_a_use_code_of_the_national_type_opens_the_local_license(world: World) -> None:
    local_type(world)
    ref = local_license(world)
    _, code = world.grant_with_code(mode="holder", field_names=("name",))
    (used_,) = facts(world, use_code=code)
    assert (used_["license_ref"], used_["asked_type"]) == (ref, BUSINESS_LICENSE)
    assert used_["fields"] == ["@license_id", "shop_name"]


def test_beyond_twenty_of_both_types_the_answer_is_ambiguous(world: World) -> None:
    local_type(world)
    for _ in range(11):
        local_license(world)
        world.issue(name="榕城公司")
    world.grant()
    (refused,) = facts(world)
    assert (refused["reason"], len(refused["choices"])) == ("ambiguous", 22)
    assert {one[0] for one in refused["summaries"]} == {BUSINESS_LICENSE, LOCAL}
    assert refused["local_types"] == [LOCAL]


def test_the_status_of_a_local_license_is_told_under_the_grant_for_the_national_type(world: World) -> None:
    local_type(world)
    ref = local_license(world)
    world.grant()
    world.status(ref, "suspend")
    (refused,) = facts(world)
    assert (refused["reason"], refused["license_ref"]) == ("license-suspended", ref)
    assert (refused["type_code"], refused["asked_type"]) == (LOCAL, BUSINESS_LICENSE)
    (refused,) = facts(world, license_ref=ref)
    assert (refused["reason"], refused.get("asked_type")) == ("license-suspended", None)


def test_not_held_speaks_of_the_local_types_too(world: World) -> None:
    local_type(world)
    local_type(world, OTHER_LOCAL, since=days.parse("2200-01-01"))
    world.grant()
    holder = {"holder": citizen(3), "type_code": BUSINESS_LICENSE}
    world.issue(citizen(3), type_code="11100000000013127D001", name="合成居民")
    assert facts(world, **holder)[0]["reason"] == "not-covered"
    world.cover(BUSINESS_LICENSE)
    (refused,) = facts(world, **holder)
    assert (refused["reason"], refused["local_types"]) == ("not-held", [LOCAL, OTHER_LOCAL])
    gap = world.cover(LOCAL, holds="some")
    world.cover(OTHER_LOCAL, holds="none")
    assert facts(world, **holder)[0]["reason"] == "not-covered"
    console = world.ledger.console
    world.do(coverage_commands.WithdrawCoverage(actor=console, type_code=LOCAL, coverage_ref=gap))
    assert facts(world, **holder)[0]["reason"] == "not-held"
    world.do(coverage_commands.DeclareSource(actor=console, type_code=LOCAL, source="down"))
    assert facts(world, **holder)[0]["reason"] == "source-unavailable"
    (refused,) = facts(world, holder=citizen(3), type_code=OTHER_LOCAL)
    assert refused["reason"] == "not-authorized"
    (refused,) = facts(world, holder=citizen(3), type_code=LOCAL)
    assert (refused["reason"], refused["local_types"]) == ("source-unavailable", [LOCAL])


def test_local_licenses_are_found_in_joined_files_and_after_their_holder_ended(world: World) -> None:
    local_type(world)
    registrar = world.register(AUDITOR, "holder:register")
    ref = local_license(world, citizen(4))
    world.issue(citizen(5), type_code="11100000000013127D001", name="合成居民")
    world.do(
        linking_commands.LinkHolderCodes(
            actor=registrar, evidence="00" * 32, holder=citizen(5), linked=citizen(4)
        )
    )
    world.grant()
    asked = {"holder": citizen(5), "type_code": BUSINESS_LICENSE}
    (used_,) = facts(world, **asked)
    assert used_["license_ref"] == ref
    world.do(ending_commands.EndHolder(actor=registrar, evidence="00" * 32, holder=citizen(5), kind="death"))
    assert facts(world, **asked)[0]["reason"] == "holder-ended"
    assert facts(world, holder=citizen(4), type_code=LOCAL)[0]["reason"] == "holder-ended"


def test_a_mapping_said_again_ends_the_one_before(world: World) -> None:
    local_type(world)
    local_license(world)
    world.grant()
    assert len(facts(world)) == 1
    again = catalog.LicenseTypeMapped(
        type_code=LOCAL,
        national_type="11100000000013127D001",
        since=0,
        until=None,
        fields=(),
        in_uses=True,
    )
    world.do(registry_commands.RecordInRegistry(actor=world.ledger.console, facts=(again,)))
    assert facts(world)[0]["reason"] == "not-covered"


def test_claims_in_national_names_are_compared_with_the_local_fields(world: World) -> None:
    local_type(world)
    local_license(world)
    world.grant(field_names=("business_scope", "domicile", "name"))
    names = ("business_scope", "name")
    asked = comparison_commands.CompareLicense(
        actor=world.hall,
        holder=ENTERPRISE,
        type_code=BUSINESS_LICENSE,
        field_names=names,
        claims=dict.fromkeys(names, "另一值"),
    )
    with pytest.raises(errors.VersionMoved) as moved:
        world.do(asked)
    assert moved.value.extra["named_as"] == (("shop_name", "name"),)
    verdicts = (("business_scope", "not-held"), ("name", "mismatch"))
    known = {moved.value.extra["version_index"]: verdicts}
    (made,) = world.do(replace(asked, known=known)).recorded
    assert made.event.fact["verdicts"] == [list(one) for one in verdicts]
    assert (made.event.fact["own_type"], made.event.fact["asked_type"]) == (LOCAL, BUSINESS_LICENSE)
    untrue = (("business_scope", "mismatch"), ("name", "mismatch"))
    with pytest.raises(errors.Forbidden):
        world.do(replace(asked, known={moved.value.extra["version_index"]: untrue}))
