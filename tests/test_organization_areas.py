"""Succession of organizations in some divisions alone: a district passes, what lies in none stays."""

from __future__ import annotations

import pytest

from ledger import authorization, catalog, errors, license
from tests.history import (
    CONDITIONAL,
    FREE,
    HALL,
    ISSUER,
    OTHER,
    REF,
    REGISTRY,
    STREAMS,
    History,
    begun,
    granted,
    registered_type,
    version,
)
from tests.test_organization import SUSPENDED, entrusted, handovers, passed, succeeded, writers, writes

DISTRICT, CITY, ELSEWHERE = "350102", "350100", "350200"


def lying_in(*areas: str) -> History:
    """A history in which licenses of the issuer lie in two places, of which some districts passed."""
    history = begun()
    history.record(version(area_code=DISTRICT))
    history.record(version(license_ref=b"e" * 16, area_code=ELSEWHERE))
    history.record(succeeded(areas=areas), stream=REGISTRY, by=None)
    return history


@pytest.mark.parametrize("area", [DISTRICT, CITY])
def test_where_a_district_passes_the_successor_has_its_licenses_alone(area: str) -> None:
    history = lying_in(area)
    elsewhere = license.LicenseSuspended(license_ref=b"e" * 16)
    for made, by in (
        (SUSPENDED, ISSUER),
        (version(license_ref=b"n" * 16, area_code=DISTRICT), ISSUER),
        (version(license.LicenseAmended, version=2, area_code=DISTRICT), ISSUER),
        (elsewhere, OTHER),
    ):
        with pytest.raises(errors.NotTheIssuer):
            history.record(made, by=by)
    history.record(version(license.LicenseAmended, version=2, area_code=DISTRICT), by=OTHER)
    history.record(SUSPENDED, by=OTHER)
    history.record(elsewhere)
    history.record(version(license_ref=b"n" * 16))


def test_no_license_is_moved_over_the_line_of_a_succession() -> None:
    history = lying_in(DISTRICT)
    out = version(license.LicenseAmended, version=2, area_code=ELSEWHERE)
    into = version(license.LicenseAmended, version=2, license_ref=b"e" * 16, area_code=DISTRICT)
    for made, by in ((out, OTHER), (into, ISSUER)):
        with pytest.raises(errors.NotTheIssuer):
            history.record(made, by=by)


def test_a_district_passes_once_and_the_rest_to_others() -> None:
    history = lying_in(DISTRICT)
    for areas in ((), (CITY,), (DISTRICT,), ("350000",)):
        with pytest.raises(errors.Conflict):
            history.record(succeeded(successor=HALL, areas=areas), stream=REGISTRY, by=None)
    history.record(succeeded(successor=HALL, areas=("350103", ELSEWHERE)), stream=REGISTRY, by=None)
    with pytest.raises(errors.NotTheIssuer):
        history.record(license.LicenseSuspended(license_ref=b"e" * 16))
    assert {one.areas for one in handovers(history, HALL)} == {("350103", ELSEWHERE)}


def test_who_succeeds_a_successor_of_districts_has_what_both_are_about() -> None:
    history = begun()
    first = succeeded(successor=HALL, areas=(DISTRICT, ELSEWHERE), type_codes=(FREE, CONDITIONAL))
    history.record(first, stream=REGISTRY, by=None)
    second = succeeded(predecessor=HALL, areas=(CITY,), type_codes=(FREE,))
    history.record(second, stream=REGISTRY, by=None)
    taken = {(one.organization, one.type_codes, one.areas) for one in handovers(history, OTHER)}
    assert taken == {(HALL, (FREE,), (CITY,)), (ISSUER, (FREE,), (DISTRICT,))}
    nothing = succeeded(predecessor=HALL, areas=("360000",), type_codes=(FREE,))
    history.record(nothing, stream=REGISTRY, by=None)
    assert [one.organization for one in handovers(history, OTHER)] == [HALL, ISSUER, HALL]


def test_what_lies_in_no_division_stays_with_the_predecessor() -> None:
    history = writers()
    given = granted("statutory", requester=HALL)
    writes(history, given, by=ISSUER, stream=STREAMS[HALL])
    for code in (ISSUER, HALL):
        history.record(succeeded(predecessor=code, areas=("350000",)), stream=REGISTRY, by=None)
    withdrawn = authorization.AuthorizationWithdrawn(authorization_ref=REF)
    revised = catalog.LicenseTypeRevised(**vars(registered_type(f"{HALL}901", "unconditional")))
    for made, stream, error in (
        (withdrawn, STREAMS[HALL], errors.AuthorizationNotFound),
        (revised, REGISTRY, errors.NotTheIssuer),
        (entrusted(), STREAMS[HALL], errors.NotTheIssuer),
    ):
        with pytest.raises(error):
            writes(history, made, by=OTHER, stream=stream)
    with pytest.raises(errors.Conflict):
        history.record(passed(), stream=STREAMS[OTHER], by=None)
    writes(history, revised, by=HALL)
    writes(history, entrusted(), by=ISSUER, stream=STREAMS[HALL])
    writes(history, withdrawn, by=ISSUER, stream=STREAMS[HALL])
