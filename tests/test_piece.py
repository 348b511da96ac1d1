"""Counterparts: given facts, when one is printed or dies, then what a verification says; no database."""

from __future__ import annotations

from typing import Any

import pytest

from ledger import days, errors, license, mark, piece, place, verification
from ledger.state import LicenseRow, PieceRow
from tests.history import HALL, NOON, OTHER, REF, History, begun, version

PIECES = ((0, 0, 10), (1, 0, 11), (2, 0, 12))


def issued(**members: object) -> History:
    history = begun()
    history.record(version(pieces=PIECES, **members))
    return history


def more(history: History, *pieces: tuple[int, int, int], **members: Any) -> piece.CounterpartIssued:
    row = history.row(LicenseRow, REF)
    values = {"license_ref": REF, "version": row.version, "version_index": row.version_index}
    return piece.CounterpartIssued(**values | {"pieces": pieces} | members)


def cancelled(number: int, index: int, **members: Any) -> piece.CounterpartCancelled:
    values = {"license_ref": REF, "piece": number, "piece_key": index, "cause": "lost"}
    return piece.CounterpartCancelled(**values | members)


def result(history: History, index: int, *, number: int = 1, at: int = NOON) -> str:
    return verification.result(
        history.row(LicenseRow, REF), version=number, at=at, place=history.row(PieceRow, index)
    )


def test_pieces_are_numbered_from_the_original_on_and_counted() -> None:
    history = issued()
    assert history.row(LicenseRow, REF).counterparts == 2
    history.record(more(history, (3, 0, 13), (4, 0, 14)))
    assert history.row(LicenseRow, REF).counterparts == 4
    assert history.row(PieceRow, 14).piece == 4
    history.record(version(license.LicenseAmended, version=2, pieces=((0, 0, 20),)))
    assert history.row(LicenseRow, REF).counterparts == 0
    history.record(more(history, (1, 0, 21)))


@pytest.mark.parametrize(
    "pieces",
    [
        ((1, 0, 10),),
        ((0, 0, 10), (2, 0, 11)),
        ((0, 0, 10), (0, 0, 11)),
        ((0, 0, 10), (1, 0, 10)),
        tuple((number, 0, number) for number in range(place.PIECES_MAX + 1)),
    ],
)
def test_pieces_that_do_not_follow_each_other_are_refused(pieces: tuple[tuple[int, int, int], ...]) -> None:
    with pytest.raises(errors.Conflict):
        begun().record(version(pieces=pieces))


def test_further_counterparts_are_of_the_present_version() -> None:
    history = issued()
    for made, error in (
        (more(history, (4, 0, 13)), errors.Conflict),
        (more(history, (2, 0, 13)), errors.Conflict),
        (more(history, (3, 0, 12)), errors.Conflict),
        (more(history, (3, 0, 13), version=2), errors.Conflict),
        (more(history, (3, 0, 13), version_index=1), errors.Conflict),
        (more(history), errors.Invalid),
    ):
        with pytest.raises(error):
            history.record(made)
    with pytest.raises(errors.NotTheIssuer):
        history.record(more(history, (3, 0, 13)), by=OTHER)
    history.record(license.LicenseRevoked(license_ref=REF))
    with pytest.raises(errors.StatusConflict):
        history.record(more(history, (3, 0, 13)))


def test_a_lost_counterpart_dies_alone() -> None:
    history = issued()
    history.record(cancelled(1, 11))
    assert [result(history, index) for index in (10, 11, 12)] == ["effective", "piece-cancelled", "effective"]
    with pytest.raises(errors.Conflict):
        history.record(cancelled(1, 11))
    for made in (cancelled(0, 10), cancelled(2, 10), cancelled(3, 13), cancelled(2, 11)):
        with pytest.raises(errors.PieceNotFound):
            history.record(made)
    for made in (cancelled(2, 12, cause="burnt"),):
        with pytest.raises(errors.Invalid):
            history.record(made)
    with pytest.raises(errors.Invalid):
        history.record(cancelled(2, 12), effective_at=NOON + 1)


def test_what_is_said_of_a_dead_counterpart_yields_to_an_ending_and_a_newer_version() -> None:
    history = issued(valid_to=days.parse("2026-12-31"))
    history.record(cancelled(1, 11))
    assert result(history, 11, at=days.start(days.parse("2027-01-01"))) == "piece-cancelled"
    history.record(mark.LicenseReportedLost(license_ref=REF))
    assert (result(history, 10), result(history, 11)) == ("lost", "piece-cancelled")
    history.record(version(license.LicenseAmended, version=2))
    assert result(history, 11) == "superseded"
    with pytest.raises(errors.PieceNotFound):
        history.record(cancelled(2, 12))
    history.record(license.LicenseAnnulled(license_ref=REF))
    assert result(history, 11) == "annulled"


def test_a_verification_of_a_piece_says_what_stood_of_it() -> None:
    history = issued()
    history.record(cancelled(1, 11))

    def seen(number: int, index: int, said: str) -> verification.LicenseVerified:
        return verification.LicenseVerified(
            license_ref=REF, version=1, piece=number, piece_key=index, result=said
        )

    history.record(seen(1, 11, "piece-cancelled"), by=HALL)
    history.record(seen(2, 12, "effective"), by=HALL)
    for made in (seen(1, 11, "effective"), seen(2, 12, "piece-cancelled")):
        with pytest.raises(errors.Conflict):
            history.record(made, by=HALL)
    for made in (seen(1, 12, "effective"), seen(3, 13, "effective")):
        with pytest.raises(errors.LicenseNotFound):
            history.record(made, by=HALL)
