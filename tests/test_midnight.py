"""Beijing midnight, by which everything ends: the last second of a day, and the first of the next.

Every path that asks a date is asked at both: the status, a use and its fact, a verification and its fact.
Nothing is recorded at midnight itself. No database.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ledger import days, errors, license, refusal, use, verification
from ledger.state import LicenseRow, altered
from tests.history import FREE, HALL, HOLDER, REF, STRANGER, STREAMS, History, begun, granted, version

LAST = days.parse_instant("2026-03-01T15:59:59Z")
NEXT = LAST + 1_000_000
DAY = days.parse("2026-03-01")


def expiring() -> History:
    return issued(valid_to=DAY)


def beginning() -> History:
    """Effective from the second of March on."""
    return issued(valid_from=DAY + 1)


def late_and_told() -> History:
    return issued(endorsement_due=DAY)


def late_and_suspended() -> History:
    history = issued(endorsement_due=DAY)
    row = history.row(LicenseRow, REF)
    history.rows[LicenseRow, REF] = altered(row, overdue_suspends=True)
    return history


def renewed() -> History:
    """Renewed before its end, for a term that ends on the first of March."""
    history = issued(valid_to=days.parse("2025-12-31"))
    names = ("@license_id", license.PREVIOUS_ID, "domicile", "name")
    history.record(version(license.LicenseRenewed, version=2, field_names=names, valid_to=DAY))
    return history


def of_two_owners() -> History:
    return issued(valid_to=DAY, parties=(("holder", HOLDER), ("co-owner", STRANGER)))


def issued(**members: Any) -> History:
    history = begun()
    history.record(version(**members))
    history.record(granted("statutory"), stream=STREAMS[HALL])
    return history


CASES: list[tuple[Callable[[], History], str, str, str]] = [
    (expiring, "effective", "expired", "expired"),
    (beginning, "not-yet-effective", "effective", "effective"),
    (late_and_told, "effective", "effective", "endorsement-overdue"),
    (late_and_suspended, "effective", "suspended", "suspended"),
    (renewed, "effective", "expired", "expired"),
    (of_two_owners, "effective", "expired", "expired"),
]


@pytest.mark.parametrize(("made", "before", "after", "_result"), CASES)
def test_a_status_turns_at_midnight(
    made: Callable[[], History], before: str, after: str, _result: str
) -> None:
    row = made().row(LicenseRow, REF)
    for at, said in ((LAST, before), (LAST + 999_999, before), (NEXT, after)):
        assert license.status(row, at) == said
        assert use.judge_license(row, at=at) == (None if said == "effective" else f"license-{said}")


@pytest.mark.parametrize(("made", "before", "after", "_result"), CASES)
def test_a_use_is_granted_until_midnight_and_refused_with_the_reason_after(
    made: Callable[[], History], before: str, after: str, _result: str
) -> None:
    for at, said in ((LAST, before), (NEXT, after)):
        history = made()
        row = history.row(LicenseRow, REF)
        used = use.LicenseUsed(
            license_ref=REF,
            version=row.version,
            license_index=row.version_index,
            authorization_ref=REF,
            mode="statutory",
            fields=("name",),
            status="effective",
        )
        reason = f"license-{said}"
        refused = refusal.UseRefused(
            reason=reason,
            code=use.NATIONAL_CODES.get(reason),
            type_code=FREE,
            license_ref=REF,
            authorization_ref=REF,
            choices=(),
        )
        right, wrong = (used, refused) if said == "effective" else (refused, used)
        with pytest.raises(errors.Forbidden):
            history.record(wrong, by=HALL, at=at)
        history.record(right, by=HALL, at=at)


@pytest.mark.parametrize(("made", "before", "_after", "result"), CASES)
def test_a_verification_says_the_day_that_it_is(
    made: Callable[[], History], before: str, _after: str, result: str
) -> None:
    for at, said, other in ((LAST, before, result), (NEXT, result, before)):
        history = made()
        number = history.row(LicenseRow, REF).version

        def seen(told: str, number: int = number) -> verification.LicenseVerified:
            return verification.LicenseVerified(license_ref=REF, version=number, piece=None, result=told)

        with pytest.raises(errors.Conflict):
            history.record(seen(other), by=HALL, at=at)
        history.record(seen(said), by=HALL, at=at)
