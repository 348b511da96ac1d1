"""Findings of auditors: what the lists say after each history, as a plain look at all events does."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from ledger import (
    case,
    case_commands,
    command,
    comparison,
    days,
    errors,
    fact,
    license,
    mark,
    status_commands,
    use,
)
from ledger.store import wall_clock
from projections import finding, rebuild, registry, trail, trail_pages
from signing import event
from tests.projecting import Projected, Teller, projected, seed
from tests.world import BUSINESS_LICENSE, CITIZEN_CARD, ENTERPRISE, HALL, ISSUER, World, citizen

AGO = 3_600 * 1_000_000


@pytest.fixture
def here(world: World) -> Iterator[Projected]:
    with projected(world) as made:
        yield made


@pytest.fixture
def feed(here: Projected) -> command.Actor:
    return here.world.register(HALL, "case:upload")


def opened(here: Projected, feed: command.Actor, number: str, *codes: Any, ago: int = 5) -> None:
    actor = replace(feed, case_number=number)
    parties = tuple(("applicant", code) for code in codes)
    here.world.do(case_commands.OpenCase(actor=actor, at=wall_clock() - ago * AGO, parties=parties))


def closed(here: Projected, feed: command.Actor, number: str, *types: str, ago: int = 1, **more: Any) -> int:
    actor = replace(feed, case_number=number)
    asked = case_commands.CloseCase(
        actor=actor,
        at=wall_clock() - ago * AGO,
        outcome="approved" if types else "denied",
        type_codes=types,
        **more,
    )
    return here.world.do(asked).indexes[0]


def used(here: Projected, number: str | None, **asked: Any) -> int:
    (item,) = here.world.use(actor=replace(here.world.hall, case_number=number), **asked)
    assert item.event.topic == "LicenseUsed"
    return item.index


def listed(here: Projected, name: str, **more: Any) -> list[int]:
    here.follow()
    return [row.index for row in rows(here, name, **more)]


def rows(here: Projected, name: str, **more: Any) -> list[trail.TrailRow]:
    subjects = {"finding": (name,), **{subject: (value,) for subject, value in more.items()}}
    asked = trail_pages.Query(subjects=subjects, is_newest_first=False)  # type: ignore[arg-type]
    found: list[trail.TrailRow] = []
    cursor = None
    while True:
        page = here.trail.page(asked, limit=2, cursor=cursor)
        found += page.rows
        cursor = page.cursor
        if cursor is None:
            return found


def test_a_use_whose_case_was_never_opened_is_listed_until_it_is(
    here: Projected, feed: command.Actor
) -> None:
    here.world.issue()
    here.world.grant()
    one, two, nameless = used(here, "A"), used(here, "B"), used(here, None)
    assert listed(here, finding.WITHOUT_CASE) == [one, two, nameless]
    opened(here, feed, "A")
    assert listed(here, finding.WITHOUT_CASE) == [two, nameless]
    three = used(here, "A")
    closed(here, feed, "B")
    assert listed(here, finding.WITHOUT_CASE) == [two, nameless]
    opened(here, feed, "B")
    assert listed(here, finding.WITHOUT_CASE) == [nameless]
    assert listed(here, finding.WITHOUT_CASE, requester=ISSUER) == []
    assert three not in listed(here, finding.WITHOUT_CASE, requester=HALL)


def test_another_organizations_case_of_the_same_number_explains_nothing(
    here: Projected, feed: command.Actor
) -> None:
    here.world.issue()
    here.world.grant()
    one = used(here, "A")
    opened(here, here.world.register(ISSUER, "case:upload"), "A")
    assert listed(here, finding.WITHOUT_CASE) == [one]


def test_a_use_after_the_end_of_its_case_is_listed_unless_it_is_opened_again(
    here: Projected, feed: command.Actor
) -> None:
    here.world.issue()
    here.world.grant()
    before = used(here, "A")
    opened(here, feed, "A")
    assert listed(here, finding.AFTER_END) == []
    closed(here, feed, "A")
    late = used(here, "A")
    assert listed(here, finding.AFTER_END) == [before, late]
    (row, _) = rows(here, finding.AFTER_END)
    assert row.case is not None
    assert case.ended_at(finding.spans(row.case)) is not None
    opened(here, feed, "A", ago=0)
    assert listed(here, finding.AFTER_END) == []
    after = used(here, "A")
    assert after not in listed(here, finding.AFTER_END)


def test_a_use_about_no_party_is_listed_where_parties_were_given(
    here: Projected, feed: command.Actor
) -> None:
    for holder in (ENTERPRISE, citizen(1)):
        here.world.issue(holder)
    here.world.grant()
    one = used(here, "A")
    other = used(here, "A", holder=citizen(1), type_code=BUSINESS_LICENSE)
    used(here, "B", holder=citizen(1), type_code=BUSINESS_LICENSE)
    opened(here, feed, "A", citizen(1), citizen(800))
    opened(here, feed, "B")
    assert listed(here, finding.OF_NO_PARTY) == [one]
    again = used(here, "A")
    assert listed(here, finding.OF_NO_PARTY) == [one, again]
    assert other not in listed(here, finding.OF_NO_PARTY)


def test_a_closed_case_is_listed_until_every_license_has_come(here: Projected, feed: command.Actor) -> None:
    world = here.world
    refs = [world.issue(citizen(2))]
    waits = closed(here, feed, "A", BUSINESS_LICENSE, CITIZEN_CARD)
    closed(here, feed, "B")
    closed(here, feed, "C", BUSINESS_LICENSE, license_refs=(refs[0],))
    assert listed(here, finding.WITHOUT_RESULT) == [waits]
    issuer = world.issuer
    world.issuer = replace(world.register(HALL, "license:issue"), case_number="A")
    world.issue(citizen(3), type_code=CITIZEN_CARD)
    assert listed(here, finding.WITHOUT_RESULT) == [waits]
    (row,) = rows(here, finding.WITHOUT_RESULT)
    assert row.case is not None
    assert row.case.missing == (BUSINESS_LICENSE,)
    world.issuer = replace(issuer, case_number="A")
    world.issue(citizen(3))
    assert listed(here, finding.WITHOUT_RESULT) == [waits]
    world.issuer = replace(world.register(HALL, "license:issue"), case_number="A")
    world.issue(citizen(3))
    assert listed(here, finding.WITHOUT_RESULT) == []
    world.issuer = replace(world.issuer, case_number="D")
    world.issue(citizen(4))
    closed(here, feed, "D", BUSINESS_LICENSE)
    late = closed(here, feed, "E", BUSINESS_LICENSE)
    assert listed(here, finding.WITHOUT_RESULT) == [late]
    opened(here, feed, "E")
    assert listed(here, finding.WITHOUT_RESULT) == [late]
    opened(here, feed, "E", ago=0)
    assert listed(here, finding.WITHOUT_RESULT) == []


def test_a_use_in_the_delay_of_a_change_is_listed_with_the_change(
    here: Projected, monkeypatch: pytest.MonkeyPatch
) -> None:
    ref, other = here.world.issue(), here.world.issue(citizen(1))
    here.world.grant()
    use_at = [used(here, "A"), used(here, "A", license_ref=other), used(here, "A")]
    effect = days.parse_instant("2026-01-02T00:00:00+08:00")
    asked = status_commands.ChangeStatus(
        actor=here.world.issuer, license_ref=ref, verb="suspend", effective_at=effect
    )
    change = here.world.do(asked).indexes[0]
    here.world.status(other, "suspend")
    assert listed(here, finding.IN_DELAY) == [use_at[0], use_at[2]]
    (row, _) = rows(here, finding.IN_DELAY)
    assert row.change is not None
    assert (row.change.index, row.change.about.effective_at) == (change, effect)
    here.world.do(replace(asked, verb="reinstate", effective_at=effect))
    assert listed(here, finding.IN_DELAY) == [use_at[0], use_at[2]]
    monkeypatch.setattr(trail_pages, "LATE_CHANGES_MAX", 2)
    for kind in ("stale", "duplicate"):
        here.world.dispute(ref, kind=kind, field_names=())
    assert listed(here, finding.IN_DELAY) == [use_at[0], use_at[2]], "nobody hides it behind disputes"


def test_a_channel_is_a_subject_of_the_trail(here: Projected) -> None:
    here.world.issue()
    here.world.grant()
    here.world.use(actor=replace(here.world.hall, channel="web"))
    here.world.use()
    here.follow()
    page = here.trail.page(trail_pages.Query(subjects={"channel": ("web",)}))
    assert [row.about.channel for row in page.rows] == ["web"]
    both = here.trail.page(trail_pages.Query(subjects={"channel": ("web",), "requester": (ISSUER,)}))
    assert both.rows == ()


class Talker(Teller):
    """A teller whose uses name few cases, of which the hall says this and that."""

    def __init__(self, here: Projected, feed: command.Actor, rng: random.Random) -> None:
        super().__init__(here.world, rng)
        self._here, self._feed = here, feed
        self.numbers = ["A", "B", "C"]

    def tell(self, rounds: int) -> None:
        world, rng = self._here.world, self._rng
        for _ in range(rounds):
            world.hall = replace(world.hall, case_number=rng.choice([*self.numbers, None]))
            world.issuer = replace(world.issuer, case_number=rng.choice(self.numbers))
            super().tell(1)
            if rng.random() < 0.4:
                self._say()

    def _say(self) -> None:
        rng, number = self._rng, self._rng.choice(self.numbers)
        actor = replace(self._feed, case_number=number)
        at = wall_clock() - rng.choice([0, 0, 1_000_000, 5_000_000])
        codes = rng.sample([*self.holders, citizen(899)], rng.randint(0, 2))
        parties = tuple(("applicant", code) for code in codes)
        asked: command.Command = case_commands.OpenCase(actor=actor, at=at, parties=parties)
        if rng.random() < 0.5:
            types = rng.choice([(), (BUSINESS_LICENSE,), (CITIZEN_CARD, BUSINESS_LICENSE)])
            outcome = "approved" if types else "denied"
            asked = case_commands.CloseCase(actor=actor, at=at, outcome=outcome, type_codes=types)
        with contextlib.suppress(errors.CaseConflict, errors.Invalid):
            self._world.do(asked)

    def _status(self) -> None:
        verb = self._rng.choice(["suspend", "reinstate"])
        ref = self._rng.choice(self.licenses)
        at = wall_clock() - self._rng.choice([1_000_000, 4_000_000])
        asked = status_commands.ChangeStatus(
            actor=self._world.issuer, license_ref=ref, verb=verb, effective_at=at
        )
        self._world.do(asked)


def plainly(here: Projected) -> dict[str, list[int]]:
    """The findings about uses, by looking at all events in the simplest way there is."""
    events = [(n, stored.event) for n, stored in here.world.facts()]
    made: dict[int, Any] = {index: fact.from_event(about) for index, about in events}
    found: dict[str, list[int]] = {name: [] for name in finding.NAMES}
    for index, about in events:
        if not isinstance(made[index], use.LicenseUsed | comparison.LicenseCompared):
            continue
        number = about.organization, about.case_number
        of_case = [
            (one.effective_at, made[n])
            for n, one in events
            if isinstance(made[n], case.CaseFact) and (one.organization, one.case_number) == number
        ]
        openings = [said for _, said in of_case if isinstance(said, case.CaseOpened)]
        if not openings:
            found[finding.WITHOUT_CASE].append(index)
        ended = end_of(of_case)
        if ended is not None and ended <= about.recorded_at:
            found[finding.AFTER_END].append(index)
        given = [said for said in openings if said.parties or said.unknown]
        if given and about.stream_id not in {stream for said in given for _, stream in said.parties}:
            found[finding.OF_NO_PARTY].append(index)
        if any(is_late(made[index], about, made[n], one) for n, one in events if n > index):
            found[finding.IN_DELAY].append(index)
    return found


def end_of(of_case: list[tuple[int, Any]]) -> int | None:
    """When a case ended, after what was said of it."""
    ended, is_open, is_headless = None, False, False
    for at, said in of_case:
        if isinstance(said, case.CaseClosed):
            ended, is_open, is_headless = at, False, not is_open
        elif is_headless and ended is not None and at <= ended:
            is_headless = False
        else:
            ended, is_open, is_headless = None, True, False
    return ended


def is_late(used: Any, about: event.Event, said: Any, change: event.Event) -> bool:
    """Whether a later event would have kept a use from being what it was, had it been recorded in time."""
    ends = isinstance(said, license.StatusChange) and said.after != "active"
    ends = ends or isinstance(said, license.NextVersion | mark.MarkChange)
    is_of = ends and said.license_ref == used.license_ref
    return is_of and change.effective_at <= about.recorded_at and change.effective_at < change.recorded_at


@pytest.mark.parametrize(("batch_max", "times"), [(1, 20), (7, 60), (500, 60)])
def test_after_a_random_history_the_lists_say_what_a_plain_look_at_all_events_says(
    here: Projected, feed: command.Actor, batch_max: int, times: int
) -> None:
    rng = random.Random(seed())
    Talker(here, feed, rng).tell(times)
    here.follow(batch_max=batch_max)
    plain = plainly(here)
    for name in (finding.WITHOUT_CASE, finding.AFTER_END, finding.OF_NO_PARTY, finding.IN_DELAY):
        assert listed(here, name) == plain[name], name


def test_postings_do_not_depend_on_the_batches_in_which_the_facts_came(
    here: Projected, feed: command.Actor
) -> None:
    rng = random.Random(seed())
    Talker(here, feed, rng).tell(80)
    projection = registry.named("trail")
    here.follow(batch_max=3)
    one_by_one = here.tables(projection)
    rebuild.rebuild(here.owner, here.world.ledger.recorder, projection)
    assert here.tables(projection) == one_by_one
