"""Coverage: who may declare what, and what it means that nothing is found."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given

from ledger import catalog, coverage, coverage_commands, days, errors, organization, refusal
from ledger.coverage import Declaration, Expected
from ledger.state import TypeRow
from tests.history import (
    CONDITIONAL,
    FREE,
    HALL,
    ISSUER,
    NOON,
    OPERATOR,
    OTHER,
    REGISTRY,
    STREAMS,
    begun,
    granted,
    registered_type,
)
from tests.world import BUSINESS_LICENSE, ENTERPRISE, World, citizen

YEAR_2015, YEAR_2020 = days.parse("2015-01-01"), days.parse("2020-01-01")
REF = b"c" * 16


def declared(**members: Any) -> coverage.CoverageDeclared:
    values: dict[str, Any] = {
        "coverage_ref": REF,
        "type_code": FREE,
        "issuer": None,
        "area": None,
        "issued_from": None,
        "issued_to": None,
        "holds": "all",
    }
    return coverage.CoverageDeclared(**values | members)


def row(*made: Declaration, source: str | None = None) -> TypeRow:
    return TypeRow(
        type_code=FREE,
        name_zh="类型",
        name_en="Type",
        holder_kind="either",
        sharing_class="unconditional",
        field_names=(),
        public_fields=(),
        is_retired=False,
        coverage=tuple(item.text() for item in made),
        source=source,
    )


def declaration(number: int = 1, holds: str = "all", **members: Any) -> Declaration:
    values: dict[str, Any] = {"issuer": None, "area": None, "issued_from": None, "issued_to": None}
    return Declaration(ref=bytes([number]) * 16, holds=holds, **values | members)


def said(*made: Declaration, source: str | None = None, **expected: Any) -> str:
    return coverage.judge(row(*made, source=source), Expected(**expected), at=NOON)[0]


# --- what finding nothing means ---


def test_without_any_declaration_nobody_is_told_that_nothing_is_held() -> None:
    assert said() == "not-covered"


def test_inside_a_declaration_of_everything_nothing_found_is_not_held_and_names_it() -> None:
    made = declaration()
    assert coverage.judge(row(made), coverage.NO_HINTS, at=NOON) == ("not-held", (made.ref,))
    for holds in ("some", "none"):
        assert said(declaration(holds=holds)) == "not-covered"


def test_a_part_counts_only_for_a_license_that_is_known_to_be_of_it() -> None:
    of_issuer = declaration(issuer=ISSUER)
    assert said(of_issuer) == "not-covered"
    assert said(of_issuer, issuer=ISSUER) == "not-held"
    assert said(of_issuer, issuer=OTHER) == "not-covered"
    of_area = declaration(area="350100")
    assert said(of_area) == "not-covered"
    assert said(of_area, area="350102") == "not-held"
    assert said(of_area, area="350100") == "not-held"
    assert said(of_area, area="350200") == "not-covered"
    assert said(of_area, area="350000") == "not-covered"
    of_both = declaration(issuer=ISSUER, area="350000")
    assert said(of_both, area="350102") == "not-covered"
    assert said(of_both, area="350102", issuer=ISSUER) == "not-held"


def test_a_period_counts_only_for_a_license_of_it_and_periods_add_up() -> None:
    late = declaration(1, issued_from=YEAR_2015)
    assert said(late) == "not-covered"
    assert said(late, issued_on=YEAR_2015) == "not-held"
    assert said(late, issued_on=YEAR_2015 - 1) == "not-covered"
    early = declaration(2, issued_to=YEAR_2015 - 1)
    assert coverage.judge(row(late, early), coverage.NO_HINTS, at=NOON) == (
        "not-held",
        (early.ref, late.ref),
    )
    assert said(late, declaration(2, issued_to=YEAR_2015 - 2)) == "not-covered"
    assert said(declaration(issued_to=days.of_instant(NOON))) == "not-held"
    assert said(declaration(issued_to=days.of_instant(NOON) - 1)) == "not-covered"


def test_a_gap_that_is_declared_counts_against_what_else_is_declared() -> None:
    everything = declaration()
    gap = declaration(2, "some", area="350200", issued_to=YEAR_2015)
    assert said(everything, gap) == "not-covered"
    assert said(everything, gap, area="350100") == "not-held"
    assert said(everything, gap, area="350203") == "not-covered"
    assert said(everything, gap, area="350203", issued_on=YEAR_2020) == "not-held"
    assert said(everything, declaration(3, "none", issuer=OTHER), issuer=ISSUER) == "not-held"


def test_while_the_source_is_down_nothing_found_means_nothing() -> None:
    assert said(declaration(), source="down") == "source-unavailable"
    assert said(source="down") == "source-unavailable"
    assert said(declaration(), source="up") == "not-held"


def test_of_several_types_the_least_covered_decides() -> None:
    covered, other = row(declaration()), row()
    assert coverage.judge_all([covered, other], coverage.NO_HINTS, at=NOON)[0] == "not-covered"
    down = row(source="down")
    assert coverage.judge_all([covered, other, down], coverage.NO_HINTS, at=NOON)[0] == "source-unavailable"


parts = st.builds(
    Declaration,
    ref=st.binary(min_size=16, max_size=16),
    holds=st.sampled_from(coverage.HOLDS),
    issuer=st.none() | st.sampled_from([ISSUER, OTHER]),
    area=st.none() | st.sampled_from(["350000", "350100", "350102", "360000"]),
    issued_from=st.none() | st.integers(16_000, 16_010),
    issued_to=st.none() | st.integers(16_000, 16_010),
)
hints = st.builds(
    Expected,
    issuer=st.none() | st.sampled_from([ISSUER, OTHER, HALL]),
    area=st.none() | st.sampled_from(["350000", "350100", "350102", "350200", "360000"]),
    issued_on=st.none() | st.integers(15_998, 16_012),
)


@given(parts)
def test_a_declaration_reads_back_as_it_was_written(made: Declaration) -> None:
    assert list(coverage.declarations(row(made))) == [made]


@given(st.lists(parts, max_size=4), hints)
def test_not_held_is_said_only_where_every_possible_license_would_be_there(
    made: list[Declaration], expected: Expected
) -> None:
    """Against a plain look at each issuer, area and day that the license could have."""
    at = days.start(16_012)
    issuers = [expected.issuer] if expected.issuer else [ISSUER, OTHER, HALL]
    areas = [expected.area] if expected.area else ["350000", "350100", "350102", "350200", "360000"]
    on = [expected.issued_on] if expected.issued_on else [15_990, *range(15_998, 16_013)]
    told, _ = coverage.judge(row(*made), expected, at=at)
    if told == "not-held":
        for issuer in issuers:
            for area in areas:
                for day in on:
                    here = [
                        item
                        for item in made
                        if item.contains_place(Expected(issuer, area)) and item.span[0] <= day <= item.span[1]
                    ]
                    assert here
                    assert {item.holds for item in here} == {"all"}


# --- who may declare ---


def test_an_issuer_declares_for_itself_and_only_the_operator_for_all() -> None:
    history = begun()
    own = declared(issuer=OTHER, coverage_ref=b"2" * 16)
    history.record(own, stream=REGISTRY, by=OTHER)
    for made in (declared(), declared(area="350100"), declared(issuer=HALL)):
        with pytest.raises(errors.NotTheIssuer):
            history.record(made, stream=REGISTRY, by=OTHER)
    history.record(declared(), stream=REGISTRY, by=None)
    withdrawn = coverage.CoverageWithdrawn(coverage_ref=REF, type_code=FREE)
    with pytest.raises(errors.NotTheIssuer):
        history.record(withdrawn, stream=REGISTRY, by=OTHER)
    history.record(withdrawn, stream=REGISTRY, by=None)
    assert [item.issuer for item in coverage.declarations(history.row(TypeRow, FREE))] == [OTHER]
    with pytest.raises(errors.ScopeMissing):
        history.record(declared(issuer=HALL), stream=REGISTRY, by=HALL)


@pytest.mark.parametrize(
    ("members", "field"),
    [
        ({"holds": "most"}, "holds"),
        ({"issuer": "1"}, "issuer"),
        ({"area": "3501"}, "area"),
        ({"area": "35010a"}, "area"),
        ({"issued_from": YEAR_2020, "issued_to": YEAR_2015}, "issued_to"),
        ({"issued_from": -40_000}, "issued_from"),
        ({"type_code": "11100000MB0143028R999"}, "license_type"),
    ],
)
def test_a_declaration_with_a_flaw_is_refused(members: dict[str, Any], field: str) -> None:
    with pytest.raises(errors.Invalid) as refused:
        begun().record(declared(**members), stream=REGISTRY, by=None)
    assert refused.value.field == field


def test_a_declaration_is_made_once_and_withdrawn_once() -> None:
    history = begun()
    history.record(declared(), stream=REGISTRY, by=None)
    with pytest.raises(errors.AlreadyExists):
        history.record(declared(), stream=REGISTRY, by=None)
    withdrawn = coverage.CoverageWithdrawn(coverage_ref=REF, type_code=FREE)
    history.record(withdrawn, stream=REGISTRY, by=None)
    with pytest.raises(errors.NotFound):
        history.record(withdrawn, stream=REGISTRY, by=None)


def test_a_source_is_declared_by_who_issues_the_type_and_only_when_it_changes() -> None:
    history = begun()
    down = coverage.SourceDeclared(type_code=FREE, source="down")
    with pytest.raises(errors.NotTheIssuer):
        history.record(replace(down, type_code=CONDITIONAL), stream=REGISTRY, by=OTHER)
    history.record(down, stream=REGISTRY, by=OTHER)
    history.record(coverage.SourceDeclared(type_code=FREE, source="up"), stream=REGISTRY, by=OTHER)
    history.record(down, stream=REGISTRY, by=None)
    with pytest.raises(errors.Conflict):
        history.record(down, stream=REGISTRY, by=None)
    with pytest.raises(errors.Invalid):
        history.record(coverage.SourceDeclared(type_code=FREE, source="sideways"), stream=REGISTRY, by=None)
    history.record(coverage.SourceDeclared(type_code=FREE, source="ledger"), stream=REGISTRY, by=None)
    assert history.row(TypeRow, FREE).source is None


def test_a_revision_of_the_type_leaves_what_is_declared_of_it() -> None:
    history = begun()
    history.record(declared(), stream=REGISTRY, by=None)
    history.record(coverage.SourceDeclared(type_code=FREE, source="up"), stream=REGISTRY, by=None)
    before = history.row(TypeRow, FREE)
    revised = vars(registered_type(FREE, "unconditional")) | {"name_en": "Another name"}
    history.record(catalog.LicenseTypeRevised(**revised), stream=REGISTRY, by=None)
    assert history.row(TypeRow, FREE) == replace(before, name_en="Another name")


def test_a_type_has_at_most_a_hundred_declarations() -> None:
    history = begun()
    for number in range(coverage.DECLARATIONS_MAX):
        history.record(declared(coverage_ref=bytes([number]) * 16), stream=REGISTRY, by=None)
    with pytest.raises(errors.Conflict):
        history.record(declared(coverage_ref=b"\xff" * 16), stream=REGISTRY, by=None)


def test_a_stored_refusal_says_of_coverage_what_was_declared_at_its_position() -> None:
    history = begun()
    history.record(granted("statutory"), stream=STREAMS[HALL])

    def refused(reason: str, code: str | None, **members: Any) -> refusal.UseRefused:
        named = {"type_code": FREE, "license_ref": None, "authorization_ref": b"1" * 16, "choices": ()}
        return refusal.UseRefused(reason=reason, code=code, **named | members)

    def record(made: refusal.UseRefused) -> None:
        history.record(made, by=HALL, stream=STREAMS[HALL])

    uncovered, held = refused("not-covered", "10"), refused("not-held", "10", coverage=(REF,))
    record(refused("not-held", "10"))
    record(uncovered)
    with pytest.raises(errors.Forbidden):
        record(held)
    history.record(declared(issued_from=YEAR_2015), stream=REGISTRY, by=None)
    for made in (refused("not-held", "10"), held, refused("source-unavailable", "99")):
        with pytest.raises(errors.Forbidden):
            record(made)
    record(refused("not-held", "10", coverage=(REF,), expected_issued_on=YEAR_2020))
    with pytest.raises(errors.Forbidden):
        record(refused("authorization-ended", "100", coverage=(REF,)))
    history.record(coverage.SourceDeclared(type_code=FREE, source="down"), stream=REGISTRY, by=None)
    record(refused("source-unavailable", "99"))
    with pytest.raises(errors.Forbidden):
        record(uncovered)


# --- on the append path ---


def reason(world: World, **asked: Any) -> str:
    (one,) = world.use(**{"holder": citizen(9), "type_code": BUSINESS_LICENSE} | asked)
    return str(one.event.fact["reason"])


def test_an_officer_is_told_four_things_apart(world: World) -> None:
    world.grant()
    assert reason(world) == "not-covered"
    ref = world.cover()
    assert reason(world) == "not-held"
    console = world.ledger.console
    world.do(coverage_commands.DeclareSource(actor=console, type_code=BUSINESS_LICENSE, source="down"))
    assert reason(world) == "source-unavailable"
    suspended = world.issue()
    world.status(suspended, "suspend")
    assert reason(world, holder=ENTERPRISE) == "license-suspended"
    world.do(coverage_commands.DeclareSource(actor=console, type_code=BUSINESS_LICENSE, source="up"))
    world.do(coverage_commands.WithdrawCoverage(actor=console, type_code=BUSINESS_LICENSE, coverage_ref=ref))
    assert reason(world) == "not-covered"


def test_what_is_known_of_the_license_makes_the_answer_sharper(world: World) -> None:
    world.grant()
    world.cover(issuer=OPERATOR, issued_from=YEAR_2015)
    assert reason(world) == "not-covered"
    assert reason(world, expected=Expected(issuer=OPERATOR, issued_on=YEAR_2020)) == "not-held"
    assert reason(world, expected=Expected(issuer=OPERATOR, issued_on=YEAR_2015 - 1)) == "not-covered"


def test_a_use_code_is_answered_for_the_type_that_is_not_covered(world: World) -> None:
    _, code = world.grant_with_code(mode="holder", holder=citizen(9))
    (one,) = world.use(use_code=code)
    assert (one.event.fact["reason"], one.event.fact["type_code"]) == ("not-covered", BUSINESS_LICENSE)
    world.cover()
    (one,) = world.use(use_code=code)
    assert one.event.fact["reason"] == "not-held"


def test_coverage_changes_nothing_for_a_requester_without_an_authorization(world: World) -> None:
    assert reason(world) == "not-authorized"
    world.cover()
    assert reason(world) == "not-authorized"


def test_a_successor_speaks_for_whom_it_succeeded_of_those_types_alone() -> None:
    history = begun()
    history.record(declared(issuer=HALL), stream=REGISTRY, by=None)
    withdrawn = coverage.CoverageWithdrawn(coverage_ref=REF, type_code=FREE)
    with pytest.raises(errors.NotTheIssuer):
        history.record(withdrawn, stream=REGISTRY, by=OTHER)
    succession = organization.OrganizationSucceeded(
        predecessor=HALL,
        successor=OTHER,
        type_codes=(FREE,),
        since=days.of_instant(NOON),
        authorizations="keep",
    )
    history.record(succession, stream=REGISTRY, by=None)
    history.record(withdrawn, stream=REGISTRY, by=OTHER)
    again = b"d" * 16
    history.record(declared(issuer=HALL, coverage_ref=again), stream=REGISTRY, by=OTHER)
    for members in ({"issuer": None}, {"issuer": ISSUER}, {"issuer": HALL, "type_code": CONDITIONAL}):
        with pytest.raises(errors.NotTheIssuer):
            history.record(declared(coverage_ref=b"e" * 16, **members), stream=REGISTRY, by=OTHER)
    of_a_district = replace(succession, type_codes=(CONDITIONAL,), areas=("350100",))
    history.record(of_a_district, stream=REGISTRY, by=None)
    for area in (None, "350000", "350200"):
        made = declared(coverage_ref=b"e" * 16, issuer=HALL, type_code=CONDITIONAL, area=area)
        with pytest.raises(errors.NotTheIssuer):
            history.record(made, stream=REGISTRY, by=OTHER)
    made = declared(coverage_ref=b"e" * 16, issuer=HALL, type_code=CONDITIONAL, area="350102")
    history.record(made, stream=REGISTRY, by=OTHER)
