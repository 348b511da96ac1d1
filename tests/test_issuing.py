"""Who acts: entrusted issuing and clients of many organizations; given facts, then row or error."""

from __future__ import annotations

from typing import Any

import pytest

from ledger import client, days, errors, issuing, license, power
from ledger.state import ClientRow, EntrustmentRow, LicenseRow, OrganizationRow
from signing import ids
from tests.history import (
    CLIENTS,
    CONDITIONAL,
    FREE,
    HALL,
    HOLDER,
    ISSUER,
    NOON,
    OTHER,
    REF,
    REGISTRY,
    STREAMS,
    History,
    begun,
    granted,
    registered_client,
    version,
)

ENTRUSTMENT = b"e" * 16
TODAY = days.of_instant(NOON)
NEW = "91350100MA0000007A"


def entrusted(**members: Any) -> issuing.IssuingEntrusted:
    values: dict[str, Any] = {
        "entrustment_ref": ENTRUSTMENT,
        "delegator": ISSUER,
        "delegate": OTHER,
        "type_codes": (FREE,),
        "areas": (),
        "valid_from": TODAY,
        "valid_until": None,
    }
    return issuing.IssuingEntrusted(**values | members)


def ended(**members: Any) -> issuing.IssuingEntrustmentEnded:
    values: dict[str, Any] = {"entrustment_ref": ENTRUSTMENT, "delegator": ISSUER, "delegate": OTHER}
    return issuing.IssuingEntrustmentEnded(**values | members)


def with_entrustment(**members: Any) -> History:
    history = begun()
    history.record(entrusted(**members), stream=REGISTRY, by=None)
    return history


def test_a_delegate_acts_for_the_delegator_who_stays_the_issuer() -> None:
    history = with_entrustment()
    history.record(version(), by=OTHER, issuer=ISSUER)
    assert history.row(LicenseRow, REF).issuer == ISSUER
    history.record(version(license.LicenseAmended, version=2), by=OTHER, issuer=ISSUER)
    history.record(license.LicenseSuspended(license_ref=REF), by=OTHER, issuer=ISSUER)
    history.record(license.LicenseReinstated(license_ref=REF))
    with pytest.raises(errors.NotTheIssuer):
        history.record(license.LicenseSuspended(license_ref=REF), by=OTHER)


def test_without_an_entrustment_nobody_issues_for_another() -> None:
    for history, members in (
        (begun(), {}),
        (with_entrustment(delegator=HALL), {}),
        (with_entrustment(type_codes=(CONDITIONAL,)), {}),
        (with_entrustment(valid_from=TODAY + 1), {}),
        (with_entrustment(valid_from=TODAY - 9, valid_until=TODAY - 1), {}),
        (with_entrustment(areas=("350102",)), {"area_code": "350103"}),
        (with_entrustment(areas=("360000",)), {}),
    ):
        with pytest.raises(errors.NotTheIssuer):
            history.record(version(**members), by=OTHER, issuer=ISSUER)


def test_an_entrustment_lasts_through_its_last_day() -> None:
    history = with_entrustment(valid_until=TODAY)
    history.record(version(), by=OTHER, issuer=ISSUER)
    suspended = license.LicenseSuspended(license_ref=REF)
    with pytest.raises(errors.NotTheIssuer):
        history.record(suspended, by=OTHER, issuer=ISSUER, at=days.start(TODAY + 1))
    history.record(suspended, by=OTHER, issuer=ISSUER, at=days.start(TODAY + 1) - 1)


def test_an_area_holds_what_lies_within_it_and_a_license_stays_in_it() -> None:
    history = with_entrustment(areas=("350100",))
    history.record(version(area_code="350102"), by=OTHER, issuer=ISSUER)
    moved = version(license.LicenseAmended, version=2, area_code="350200")
    with pytest.raises(errors.NotTheIssuer):
        history.record(moved, by=OTHER, issuer=ISSUER)
    history.record(moved)
    with pytest.raises(errors.NotTheIssuer):
        history.record(license.LicenseSuspended(license_ref=REF), by=OTHER, issuer=ISSUER)
    assert power.lies_within("350102", "350000")
    assert not power.lies_within("350102", "350103")


def test_an_ended_entrustment_lets_nobody_act_and_what_was_issued_stands() -> None:
    history = with_entrustment()
    history.record(version(), by=OTHER, issuer=ISSUER)
    history.record(ended(), stream=REGISTRY, by=None)
    assert history.row(EntrustmentRow, power.pair(ISSUER, OTHER)).grants == ()
    for made in (
        version(license_ref=b"n" * 16),
        version(license.LicenseAmended, version=2),
        license.LicenseSuspended(license_ref=REF),
    ):
        with pytest.raises(errors.NotTheIssuer):
            history.record(made, by=OTHER, issuer=ISSUER)
    history.record(license.LicenseSuspended(license_ref=REF))
    with pytest.raises(errors.NotFound):
        history.record(ended(), stream=REGISTRY, by=None)


def test_one_of_several_entrustments_ends_alone() -> None:
    history = with_entrustment()
    history.record(
        entrusted(entrustment_ref=b"f" * 16, type_codes=(FREE, CONDITIONAL)), stream=REGISTRY, by=None
    )
    history.record(ended(), stream=REGISTRY, by=None)
    history.record(version(), by=OTHER, issuer=ISSUER)
    (left,) = power.grants(history.row(EntrustmentRow, power.pair(ISSUER, OTHER)))
    assert (left.entrustment_ref, left.type_codes) == (ids.text(b"f" * 16), (FREE, CONDITIONAL))


@pytest.mark.parametrize(
    ("members", "field"),
    [
        ({"delegate": ISSUER}, "delegate"),
        ({"delegate": "513500000000000354"}, "delegate"),
        ({"type_codes": ()}, "license_types"),
        ({"type_codes": (CONDITIONAL, FREE)}, "license_types"),
        ({"type_codes": ("11100000MB0143028R999",)}, "license_types"),
        ({"areas": ("35010",)}, "areas"),
        ({"valid_until": TODAY - 1}, "valid_until"),
        ({"valid_from": -99999}, "valid_from"),
    ],
)
def test_a_bad_entrustment_is_refused_and_the_member_is_named(members: dict[str, Any], field: str) -> None:
    with pytest.raises(errors.Invalid) as refused:
        begun().record(entrusted(**members), stream=REGISTRY, by=None)
    assert refused.value.field == field


def test_an_organization_entrusts_its_own_issuing_and_either_side_ends_it() -> None:
    history = begun()
    for organization, client_id in ((ISSUER, b"a" * 16), (OTHER, b"b" * 16), (HALL, b"c" * 16)):
        writer = registered_client(organization, "issuing:entrust", client_id=client_id)
        history.record(writer, stream=REGISTRY, by=None)
    with pytest.raises(errors.NotTheIssuer):
        history.record(entrusted(), stream=REGISTRY, by=OTHER, client=b"b" * 16)
    made = entrusted(delegator=OTHER, delegate=HALL, type_codes=(CONDITIONAL,))
    with pytest.raises(errors.NotTheIssuer):
        history.record(made, stream=REGISTRY, by=OTHER, client=b"b" * 16)
    with pytest.raises(errors.ScopeMissing):
        history.record(entrusted(), stream=REGISTRY, by=ISSUER)
    history.record(entrusted(), stream=REGISTRY, by=ISSUER, client=b"a" * 16)
    with pytest.raises(errors.AlreadyExists):
        history.record(entrusted(), stream=REGISTRY, by=ISSUER, client=b"a" * 16)
    with pytest.raises(errors.NotFound):
        history.record(ended(), stream=REGISTRY, by=HALL, client=b"c" * 16)
    history.record(ended(), stream=REGISTRY, by=OTHER, client=b"b" * 16)


def test_a_delegate_needs_the_type_in_its_registration_too() -> None:
    history = with_entrustment(type_codes=(CONDITIONAL,))
    with pytest.raises(errors.NotTheIssuer):
        history.record(version(type_code=CONDITIONAL), by=OTHER, issuer=ISSUER)


def served(*organizations: tuple[str, bytes]) -> client.ClientOrganizationsChanged:
    return client.ClientOrganizationsChanged(client_id=CLIENTS[HALL], further=organizations)


def test_a_client_serves_the_organizations_of_its_registration() -> None:
    history = begun()
    both = registered_client(
        ISSUER,
        "license:issue",
        client_id=b"2" * 16,
        license_types=(FREE,),
        further=((NEW, b"new".ljust(16)), (OTHER, STREAMS[OTHER])),
    )
    history.record(both, stream=REGISTRY, by=None)
    assert history.row(ClientRow, b"2" * 16).acts_for == (NEW, OTHER)
    assert history.row(OrganizationRow, NEW).stream_id == b"new".ljust(16)
    acting = {"by": ISSUER, "client": b"2" * 16}
    history.record(version(), **acting, organization=OTHER, issuer=OTHER)
    assert history.row(LicenseRow, REF).issuer == OTHER
    with pytest.raises(errors.Forbidden):
        history.record(version(license_ref=b"n" * 16), **acting, organization=HALL, issuer=HALL)
    with pytest.raises(errors.NotTheIssuer):
        history.record(license.LicenseSuspended(license_ref=REF), **acting, organization=ISSUER)


def test_an_organization_taken_from_a_client_is_not_acted_for_any_more() -> None:
    history = begun()
    history.record(version())
    history.record(
        granted("statutory", requester=OTHER, requester_stream=STREAMS[OTHER]), stream=STREAMS[OTHER]
    )
    history.record(served((OTHER, STREAMS[OTHER])), stream=REGISTRY, by=None)
    assert history.row(ClientRow, CLIENTS[HALL]).acts_for == (OTHER,)
    history.record(served(), stream=REGISTRY, by=None)
    for made in (version(license_ref=b"n" * 16), license.LicenseSuspended(license_ref=REF)):
        with pytest.raises(errors.Forbidden):
            history.record(made, by=HALL, organization=OTHER, issuer=OTHER)


@pytest.mark.parametrize(
    ("further", "error"),
    [
        (((HALL, STREAMS[HALL]),), errors.Invalid),
        (((OTHER, STREAMS[OTHER]), (OTHER, STREAMS[OTHER])), errors.Invalid),
        ((("513500000000000354", b"new".ljust(16)),), errors.Invalid),
        (((OTHER, STREAMS[ISSUER]),), errors.Conflict),
        (((NEW, STREAMS[ISSUER]),), errors.Conflict),
        (((NEW, HOLDER),), None),
        (((NEW, b"n" * 16), ("11100000MB0143028R", b"n" * 16)), errors.Conflict),
    ],
)
def test_each_organization_of_a_client_has_a_stream_of_its_own(
    further: tuple[tuple[str, bytes], ...], error: type[Exception] | None
) -> None:
    history = begun()
    if error is None:
        history.record(served(*further), stream=REGISTRY, by=None)
        return
    with pytest.raises(error):
        history.record(served(*further), stream=REGISTRY, by=None)
