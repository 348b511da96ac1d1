"""Renewal and replacement: given facts, when the next version is recorded, then the row; no database."""

from __future__ import annotations

from typing import Any

import pytest

from ledger import catalog, days, errors, license, mark
from ledger.state import LicenseRow
from tests.history import FREE, REF, REGISTRY, History, begun, registered_type, version

NAMES = ("@license_id", license.PREVIOUS_ID, "domicile", "name")


def issued(**members: object) -> History:
    history = begun()
    history.record(version(**members))
    return history


def renewed(number: int = 2, **members: Any) -> license.LicenseRenewed:
    made: license.LicenseRenewed = version(
        license.LicenseRenewed, version=number, field_names=NAMES, **members
    )
    return made


def replaced(number: int = 2, cause: str = "lost", **members: Any) -> license.LicenseReplaced:
    values = {"field_names": NAMES} | members
    made: license.LicenseReplaced = version(license.LicenseReplaced, version=number, cause=cause, **values)
    return made


def row(history: History) -> LicenseRow:
    return history.row(LicenseRow, REF)


def test_a_renewal_is_the_next_version_and_begins_a_serial() -> None:
    history = issued(valid_to=days.parse("2026-12-31"))
    history.record(version(license.LicenseAmended, version=2, valid_to=days.parse("2026-12-31")))
    assert license.serial_number(row(history)) == 2
    history.record(renewed(3, valid_from=days.parse("2027-01-01"), valid_to=days.parse("2031-12-31")))
    assert (row(history).version, row(history).serial_version) == (3, 3)
    assert license.serial_number(row(history)) == 1
    assert row(history).valid_to == days.parse("2031-12-31")
    history.record(version(license.LicenseAmended, version=4))
    assert license.serial_number(row(history)) == 2


@pytest.mark.parametrize(("early", "is_refused"), [(31, True), (30, False), (0, False), (-5, False)])
def test_a_renewal_begins_so_long_before_the_last_day_as_the_type_says(early: int, is_refused: bool) -> None:
    last = days.parse("2026-12-31")
    history = issued(valid_to=last)
    definition = vars(registered_type(FREE, "unconditional")) | {"renewal_window_days": 30}
    history.record(catalog.LicenseTypeRevised(**definition), stream=REGISTRY, by=None)
    asked, at = renewed(valid_to=days.parse("2031-12-31")), days.start(last - early)
    if not is_refused:
        history.record(asked, at=at)
        return
    with pytest.raises(errors.RenewalTooEarly) as refused:
        history.record(asked, at=at)
    assert refused.value.extra == {"renewable_from": "2026-12-01"}
    history.record(version(license.LicenseAmended, version=2, valid_to=last), at=at)


def test_a_license_without_an_end_is_renewed_at_any_time() -> None:
    history = issued()
    definition = vars(registered_type(FREE, "unconditional")) | {"renewal_window_days": 0}
    history.record(catalog.LicenseTypeRevised(**definition), stream=REGISTRY, by=None)
    history.record(renewed())


def test_a_serial_without_a_further_version_can_be_renewed() -> None:
    history = issued()
    for number in range(2, license.VERSION_MAX + 1):
        history.record(version(license.LicenseAmended, version=number))
    with pytest.raises(errors.Conflict):
        history.record(replaced(license.VERSION_MAX + 1))
    history.record(renewed(license.VERSION_MAX + 1))
    history.record(version(license.LicenseAmended, version=license.VERSION_MAX + 2))


def test_a_renewal_follows_from_active_only_and_no_version_from_a_freeze() -> None:
    history = issued()
    history.record(license.LicenseSuspended(license_ref=REF))
    with pytest.raises(errors.StatusConflict):
        history.record(renewed())
    history.record(replaced())
    history.record(license.LicenseReinstated(license_ref=REF))
    history.record(mark.LicenseFrozen(license_ref=REF, document_digest=bytes(32)))
    for made in (renewed(3), replaced(3), version(license.LicenseAmended, version=3)):
        with pytest.raises(errors.StatusConflict):
            history.record(made)


@pytest.mark.parametrize("made", [renewed(), replaced(), version(license.LicenseAmended, version=2)])
def test_a_next_version_ends_the_loss_of_the_paper_before(made: license.NextVersion) -> None:
    history = issued()
    history.record(mark.LicenseReportedLost(license_ref=REF))
    history.record(made)
    assert row(history).lost_index is None
    with pytest.raises(errors.StatusConflict):
        history.record(mark.LicenseFound(license_ref=REF))


@pytest.mark.parametrize(
    ("made", "field"),
    [
        (replaced(valid_to=days.parse("2030-01-01")), "valid_to"),
        (replaced(cause="stolen"), "cause"),
        (replaced(field_names=("@license_id", "name")), "fields"),
        (version(license.LicenseRenewed, version=2), "fields"),
        (renewed(endorsement_due=days.parse("2019-12-31")), "endorsement_due"),
    ],
)
def test_a_bad_next_version_is_refused_and_the_member_is_named(made: license.NextVersion, field: str) -> None:
    with pytest.raises(errors.Invalid) as refused:
        issued().record(made)
    assert refused.value.field == field
