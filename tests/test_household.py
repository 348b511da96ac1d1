"""Households: a page is in one at a time, the head leaves last, and every day can be asked for again."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ledger import booklet, days, ending, errors, household, household_move, issuing, license
from ledger.state import LicenseRow, altered
from ledger.state_household import HouseholdPlaceRow, HouseholdRow
from signing import ids
from tests.history import (
    HALL,
    ISSUER,
    NOON,
    OTHER,
    REGISTRY,
    STREAMS,
    History,
    begun,
    registered_client,
    registered_type,
    version,
)

TYPE = "11350000000000019H901"
GROUP, SECOND = b"5" * 16, b"6" * 16
FATHER, MOTHER, CHILD = (name.ljust(16) for name in (b"father", b"mother", b"child"))
PAGE = {person: b"page-" + person[:11] for person in (FATHER, MOTHER, CHILD)}
FIRST, SECOND_FIRST = b"first page".ljust(16), b"another first".ljust(16)
DAY = 86_400_000_000
CLIENT = {organization: bytes([number]) * 16 for number, organization in enumerate((ISSUER, OTHER))}


def pages(*people: bytes) -> tuple[household.Named, ...]:
    return tuple(sorted((PAGE[person], person) for person in people))


def formed(**members: Any) -> household.HouseholdRegistered:
    values: dict[str, Any] = {
        "household_ref": GROUP,
        "type_code": TYPE,
        "first_type": TYPE,
        "head": PAGE[FATHER],
        "first_page": FIRST,
        "pages": pages(FATHER, MOTHER),
        "area_code": None,
    }
    return household.HouseholdRegistered(**values | members)


def people() -> History:
    """Three people with a page each, and two who could be heads with a first page."""
    history = begun()
    definition = vars(registered_type(TYPE, "conditional")) | {"is_household_page": True}
    history.record(type(registered_type(TYPE, "none"))(**definition), stream=REGISTRY, by=None)
    for organization, client_id in CLIENT.items():
        scopes = ("license:issue", "holder:register")
        made = registered_client(organization, *scopes, client_id=client_id, license_types=(TYPE,))
        history.record(made, stream=REGISTRY, by=None)
    for person in (FATHER, MOTHER, CHILD):
        recorded(history, page_of(person), stream=person, at=NOON - 9 * DAY)
    for ref, person in ((FIRST, FATHER), (SECOND_FIRST, MOTHER)):
        recorded(history, page_of(person, ref), stream=person, at=NOON - 9 * DAY)
    return history


def page_of(person: bytes, ref: bytes | None = None) -> Any:
    return version(license_ref=ref or PAGE[person], type_code=TYPE, parties=(("holder", person),))


def recorded(
    history: History, made: Any, *, stream: bytes | None = None, by: str = ISSUER, **more: Any
) -> None:
    """By the client of an organization that may issue pages."""
    history.record(made, stream=stream or STREAMS[by], by=by, **{"client": CLIENT[by]} | more)


def family() -> History:
    """Father and mother, since noon."""
    history = people()
    recorded(history, formed())
    return history


def added(person: bytes = CHILD, ref: bytes = GROUP) -> household.PageAdded:
    return household.PageAdded(household_ref=ref, page=PAGE[person], holder_stream=person)


def removed(
    person: bytes, cause: str = "moved-out", first_page: bytes | None = None
) -> household.PageRemoved:
    return household.PageRemoved(
        household_ref=GROUP, page=PAGE[person], holder_stream=person, cause=cause, first_page=first_page
    )


def headed(person: bytes = MOTHER, **members: Any) -> household.HeadChanged:
    values = {
        "household_ref": GROUP,
        "head": PAGE[person],
        "holder_stream": person,
        "first_page": SECOND_FIRST,
        "former_first": FIRST,
    }
    return household.HeadChanged(**values | members)


def split(*who: bytes, head: bytes = MOTHER, new_ref: bytes = SECOND) -> household.HouseholdSplit:
    return household.HouseholdSplit(
        household_ref=GROUP, new_ref=new_ref, pages=pages(*who), head=PAGE[head], first_page=SECOND_FIRST
    )


def there(history: History, *, ref: bytes = GROUP, at: int = NOON + DAY * 365, **when: Any) -> set[bytes]:
    """Whose pages are in a household then."""
    seen = booklet.seen(history.row(HouseholdRow, ref), at=at, **when)
    return set() if seen is None else {one.stream_id for one in seen.pages}


def test_who_was_in_a_household_is_told_of_every_day_and_as_it_was_known() -> None:
    history = family()
    recorded(history, added(), at=NOON + 2 * DAY, effective_at=NOON + DAY)
    recorded(history, removed(MOTHER), at=NOON + 4 * DAY, effective_at=NOON + 3 * DAY)
    row, today = history.row(HouseholdRow, GROUP), days.of_instant(NOON)
    assert there(history, at=NOON - 1) == set()
    assert [len(there(history, day=today + number)) for number in range(-1, 6)] == [0, 2, 3, 3, 3, 2, 2]
    assert there(history) == {FATHER, CHILD}
    assert there(history, day=today + 1, as_of=NOON + DAY) == {FATHER, MOTHER}
    assert there(history, at=NOON + 4 * DAY, as_of=NOON + 4 * DAY - 1) == {FATHER, MOTHER, CHILD}
    assert booklet.head(row).page_ref == PAGE[FATHER]
    assert history.row(HouseholdPlaceRow, MOTHER).former == (ids.text(GROUP),)


def test_a_page_and_a_person_are_in_one_household_at_a_time() -> None:
    history = family()
    for again in (added(MOTHER), added(FATHER)):
        with pytest.raises(errors.PageTaken):
            recorded(history, again)
    other = b"a second page".ljust(16)
    recorded(history, page_of(MOTHER, other), stream=MOTHER)
    with pytest.raises(errors.PageTaken):
        recorded(history, household.PageAdded(household_ref=GROUP, page=other, holder_stream=MOTHER))
    recorded(history, removed(MOTHER), at=NOON + 2 * DAY)
    with pytest.raises(errors.PageTaken):
        recorded(history, added(MOTHER), at=NOON + 3 * DAY, effective_at=NOON + DAY)
    recorded(history, added(MOTHER), at=NOON + 3 * DAY, effective_at=NOON + 2 * DAY)
    assert there(history) == {FATHER, MOTHER}


def test_the_head_leaves_as_the_last_and_the_household_is_over_with_it() -> None:
    history = family()
    with pytest.raises(errors.HouseholdConflict):
        recorded(history, removed(FATHER, "death"))
    recorded(history, removed(MOTHER))
    with pytest.raises(errors.HouseholdConflict):
        recorded(history, removed(FATHER, "death"))
    recorded(history, removed(FATHER, "death", FIRST))
    assert there(history) == set()
    for late in (added(), removed(FATHER), headed(), split(MOTHER)):
        with pytest.raises(errors.HouseholdConflict):
            recorded(history, late)
    recorded(history, formed(household_ref=SECOND))
    assert there(history, ref=SECOND) == {FATHER, MOTHER}


def test_who_was_the_head_does_not_leave_before_that_and_the_last_one_not_before_the_others() -> None:
    history, another = family(), b"another again".ljust(16)
    recorded(history, page_of(FATHER, another), stream=FATHER)
    recorded(history, headed(), at=NOON + 2 * DAY)
    back = headed(FATHER, first_page=another, former_first=SECOND_FIRST)
    recorded(history, back, at=NOON + 4 * DAY)
    for early in (NOON + DAY, NOON + 3 * DAY):
        with pytest.raises(errors.HouseholdConflict):
            recorded(history, removed(MOTHER), at=NOON + 9 * DAY, effective_at=early)
    recorded(history, removed(MOTHER), at=NOON + 9 * DAY, effective_at=NOON + 6 * DAY)
    last = removed(FATHER, "death", another)
    for early in (NOON + 3 * DAY, NOON + 5 * DAY):
        with pytest.raises(errors.Invalid):
            recorded(history, last, at=NOON + 9 * DAY, effective_at=early)
    recorded(history, last, at=NOON + 9 * DAY, effective_at=NOON + 6 * DAY)


def test_a_new_head_brings_a_first_page_and_the_former_one_may_leave_from_then_on() -> None:
    history = family()
    for wrong, refusal in (
        (headed(first_page=FIRST), errors.Invalid),
        (headed(former_first=SECOND_FIRST), errors.HouseholdConflict),
        (headed(FATHER), errors.HouseholdConflict),
        (headed(CHILD), errors.HouseholdConflict),
        (headed(holder_stream=FATHER), errors.HouseholdConflict),
        (headed(first_page=b"none".ljust(16)), errors.LicenseNotFound),
    ):
        with pytest.raises(refusal):
            recorded(history, wrong)
    recorded(history, headed(), at=NOON + 2 * DAY)
    with pytest.raises(errors.HouseholdConflict):
        recorded(history, removed(FATHER), at=NOON + 3 * DAY, effective_at=NOON + DAY)
    recorded(history, removed(FATHER), at=NOON + 3 * DAY, effective_at=NOON + 2 * DAY)
    last = removed(MOTHER, first_page=SECOND_FIRST)
    with pytest.raises(errors.Invalid):
        recorded(history, last, at=NOON + 3 * DAY, effective_at=NOON + DAY)
    row = history.row(HouseholdRow, GROUP)
    told = [booklet.seen(row, at=at).head.first_page for at in (NOON, NOON + 2 * DAY)]  # type: ignore[union-attr]
    assert told == [FIRST, SECOND_FIRST]


def test_of_two_splits_one_takes_the_page_and_the_household_is_never_emptied_by_one() -> None:
    history = family()
    recorded(history, added())
    with pytest.raises(errors.HouseholdConflict):
        recorded(history, split(FATHER, MOTHER))
    with pytest.raises(errors.Invalid):
        recorded(history, split(CHILD))
    recorded(history, split(CHILD, MOTHER), at=NOON + DAY)
    with pytest.raises(errors.HouseholdConflict):
        recorded(history, split(CHILD, MOTHER, new_ref=b"7" * 16), at=NOON + DAY)
    assert (there(history), there(history, ref=SECOND)) == ({FATHER}, {MOTHER, CHILD})
    assert there(history, at=NOON) == {FATHER, MOTHER, CHILD}
    assert there(history, ref=SECOND, at=NOON) == set()


@pytest.mark.parametrize(
    ("members", "refusal", "field"),
    [
        ({"pages": ()}, errors.Invalid, "pages"),
        ({"pages": tuple(reversed(pages(FATHER, MOTHER)))}, errors.Invalid, "pages"),
        ({"pages": pages(MOTHER)}, errors.Invalid, "head"),
        ({"first_page": SECOND_FIRST}, errors.Invalid, "first_page"),
        ({"first_page": PAGE[FATHER]}, errors.Invalid, "first_page"),
        ({"type_code": "11100000MB0143028R001"}, errors.Invalid, "pages"),
        ({"area_code": "3501"}, errors.Invalid, "area_code"),
        ({"pages": ((PAGE[FATHER], FATHER), (PAGE[MOTHER], CHILD))}, errors.Conflict, "pages"),
        (
            {"pages": tuple(sorted((*pages(FATHER, MOTHER), (SECOND_FIRST, MOTHER))))},
            errors.PageTaken,
            "pages",
        ),
    ],
)
def test_what_is_wrong_with_a_household_is_named(
    members: dict[str, Any], refusal: type[errors.LedgerError], field: str
) -> None:
    history = people()
    with pytest.raises(refusal) as raised:
        recorded(history, formed(**members))
    assert raised.value.field == field


def test_a_page_of_somebody_who_ended_or_was_ended_itself_does_not_come_in_and_goes_out_alone() -> None:
    history = family()
    end = ending.HolderEnded(kind="death", evidence_digest=bytes(32))
    for person in (MOTHER, CHILD):
        recorded(history, end, stream=person, by=OTHER)
    with pytest.raises(errors.HolderEndedConflict):
        recorded(history, added())
    with pytest.raises(errors.HolderEndedConflict):
        recorded(history, headed())
    recorded(history, removed(MOTHER, "death"))
    history = family()
    recorded(history, license.LicenseCancelled(license_ref=PAGE[CHILD]), stream=CHILD)
    with pytest.raises(errors.StatusConflict):
        recorded(history, added())


def test_nobody_changes_a_household_whose_pages_another_answers_for() -> None:
    history = family()
    for made in (added(), removed(MOTHER), headed(), split(MOTHER), moved()):
        with pytest.raises(errors.NotTheIssuer):
            recorded(history, made, by=OTHER)
        with pytest.raises(errors.Conflict):
            recorded(history, made, stream=STREAMS[HALL])
        with pytest.raises(errors.ScopeMissing):
            history.record(made, stream=STREAMS[HALL], by=HALL)


def test_whose_licenses_are_one_persons_is_told_to_nobody_who_does_not_answer_for_them() -> None:
    history = people()
    of_one = formed(pages=tuple(sorted(((PAGE[FATHER], FATHER), (SECOND_FIRST, FATHER)))))
    with pytest.raises(errors.NotTheIssuer):
        recorded(history, of_one, by=OTHER)


def test_a_delegate_keeps_households_where_issuing_is_entrusted_to_it_and_nowhere_else() -> None:
    history = people()
    given = issuing.IssuingEntrusted(
        entrustment_ref=b"e" * 16,
        delegator=ISSUER,
        delegate=OTHER,
        type_codes=(TYPE,),
        areas=("350100",),
        valid_from=0,
        valid_until=None,
    )
    history.record(given, stream=REGISTRY, by=None)
    acting = {"by": OTHER, "issuer": ISSUER}
    for person, ref in ((FATHER, b"its page".ljust(16)), (FATHER, b"its first".ljust(16))):
        made = version(license_ref=ref, type_code=TYPE, parties=(("holder", person),), area_code="350100")
        recorded(history, made, stream=person, **acting)
    said = {"head": b"its page".ljust(16), "first_page": b"its first".ljust(16)}
    here = formed(pages=((said["head"], FATHER),), area_code="350102", **said)
    with pytest.raises(errors.NotTheIssuer):
        recorded(history, replace(here, area_code="350200"), stream=STREAMS[OTHER], **acting)
    recorded(history, here, stream=STREAMS[OTHER], **acting)
    with pytest.raises(errors.NotTheIssuer):
        recorded(history, moved(first_page=FIRST, former_first=FIRST), stream=STREAMS[OTHER], **acting)


def moved(**members: Any) -> household_move.HouseholdMoved:
    values: dict[str, Any] = {
        "household_ref": GROUP,
        "area_code": "350200",
        "head": PAGE[FATHER],
        "holder_stream": FATHER,
        "first_page": FIRST,
        "former_first": FIRST,
        "pages": (),
    }
    return household_move.HouseholdMoved(**values | members)


def test_a_household_moves_with_its_keeper_and_keeps_its_first_page_or_gets_another() -> None:
    history = family()
    recorded(history, moved(), at=NOON + DAY)
    another = b"amended first".ljust(16)
    recorded(history, page_of(FATHER, another), stream=FATHER)
    recorded(history, moved(area_code=None, first_page=another), at=NOON + 2 * DAY)
    row = history.row(HouseholdRow, GROUP)
    seen = [booklet.seen(row, at=NOON + number * DAY) for number in range(3)]
    assert [one.seat.area_code for one in seen if one is not None] == [None, "350200", None]
    assert [one.head.first_page for one in seen if one is not None] == [FIRST, FIRST, another]
    for wrong in (moved(former_first=FIRST), moved(head=PAGE[MOTHER], former_first=another)):
        with pytest.raises(errors.HouseholdConflict):
            recorded(history, wrong, at=NOON + 3 * DAY)


def test_another_organization_takes_a_household_over_once_every_page_was_transferred_out() -> None:
    history = family()
    anew = {PAGE[person]: b"new-" + person[:12] for person in (FATHER, MOTHER)}
    first = b"new first".ljust(16)
    for ref, person in ((anew[PAGE[FATHER]], FATHER), (anew[PAGE[MOTHER]], MOTHER), (first, FATHER)):
        recorded(history, page_of(person, ref), stream=person, by=OTHER)
    taken = moved(
        head=anew[PAGE[FATHER]],
        first_page=first,
        pages=tuple(sorted((PAGE[one], anew[PAGE[one]], one) for one in (FATHER, MOTHER))),
    )
    for ref, person in ((PAGE[FATHER], FATHER), (PAGE[MOTHER], MOTHER), (FIRST, FATHER)):
        with pytest.raises(errors.HouseholdConflict):
            recorded(history, taken, by=OTHER)
        out = license.LicenseTransferredOut(license_ref=ref, area_code="350200")
        recorded(history, out, stream=person)
    with pytest.raises(errors.HouseholdConflict):
        recorded(history, moved(head=anew[PAGE[FATHER]], first_page=first, pages=taken.pages[:1]), by=OTHER)
    with pytest.raises(errors.Invalid):
        recorded(history, replace(taken, first_page=anew[PAGE[FATHER]]), by=OTHER)
    recorded(history, taken, by=OTHER, at=NOON + DAY)
    row = history.row(HouseholdRow, GROUP)
    assert booklet.seat(row).issuer == OTHER
    assert {one.page_ref for one in booklet.present(row)} == {*anew.values()}
    assert there(history) == there(history, at=NOON) == {FATHER, MOTHER}
    since = min(one.since for one in booklet.pages(row) if one.stream_id == MOTHER)
    for day in (days.of_instant(NOON), days.of_instant(NOON + 2 * DAY)):
        told = booklet.told(row, anew[PAGE[MOTHER]], MOTHER, day=day)
        assert told == (since, None), "who is taken over with the household has not left"
    with pytest.raises(errors.NotTheIssuer):
        recorded(history, added(), at=NOON + DAY)
    assert history.row(LicenseRow, PAGE[FATHER]).status == "transferred-out"


def test_a_household_with_a_long_history_takes_nobody_in_and_lets_everybody_go() -> None:
    history = family()
    row = history.row(HouseholdRow, GROUP)
    gone = booklet.Page(PAGE[CHILD], CHILD, 1, 1, 2, 2).text
    lines = (gone,) * (booklet.LINES_MAX - booklet.PAGES_MAX)
    history.rows[HouseholdRow, GROUP] = altered(row, pages=(*lines, *row.pages))
    for made in (added(), headed(), moved()):
        with pytest.raises(errors.HouseholdConflict, match="too long"):
            recorded(history, made)
    recorded(history, split(MOTHER))
    recorded(history, removed(FATHER, first_page=FIRST))
    assert (there(history), there(history, ref=SECOND)) == (set(), {MOTHER})


def test_the_lines_of_a_household_are_read_as_they_were_written() -> None:
    page = booklet.Page(PAGE[CHILD], CHILD, -5, 7, 9, None)
    row = HouseholdRow(
        household_ref=GROUP,
        type_code=TYPE,
        first_type=TYPE,
        pages=(page.text, page._replace(until=None).text),
        heads=(booklet.Head(PAGE[CHILD], FIRST, 1, 2).text,),
        seats=(booklet.Seat(ISSUER, None, 1, 2).text, booklet.Seat(OTHER, "350100", 3, 4).text),
    )
    assert booklet.pages(row) == [page, page._replace(until=None)]
    assert booklet.heads(row) == [booklet.Head(PAGE[CHILD], FIRST, 1, 2)]
    assert booklet.seats(row) == [booklet.Seat(ISSUER, None, 1, 2), booklet.Seat(OTHER, "350100", 3, 4)]
