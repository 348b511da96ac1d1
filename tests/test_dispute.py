"""Disputes: who may raise what about which license, who decides, and that nobody settles one twice."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ledger import correction, days, dispute, errors, holder, issuing, license, organization, workdays
from ledger.state import LicenseRow
from ledger.state_dispute import DisputeRow
from tests.history import (
    CONDITIONAL,
    FREE,
    HALL,
    HOLDER,
    ISSUER,
    NOON,
    OTHER,
    OTHER_REF,
    REF,
    REGISTRY,
    STRANGER,
    STREAMS,
    History,
    begun,
    version,
)

DISPUTE, LATER = b"dispute".ljust(16), b"later".ljust(16)
CALENDAR = replace(
    workdays.official(),
    known_until=days.parse("2026-12-28"),
    holidays=frozenset(day for day in workdays.official().holidays if day <= days.parse("2026-12-28")),
    workdays=frozenset(day for day in workdays.official().workdays if day <= days.parse("2026-12-28")),
)
"""As far as it was known in 2026, whatever the library says by now."""
TODAY = days.of_instant(NOON)
CALENDAR_WITHOUT_BREAKS = replace(CALENDAR, holidays=frozenset())


def issued() -> History:
    history = begun()
    history.record(version())
    return history


def filed(**members: Any) -> dispute.DisputeFiled:
    """A field of the first license is wrong, says a using office."""
    values: dict[str, Any] = {
        "dispute_ref": DISPUTE,
        "kind": "wrong",
        "raised_by": "office",
        "license_ref": REF,
        "party": None,
        "type_code": FREE,
        "issuer": ISSUER,
        "area_code": None,
        "field_names": ("name",),
        "working_days": 10,
        "due_on": CALENDAR.due(TODAY, 10),
        "known_until": CALENDAR.known_until,
        "former": None,
        "evidence_digest": bytes(32),
    }
    return dispute.DisputeFiled(**values | members)


def by_holder(**members: Any) -> dispute.DisputeFiled:
    return filed(raised_by="holder", party=HOLDER, **members)


def missing(**members: Any) -> dispute.DisputeFiled:
    return filed(**{"kind": "missing", "license_ref": None, "field_names": (), **members})


def raise_(history: History, made: dispute.DisputeFiled | None = None, **members: Any) -> None:
    history.record(made or filed(), **{"by": HALL, "issuer": None, "case_number": "C1", **members})


def decide(history: History, outcome: str, mended_index: int | None = None, **members: Any) -> None:
    made = dispute.DisputeDecided(
        dispute_ref=members.pop("dispute_ref", DISPUTE),
        license_ref=members.pop("license_ref", REF),
        outcome=outcome,
        mended_index=mended_index,
    )
    history.record(made, **members)


def withdraw(history: History, party: bytes | None = None, **members: Any) -> None:
    made = dispute.DisputeWithdrawn(
        dispute_ref=DISPUTE,
        license_ref=members.pop("license_ref", REF),
        party=party,
        evidence_digest=None if party is None else bytes(32),
    )
    history.record(made, **{"by": HALL, "issuer": None, **members})


def amend(history: History, number: int = 2) -> int:
    """The next version of the license; returns its leaf index."""
    history.record(version(license.LicenseAmended, version=number))
    return history.size - 1


def row(history: History, ref: bytes = DISPUTE) -> DisputeRow:
    return history.row(DisputeRow, ref)


def open_disputes(history: History) -> int:
    return history.row(LicenseRow, REF).open_disputes


def test_a_dispute_changes_nothing_of_the_license_but_that_it_is_disputed() -> None:
    history = issued()
    before = history.row(LicenseRow, REF)
    raise_(history)
    assert history.row(LicenseRow, REF) == replace(before, open_disputes=1)
    assert (row(history).outcome, row(history).due_on) == (None, days.parse("2026-03-13"))
    assert license.status(history.row(LicenseRow, REF), NOON) == "effective"


def test_what_is_upheld_names_what_mended_the_license_since() -> None:
    history = issued()
    before = amend(history)
    raise_(history)
    for index in (None, before, history.size + 5):
        with pytest.raises(errors.Conflict):
            decide(history, "upheld", index)
    mended = amend(history, 3)
    decide(history, "upheld", mended)
    assert (row(history).outcome, row(history).mended_index) == ("upheld", mended)
    assert row(history).settled_index == history.size - 1
    assert open_disputes(history) == 0


def test_an_end_mends_a_license_too() -> None:
    history = issued()
    raise_(history)
    history.record(license.LicenseVoided(license_ref=REF))
    decide(history, "upheld", history.size - 1)
    assert row(history).outcome == "upheld"


@pytest.mark.parametrize("kind", ["duplicate", "stale"])
def test_what_is_mended_elsewhere_is_upheld_without_a_trace_on_the_license(kind: str) -> None:
    history = issued()
    raise_(history, filed(kind=kind, field_names=()))
    decide(history, "upheld")
    assert row(history).mended_index is None


def test_a_rejected_dispute_mends_nothing() -> None:
    history = issued()
    raise_(history)
    mended = amend(history)
    with pytest.raises(errors.Invalid):
        decide(history, "rejected", mended)
    with pytest.raises(errors.Invalid):
        decide(history, "closed")
    decide(history, "rejected")
    assert (row(history).outcome, open_disputes(history)) == ("rejected", 0)


def test_nobody_settles_a_dispute_twice() -> None:
    history = issued()
    raise_(history)
    decide(history, "rejected")
    for again in (lambda: decide(history, "rejected"), lambda: withdraw(history)):
        with pytest.raises(errors.Conflict) as refused:
            again()
        assert refused.value.extra == {"dispute_status": "rejected"}
    assert open_disputes(history) == 0


def test_the_same_is_disputed_once_at_a_time_by_the_same() -> None:
    history = issued()
    raise_(history)
    with pytest.raises(errors.AlreadyExists):
        raise_(history)
    again = filed(dispute_ref=LATER, former=DISPUTE)
    with pytest.raises(errors.AlreadyExists):
        raise_(history, again)
    with pytest.raises(errors.Conflict):
        raise_(history, filed(dispute_ref=LATER))
    raise_(history, filed(dispute_ref=b"d" * 16, field_names=("domicile",)))
    raise_(history, filed(dispute_ref=b"u" * 16, kind="unreadable"))
    raise_(history, by_holder(dispute_ref=b"h" * 16))
    assert open_disputes(history) == 4
    decide(history, "rejected")
    with pytest.raises(errors.Conflict):
        raise_(history, filed(dispute_ref=LATER))
    raise_(history, again)
    assert open_disputes(history) == 4


def test_who_raised_it_withdraws_it() -> None:
    history = issued()
    raise_(history)
    with pytest.raises(errors.NotFound):
        withdraw(history, by=OTHER)
    with pytest.raises(errors.Invalid):
        withdraw(history, HOLDER)
    withdraw(history)
    assert (row(history).outcome, open_disputes(history)) == ("withdrawn", 0)


def test_a_dispute_about_a_missing_license_is_withdrawn_without_one() -> None:
    history, own = issued(), STREAMS[HALL]
    raise_(history, missing(), stream=own)
    with pytest.raises(errors.Invalid):
        withdraw(history, stream=own)
    withdraw(history, license_ref=None, stream=own)
    assert row(history).outcome == "withdrawn"


def test_a_holder_withdraws_on_evidence_through_any_client() -> None:
    history = issued()
    raise_(history, by_holder())
    for wrong in (None, STRANGER):
        with pytest.raises(errors.NotFound):
            withdraw(history, wrong)
    withdraw(history, HOLDER, by=ISSUER)
    assert row(history).outcome == "withdrawn"


def succeed(history: History, predecessor: str) -> None:
    passed = organization.OrganizationSucceeded(
        predecessor=predecessor, successor=OTHER, type_codes=(), since=TODAY, authorizations="keep"
    )
    history.record(passed, stream=REGISTRY, by=None)


def test_who_took_the_license_over_decides() -> None:
    history = issued()
    raise_(history)
    succeed(history, ISSUER)
    with pytest.raises(errors.NotTheIssuer):
        decide(history, "rejected")
    decide(history, "rejected", by=OTHER)
    assert row(history).outcome == "rejected"


def test_who_took_the_office_over_withdraws() -> None:
    history = issued()
    raise_(history)
    succeed(history, HALL)
    withdraw(history, by=OTHER)
    assert row(history).outcome == "withdrawn"


def test_who_issues_on_behalf_of_another_decides_for_it() -> None:
    history = issued()
    entrusted = issuing.IssuingEntrusted(
        entrustment_ref=b"e" * 16,
        delegator=ISSUER,
        delegate=OTHER,
        type_codes=(FREE,),
        areas=(),
        valid_from=TODAY,
        valid_until=None,
    )
    history.record(entrusted, stream=REGISTRY, by=None)
    raise_(history)
    with pytest.raises(errors.NotTheIssuer):
        decide(history, "rejected", by=OTHER)
    decide(history, "rejected", by=OTHER, issuer=ISSUER)
    assert row(history).outcome == "rejected"


def test_only_the_issuer_of_the_license_decides() -> None:
    history = issued()
    raise_(history)
    with pytest.raises(errors.NotTheIssuer):
        decide(history, "rejected", by=OTHER)
    with pytest.raises(errors.ScopeMissing):
        decide(history, "rejected", by=HALL)
    with pytest.raises(errors.NotFound):
        decide(history, "rejected", dispute_ref=LATER)
    with pytest.raises(errors.Conflict):
        decide(history, "rejected", stream=STRANGER)


def test_a_holder_disputes_only_a_license_to_which_it_is_a_party() -> None:
    history = issued()
    history.record(version(license_ref=OTHER_REF, parties=(("holder", STRANGER),)), stream=STRANGER)
    with pytest.raises(errors.LicenseNotFound):
        raise_(history, filed(raised_by="holder", party=STRANGER))
    with pytest.raises(errors.Invalid):
        raise_(history, filed(raised_by="holder"))
    with pytest.raises(errors.Invalid):
        raise_(history, filed(party=HOLDER))
    raise_(history, by_holder(), case_number=None)
    assert row(history).party == HOLDER


def test_what_is_missing_stands_with_who_reports_it_until_it_has_come() -> None:
    history = issued()
    own = STREAMS[HALL]
    with pytest.raises(errors.Conflict):
        raise_(history, missing())
    raise_(history, missing(), stream=own)
    old = history.row(LicenseRow, REF).version_index
    for wrong in ({"license_ref": None}, {"license_ref": REF, "mended_index": old}):
        with pytest.raises((errors.Invalid, errors.Conflict)):
            decide(history, "upheld", stream=own, **wrong)
    history.record(version(license_ref=OTHER_REF, type_code=CONDITIONAL))
    with pytest.raises(errors.Invalid):
        decide(history, "upheld", history.size - 1, stream=own, license_ref=OTHER_REF)
    history.record(version(license_ref=b"4" * 16), by=OTHER)
    with pytest.raises(errors.NotTheIssuer):
        decide(history, "upheld", history.size - 1, stream=own, license_ref=b"4" * 16)
    history.record(version(license_ref=b"3" * 16))
    decide(history, "upheld", history.size - 1, stream=own, license_ref=b"3" * 16)
    assert (row(history).outcome, open_disputes(history)) == ("upheld", 0)
    assert history.row(LicenseRow, b"3" * 16).open_disputes == 0


def test_two_missing_licenses_of_one_case_are_two_disputes() -> None:
    history, own = issued(), STREAMS[HALL]
    raise_(history, missing(), stream=own)
    raise_(history, missing(dispute_ref=LATER), stream=own)
    with pytest.raises(errors.Conflict):
        raise_(history, missing(dispute_ref=b"3" * 16, former=DISPUTE), stream=own)
    decide(history, "rejected", stream=own, license_ref=None)
    assert row(history, LATER).outcome is None


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"kind": "ugly"}, errors.Invalid),
        ({"raised_by": "anybody"}, errors.Invalid),
        ({"field_names": ()}, errors.Invalid),
        ({"field_names": ("name", "domicile")}, errors.Invalid),
        ({"field_names": ("weight",)}, errors.FieldUnknown),
        ({"kind": "missing"}, errors.Invalid),
        ({"license_ref": None}, errors.Invalid),
        ({"license_ref": OTHER_REF}, errors.LicenseNotFound),
        ({"type_code": CONDITIONAL}, errors.Conflict),
        ({"issuer": OTHER}, errors.Conflict),
        ({"type_code": "11100000MB0143028R999"}, errors.LicenseTypeUnknown),
        ({"working_days": 0}, errors.Invalid),
        ({"working_days": 61}, errors.Invalid),
        ({"due_on": TODAY + 9}, errors.Invalid),
        ({"due_on": TODAY + 46}, errors.Invalid),
    ],
)
def test_what_does_not_fit_together_is_no_dispute(
    changes: dict[str, Any], error: type[errors.LedgerError]
) -> None:
    history = issued()
    with pytest.raises(error):
        raise_(history, filed(**changes))
    assert open_disputes(history) == 0


def test_an_office_names_operator_and_case() -> None:
    history = issued()
    for absent in ("case_number", "operator_ref"):
        with pytest.raises(errors.Invalid):
            raise_(history, **{absent: None})
    with pytest.raises(errors.ScopeMissing):
        raise_(history, by=ISSUER)


def test_a_license_that_ended_is_disputed_and_decided_still() -> None:
    history = issued()
    raise_(history)
    history.record(license.LicenseRevoked(license_ref=REF))
    decide(history, "rejected")
    raise_(history, by_holder(dispute_ref=LATER, kind="stale", field_names=("name",)))
    history.record(license.LicenseCancelled(license_ref=REF))
    decide(history, "upheld", history.size - 1, dispute_ref=LATER)
    assert open_disputes(history) == 0


def correct(history: History) -> int:
    """The license is another holder's; returns its leaf index."""
    parties = (("holder", STRANGER),)
    made = version(correction.LicenseHolderCorrected, version=2, parties=parties, former_stream=HOLDER)
    history.record(made, stream=STRANGER)
    return history.size - 1


def test_a_dispute_goes_with_its_license_to_the_right_holder() -> None:
    history = issued()
    raise_(history)
    raise_(history, by_holder(dispute_ref=LATER))
    mended = correct(history)
    assert open_disputes(history) == 2
    history.record(holder.HolderErased(), by=None)
    for gone in (lambda: decide(history, "upheld", mended), lambda: withdraw(history)):
        with pytest.raises(errors.HolderErasedConflict):
            gone()
    decide(history, "upheld", mended, stream=STRANGER)
    decide(history, "rejected", dispute_ref=LATER, stream=STRANGER)
    assert open_disputes(history) == 0
    again = filed(dispute_ref=b"a" * 16, former=DISPUTE)
    raise_(history, again, stream=STRANGER)
    with pytest.raises(errors.Conflict):
        decide(history, "rejected", dispute_ref=b"a" * 16, stream=STREAMS[HALL])


def test_with_an_erased_holder_there_is_nothing_to_decide() -> None:
    history = issued()
    raise_(history)
    history.record(holder.HolderErased(), by=None)
    for settle in (lambda: decide(history, "rejected"), lambda: withdraw(history)):
        with pytest.raises(errors.HolderErasedConflict):
            settle()
    with pytest.raises(errors.HolderErasedConflict):
        raise_(history, filed(dispute_ref=LATER, kind="stale"))


@pytest.mark.parametrize(
    ("raised_on", "reaches", "now", "is_provisional"),
    [
        ("2026-02-09", "2026-12-28", "2026-02-28", False),  # over Spring Festival
        ("2026-02-09", "2025-12-28", "2026-02-28", False),  # promised before the notice came: counted anew
        ("2026-12-21", "2026-12-28", "2027-01-04", True),  # nobody knows January yet
    ],
)
def test_a_promise_stays_and_what_was_provisional_is_counted_anew(
    raised_on: str, reaches: str, now: str, is_provisional: bool
) -> None:
    history, at = issued(), days.parse_instant(f"{raised_on}T23:30:00+08:00")
    today, known = days.parse(raised_on), days.parse(reaches)
    blind = replace(CALENDAR, holidays=frozenset(), workdays=frozenset())
    told = (CALENDAR if known > today else blind).due(today, 10)
    raise_(history, filed(due_on=told, known_until=known), at=at)
    assert dispute.due(row(history), CALENDAR) == (days.parse(now), is_provisional)
    assert dispute.due(row(history), CALENDAR_WITHOUT_BREAKS)[0] == (
        told if told <= known else CALENDAR_WITHOUT_BREAKS.due(today, 10)
    )
