"""A household booklet 户口簿 as decision state keeps it: pages, heads and seats, each with two times.

Of each is said since when it holds in law and when the ledger learned of it, so that one row answers both
what was true on a day and what the ledger would have answered at a moment. Lines of text in `HouseholdRow`;
pure.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from ledger import days
from ledger.state_household import HouseholdRow
from signing import ids

PAGES_MAX = 50
"""Pages that a household has at one time."""
LINES_MAX = 300
"""Lines of its history of pages; so of heads, and of seats."""
_NONE = "-"


class Page(NamedTuple):
    """A person's page 常住人口登记卡 in a household."""

    page_ref: bytes
    """The license."""
    stream_id: bytes
    """The person's stream, as it was when the page came in."""
    since: int
    known: int
    """Since when it is in it, and when that was recorded."""
    until: int | None = None
    until_known: int | None = None

    @property
    def text(self) -> str:
        """The line in decision state."""
        end = (_spelled(self.until), _spelled(self.until_known))
        return " ".join(
            (ids.text(self.page_ref), ids.text(self.stream_id), f"{self.since} {self.known}", *end)
        )

    def is_in(self, first: int, last: int) -> bool:
        """Whether it is in it at some time between two instants, both included."""
        return self.since <= last and (self.until is None or self.until > first)


class Head(NamedTuple):
    """Whose page is the head's 户主, and the first page 首页 of that time."""

    page_ref: bytes
    first_page: bytes
    since: int
    known: int

    @property
    def text(self) -> str:
        """The line in decision state."""
        return f"{ids.text(self.page_ref)} {ids.text(self.first_page)} {self.since} {self.known}"


class Seat(NamedTuple):
    """Which organization keeps the household, and for which division."""

    issuer: str
    area_code: str | None
    since: int
    known: int

    @property
    def text(self) -> str:
        """The line in decision state."""
        return f"{self.issuer} {self.area_code or _NONE} {self.since} {self.known}"


class Seen(NamedTuple):
    """A household at a moment."""

    head: Head
    seat: Seat
    pages: tuple[Page, ...]
    """Those in it then, the first first; none: nobody is left."""


def pages(row: HouseholdRow) -> list[Page]:
    """Every page that is or was in a household."""
    found = []
    for line in row.pages:
        page_ref, stream_id, since, known, until, until_known = line.split(" ")
        end = (_number(until), _number(until_known))
        found.append(Page(ids.parse(page_ref), ids.parse(stream_id), int(since), int(known), *end))
    return found


def present(row: HouseholdRow) -> list[Page]:
    """The pages in it now."""
    return [one for one in pages(row) if one.until is None]


def heads(row: HouseholdRow) -> list[Head]:
    """Its heads, the present or last one last."""
    lines = (line.split(" ") for line in row.heads)
    return [
        Head(ids.parse(page), ids.parse(first), int(since), int(known)) for page, first, since, known in lines
    ]


def seats(row: HouseholdRow) -> list[Seat]:
    """Where it was kept, the present seat last."""
    lines = (line.split(" ") for line in row.seats)
    return [
        Seat(issuer, None if area == _NONE else area, int(since), int(known))
        for issuer, area, since, known in lines
    ]


def head(row: HouseholdRow) -> Head:
    """The present or last head."""
    return heads(row)[-1]


def seat(row: HouseholdRow) -> Seat:
    """The present seat."""
    return seats(row)[-1]


class Known(NamedTuple):
    """What was known of a household, up to a moment in law."""

    heads: tuple[Head, ...]
    seats: tuple[Seat, ...]
    pages: tuple[Page, ...]
    """Those in it then and those that had left."""


def known(row: HouseholdRow, *, at: int, as_of: int | None = None) -> Known:
    """What holds since `at` or earlier, as it was known at the instant `as_of`."""
    told = (_as_known(one, as_of) for one in pages(row))
    return Known(
        tuple(one for one in heads(row) if one.since <= at and _is_known(one.known, as_of)),
        tuple(one for one in seats(row) if one.since <= at and _is_known(one.known, as_of)),
        tuple(one for one in told if one.since <= at and _is_known(one.known, as_of)),
    )


def seen(row: HouseholdRow, *, at: int, day: int | None = None, as_of: int | None = None) -> Seen | None:
    """The household at the instant `at`, or at some time on a Beijing day, as it was known then.

    Of a day its last head and seat are told, and every page that was in it at some time of the day. None:
    nothing was known of it, or it was not there yet.
    """
    first, last = (at, at) if day is None else (days.start(day), days.start(day + 1) - 1)
    told = known(row, at=last, as_of=as_of)
    if not told.heads or not told.seats:
        return None
    return Seen(told.heads[-1], told.seats[-1], tuple(one for one in told.pages if one.is_in(first, last)))


def page_of(row: HouseholdRow, stream_ids: Collection[bytes]) -> bytes | None:
    """The page that somebody has in a household, or had last; None: never one."""
    found = [one.page_ref for one in pages(row) if one.stream_id in stream_ids]
    return found[-1] if found else None


def told(
    row: HouseholdRow, license_ref: bytes, stream_id: bytes, *, day: int
) -> tuple[int, int | None] | None:
    """Since when the first page, or its holder's page, was in it on a day, and until when; None: it was not.

    A person's page is the one that stands now, whichever stood for the person on the day.
    """
    there = seen(row, at=days.start(day), day=day)
    if there is None or not there.pages:
        return None
    if license_ref == head(row).first_page:
        ends = [one.until for one in pages(row)]
        # It stays as long as anybody does.
        end = None if None in ends else max(one for one in ends if one is not None)
        is_same = there.head.first_page == license_ref
        return (there.head.since, end) if is_same else None
    own = [one for one in there.pages if one.stream_id == stream_id]
    if not own or page_of(row, (stream_id,)) != license_ref:
        return None
    return _stay([one for one in pages(row) if one.stream_id == stream_id], own[0].since, own[-1].until)


def _stay(lines: list[Page], since: int, until: int | None) -> tuple[int, int | None]:
    """Since when and until when somebody is there: who takes a household over puts other pages in the places
    of those before, and nobody leaves."""
    for one in lines:
        if one.since == until:
            until = one.until
    for one in reversed(lines):
        if one.until == since:
            since = one.since
    return since, until


def _as_known(one: Page, as_of: int | None) -> Page:
    """The page as it was known: its end perhaps not yet."""
    if one.until_known is None or _is_known(one.until_known, as_of):
        return one
    return one._replace(until=None, until_known=None)


def _is_known(recorded_at: int, as_of: int | None) -> bool:
    return as_of is None or recorded_at <= as_of


def _spelled(number: int | None) -> str:
    return _NONE if number is None else str(number)


def _number(text: str) -> int | None:
    return None if text == _NONE else int(text)
