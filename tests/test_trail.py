"""The audit trail: what it says of each fact, how it is found, and pages that stay what they are."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import psycopg
import pytest

from ledger import errors, verification_commands
from projections import paging, postings, sql, trail, trail_pages
from tests.projecting import (
    CURSOR_KEY,
    Costing,
    Projected,
    Teller,
    projected,
    require_one_equal_to_a_replay,
    seed,
)
from tests.world import BUSINESS_LICENSE, HALL, ISSUER, World, citizen


@pytest.fixture
def here(world: World) -> Iterator[Projected]:
    with projected(world) as made:
        yield made


def query(subject: Any = None, *values: bytes | str, **bounds: Any) -> trail_pages.Query:
    return trail_pages.Query(subjects={} if subject is None else {subject: values}, **bounds)


def both(**subjects: bytes | str) -> trail_pages.Query:
    return trail_pages.Query(subjects={name: (value,) for name, value in subjects.items()})  # type: ignore[misc]


def listed(here: Projected, asked: trail_pages.Query, *, limit: int = 3) -> list[trail.TrailRow]:
    """All pages of a listing."""
    rows: list[trail.TrailRow] = []
    page = here.trail.page(asked, limit=limit)
    rows += page.rows
    while page.cursor is not None:
        page = here.trail.page(asked, limit=limit, cursor=page.cursor)
        rows += page.rows
    return rows


def test_a_use_stands_with_all_its_actors(here: Projected) -> None:
    ref = here.world.issue()
    granted = here.world.grant()
    (used,) = here.world.use()
    here.follow()
    (row,) = here.trail.page(query("license", ref), limit=1).rows
    about = used.event
    assert (row.index, row.outcome, row.reason, row.about) == (used.index, "granted", None, about)
    assert (row.license_ref, row.authorization_ref, row.issuer) == (ref, granted, ISSUER)
    assert (row.type_code, row.requester) == (BUSINESS_LICENSE, HALL)


def test_a_refusal_stands_with_its_reason(here: Projected) -> None:
    ref = here.world.issue()
    here.world.use()
    here.world.grant()
    here.world.status(ref, "suspend")
    here.world.use()
    here.follow()
    rows = listed(here, query("requester", HALL, is_newest_first=False))
    refusals = [row for row in rows if row.outcome == "refused"]
    assert [row.reason for row in refusals] == ["not-authorized", "license-suspended"]
    assert [row.license_ref for row in refusals] == [None, ref]
    assert listed(here, query("license", ref))[0].reason == "license-suspended"


def test_a_change_of_an_authorization_is_found_under_whom_it_names(here: Projected) -> None:
    ref = here.world.grant()
    here.follow()
    (row,) = listed(here, query("requester", HALL))
    assert (row.about.topic, row.requester) == ("AuthorizationGranted", HALL)
    assert row.about.organization == ISSUER
    assert row.authorization_ref == ref


def test_every_subject_lists_exactly_the_facts_that_say_so(here: Projected) -> None:
    teller = Teller(here.world, random.Random(seed()))
    teller.tell(40)
    here.follow(batch_max=7)
    rows = listed(here, query(), limit=10)
    assert [row.index for row in rows] == list(range(here.head, -1, -1))
    facts = dict(here.world.facts())
    assert [row.about for row in rows] == [facts[row.index].event for row in rows]
    for subject, value in values_of(rows):
        expected = [row for row in rows if said_of(row, subject) == value]
        assert listed(here, query(subject, value)) == expected
        assert listed(here, query(subject, value, is_newest_first=False), limit=4) == expected[::-1]
    for ref in teller.licenses:
        expected = [
            row
            for row in rows
            if row.license_ref == ref or ref in facts[row.index].event.fact.get("license_refs", ())
        ]
        assert listed(here, query("license", ref)) == expected
        assert expected[-1].about.topic == "LicenseIssued"
        assert {row.issuer for row in expected if row.license_ref == ref} == {ISSUER}


def said_of(row: trail.TrailRow, subject: str) -> Any:
    """What a row says of a subject."""
    members = {"holder": "stream_id", "operator": "operator_ref", "case": "case_number"}
    members |= {"item": "service_item"}
    return getattr(row.about, members[subject]) if subject in members else getattr(row, subject)


def says(row: trail.TrailRow, subjects: dict[str, Any]) -> bool:
    """Whether a row belongs to every one of the subjects."""
    return all(said_of(row, subject) == value for subject, value in subjects.items())


def values_of(rows: list[trail.TrailRow]) -> list[tuple[str, Any]]:
    """Every subject and value that some rows have, but for licenses."""
    subjects = ("holder", "operator", "case", "item", "requester", "issuer", "reason")
    return [
        (subject, value) for subject in subjects for value in {said_of(row, subject) for row in rows} - {None}
    ]


def test_two_subjects_list_what_both_have(here: Projected) -> None:
    rng = random.Random(seed())
    here.world.issue()
    Teller(here.world, rng).tell(40)
    here.world.use()
    here.follow(batch_max=5)
    rows = listed(here, query(), limit=50)
    values = values_of(rows)
    found, some = 0, [rows[0], *rng.sample(rows, 3)]
    for first, one in values:
        # By chance mostly nothing has both; what a row says, it says together.
        together = [value for row in some if said_of(row, first) == one for value in values_of([row])]
        for second, other in [*rng.sample(values, 6), *together]:
            if first != second:
                expected = [
                    row for row in rows if said_of(row, first) == one and said_of(row, second) == other
                ]
                assert listed(here, both(**{first: one, second: other}), limit=7) == expected
                found += bool(expected)
    assert found
    here.world.use()
    here.follow()
    three = {"requester": HALL, "issuer": ISSUER, "item": "item-1"}
    shown = [
        row for row in listed(here, query(), limit=50) if all(said_of(row, n) == three[n] for n in three)
    ]
    assert listed(here, both(**three), limit=2) == shown


def test_a_period_is_of_recorded_times_its_end_not_included(here: Projected) -> None:
    Teller(here.world, random.Random(seed())).tell(15)
    here.follow()
    rows = listed(here, query(is_newest_first=False), limit=50)
    times = sorted({row.about.recorded_at for row in rows})
    assert len(times) > 10
    for since, until in ((times[3], times[-4]), (times[0] - 1, times[1]), (times[-1], times[-1] + 1), (0, 1)):
        expected = [row for row in rows if since <= row.about.recorded_at < until]
        for subjects in ({}, {"requester": (HALL,)}):
            period = trail_pages.Query(subjects=subjects, recorded_from=since, recorded_until=until)
            of_subject = [row for row in expected if not subjects or row.requester == HALL]
            assert listed(here, period, limit=4) == of_subject[::-1]


def test_postings_do_not_depend_on_where_batches_begin_and_end(
    here: Projected, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postings, "BLOCK", 4)
    rng, kept = random.Random(seed()), trail.Trail()
    Teller(here.world, rng).tell(25)
    while here.follower(kept, batch_max=rng.randint(1, 9)).step():
        pass
    followed = here.tables(kept)
    facts = here.world.facts()
    assert sorted(followed["trail_blocks"]) == sorted(
        (0, stored.event.recorded_at, index // 4) for index, stored in facts if index % 4 == 0
    )
    found = {
        (row[0], index) for row in followed["trail_postings"] for index in postings.unpack(row[2], row[3])
    }
    channel = postings.KINDS["channel"]
    said = {(postings.subject(channel, one.event.channel.encode()), index) for index, one in facts}
    channels = {subject for subject, _ in said}
    assert {one for one in found if one[0] in channels} == said
    assert sum(len(row[3]) // 2 for row in followed["trail_postings"]) == len(found)
    require_one_equal_to_a_replay(here, kept)


def test_a_search_that_finds_little_gives_up_and_says_where_to_go_on(
    here: Projected, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postings, "BLOCK", 2)
    monkeypatch.setattr(trail_pages, "WALK_MAX", 5)
    ref = here.world.issue()
    for number in range(12):
        here.world.issue(citizen(number))
    here.world.status(ref, "suspend")
    here.world.do(verification_commands.VerifyLicense(actor=here.world.hall, license_ref=ref))
    here.follow()
    seldom = both(requester=HALL, issuer=ISSUER)
    (row,) = listed(here, seldom)
    assert row.outcome == "verified"
    ordinary = both(operator=operator_of(here), issuer=ISSUER)
    page = here.trail.page(ordinary, limit=100)
    assert page.cursor is not None
    assert len(page.rows) < 14
    assert len(listed(here, ordinary, limit=100)) == 14


def test_a_search_gives_up_among_events_that_do_not_belong(
    here: Projected, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(20):
        here.world.issue(citizen(number))
    here.follow()
    monkeypatch.setattr(trail_pages, "WALK_MAX", 8)
    asked: list[int] = []

    def is_wanted(row: trail.TrailRow) -> bool:
        asked.append(row.index)
        return len(asked) == 19

    query = replace(both(issuer=ISSUER), accepts=is_wanted)
    page = here.trail.page(query, limit=3)
    assert page.rows == ()
    assert page.cursor is not None
    assert len(asked) < 13
    rows = []
    while page.cursor is not None:
        page = here.trail.page(query, limit=3, cursor=page.cursor)
        rows += page.rows
    assert [row.index for row in rows] == [asked[18]]


def operator_of(here: Projected) -> bytes:
    """Who issued last."""
    rows = listed(here, query("issuer", ISSUER))
    ref = rows[-1].about.operator_ref
    assert ref is not None
    return ref


def test_events_whose_subjects_share_a_number_are_told_apart(
    here: Projected, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postings, "subject", lambda kind, value: 7)
    refs = [here.world.issue(citizen(number)) for number in range(3)]
    here.follow()
    (row,) = listed(here, query("license", refs[1]))
    assert row.license_ref == refs[1]
    assert listed(here, query("case", "nobody's")) == []


def test_several_streams_of_one_holder_make_one_list(here: Projected) -> None:
    Teller(here.world, random.Random(seed())).tell(20)
    here.follow()
    rows = listed(here, query(), limit=100)
    streams = sorted({row.about.stream_id for row in rows})
    assert len(streams) > 2
    assert listed(here, query("holder", *streams), limit=7) == rows


def test_bounds_are_indexes_and_both_included(here: Projected) -> None:
    here.follow()
    rows = listed(here, query(since_index=10, until_index=14))
    assert [row.index for row in rows] == [14, 13, 12, 11, 10]
    assert listed(here, query(since_index=here.head + 1)) == []
    assert here.trail.page(query(since_index=here.head + 1)).through == here.head


@pytest.mark.parametrize("is_newest_first", [True, False])
def test_pages_stay_the_same_while_appends_go_on(here: Projected, is_newest_first: bool) -> None:
    ref = here.world.issue()
    for verb in ["suspend", "reinstate"] * 4:
        here.world.status(ref, verb)
    here.follow()
    asked = query("license", ref, is_newest_first=is_newest_first)
    before = listed(here, asked, limit=100)
    first = here.trail.page(asked, limit=4)
    rows, page, seen = list(first.rows), first, []
    while page.cursor is not None:
        here.world.status(ref, "suspend")
        here.world.status(ref, "reinstate")
        here.follow()
        seen.append((page.cursor, here.trail.page(asked, limit=4, cursor=page.cursor)))
        page = seen[-1][1]
        rows += page.rows
    assert rows == before
    for cursor, shown in seen:
        assert here.trail.page(asked, limit=4, cursor=cursor).rows == shown.rows


def test_a_cursor_cannot_be_read_changed_or_used_for_another_list(here: Projected) -> None:
    ref = here.world.issue()
    here.world.status(ref, "suspend")
    here.follow()
    asked = query("license", ref)
    cursor = here.trail.page(asked, limit=1).cursor
    assert cursor is not None
    assert cursor != here.trail.page(asked, limit=1).cursor
    assert here.trail.page(asked, limit=1, cursor=cursor).rows
    changed = [
        cursor[:place] + ("a" if cursor[place] != "a" else "b") + cursor[place + 1 :]
        for place in range(len(cursor))
    ]
    for bad in [*changed, "", "x", cursor[:-1], cursor + "a", cursor.upper(), "证照", "a" * 52]:
        with pytest.raises(errors.Invalid) as refused:
            here.trail.page(asked, limit=1, cursor=bad)
        assert refused.value.field == "cursor"
    for other in (query(), query("license", bytes(16)), query("license", ref, is_newest_first=False)):
        with pytest.raises(errors.Invalid):
            here.trail.page(other, cursor=cursor)
    with pytest.raises(errors.Invalid):
        trail_pages.Pages(here.database, cursor_key=bytes(32)).page(asked, cursor=cursor)


@pytest.mark.parametrize(
    "asked",
    [
        query("nobody", "x"),
        query("case", "x", "y"),
        query("license"),
        query("holder", *(bytes([n]) * 16 for n in range(trail_pages.VALUES_MAX["holder"] + 1))),
        query(since_index=-1),
        query(until_index=2**63),
    ],
    ids=["unknown subject", "two cases", "no value", "too many values", "before all", "past all"],
)
def test_a_query_that_means_nothing_is_refused(here: Projected, asked: trail_pages.Query) -> None:
    with pytest.raises(errors.Invalid):
        here.trail.page(asked)


@pytest.mark.parametrize("limit", [0, -1, paging.LIMIT_MAX + 1])
def test_a_limit_is_within_bounds(here: Projected, limit: int) -> None:
    with pytest.raises(errors.Invalid):
        here.trail.page(query(), limit=limit)


DEEPER, DEEPER_EACH = 8, 100
"""Blocks that a page may cost more because an index of a hundred times the rows is a level deeper: once a
look-up, and before PostgreSQL 17, which looks up many keys in one go, once for each of its hundred events."""


@pytest.mark.faults
@pytest.mark.slow("a million events are forged, and taken away again")
def test_a_page_costs_no_more_when_the_trail_is_long(here: Projected) -> None:
    """Blocks of pages of 100 over a million events, against those over ten thousand."""
    here.world.issue()
    here.world.grant()
    here.world.use()
    here.follow()
    used = here.trail.page(query("requester", HALL), limit=1).rows[0].about
    begun = here.head
    many, few = query("requester", HALL), query("item", "item-1")
    asked = {
        "of a frequent subject": many,
        "of a rare subject": few,
        "of a holder": query("holder", used.stream_id),
        "of two subjects": both(requester=HALL, item="item-1"),
        "of everything": query(),
        "of a period": trail_pages.Query(subjects=many.subjects, recorded_until=used.recorded_at + 95),
        "oldest first": query("item", "item-1", is_newest_first=False, since_index=begun + 1),
    }
    costs = {}
    with psycopg.connect(str(here.world.ledger.ways.owner)) as conn:
        deeper = DEEPER + (DEEPER_EACH if conn.info.server_version < 170000 else 0)
    try:
        for size in (10_000, 1_000_000):
            lengthen(here, until=size)
            # Twice: the first look at fresh rows may touch more.
            costs[size] = {name: min(cost(here, one), cost(here, one)) for name, one in asked.items()}
    finally:
        here.run("DELETE FROM events WHERE position > %s", begun + 1)
    for name in asked:
        most = 1.2 * costs[10_000][name] + deeper
        assert costs[1_000_000][name] <= most, (name, str(costs))


def lengthen(here: Projected, *, until: int) -> None:
    """Copies of the last use up to an index; the item `item-1` has one in fifty of them."""
    (head,) = here.fetch("SELECT max(position) - 1 FROM events")
    here.run(
        """INSERT INTO events (partition, position, stream_id, version, topic, recorded_at, state)
           SELECT e.partition, n, e.stream_id, n, e.topic, e.recorded_at + n / 100,
               CASE WHEN n > %s - 11000 OR n < 12000 THEN e.state ELSE '' END
           FROM events e, generate_series(%s + 2, %s + 1) n
           WHERE e.position = (SELECT max(position) FROM events WHERE topic = 'LicenseUsed')""",
        until,
        head,
        until,
    )
    made = postings.Postings()
    of = {"requester": HALL, "item": "item-1"}
    many, few = (postings.subject(postings.KINDS[name], value.encode()) for name, value in of.items())
    for index in range(head + 1, until + 1):
        made.add(index, (many, few) if index % 50 == 0 else (many,))
    with here.database.transaction() as work:
        work.run(sql.load("trail")["add_postings"], (0, *made.columns()))
        blocks = range(head // postings.BLOCK + 1, until // postings.BLOCK + 1)
        (at,) = here.fetch("SELECT min(recorded_at) FROM events WHERE topic = 'LicenseUsed'")
        times = [at + block * postings.BLOCK // 100 for block in blocks]
        work.run(sql.load("trail")["add_blocks"], (0, times, list(blocks)))
        work.advance("trail", until)
    here.run("ANALYZE events")
    here.run("ANALYZE projections.trail_postings")


def cost(here: Projected, asked: trail_pages.Query) -> int:
    """Blocks that a page of 100 touches; it must be full."""
    with Costing(here.world.ledger.ways.service) as database:
        pages = trail_pages.Pages(database, cursor_key=CURSOR_KEY)
        database.blocks = 0
        assert len(pages.page(asked, limit=100).rows) == 100
        assert database.read_whole <= {"positions"}
        return database.blocks
