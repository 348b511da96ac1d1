"""Endorsements: given facts, when one is recorded, then the day due; and at Beijing midnight; no database."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ledger import days, endorsement, errors, license, mark, use, verification
from ledger.state import LicenseRow
from tests.history import (
    CONDITIONAL,
    FREE,
    HALL,
    NOON,
    OTHER,
    REF,
    REGISTRY,
    History,
    begun,
    registered_type,
    version,
)

CYCLIC = "11100000MB0143028R004"
DUE = days.parse("2026-06-30")


def issued(**members: object) -> History:
    history = begun()
    history.record(version(**members))
    return history


def endorsed(**members: Any) -> endorsement.LicenseEndorsed:
    values: dict[str, Any] = {
        "license_ref": REF,
        "type_code": FREE,
        "kind": "annual-review",
        "period": "2026",
        "result": "passed",
        "next_due": DUE,
    }
    return endorsement.LicenseEndorsed(**values | members)


def due(history: History) -> int | None:
    return history.row(LicenseRow, REF).endorsement_due


def test_an_endorsement_sets_the_next_day_due_and_changes_no_version() -> None:
    history = issued(endorsement_due=days.parse("2026-03-31"))
    assert due(history) == days.parse("2026-03-31")
    history.record(endorsed())
    assert due(history) == DUE
    assert history.row(LicenseRow, REF).version == 1
    history.record(endorsed(result="failed", next_due=None))
    assert due(history) == DUE
    history.record(endorsed(result="passed-with-conditions", next_due=None))
    assert due(history) is None


def test_a_next_version_keeps_the_day_due_unless_it_says_another() -> None:
    history = issued(endorsement_due=DUE)
    history.record(version(license.LicenseAmended, version=2))
    assert due(history) == DUE
    history.record(version(license.LicenseAmended, version=3, endorsement_due=DUE + 365))
    assert due(history) == DUE + 365


@pytest.mark.parametrize(
    ("at", "result"),
    [
        ("2026-06-30T15:59:59Z", "effective"),
        ("2026-06-30T15:59:59.999999Z", "effective"),
        ("2026-06-30T16:00:00Z", "endorsement-overdue"),
    ],
)
def test_an_endorsement_is_overdue_from_beijing_midnight_on(at: str, result: str) -> None:
    history = issued(endorsement_due=DUE)
    row, instant = history.row(LicenseRow, REF), days.parse_instant(at)
    assert verification.result(row, version=1, at=instant) == result
    assert license.status(row, instant) == "effective"
    seen = verification.LicenseVerified(license_ref=REF, version=1, piece=None, result=result)
    history.record(seen, by=HALL, at=instant)


def test_what_is_not_effective_is_told_before_an_overdue_endorsement() -> None:
    history = issued(endorsement_due=days.parse("2025-01-01"), valid_to=days.parse("2026-12-31"))
    row = history.row(LicenseRow, REF)
    assert verification.result(row, version=1, at=days.start(days.parse("2027-01-01"))) == "expired"
    history.record(version(license.LicenseAmended, version=2))
    row = history.row(LicenseRow, REF)
    assert verification.result(row, version=1, at=NOON) == "superseded"
    assert verification.result(row, version=2, at=NOON) == "endorsement-overdue"
    history.record(mark.LicenseRestricted(license_ref=REF))
    assert verification.result(history.row(LicenseRow, REF), version=2, at=NOON) == "restricted"


@pytest.mark.parametrize(
    ("members", "field"),
    [
        ({"kind": "party"}, "kind"),
        ({"result": "perhaps"}, "result"),
        ({"period": "this year"}, "period"),
        ({"period": "2026\n"}, "period"),
        ({"result": "failed"}, "next_due"),
        ({"next_due": days.of_instant(NOON)}, "next_due"),
        ({"next_due": license.DAY_MAX + 1}, "next_due"),
    ],
)
def test_a_bad_endorsement_is_refused_and_the_member_is_named(members: dict[str, Any], field: str) -> None:
    history = issued()
    with pytest.raises(errors.Invalid) as refused:
        history.record(endorsed(**members))
    assert refused.value.field == field
    assert due(history) is None


@pytest.mark.parametrize(
    ("past_due", "day", "status", "result"),
    [
        ("overdue", "2026-07-30", "effective", "effective"),
        ("overdue", "2026-07-31", "effective", "endorsement-overdue"),
        ("suspended", "2026-07-30", "effective", "effective"),
        ("suspended", "2026-07-31", "suspended", "suspended"),
    ],
)
def test_what_follows_a_late_endorsement_is_the_types_to_say(
    past_due: str, day: str, status: str, result: str
) -> None:
    history = begun()
    defined = {"endorsement_cycle": "P1Y", "endorsement_grace": "P30D", "endorsement_past_due": past_due}
    made = replace(registered_type(CYCLIC, "unconditional"), **defined)
    history.record(made, stream=REGISTRY, by=None)
    history.record(version(type_code=CYCLIC, endorsement_due=DUE), by=None)
    row, at = history.row(LicenseRow, REF), days.start(days.parse(day))
    assert license.status(row, at) == status
    assert verification.result(row, version=1, at=at) == result
    assert use.judge_license(row, at=at) == (None if status == "effective" else "license-suspended")
    with pytest.raises(errors.Conflict):
        history.record(endorsed(type_code=CONDITIONAL), by=None)
    history.record(endorsed(type_code=CYCLIC, next_due=DUE + 365), by=None, at=at)
    assert license.status(history.row(LicenseRow, REF), at) == "effective"


def test_only_the_issuer_endorses_what_has_not_ended() -> None:
    history = issued()
    with pytest.raises(errors.ScopeMissing):
        history.record(endorsed(), by=HALL)
    with pytest.raises(errors.NotTheIssuer):
        history.record(endorsed(), by=OTHER)
    with pytest.raises(errors.Invalid):
        history.record(endorsed(), effective_at=NOON + 1)
    history.record(license.LicenseSuspended(license_ref=REF))
    history.record(endorsed())
    history.record(license.LicenseRevoked(license_ref=REF))
    with pytest.raises(errors.StatusConflict):
        history.record(endorsed())
