"""Which licenses may be pages of a household, and in which one a page or a person is: one at a time.

What the facts of `ledger.household` share: the rows that they touch, what must hold of a page, and the rows
`HouseholdPlaceRow`, by which a page and its holder are found. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable

from ledger import errors, holder, license
from ledger.fact import Touched
from ledger.state import ClientRow, LicenseRow, State, StreamRow, TypeRulesRow, altered
from ledger.state_household import HouseholdPlaceRow
from signing import event, ids

FORMER_MAX = 20
"""Households before the present one that are remembered of a page and of a person."""


def types(*type_codes: str) -> Touched:
    """What is asked of types of pages."""
    for type_code in type_codes:
        yield TypeRulesRow, type_code


def rows(keys: Iterable[bytes | None]) -> Touched:
    """Where some pages and persons are."""
    for key in keys:
        if key is not None:
            yield HouseholdPlaceRow, key


def of_pages(pages: Iterable[tuple[bytes, bytes]]) -> Touched:
    """What pages that come in are asked."""
    for page_ref, stream_id in pages:
        yield LicenseRow, page_ref
        yield from of_person(stream_id)
        yield from rows((page_ref, stream_id))


def of_person(stream_id: bytes) -> Touched:
    """What the holder of a page is asked."""
    yield StreamRow, stream_id


def of_first(first_page: bytes) -> Touched:
    """What a first page is asked."""
    yield LicenseRow, first_page
    yield HouseholdPlaceRow, first_page


def require_types(type_code: str, first_type: str, state: State) -> None:
    """Nothing when licenses of both types are pages of households; raises Invalid."""
    for code, field in ((type_code, "pages"), (first_type, "first_page")):
        rules = state.get(TypeRulesRow, code)
        if rules is None or not rules.is_household_page:
            raise errors.Invalid("licenses of this type are no pages of a household", field=field)


def require_type(type_code: str, about: event.Event, state: State) -> None:
    """Nothing when the actor's client may issue licenses of the type; raises NotTheIssuer."""
    if about.client is not None and type_code not in state.need(ClientRow, about.client).license_types:
        raise errors.NotTheIssuer


def require_page(named: tuple[bytes, bytes], type_code: str, about: event.Event, state: State) -> None:
    """Nothing when a license may come in as its holder's page, at the event's effective time."""
    page_ref, stream_id = named
    row = _own(page_ref, type_code, about, state, field="pages")
    if row.stream_id != stream_id:
        raise errors.Conflict("the license has another home stream", field="pages")
    require_living(stream_id, state, field="pages")
    for key in named:
        _require_free(key, about, state, field="pages")


def require_anew(page_ref: bytes, stream_id: bytes, type_code: str, about: event.Event, state: State) -> None:
    """Nothing when a license may take the place of another page of its holder."""
    row = _own(page_ref, type_code, about, state, field="pages")
    if row.stream_id != stream_id:
        raise errors.Conflict("the license has another home stream", field="pages")
    _require_free(page_ref, about, state, field="pages")


def require_first(
    first_page: bytes,
    stream_id: bytes,
    type_code: str,
    about: event.Event,
    state: State,
    *,
    is_same: bool = False,
) -> None:
    """Nothing when a license of the head may come in as the first page, or stay so."""
    row = _own(first_page, type_code, about, state, field="first_page")
    if row.stream_id != stream_id:
        raise errors.Invalid("the first page is a license of the head", field="first_page")
    if not is_same:
        _require_free(first_page, about, state, field="first_page")


def require_living(stream_id: bytes, state: State, *, field: str) -> None:
    """Nothing when somebody is there who has not ended and whose code nobody contests."""
    row = state.need(StreamRow, stream_id)
    if row.is_erased:
        raise errors.HolderErasedConflict(field=field)
    holder.refuse_contested(row)
    holder.refuse_ended(row)


def enter(pages: Iterable[tuple[bytes, bytes]], household_ref: bytes, state: State) -> None:
    """Pages and their holders are in a household from here on."""
    for named in pages:
        for key in named:
            _put(key, household_ref, None, state)


def enter_first(first_page: bytes, household_ref: bytes, state: State) -> None:
    """A first page is a household's from here on."""
    _put(first_page, household_ref, None, state)


def leave(keys: Iterable[bytes], state: State, *, at: int) -> None:
    """Pages and persons are in no household from here on, in law from an instant on."""
    for key in keys:
        _put(key, None, at, state)


def _put(key: bytes, household_ref: bytes | None, free_from: int | None, state: State) -> None:
    row = state.get(HouseholdPlaceRow, key)
    if row is None:
        row = HouseholdPlaceRow(place_key=key, household_ref=None, free_from=None, former=())
    former = row.former
    if row.household_ref is not None and row.household_ref != household_ref:
        last = ids.text(row.household_ref)
        former = (*(one for one in former if one != last), last)[-FORMER_MAX:]
    state.put(altered(row, household_ref=household_ref, free_from=free_from, former=former))


def _own(license_ref: bytes, type_code: str, about: event.Event, state: State, *, field: str) -> LicenseRow:
    """A license of the type that has not ended, and that the actor answers for."""
    row = state.get(LicenseRow, license_ref)
    if row is None:
        raise errors.LicenseNotFound(field=field)
    require_type(row.type_code, about, state)
    license.require_issuer(row, about, state)
    if row.type_code != type_code:
        raise errors.Invalid("the pages of a household are of one type, its first page of one", field=field)
    if row.status not in license.LIVE:
        raise errors.StatusConflict(license_status=row.status, field=field)
    if row.is_orphaned:
        raise errors.HolderErasedConflict(field=field)
    return row


def _require_free(key: bytes, about: event.Event, state: State, *, field: str) -> None:
    """Nothing when a page or person is in no household, and was in none then; raises PageTaken."""
    row = state.get(HouseholdPlaceRow, key)
    if row is None:
        return
    if row.household_ref is not None:
        raise errors.PageTaken(field=field)
    if row.free_from is not None and about.effective_at < row.free_from:
        raise errors.PageTaken("it left the household before later than that", field="effective_at")
