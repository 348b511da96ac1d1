"""Statistics: they equal a plain count over the decoded events, whatever is grouped and asked for."""

from __future__ import annotations

import itertools
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, get_args

import pytest

from ledger import days, errors, fact, verification_commands
from projections import statistics
from tests.projecting import Projected, Teller, projected, seed
from tests.world import BUSINESS_LICENSE, CITIZEN_CARD, ISSUER, World, citizen

GROUPS: tuple[statistics.Group, ...] = get_args(statistics.Group)


@pytest.fixture
def here(world: World) -> Iterator[Projected]:
    with projected(world) as made:
        yield made


def today(here: Projected) -> int:
    """The Beijing day on which the newest event was recorded."""
    ((_, stored),) = here.world.facts(after=here.head - 1, limit=1)
    return days.of_instant(stored.event.recorded_at)


def act_for(here: Projected, *, item: str | None, channel: str) -> None:
    """From here on issuer and hall act for a service item and through a channel."""
    world = here.world
    world.issuer, world.hall = (
        replace(actor, service_item=item, channel=channel) for actor in (world.issuer, world.hall)
    )


def plain_count(here: Projected) -> Counter[tuple[int, str, str, str, str, str]]:
    """(day, type, issuer, item, channel, measure) over the decoded events, in the simplest way there is."""
    found: Counter[tuple[int, str, str, str, str, str]] = Counter()
    place: dict[bytes, tuple[str, str]] = {}
    for _, stored in here.world.facts():
        about, said = stored.event, stored.event.fact
        if about.topic == "LicenseIssued":
            assert about.issuer is not None
            place[said["license_ref"]] = said["type_code"], about.issuer
        type_code, issuer = place.get(said.get("license_ref") or b"", (said.get("type_code") or "", ""))
        day = days.of_instant(about.recorded_at)
        measure = {
            "LicenseIssued": "issued",
            "LicenseUsed": "used",
            "UseRefused": f"refused:{said.get('reason')}",
            "LicenseVerified": "verified",
            "LicenseCompared": "compared",
        }.get(about.topic, "changed" if about.issuer and "license_ref" in said else None)
        if about.topic.startswith("Dispute"):
            continue  # what is said of a license changes nothing of it
        if measure is not None:
            found[day, type_code, issuer, about.service_item or "", about.channel, measure] += 1
    return found


def test_after_a_random_history_statistics_equal_a_plain_count(here: Projected) -> None:
    rng = random.Random(seed())
    told = Teller(here.world, rng)
    for item, channel in (("item-1", "window"), ("item-2", "window"), (None, "kiosk")):
        act_for(here, item=item, channel=channel)
        here.world.issue()
        told.tell(27)
    verified = verification_commands.VerifyLicense(actor=here.world.hall, license_ref=here.world.issue())
    here.world.do(verified)
    here.follow(batch_max=rng.randint(1, 20))
    counted = plain_count(here)
    assert {"issued", "verified"} <= {measure for *_, measure in counted}
    assert {("item-1", "window"), ("item-2", "window"), ("", "kiosk")} <= {key[3:5] for key in counted}
    last = today(here)
    for size in range(len(GROUPS) + 1):
        for groups in itertools.combinations(GROUPS, size):
            expected: Counter[tuple[object, ...]] = Counter()
            for (day, type_code, issuer, item, channel, measure), count in counted.items():
                members = {"day": day, "type": type_code, "issuer": issuer, "region": issuer[2:8]}
                members |= {"item": item, "channel": channel}
                named = tuple(members[name] if name in groups else None for name in GROUPS)
                expected[(*named, measure)] += count
            through, lines = here.statistics.lines(statistics.Query(first=last - 1, last=last, groups=groups))
            assert through == here.head
            sums = {
                (
                    line.day,
                    line.type_code,
                    line.issuer,
                    line.region,
                    line.item,
                    line.channel,
                    measure,
                ): figure.count
                for line in lines
                for measure, figure in line.measures.items()
            }
            assert sums == expected


def test_a_question_can_be_about_a_type_an_issuer_a_region_or_other_days(here: Projected) -> None:
    here.world.issue(citizen(1), type_code=CITIZEN_CARD)
    act_for(here, item="item-2", channel="web")
    for number in range(2):
        here.world.issue(citizen(number), type_code=BUSINESS_LICENSE)
    here.follow()
    last = today(here)

    def issued(**asked: str) -> int:
        found = here.statistics.lines(statistics.Query(first=last, last=last, groups=(), **asked))[1]
        return sum(line.measures["issued"].count for line in found)

    assert issued(type_code=CITIZEN_CARD) == 1
    assert issued(type_code=BUSINESS_LICENSE) == 2
    assert issued(issuer=ISSUER) == 3
    assert issued(issuer="113500000000000000") == 0
    assert issued(region=ISSUER[2:4]) == issued(region=ISSUER[2:8]) == 3
    assert issued(region="99") == 0
    assert (issued(item="item-1"), issued(item="item-2"), issued(item="item")) == (1, 2, 0)
    assert (issued(channel="window"), issued(channel="web"), issued(channel="kiosk")) == (1, 2, 0)
    assert issued(item="item-1", channel="web") == 0
    assert here.statistics.lines(statistics.Query(first=last - 9, last=last - 2, groups=()))[1] == []


def test_no_small_figure_can_be_told_from_others(here: Projected) -> None:
    """Of every part there are two readings, and no sum says more of it than one of them."""
    for number in range(3):
        here.world.issue(citizen(number), type_code=CITIZEN_CARD)
    act_for(here, item="item-2", channel="window")
    for number in range(7):
        here.world.issue(citizen(number), type_code=BUSINESS_LICENSE)
    here.follow()
    last = today(here)
    readings = set()
    for secret in range(40):

        def issued(secret: int = secret, **asked: Any) -> statistics.Figure:
            query = statistics.Query(first=last - 1, last=last, groups=(), seed=secret, **asked)
            ((line,),) = (here.statistics.lines(query)[1],)
            return line.measures["issued"]

        small, whole = issued(type_code=CITIZEN_CARD), issued()
        assert (small.count, small.masked, whole.count) == (3, small.rounded or None, 10)
        assert issued(type_code=BUSINESS_LICENSE).masked == 7
        assert issued().rounded == whole.rounded == whole.masked
        assert whole.rounded == small.rounded + 7
        assert issued(issuer=ISSUER).rounded == issued(item="item-1").rounded + 7 == whole.rounded
        assert issued(item="item-1", channel="window").rounded == small.rounded
        readings.add(small.rounded)
    assert readings == {0, 5}


def test_what_is_told_of_small_parts_rests_on_their_rounding_alone() -> None:
    """Beside a part of its own that counts as 5, an issuer reads nothing off another's."""
    for unknown in range(1, 5):
        beside = statistics.Figure(count=2 + unknown, rounded=5)
        assert beside.masked == 5
        nothing_left = statistics.Figure(count=3 + unknown, rounded=0)
        assert nothing_left.masked is None


def test_the_delay_between_a_fact_and_its_recording_is_summed(here: Projected) -> None:
    ref = here.world.issue(valid_from="2020-01-01")
    here.world.status(ref, "suspend")
    here.follow()
    last = today(here)
    (line,) = here.statistics.lines(statistics.Query(first=last, last=last, groups=()))[1]
    expected = sum(
        max(0, stored.event.recorded_at - stored.event.effective_at) // 1_000_000
        for _, stored in here.world.facts()
        if stored.event.topic in ("LicenseIssued", "LicenseSuspended")
    )
    assert sum(figure.delay_s for figure in line.measures.values()) == expected


def test_a_period_has_a_first_day_and_not_too_many(here: Projected) -> None:
    here.follow()
    for first, last in ((10, 9), (0, statistics.DAYS_MAX)):
        with pytest.raises(errors.Invalid):
            here.statistics.lines(statistics.Query(first=first, last=last, groups=()))


def test_more_figures_than_one_answer_has_are_refused(
    here: Projected, monkeypatch: pytest.MonkeyPatch
) -> None:
    here.world.issue()
    here.world.use()
    here.follow()
    last = today(here)
    monkeypatch.setattr(statistics, "FIGURES_MAX", 1)
    with pytest.raises(errors.Invalid):
        here.statistics.lines(statistics.Query(first=last, last=last, groups=("type",)))


OTHERS = (
    *("ledger.draft", "ledger.collection", "ledger.reconciliation"),
    *("ledger.household", "ledger.household_move"),
)


def test_every_fact_that_changes_a_license_is_counted_as_a_change() -> None:
    """What an issuer records about one license is an issue or a change; what concerns several is neither."""
    for topic, cls in fact.topics().items():
        if cls.scope == "license:issue" and topic != "LicenseIssued" and cls.__module__ not in OTHERS:
            assert "license_ref" in cls.__dataclass_fields__, topic  # type: ignore[attr-defined]
