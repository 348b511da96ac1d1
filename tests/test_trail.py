"""The audit trail: what it says of each fact, how it is found, and pages that stay what they are."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest

from ledger import errors
from projections import paging, trail
from projections import sql as projections_sql
from tests.projecting import Projected, Teller, projected, seed
from tests.world import HALL, ISSUER, World


@pytest.fixture
def here(world: World) -> Iterator[Projected]:
    with projected(world) as made:
        yield made


def query(subject: Any = "all", *values: bytes | str, **bounds: Any) -> trail.Query:
    return trail.Query(subject=subject, values=values, **bounds)


def listed(here: Projected, asked: trail.Query, *, limit: int = 3) -> list[trail.TrailRow]:
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
    assert (row.index, row.topic, row.outcome, row.reason) == (used.index, "LicenseUsed", "granted", None)
    assert (row.recorded_at, row.effective_at) == (about.recorded_at, about.effective_at)
    assert (row.license_ref, row.authorization_ref, row.issuer) == (ref, granted, ISSUER)
    assert (row.organization, row.requester, row.client) == (HALL, HALL, here.world.hall.client_id)
    assert (row.operator_ref, row.case_number) == (about.operator_ref, here.world.hall.case_number)
    assert (row.service_item, row.channel, row.stream_id) == ("item-1", "window", about.stream_id)


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
    assert (row.topic, row.requester, row.organization) == ("AuthorizationGranted", HALL, ISSUER)
    assert row.authorization_ref == ref


def test_every_subject_lists_exactly_the_facts_that_say_so(here: Projected) -> None:
    teller = Teller(here.world, random.Random(seed()))
    teller.tell(40)
    here.follow(batch_max=7)
    rows = listed(here, query(), limit=10)
    assert [row.index for row in rows] == list(range(here.head, -1, -1))
    facts = dict(here.world.ledger.recorder.facts(after=-1, limit=10_000))
    for row in rows:
        about = facts[row.index].event
        named = ("recorded_at", "effective_at", "topic", "stream_id", "organization", "client")
        named += ("operator_ref", "case_number", "service_item", "channel")
        assert all(getattr(row, name) == getattr(about, name) for name in named)
    members = {"holder": "stream_id", "operator": "operator_ref", "case": "case_number"}
    members |= {"requester": "requester", "issuer": "issuer"}
    for subject, member in members.items():
        for value in {getattr(row, member) for row in rows} - {None}:
            expected = [row for row in rows if getattr(row, member) == value]
            assert listed(here, query(subject, value)) == expected
            assert listed(here, query(subject, value, is_newest_first=False), limit=4) == expected[::-1]
    for ref in teller.licenses:
        expected = [
            row
            for row in rows
            if row.license_ref == ref or ref in facts[row.index].event.fact.get("license_refs", ())
        ]
        assert listed(here, query("license", ref)) == expected
        assert expected[-1].topic == "LicenseIssued"
        assert {row.issuer for row in expected if row.license_ref == ref} == {ISSUER}


def test_several_streams_of_one_holder_make_one_list(here: Projected) -> None:
    Teller(here.world, random.Random(seed())).tell(20)
    here.follow()
    rows = listed(here, query(), limit=100)
    streams = sorted({row.stream_id for row in rows})
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
        trail.Pages(here.database, cursor_key=bytes(32)).page(asked, cursor=cursor)


@pytest.mark.parametrize(
    "asked",
    [
        query("nobody", "x"),
        query("all", "x"),
        query("license"),
        query("holder", *(bytes([n]) * 16 for n in range(trail.VALUES_MAX + 1))),
        query(since_index=-1),
        query(until_index=2**63),
    ],
    ids=["unknown subject", "all of something", "no value", "too many values", "before all", "past all"],
)
def test_a_query_that_means_nothing_is_refused(here: Projected, asked: trail.Query) -> None:
    with pytest.raises(errors.Invalid):
        here.trail.page(asked)


@pytest.mark.parametrize("limit", [0, -1, paging.LIMIT_MAX + 1])
def test_a_limit_is_within_bounds(here: Projected, limit: int) -> None:
    with pytest.raises(errors.Invalid):
        here.trail.page(query(), limit=limit)


def test_a_page_costs_no_more_when_the_trail_is_long(here: Projected) -> None:
    here.follow()
    costs = {}
    for rows in (2_000, 60_000):
        lengthen(here, until=rows)
        costs[rows] = [
            blocks(here, subject, value, order)
            for subject, value in (("requester", b"many"), ("requester", b"few"), ("all", b""))
            for order in ("ASC", "DESC")
        ]
    # Blocks of 100 rows of the short trail, and what one more level of each index may add.
    page = max(costs[2_000])
    assert page > 0
    assert max(costs[60_000]) <= page + 2 * 101


def lengthen(here: Projected, *, until: int) -> None:
    """A synthetic trail: `many` asked for everything, `few` for one event in 500."""
    params = (here.head, until)
    here.run(
        """INSERT INTO projections.trail (partition, index, recorded_at, effective_at, topic, stream_id,
               organization, channel)
           SELECT 0, n, n, n, 'LicenseUsed', '\\x00', 'x', 'window'
           FROM generate_series(%s::bigint + 1, %s) n ON CONFLICT DO NOTHING""",
        *params,
    )
    here.run(
        """INSERT INTO projections.trail_subjects (partition, kind, value, index)
           SELECT 0, 3, value::bytea, n FROM generate_series(%s::bigint + 1, %s) n,
               unnest(ARRAY['many', 'few']) value
           WHERE value = 'many' OR n %% 500 = 0 ON CONFLICT DO NOTHING""",
        *params,
    )
    here.run("UPDATE projections.positions SET through = %s WHERE name = 'trail'", until)
    here.run("ANALYZE projections.trail, projections.trail_subjects")


def blocks(here: Projected, subject: str, value: bytes, order: str) -> int:
    """Blocks that one page of 100 touches."""
    texts = projections_sql.load("trail")
    columns = ", ".join(f"t.{name}" for name in trail.TrailRow.columns())
    text = texts["page_of_all" if subject == "all" else "page"].format(columns=columns, order=order)
    params: dict[str, Any] = {"partition": 0, "since": 0, "until": paging.INDEX_MAX, "limit": 101}
    if subject != "all":
        params |= {"kind": trail.KINDS[subject], "values": [value]}
    plan = here.database.read(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {text}", params)[0][0][0]["Plan"]
    whole = {node["Relation Name"] for node in nodes(plan) if node["Node Type"] == "Seq Scan"}
    assert whole <= {"positions"}
    return int(plan["Shared Hit Blocks"] + plan["Shared Read Blocks"])


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A plan and all plans below it."""
    yield plan
    for below in plan.get("Plans", ()):
        yield from nodes(below)
