"""Licenses: given facts, when one more is recorded, then the row or the error; no database."""

from __future__ import annotations

import itertools

import pytest

from ledger import days, errors, holder, license, mark, use, verification
from ledger.state import LicenseRow, PieceRow, StreamRow
from tests.history import (
    CONDITIONAL,
    HALL,
    HOLDER,
    ISSUER,
    NOON,
    OTHER,
    OTHER_REF,
    REF,
    STRANGER,
    UNSHARED,
    History,
    begun,
    granted,
    version,
)

STATUSES = (
    *("active", "suspended", "annulled", "recalled", "revoked", "cancelled", "void", "transferred-out"),
)
ROAD_TO: dict[str, tuple[str, ...]] = {
    "active": (),
    "suspended": ("suspend",),
    "annulled": ("annul",),
    "recalled": ("recall",),
    "revoked": ("revoke",),
    "cancelled": ("cancel",),
    "void": ("void",),
    "transferred-out": ("transfer-out",),
}


def issued(**members: object) -> History:
    history = begun()
    history.record(version(**members))
    return history


def change(verb: str) -> license.StatusChange:
    members = {"area_code": "350200"} if verb == "transfer-out" else {}
    return license.STATUS_CHANGES[verb](license_ref=REF, **members)


def test_an_issued_license_is_active_in_its_first_version() -> None:
    history = issued(pieces=((0, 3, 5),))
    row = history.row(LicenseRow, REF)
    assert (row.status, row.version, row.version_index, row.issuer) == (
        "active",
        1,
        history.size - 1,
        ISSUER,
    )
    assert history.row(StreamRow, HOLDER).kind == "holder"
    assert history.row(PieceRow, 3 * (1 << 20) + 5).license_ref == REF


@pytest.mark.parametrize("verb", license.STATUS_CHANGES)
@pytest.mark.parametrize("status", STATUSES)
def test_a_status_changes_only_as_the_table_of_changes_says(status: str, verb: str) -> None:
    allowed = {
        "suspend": {"active"},
        "reinstate": {"suspended"},
        "annul": {"active", "suspended"},
        "recall": {"active", "suspended"},
        "revoke": {"active", "suspended"},
        "cancel": {"active", "suspended", "annulled", "recalled", "revoked", "transferred-out"},
        "void": {"active", "suspended"},
        "transfer-out": {"active"},
        "cancel-transfer": {"transferred-out"},
    }
    history = issued()
    for step in ROAD_TO[status]:
        history.record(change(step))
    if status in allowed[verb]:
        history.record(change(verb), effective_at=NOON - 5)
        row = history.row(LicenseRow, REF)
        assert row.status == license.STATUS_CHANGES[verb].after
        assert (row.status_since, row.status_index) == (NOON - 5, history.size - 1)
    else:
        with pytest.raises(errors.StatusConflict) as refused:
            history.record(change(verb))
        assert refused.value.extra == {"license_status": status}


def test_a_status_change_cannot_take_effect_later() -> None:
    with pytest.raises(errors.Invalid) as refused:
        issued().record(change("suspend"), effective_at=NOON + 1)
    assert refused.value.field == "effective_at"


def test_only_the_issuer_changes_a_license_and_only_in_its_home_stream() -> None:
    history = issued()
    with pytest.raises(errors.NotTheIssuer):
        history.record(change("suspend"), by=OTHER)
    with pytest.raises(errors.NotTheIssuer):
        history.record(change("suspend"), issuer=OTHER)
    with pytest.raises(errors.Conflict):
        history.record(change("suspend"), stream=STRANGER)
    with pytest.raises(errors.LicenseNotFound):
        history.record(license.LicenseSuspended(license_ref=OTHER_REF))


def test_an_issuer_needs_the_type_in_its_registration() -> None:
    with pytest.raises(errors.NotTheIssuer):
        begun().record(version(type_code=CONDITIONAL), by=OTHER)
    with pytest.raises(errors.LicenseTypeUnknown):
        begun().record(version(type_code="11100000MB0143028R999"))
    with pytest.raises(errors.ScopeMissing):
        begun().record(version(), by=HALL)
    with pytest.raises(errors.NotTheIssuer):
        begun().record(version(), issuer=OTHER)


@pytest.mark.parametrize("status", STATUSES)
def test_an_amendment_follows_from_active_and_suspended_only(status: str) -> None:
    history = issued()
    for step in ROAD_TO[status]:
        history.record(change(step))
    amended = version(license.LicenseAmended, version=2, valid_to=days.parse("2030-12-31"))
    if status in ("active", "suspended"):
        history.record(amended)
        row = history.row(LicenseRow, REF)
        assert (row.version, row.version_index, row.status) == (2, history.size - 1, status)
        assert row.valid_to == days.parse("2030-12-31")
    else:
        with pytest.raises(errors.StatusConflict):
            history.record(amended)


def test_versions_count_up_by_one_and_keep_the_type() -> None:
    history = issued()
    for number in (0, 1, 3):
        with pytest.raises(errors.Conflict):
            history.record(version(license.LicenseAmended, version=number))
    with pytest.raises(errors.Conflict):
        history.record(version(license.LicenseAmended, version=2, type_code=CONDITIONAL))
    history.record(version(license.LicenseAmended, version=2))
    with pytest.raises(errors.Conflict):
        history.record(version(license.LicenseAmended, version=2))
    with pytest.raises(errors.Invalid):
        begun().record(version(version=2))


def test_the_last_version_has_no_successor() -> None:
    history = issued()
    for number in range(2, license.VERSION_MAX + 1):
        history.record(version(license.LicenseAmended, version=number))
    with pytest.raises(errors.Conflict):
        history.record(version(license.LicenseAmended, version=license.VERSION_MAX + 1))


def test_a_reference_and_a_place_in_a_status_list_are_taken_once() -> None:
    history = issued(pieces=((0, 0, 9),))
    with pytest.raises(errors.AlreadyExists):
        history.record(version())
    with pytest.raises(errors.Conflict):
        history.record(version(license_ref=OTHER_REF, pieces=((0, 0, 9),)))


@pytest.mark.parametrize(
    ("members", "field"),
    [
        ({"valid_to": days.parse("2019-12-31")}, "valid_to"),
        ({"valid_from": days.parse("1899-12-31")}, "valid_from"),
        ({"valid_to": days.parse("2201-01-01")}, "valid_to"),
        ({"issued_on": days.parse("2201-01-01")}, "issued_on"),
        ({"field_names": ("name", "domicile")}, "fields"),
        ({"field_names": ("name", "name")}, "fields"),
        ({"field_names": ("unknown",)}, "fields.unknown"),
        ({"field_names": ("No Name",)}, "fields"),
        ({"field_names": ("@secret",)}, "fields"),
        ({"parties": ()}, "holder"),
        ({"parties": (("holder", STRANGER),)}, "holder"),
    ],
)
def test_a_bad_version_is_refused_and_the_member_is_named(members: dict[str, object], field: str) -> None:
    history = begun()
    with pytest.raises(errors.Invalid) as refused:
        history.record(version(**members))
    assert refused.value.field == field
    assert (LicenseRow, REF) not in history.rows


@pytest.mark.parametrize(
    ("at", "status"),
    [
        ("2026-02-28T15:59:59.999999Z", "not-yet-effective"),
        ("2026-02-28T16:00:00Z", "effective"),
        ("2026-03-01T15:59:59Z", "effective"),
        ("2026-03-01T15:59:59.999999Z", "effective"),
        ("2026-03-01T16:00:00Z", "expired"),
    ],
)
def test_a_license_is_valid_in_whole_beijing_days_both_ends_included(at: str, status: str) -> None:
    day = days.parse("2026-03-01")
    row = issued(valid_from=day, valid_to=day).row(LicenseRow, REF)
    assert license.status(row, days.parse_instant(at)) == status


def test_a_use_is_granted_in_the_last_second_of_the_last_day_and_refused_one_second_later() -> None:
    history = issued(valid_to=days.parse("2026-03-01"))
    history.record(granted("statutory"), stream=granted().requester_stream)
    used = used_once(history)
    history.record(used, by=HALL, at=days.parse_instant("2026-03-01T15:59:59Z"))
    with pytest.raises(errors.Forbidden):
        history.record(used, by=HALL, at=days.parse_instant("2026-03-01T16:00:00Z"))


def used_once(history: History) -> use.LicenseUsed:
    row = history.row(LicenseRow, REF)
    return use.LicenseUsed(
        license_ref=REF,
        version=row.version,
        license_index=row.version_index,
        authorization_ref=REF,
        mode="statutory",
        fields=("name",),
        status="effective",
    )


def test_a_recorded_status_stands_before_the_dates() -> None:
    for verb, day in itertools.product(("suspend", "annul"), ("2019-01-01", "2026-01-01")):
        history = issued(valid_to=days.parse("2021-01-01"))
        history.record(change(verb))
        row = history.row(LicenseRow, REF)
        assert license.status(row, days.start(days.parse(day))) == license.STATUS_CHANGES[verb].after


def test_a_verification_says_the_status_that_stood() -> None:
    history = issued()
    history.record(version(license.LicenseAmended, version=2))

    def seen(number: int, result: str) -> verification.LicenseVerified:
        return verification.LicenseVerified(license_ref=REF, version=number, piece=None, result=result)

    history.record(seen(2, "effective"), by=HALL)
    history.record(seen(1, "superseded"), by=HALL)
    history.record(mark.LicenseReportedLost(license_ref=REF))
    history.record(seen(2, "lost"), by=HALL)
    history.record(change("revoke"))
    history.record(seen(1, "revoked"), by=HALL)
    with pytest.raises(errors.Conflict):
        history.record(seen(2, "effective"), by=HALL)
    unknown = verification.LicenseVerified(license_ref=None, version=None, piece=None, result="unknown")
    with pytest.raises(errors.Conflict):
        history.record(unknown, by=HALL)
    history.record(unknown, by=HALL, stream=granted().requester_stream)


def test_every_status_has_its_national_result_and_every_refusal_its_reason() -> None:
    told = {"effective", "expired", "not-yet-effective", *STATUSES, *license.MARKS} - {"active"}
    assert told == set(verification.NATIONAL_RESULTS) - {
        "superseded",
        "unknown",
        "endorsement-overdue",
        "piece-cancelled",
        "holder-ended",
    }
    refused = {f"license-{status}" for status in told - {"effective"}}
    assert refused == {reason for reason in use.NATIONAL_CODES if reason.startswith("license-")}


def test_nothing_is_added_to_an_erased_holder() -> None:
    history = issued()
    history.record(granted())
    history.record(holder.HolderErased(), by=None)
    for made in (change("suspend"), version(license.LicenseAmended, version=2), holder.HolderErased()):
        with pytest.raises(errors.HolderErasedConflict):
            history.record(made)


def test_only_a_holder_is_erased() -> None:
    history = begun()
    with pytest.raises(errors.NotFound):
        history.record(holder.HolderErased(), by=None, stream=granted().requester_stream)
    with pytest.raises(errors.ScopeMissing):
        issued().record(holder.HolderErased(), by=ISSUER)


def test_a_file_is_of_one_holder_and_read_by_a_named_operator() -> None:
    history = issued()
    read = holder.HolderFileRead(license_refs=(REF,), evidence_digest=bytes(32))
    history.record(read, by=HALL)
    with pytest.raises(errors.Invalid):
        history.record(read, by=HALL, operator_ref=None)
    with pytest.raises(errors.LicenseNotFound):
        history.record(holder.HolderFileRead(license_refs=(OTHER_REF,), evidence_digest=bytes(32)), by=HALL)
    with pytest.raises(errors.NotFound):
        history.record(read, by=HALL, stream=STRANGER)
    with pytest.raises(errors.ScopeMissing):
        history.record(read, by=ISSUER)


def test_a_type_not_shared_is_issued_like_any_other() -> None:
    history = issued(type_code=UNSHARED)
    assert history.row(LicenseRow, REF).type_code == UNSHARED
