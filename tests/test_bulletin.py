"""The bulletin: a closed month's figures change by a recorded correction alone, and equal a plain count."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from ledger import bulletin, case_commands, days, errors, registry_commands, status_commands
from ledger.state_bulletin import MonthRow
from ledger.store import wall_clock
from projections import bulletin as bulletins
from projections import rebuild, registry
from tests.history import NOON, REGISTRY, History, begun
from tests.projecting import Projected, Teller, projected, seed
from tests.world import CITIZEN_CARD, HALL, ISSUER, World, citizen

FEBRUARY, MARCH = 202602, 202603


def recorded(history: History, made: Any) -> None:
    history.record(made, stream=REGISTRY, by=None)


def test_a_month_is_closed_once_and_when_it_is_over() -> None:
    history = begun()
    for month in (MARCH, MARCH + 1):
        with pytest.raises(errors.Invalid) as refused:
            recorded(history, bulletin.MonthClosed(month=month))
        assert refused.value.field == "month"
    with pytest.raises(errors.Conflict):
        recorded(history, bulletin.MonthCorrected(month=FEBRUARY))
    recorded(history, bulletin.MonthClosed(month=FEBRUARY))
    with pytest.raises(errors.AlreadyExists):
        recorded(history, bulletin.MonthClosed(month=FEBRUARY))
    recorded(history, bulletin.MonthCorrected(month=FEBRUARY))
    row = history.row(MonthRow, FEBRUARY)
    assert (row.edition, row.closed_index) == (2, history.size - 1)
    with pytest.raises(errors.ScopeMissing):
        history.record(bulletin.MonthCorrected(month=FEBRUARY), stream=REGISTRY)


@pytest.mark.parametrize(
    "said", ["2026-13", "2026-00", "2026-1", "202601", "1899-12", "2026-01-01", "２０２６-01"]
)
def test_what_is_no_month_is_refused(said: str) -> None:
    with pytest.raises(errors.Invalid):
        bulletin.parse(said)


def test_a_month_is_spelled_as_it_is_read() -> None:
    assert bulletin.text(bulletin.parse("2026-01")) == "2026-01"
    assert bulletin.month_of(days.of_instant(NOON)) == MARCH
    with pytest.raises(errors.Invalid):
        recorded(begun(), bulletin.MonthClosed(month=202600))


# --- on a real ledger ---


@pytest.fixture
def here(world: World) -> Iterator[Projected]:
    with projected(world) as made:
        yield made


def this_month() -> int:
    return bulletin.month_of(days.of_instant(wall_clock()))


def in_last_month() -> int:
    """An instant at which nothing was recorded: noon of the last day of the month before."""
    first = days.parse(f"{bulletin.text(this_month())}-01")
    return days.start(first) - days.DAY_US // 2


def change(here: Projected, ref: bytes, verb: str, *, late: bool) -> None:
    world = here.world
    at = in_last_month() if late else None
    world.do(status_commands.ChangeStatus(actor=world.issuer, license_ref=ref, verb=verb, effective_at=at))


def say(here: Projected, made: Any) -> None:
    here.world.do(registry_commands.RecordInRegistry(actor=here.world.ledger.console, facts=(made,)))


def of(here: Projected, month: int, *, edition: int | None = None, groups: Any = ()) -> bulletins.Bulletin:
    here.follow(batch_max=7)
    query = bulletins.Query(month=month, edition=edition, groups=groups)
    return bulletins.Bulletins(here.database).of_month(query)


def sums(found: bulletins.Bulletin) -> dict[str, tuple[int, int]]:
    """Measure to (count, what came since)."""
    return {name: (one.count, one.late) for line in found.lines for name, one in line.measures.items()}


def test_the_bulletin_of_a_closed_month_changes_by_a_recorded_correction_alone(here: Projected) -> None:
    last = bulletin.month_of(days.of_instant(in_last_month()))
    ref = here.world.issue()
    change(here, ref, "suspend", late=True)
    open_one = of(here, last)
    assert (open_one.edition, sums(open_one)) == (None, {"changed": (1, 0)})
    assert sums(of(here, this_month()))["changed_late"] == (1, 0)
    say(here, bulletin.MonthClosed(month=last))
    first = of(here, last)
    assert first.edition is not None
    assert (first.edition.edition, sums(first)) == (1, {"changed": (1, 0)})
    change(here, ref, "reinstate", late=True)
    change(here, ref, "suspend", late=False)
    again = of(here, last)
    assert again.edition == first.edition
    assert sums(again) == {"changed": (1, 1)}
    say(here, bulletin.MonthCorrected(month=last))
    corrected = of(here, last)
    assert corrected.edition is not None
    assert (corrected.edition.edition, sums(corrected)) == (2, {"changed": (2, 0)})
    assert sums(of(here, last, edition=1)) == {"changed": (1, 1)}
    with pytest.raises(errors.NotFound):
        of(here, last, edition=3)
    _, editions = bulletins.Bulletins(here.database).editions(limit=9)
    assert [(one.month, one.edition) for one in editions] == [(last, 2), (last, 1)]
    # Whoever reads all events again comes to the same editions.
    projection = registry.named("statistics")
    stored = here.tables(projection)
    assert rebuild.rebuild(here.owner, here.world.ledger.recorder, projection) == here.head
    assert here.tables(projection) == stored


def test_figures_are_of_who_did_it_and_equal_a_plain_count(here: Projected) -> None:
    world = here.world
    told = Teller(world, random.Random(seed()))
    told.tell(12)
    world.issue(citizen(1), type_code=CITIZEN_CARD)
    world.grant(type_codes=(CITIZEN_CARD,))
    world.use(holder=citizen(1), type_code=CITIZEN_CARD)
    world.use(holder=citizen(899), type_code=CITIZEN_CARD)
    closed = case_commands.CloseCase(
        actor=replace(world.register(HALL, "case:upload"), case_number="CASE-9"),
        outcome="approved",
        type_codes=(),
        license_refs=(),
        at=world_now(here),
    )
    world.do(closed)
    found = of(here, this_month(), groups=("department",))
    counted = {
        (line.department, name): one.count for line in found.lines for name, one in line.measures.items()
    }
    expected: Counter[tuple[str, str]] = Counter()
    names = {
        "LicenseIssued": "issued",
        "LicenseUsed": "used",
        "LicenseVerified": "verified",
        "LicenseCompared": "compared",
        "CaseClosed": "cases_closed",
    }
    for _, stored in world.facts():
        about, said = stored.event, stored.event.fact
        measure = names.get(about.topic, "changed" if about.issuer and "license_ref" in said else None)
        if about.topic == "UseRefused":
            measure = f"refused:{said['reason']}"
        if about.topic.startswith("Dispute"):
            measure = None  # what is said of a license changes nothing of it
        if measure is not None:
            expected[ISSUER if measure in ("issued", "changed") else about.organization, measure] += 1
    assert counted == expected
    assert (HALL, "used") in counted
    assert (HALL, "cases_closed") in counted
    # Who is no auditor is told of each part one of the two multiples of five beside it.
    seen = set()
    for secret in range(40):
        query = bulletins.Query(month=this_month(), edition=None, groups=("department",), seed=secret)
        told_of = bulletins.Bulletins(here.database).of_month(query).lines
        seen |= {line.measures["cases_closed"].rounded for line in told_of if line.department == HALL}
    assert (counted[HALL, "cases_closed"], seen) == (1, {0, 5})


def world_now(here: Projected) -> int:
    """When the newest event was recorded."""
    ((_, stored),) = here.world.facts(after=here.head - 1, limit=1)
    return int(stored.event.recorded_at)
