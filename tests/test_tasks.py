"""Tasks of issuers: which licenses remain of holders who have ended."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

from ledger import days, ending_commands, errors, keeping, organization_commands, power, reading
from ledger.state import OrganizationRow
from ledger.store import wall_clock
from tests.projecting import Projected, Teller, projected, seed
from tests.world import AUDITOR, BUSINESS_LICENSE, CITIZEN_CARD, HALL, ISSUER, World, citizen


@pytest.fixture
def here(world: World) -> Iterator[Projected]:
    with projected(world) as made:
        yield made


@pytest.fixture
def organ(here: Projected) -> Any:
    return here.world.register(AUDITOR, "holder:register")


def end(here: Projected, organ: Any, number: int, kind: str = "death", at: int | None = None) -> Any:
    asked = ending_commands.EndHolder(
        actor=organ, holder=citizen(number), evidence="00" * 32, kind=kind, effective_at=at
    )
    return here.world.do(asked).recorded[0]


def reverse(here: Projected, organ: Any, number: int) -> None:
    here.world.do(ending_commands.ReverseEnd(actor=organ, holder=citizen(number), evidence="00" * 32))


def refs(here: Projected, issuer: str = ISSUER) -> list[bytes]:
    here.follow()
    return [row.license_ref for row in here.tasks.endings(issuer).rows]


def test_what_remains_of_holders_who_have_ended_is_listed_for_its_issuer_alone(
    here: Projected, organ: Any
) -> None:
    mine = [here.world.issue(citizen(1)) for _ in range(3)]
    here.world.issue(citizen(2))
    yesterday = days.parse_instant("2026-01-02T00:00:00+08:00")
    made = end(here, organ, 1, "declared-death", yesterday)
    assert refs(here) == mine
    row = here.tasks.endings(ISSUER).rows[0]
    assert (row.end_kind, row.ended_at, row.ended_index) == ("declared-death", yesterday, made.index)
    assert refs(here, HALL) == []
    later = here.world.issue(citizen(1), type_code=CITIZEN_CARD)
    assert refs(here) == [*mine, later]


def test_a_license_leaves_the_list_when_it_ends_and_all_do_when_the_end_is_reversed(
    here: Projected, organ: Any
) -> None:
    one, two, three = (here.world.issue(citizen(1)) for _ in range(3))
    here.world.status(one, "annul")
    end(here, organ, 1)
    assert refs(here) == [two, three]
    here.world.status(two, "suspend")
    here.world.status(three, "cancel")
    assert refs(here) == [two]
    reverse(here, organ, 1)
    assert refs(here) == []
    end(here, organ, 1)
    assert refs(here) == [two]
    keeping.erase_holder(here.world.ledger, here.world.appender, citizen(1), here.world.ledger.console)
    assert refs(here) == []


def heard(here: Projected, organization: str) -> list[bytes]:
    """What the list says for an organization, whose successions are as decision state has them."""
    here.follow()
    with contextlib.closing(
        reading.Reader(here.world.ledger.ways.service, here.world.ledger.vault)
    ) as reader:
        row = reader.row(OrganizationRow, organization)
    reach = power.reach(row, day=days.of_instant(wall_clock()))
    shown: list[bytes] = []
    cursor = None
    while True:
        page = here.tasks.endings(organization, reach=reach, limit=1, cursor=cursor)
        shown += [row.license_ref for row in page.rows]
        cursor = page.cursor
        if cursor is None:
            return shown


def succeed(
    here: Projected, predecessor: str, successor: str, *type_codes: str, areas: tuple[str, ...] = ()
) -> None:
    asked = organization_commands.SucceedOrganization(
        actor=here.world.ledger.console,
        predecessor=predecessor,
        successor=successor,
        authorizations="keep",
        type_codes=type_codes,
        areas=areas,
        since=days.of_instant(wall_clock()),
    )
    here.world.do(asked)


def test_what_an_organization_has_taken_over_is_in_its_list_and_no_more_in_the_predecessors(
    here: Projected, organ: Any
) -> None:
    cards = [here.world.issue(citizen(1), type_code=CITIZEN_CARD) for _ in range(2)]
    paper = here.world.issue(citizen(1))
    here.world.issuer = here.world.register(HALL, "license:issue")
    own = here.world.issue(citizen(1), type_code=CITIZEN_CARD)
    last = here.world.issue(citizen(1))
    end(here, organ, 1)
    assert (heard(here, ISSUER), heard(here, HALL)) == ([*cards, paper], [own, last])
    succeed(here, ISSUER, HALL, CITIZEN_CARD)
    assert (heard(here, ISSUER), heard(here, HALL)) == ([paper], [*cards, own, last])
    succeed(here, HALL, AUDITOR, CITIZEN_CARD)
    assert (heard(here, HALL), heard(here, AUDITOR)) == ([last], [*cards, own])
    succeed(here, ISSUER, HALL, BUSINESS_LICENSE)
    succeed(here, HALL, AUDITOR, BUSINESS_LICENSE)
    assert heard(here, ISSUER) == heard(here, HALL) == []
    assert heard(here, AUDITOR) == [*cards, paper, own, last]


def test_a_succession_for_a_district_moves_what_lies_there(here: Projected, organ: Any) -> None:
    near = here.world.issue(citizen(1), area_code="350102")
    far = here.world.issue(citizen(1), area_code="350200")
    at_home = here.world.issue(citizen(1))
    end(here, organ, 1)
    succeed(here, ISSUER, HALL, areas=("350100",))
    assert (heard(here, ISSUER), heard(here, HALL)) == ([far, at_home], [near])
    succeed(here, HALL, AUDITOR, BUSINESS_LICENSE, areas=("350102",))
    assert (heard(here, ISSUER), heard(here, HALL), heard(here, AUDITOR)) == ([far, at_home], [], [near])


def test_a_succession_for_all_types_moves_the_whole_list(here: Projected, organ: Any) -> None:
    made = [here.world.issue(citizen(1)), here.world.issue(citizen(1), type_code=CITIZEN_CARD)]
    end(here, organ, 1)
    succeed(here, ISSUER, HALL)
    assert (heard(here, ISSUER), heard(here, HALL)) == ([], made)


def test_pages_of_the_list_are_whole(here: Projected, organ: Any) -> None:
    made = [here.world.issue(citizen(1)) for _ in range(5)]
    end(here, organ, 1)
    here.follow()
    shown: list[bytes] = []
    cursor = None
    while True:
        page = here.tasks.endings(ISSUER, limit=2, cursor=cursor)
        shown += [row.license_ref for row in page.rows]
        cursor = page.cursor
        if cursor is None:
            break
    assert shown == made
    with pytest.raises(errors.Invalid):
        here.tasks.endings(HALL, cursor=here.tasks.endings(ISSUER, limit=2).cursor)


def test_after_a_random_history_the_list_says_what_decision_state_says(here: Projected) -> None:
    rng = random.Random(seed())
    Teller(here.world, rng).tell(80)
    here.follow(batch_max=rng.randint(1, 12))
    with psycopg.connect(here.owner, row_factory=dict_row) as conn:
        decided = conn.execute(
            "SELECT l.license_ref FROM licenses l JOIN streams s USING (partition, stream_id)"
            " WHERE s.ended_at IS NOT NULL AND l.status IN ('active', 'suspended')"
        ).fetchall()
    assert set(refs(here)) == {row["license_ref"] for row in decided}
