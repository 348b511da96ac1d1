"""Standing: what the ledger would have answered at an instant, and what was true on a day as known now."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest

from ledger import days, license, reading, standing
from ledger.state import LicenseRow
from tests import history
from tests.projecting import Projected, Teller, projected, seed
from tests.world import World

DAY = days.parse("2026-03-01")


@pytest.fixture
def here(world: World) -> Iterator[Projected]:
    with projected(world) as made:
        yield made


def test_after_a_random_history_every_past_answer_is_given_again(here: Projected) -> None:
    """As of the moment of each license's row in decision state, the replay says that row."""
    teller = Teller(here.world, random.Random(seed()))
    reader = reading.Reader(here.world.ledger.ways.service, here.world.ledger.vault)
    answered: list[tuple[int, LicenseRow]] = []
    for _ in range(8):
        teller.tell(6)
        ((_, stored),) = here.world.facts(after=here.head - 1, limit=1)
        rows = (reader.row(LicenseRow, ref) for ref in teller.licenses)
        answered += [(stored.event.recorded_at, row) for row in rows if row is not None]
    here.follow()
    for at, row in answered:
        _, happened = here.trail.changes(row.license_ref)
        changes = [(item.index, item.about, item.fact) for item in happened]
        assert standing.standing(changes, find=reader.row, as_of=at) == row
        before = changes[0][1].recorded_at - 1
        assert standing.standing(changes, find=reader.row, as_of=before) is None
    reader.close()


def changes(*told: tuple[Any, int, int]) -> list[standing.Change]:
    """Facts of one license, each with the day on which it began to hold and that of its recording."""
    begun = history.begun()
    made = []
    for fact, effective, recorded in told:
        about = begun.record(fact, at=days.start(recorded), effective_at=days.start(effective))
        made.append((begun.size - 1, about, fact))
    return made


def status_on(told: list[standing.Change], day: int, **asked: int) -> str:
    row = standing.standing(told, find=lambda *_: None, effective_on=day, **asked)
    assert row is not None
    return license.status(row, days.start(day + 1) - 1)


def test_a_fact_recorded_late_was_true_before_it_was_known() -> None:
    issued = history.version(valid_from=DAY - 100)
    suspended = license.LicenseSuspended(license_ref=issued.license_ref)
    told = changes((issued, DAY - 50, DAY - 50), (suspended, DAY, DAY + 4))
    assert status_on(told, DAY - 1) == "effective"
    assert status_on(told, DAY) == "suspended"
    assert status_on(told, DAY + 1, as_of=days.start(DAY + 3)) == "effective"
    as_of = standing.standing(told, find=lambda *_: None, as_of=days.start(DAY + 3))
    assert as_of is not None
    assert as_of.status == "active"


def test_an_issue_holds_from_its_first_valid_day_whenever_it_was_recorded() -> None:
    told = changes((history.version(valid_from=DAY - 100), DAY, DAY))
    assert status_on(told, DAY - 100) == "effective"
    assert status_on(told, DAY - 101) == "not-yet-effective"


@pytest.mark.parametrize("verb", ["annul", "void"])
def test_what_undoes_a_license_from_its_beginning_holds_on_every_day(verb: str) -> None:
    issued = history.version(valid_from=DAY - 100)
    ended = license.STATUS_CHANGES[verb](license_ref=issued.license_ref)
    told = changes((issued, DAY - 50, DAY - 50), (ended, DAY, DAY))
    assert status_on(told, DAY - 60) == ended.after
    assert status_on(told, DAY - 60, as_of=days.start(DAY) - 1) == "effective"


def test_facts_hold_in_the_order_in_which_they_began_to() -> None:
    issued = history.version(valid_from=DAY - 100)
    suspended = license.LicenseSuspended(license_ref=issued.license_ref)
    reinstated = license.LicenseReinstated(license_ref=issued.license_ref)
    told = changes((issued, DAY - 50, DAY - 50), (suspended, DAY, DAY), (reinstated, DAY + 3, DAY + 9))
    assert [status_on(told, DAY + n) for n in range(-1, 5)] == [
        *("effective", "suspended", "suspended", "suspended", "effective", "effective")
    ]
