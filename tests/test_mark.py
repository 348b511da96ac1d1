"""Marks: given facts, when a mark is set or cleared, then what stands beside the status; no database."""

from __future__ import annotations

import pytest

from ledger import errors, license, mark
from ledger.state import LicenseRow
from tests.history import HALL, NOON, OTHER, REF, STRANGER, History, begun, version

LATER = {"freeze": "release", "report-lost": "found", "restrict": "lift-restriction"}


def issued() -> History:
    history = begun()
    history.record(version())
    return history


def changed(verb: str) -> mark.MarkChange:
    members = {"document_digest": bytes(32)} if verb in ("freeze", "release") else {}
    return mark.MARK_CHANGES[verb](license_ref=REF, **members)


def ended(verb: str) -> license.StatusChange:
    members = {"area_code": "350200"} if verb == "transfer-out" else {}
    return license.STATUS_CHANGES[verb](license_ref=REF, **members)


def status(history: History) -> str:
    return license.status(history.row(LicenseRow, REF), NOON)


@pytest.mark.parametrize("verb", LATER)
def test_a_mark_stands_until_its_inverse(verb: str) -> None:
    history = issued()
    cls = mark.MARK_CHANGES[verb]
    with pytest.raises(errors.StatusConflict) as refused:
        history.record(changed(LATER[verb]))
    assert refused.value.extra == {"license_status": "active"}
    history.record(changed(verb))
    assert status(history) == cls.mark
    assert mark.standing(history.row(LicenseRow, REF)) == {cls.mark: history.size - 1}
    with pytest.raises(errors.StatusConflict) as refused:
        history.record(changed(verb))
    assert refused.value.extra == {"license_status": cls.mark}
    history.record(changed(LATER[verb]))
    assert status(history) == "effective"
    assert mark.standing(history.row(LicenseRow, REF)) == {}


@pytest.mark.parametrize("verb", LATER)
def test_what_is_cleared_leaves_a_suspension_as_it_was(verb: str) -> None:
    history = issued()
    history.record(ended("suspend"))
    before = history.row(LicenseRow, REF)
    history.record(changed(verb))
    history.record(changed(LATER[verb]))
    assert history.row(LicenseRow, REF) == before
    history.record(changed(verb))
    history.record(ended("reinstate"))
    assert status(history) == mark.MARK_CHANGES[verb].mark


@pytest.mark.parametrize("verb", license.STATUS_CHANGES)
def test_a_freeze_bars_what_takes_the_license_away(verb: str) -> None:
    history = issued()
    if verb == "reinstate":
        history.record(ended("suspend"))
    history.record(changed("freeze"))
    if verb in ("suspend", "reinstate", "annul", "recall", "revoke"):
        history.record(ended(verb))
        return
    with pytest.raises(errors.StatusConflict):
        history.record(ended(verb))
    with pytest.raises(errors.StatusConflict) as refused:
        history.record(version(license.LicenseAmended, version=2))
    assert refused.value.extra == {"license_status": "frozen"}


def test_an_ended_license_is_marked_no_more_but_its_marks_are_cleared() -> None:
    history = issued()
    history.record(changed("freeze"))
    history.record(ended("annul"))
    assert status(history) == "annulled"
    with pytest.raises(errors.StatusConflict):
        history.record(changed("report-lost"))
    history.record(changed("release"))
    assert mark.standing(history.row(LicenseRow, REF)) == {}


def test_only_the_issuer_marks_a_license_now_or_before_now() -> None:
    history = issued()
    with pytest.raises(errors.ScopeMissing):
        history.record(changed("freeze"), by=HALL)
    with pytest.raises(errors.NotTheIssuer):
        history.record(changed("freeze"), by=OTHER)
    with pytest.raises(errors.Conflict):
        history.record(changed("freeze"), stream=STRANGER)
    with pytest.raises(errors.Invalid):
        history.record(changed("freeze"), effective_at=NOON + 1)


@pytest.mark.parametrize("area_code", ["", "35020", "3502000", "35020x", "３５０２００"])
def test_a_transfer_names_its_area(area_code: str) -> None:
    with pytest.raises(errors.Invalid) as refused:
        issued().record(license.LicenseTransferredOut(license_ref=REF, area_code=area_code))
    assert refused.value.field == "area_code"


def test_only_a_new_license_comes_from_elsewhere() -> None:
    history = begun()
    history.record(version(origin_digest=bytes(32)))
    with pytest.raises(errors.Invalid):
        history.record(version(license.LicenseAmended, version=2, origin_digest=bytes(32)))
