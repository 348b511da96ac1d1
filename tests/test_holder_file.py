"""The holder's file 一人一档/一企一档: what somebody holds, who may use it, and who did."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

from ledger import authorization_commands, errors, holder_commands
from projections import authorization as authorizations
from projections import holder, paging, registry
from projections.projection import Happened
from tests import history
from tests.projecting import CURSOR_KEY, Costing, Projected, Teller, projected, seed
from tests.world import AUDITOR, BUSINESS_LICENSE, CITIZEN_CARD, HALL, ISSUER, World, citizen


@pytest.fixture
def here(world: World) -> Iterator[Projected]:
    with projected(world) as made:
        yield made


def stream_of(here: Projected, license_ref: bytes) -> bytes:
    """The home stream of a license."""
    facts = here.world.facts()
    return next(
        stored.event.stream_id
        for _, stored in facts
        if stored.event.topic == "LicenseIssued" and stored.event.fact["license_ref"] == license_ref
    )


def test_a_file_lists_what_its_holder_holds_and_nothing_else(here: Projected) -> None:
    mine = [here.world.issue(citizen(1), type_code=code) for code in (BUSINESS_LICENSE, CITIZEN_CARD)]
    theirs = here.world.issue(citizen(2))
    here.world.status(mine[0], "suspend")
    here.follow()
    page = here.files.licenses(stream_of(here, mine[0]))
    assert [item.license.license_ref for item in page.rows] == mine
    assert [item.license.status for item in page.rows] == ["suspended", "active"]
    assert [item.license.type_code for item in page.rows] == [BUSINESS_LICENSE, CITIZEN_CARD]
    assert {item.roles for item in page.rows} == {("holder",)}
    assert (page.through, page.cursor) == (here.head, None)
    (other,) = here.files.licenses(stream_of(here, theirs)).rows
    assert other.license.license_ref == theirs
    assert here.files.licenses(bytes(16)).rows == ()


def test_a_holder_sees_who_may_use_and_who_did(here: Projected) -> None:
    ref = here.world.issue(citizen(1))
    consent = here.world.grant(mode="holder", holder=citizen(1), uses_max=5)
    standing = here.world.grant(type_codes=(BUSINESS_LICENSE,))
    uses = [here.world.use(holder=citizen(1), type_code=BUSINESS_LICENSE)[0] for _ in range(3)]
    here.world.do(
        authorization_commands.NarrowAuthorization(
            actor=here.world.issuer, authorization_ref=consent, changes={"uses_max": 2}
        )
    )
    here.world.do(
        authorization_commands.WithdrawAuthorization(actor=here.world.issuer, authorization_ref=standing)
    )
    uses += here.world.use(holder=citizen(1), type_code=BUSINESS_LICENSE)
    here.follow()
    stream = stream_of(here, ref)
    (row,) = here.files.authorizations(stream).rows
    assert (row.authorization_ref, row.mode, row.requester, row.grantor) == (consent, "holder", HALL, ISSUER)
    assert (row.uses, row.uses_max, row.used_index, row.is_withdrawn) == (1, 2, uses[-1].index, False)
    assert row.type_codes == (BUSINESS_LICENSE,)
    assert row.field_names is None
    by_statute, by_consent = here.files.uses(ref).rows
    assert (by_statute.authorization_ref, by_statute.mode, by_statute.uses) == (standing, "statutory", 3)
    assert (by_statute.first_index, by_statute.last_index) == (uses[0].index, uses[2].index)
    assert (by_consent.authorization_ref, by_consent.requester, by_consent.uses) == (consent, HALL, 1)
    (held,) = here.files.licenses(stream).rows
    assert (held.license.uses, held.license.used_index) == (4, uses[-1].index)


def test_after_a_random_history_the_file_says_what_decision_state_says(here: Projected) -> None:
    rng = random.Random(seed())
    Teller(here.world, rng).tell(60)
    here.follow(batch_max=rng.randint(1, 12))
    for projected_table, decided_table, extra in (
        ("holder_licenses", "licenses", {"issued_index", "uses", "used_index"}),
        ("holder_authorizations", "authorizations", {"used_index", "granted_index", "changed_index"}),
    ):
        found, decided = rows_of(here, f"projections.{projected_table}"), rows_of(here, decided_table)
        assert found.keys() == decided.keys()
        assert found
        for key, row in found.items():
            shared = row.keys() - extra
            assert {name: row[name] for name in shared} == {name: decided[key][name] for name in shared}


def rows_of(here: Projected, table: str) -> dict[bytes, dict[str, Any]]:
    """A table by its second column."""
    with psycopg.connect(here.owner, row_factory=dict_row) as conn:
        found = conn.execute(f"SELECT * FROM {table}").fetchall()  # type: ignore[arg-type]
    return {list(row.values())[1]: row for row in found}


def test_pages_of_a_file_are_whole_and_stay_the_same(here: Projected) -> None:
    refs = [here.world.issue(citizen(1)) for _ in range(7)]
    here.follow()
    stream = stream_of(here, refs[0])
    shown: list[bytes] = []
    cursor = None
    while True:
        page = here.files.licenses(stream, limit=3, cursor=cursor)
        shown += [item.license.license_ref for item in page.rows]
        cursor = page.cursor
        if cursor is None:
            break
        here.world.issue(citizen(1))
        here.follow()
    assert shown == refs
    assert len(here.files.licenses(stream).rows) == len(refs) + 2


def test_a_cursor_of_one_list_opens_no_other(here: Projected) -> None:
    refs = [here.world.issue(citizen(1)) for _ in range(2)]
    other = here.world.issue(citizen(2))
    here.follow()
    cursor = here.files.licenses(stream_of(here, refs[0]), limit=1).cursor
    assert cursor is not None
    for asked in (here.files.licenses, here.files.authorizations, here.files.uses):
        with pytest.raises(errors.Invalid):
            asked(stream_of(here, other), cursor=cursor)
    with pytest.raises(errors.Invalid):
        here.files.licenses(stream_of(here, refs[0]), limit=paging.LIMIT_MAX + 1)


def test_a_license_stands_in_the_file_of_each_of_its_parties(here: Projected) -> None:
    """Two spouses own a house; an amendment leaves it to one of them, who is then both owners."""
    here.follow()
    told = history.begun()
    parties = (("holder", history.HOLDER), ("co-owner", history.STRANGER))
    issued = history.version(parties=parties)
    left = (("holder", history.HOLDER), ("co-owner", history.HOLDER))
    amended = history.version(history.license.LicenseAmended, version=2, parties=left)
    made = [Happened(100 + n, told.record(item), item) for n, item in enumerate((issued, amended))]
    (projection,) = (item for item in registry.ALL if isinstance(item, holder.Holder))
    with here.database.transaction() as work:
        projection.apply(work, made[:1])
        work.advance("holder", 100)
    files = here.files
    assert [item.roles for item in files.licenses(history.HOLDER).rows] == [("holder",)]
    assert [item.roles for item in files.licenses(history.STRANGER).rows] == [("co-owner",)]
    with here.database.transaction() as work:
        projection.apply(work, made[1:])
        work.advance("holder", 101)
    (held,) = files.licenses(history.HOLDER).rows
    assert held.roles == ("holder", "co-owner")
    assert (held.license.version, held.license.version_index, held.license.issued_index) == (2, 101, 100)
    assert files.licenses(history.STRANGER).rows == ()


def test_reading_a_file_changes_nothing_in_it(here: Projected) -> None:
    ref = here.world.issue(citizen(1))
    here.follow()
    before = here.tables(holder.Holder())
    here.world.do(
        holder_commands.ReadHolderFile(
            actor=here.world.hall,
            holder=citizen(1),
            evidence="00" * 32,
            license_refs=(ref,),
            salt=bytes(16),
            through=0,
        )
    )
    here.follow()
    assert here.tables(holder.Holder()) == before


@pytest.mark.faults
@pytest.mark.slow("300,000 licenses are forged")
def test_a_page_of_a_long_file_costs_no_more_than_one_of_an_ordinary_file(here: Projected) -> None:
    """Blocks of a page of 100: of a holder with 300,000 licenses, against one with 150, in one ledger."""
    ref = here.world.issue(citizen(1))
    here.follow()
    long, ordinary = bytes(15) + b"1", bytes(15) + b"2"
    for stream, licenses, step in ((long, 300_000, 2), (ordinary, 150, 4_000)):
        here.run(
            """INSERT INTO projections.holder_parties (partition, stream_id, issued_index, license_ref, roles)
               SELECT 0, %s, 1000000 + n * %s, sha256(%s || n::text::bytea), '{holder}'
               FROM generate_series(1, %s) n""",
            *(stream, step, stream, licenses),
        )
    columns = ", ".join(holder.LicenseRow.columns()[1:]).replace("issued_index, ", "")
    here.run(
        f"""INSERT INTO projections.holder_licenses (partition, license_ref, issued_index, {columns})
           SELECT 0, p.license_ref, p.issued_index, {", ".join(f"l.{c}" for c in columns.split(", "))}
           FROM projections.holder_parties p, projections.holder_licenses l
           WHERE p.issued_index > 1000000 AND l.license_ref = %s ORDER BY p.issued_index""",
        ref,
    )
    here.run("UPDATE projections.positions SET through = 10000000 WHERE name = 'holder'")
    here.run("ANALYZE projections.holder_parties")
    here.run("ANALYZE projections.holder_licenses")
    costs = {}
    with Costing(here.world.ledger.ways.service) as database:
        files = holder.Files(database, cursor_key=CURSOR_KEY)
        for name, stream in (("long", long), ("ordinary", ordinary)):
            begun = database.blocks
            page = files.licenses(stream, limit=100)
            assert len(page.rows) == 100
            costs[name] = database.blocks - begun
            begun = database.blocks
            assert len(files.licenses(stream, limit=50, cursor=page.cursor).rows) == 50
            costs[f"{name}, next"] = database.blocks - begun
        assert database.read_whole <= {"positions"}
    assert costs["long"] <= 1.2 * costs["ordinary"], costs
    assert costs["long, next"] <= 1.2 * costs["ordinary, next"], costs
    here.run("UPDATE projections.positions SET through = %s WHERE name = 'holder'", here.head)


def test_authorizations_in_several_streams_are_one_list_in_the_order_of_their_grant(here: Projected) -> None:
    refs = [here.world.issue(citizen(number)) for number in (1, 2)]
    made = [here.world.grant(mode="holder", holder=citizen(number)) for number in (2, 1, 2)]
    here.world.grant()
    here.follow()
    lists = authorizations.Lists(here.database, cursor_key=CURSOR_KEY)
    about = authorizations.About(streams=tuple(stream_of(here, ref) for ref in refs))
    first = lists.page(about, limit=2)
    rest = lists.page(about, limit=2, cursor=first.cursor)
    assert [row.authorization_ref for row in (*first.rows, *rest.rows)] == made
    assert rest.cursor is None
    assert lists.page(authorizations.About()).rows == ()
    assert lists.page(replace(about, seen_by=AUDITOR)).rows == ()
