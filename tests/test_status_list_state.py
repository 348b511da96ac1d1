"""Status lists follow decision state: for every way a license can stand, what a verification says."""

from __future__ import annotations

import contextlib
import itertools
import random
from collections.abc import Iterator
from dataclasses import replace

import psycopg
import pytest

from ledger import days, license, opening, reading, status_list, tables, verification
from ledger.state import LicenseRow, PieceRow, StreamRow, TypeRulesRow
from signing import status_list as lists
from tests.history import NOON
from tests.world import BUSINESS_LICENSE, World

TODAY = days.of_instant(NOON)
STATUSES = (*license.LIVE, "annulled", "recalled", "revoked", "cancelled", "void", "transferred-out")
KEPT = "11100000MB0143028R999"
LISTED = lists.StatusList(uri="x/v1/status-lists/0", issued_at=1, expires_at=2, ttl_s=1, compressed=b"")


def test_every_result_of_a_verification_has_a_status() -> None:
    said = {result: status_list.status(result) for result in verification.NATIONAL_RESULTS}
    assert {result for result, status in said.items() if status == lists.VALID} == {
        "effective",
        "endorsement-overdue",
        "not-yet-effective",
        "expired",
    }
    assert {result for result, status in said.items() if status == lists.REPLACED} == {
        "superseded",
        "piece-cancelled",
    }
    assert said["revoked"] == said["unknown"] == lists.INVALID
    assert said["suspended"] == said["lost"] == said["holder-ended"] == lists.SUSPENDED


@contextlib.contextmanager
def reading_of(ledger: opening.Ledger) -> Iterator[reading.Reader]:
    reader = reading.Reader(ledger.ways.service, ledger.vault)
    try:
        yield reader
    finally:
        reader.close()


def stand(number: int, drawn: random.Random, recorded: str, marks: tuple[bool, bool, bool]) -> LicenseRow:
    """License `number` in some standing."""
    frozen, lost, restricted = (number if mark else None for mark in marks)
    valid_from = TODAY + drawn.choice((-400, -1, 0, 1))
    return LicenseRow(
        license_ref=number.to_bytes(16, "big"),
        stream_id=drawn.randrange(4).to_bytes(16, "big"),
        type_code=drawn.choice((BUSINESS_LICENSE, KEPT)),
        issuer="11350000000000019H",
        status=recorded,
        status_since=0,
        status_index=0,
        version=drawn.choice((1, 2)),
        version_index=0,
        valid_from=valid_from,
        valid_to=drawn.choice((None, valid_from, TODAY - 1, TODAY, TODAY + 1)),
        field_names=("name",),
        frozen_index=frozen,
        lost_index=lost,
        restricted_index=restricted,
        endorsement_due=TODAY - 9,
        overdue_after=drawn.choice((None, TODAY - 1, TODAY)),
        overdue_suspends=drawn.random() < 0.5,
    )


def judged(place: PieceRow, row: LicenseRow, home: StreamRow, rules: TypeRulesRow | None) -> int:
    """The status of one piece, asked as the page behind its QR code asks."""
    if home.is_erased:
        return status_list.status("unknown")
    said = verification.result(row, version=place.version, at=NOON, place=place)
    return status_list.status(verification.of_holder(said, home, rules))


@pytest.mark.tampers
def test_a_list_says_of_each_place_what_a_verification_says(ledger: opening.Ledger) -> None:
    drawn = random.Random(31)
    kept = TypeRulesRow(
        type_code=KEPT,
        validity_rule="",
        validity_check="none",
        number_scope="nowhere",
        party_rules=(),
        endorsement_cycle=None,
        endorsement_grace="",
        endorsement_past_due="overdue",
        holder_end="keep",
        field_schema=None,
    )
    homes = [
        StreamRow(
            stream_id=number.to_bytes(16, "big"),
            kind="holder",
            is_erased=number == 3,
            ended_at=0 if number in (1, 3) else None,
        )
        for number in range(4)
    ]
    standings = itertools.product(STATUSES, itertools.product((False, True), repeat=3))
    licenses = [
        stand(number, drawn, recorded, marks)
        for number, (recorded, marks) in enumerate(itertools.islice(itertools.cycle(standings), 640))
    ]
    places = drawn.sample(range(lists.PLACES), len(licenses))
    pieces = [
        PieceRow(
            piece_key=drawn.choice((0, 5)) * lists.PLACES + place,
            license_ref=row.license_ref,
            version=1,
            piece=0,
            is_cancelled=drawn.random() < 0.2,
        )
        for place, row in zip(places, licenses, strict=True)
    ]
    put(ledger, [kept], homes, licenses, pieces)
    with reading_of(ledger) as reader:
        found = status_list.Lists(reader.run)
        assert found.numbers() == (0, 5)
        arrays = {number: found.compressed(number, at=NOON) for number in (0, 1, 5)}
    known = {
        number: lists.StatusList(
            uri="x/v1/status-lists/0", issued_at=1, expires_at=2, ttl_s=1, compressed=one
        )
        for number, one in arrays.items()
    }
    assert not any(known[1].array)
    for place, row in zip(pieces, licenses, strict=True):
        home = homes[int.from_bytes(row.stream_id, "big")]
        number, index = divmod(place.piece_key, lists.PLACES)
        expected = judged(place, row, home, kept if row.type_code == KEPT else None)
        assert known[number].at(index) == expected, (place, row, home)
    marked = sum(
        byte >> shift & 3 != 0 for one in known.values() for byte in one.array for shift in (0, 2, 4, 6)
    )
    assert 0 < marked < len(pieces), "no place is marked but those of pieces"


def put(
    ledger: opening.Ledger, *groups: list[TypeRulesRow] | list[StreamRow] | list[LicenseRow] | list[PieceRow]
) -> None:
    """Rows of decision state, put there by hand."""
    with psycopg.connect(ledger.ways.service) as conn:
        for rows in groups:
            table = tables.table(type(rows[0]))
            conn.execute(table.save, (*table.arrays(rows), 0))


def test_a_ledger_without_pieces_has_no_lists(ledger: opening.Ledger) -> None:
    with reading_of(ledger) as reader:
        assert status_list.Lists(reader.run).numbers() == ()


def test_what_happens_to_a_license_is_in_the_next_list(world: World) -> None:
    refs = [world.issue() for _ in range(3)]
    with reading_of(world.ledger) as reader:
        found = status_list.Lists(reader.run)

        def said() -> list[int]:
            listed = replace(LISTED, compressed=found.compressed(0, at=NOON))
            return [listed.at(reader.pieces(ref, 1)[0][1]) for ref in refs]

        assert found.numbers() == (0,)
        assert said() == [lists.VALID] * 3
        world.status(refs[0], "suspend")
        world.status(refs[1], "revoke")
        assert said() == [lists.SUSPENDED, lists.INVALID, lists.VALID]
        world.status(refs[0], "reinstate")
        assert said() == [lists.VALID, lists.INVALID, lists.VALID]
