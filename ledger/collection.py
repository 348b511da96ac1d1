"""Collection 归集: what sources deliver in numbered batches of inserts, updates and deletes.

A source is a system of an organization; it numbers its batches, and knows each of its rows by a key and by
when it changed there. The facts say that a batch came, what became of it, and which row stands behind each
change of a license, so that a row is applied once and never before a newer one. Pure.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from typing import ClassVar, NamedTuple

from ledger import days, errors, identifiers, license
from ledger.fact import Fact, Touched
from ledger.state import LicenseRow, OrganizationRow, State, altered
from ledger.state_collection import AppliedRow, BatchRow, CollectedRow, DayRow
from signing import event

OPERATIONS = ("I", "U", "D")
"""Insert, update, delete 同步类型; rows of one moment come in this order."""
SOURCE_DEFAULT = "default"
LOOK_BACK = 100
"""So many numbers before a batch's are asked about for gaps."""
_NAME = re.compile(r"[0-9A-Za-z][0-9A-Za-z._-]{0,31}")
_COUNTER = re.compile(r"(.*?)([0-9]{1,9})")
_DATE_DIGITS = 8


class Batch(NamedTuple):
    """One batch of a source."""

    organization: str
    source: str
    number: str

    @property
    def key(self) -> str:
        """The key of its row."""
        return f"{self.organization} {self.source} {self.number}"

    def check(self) -> None:
        """Nothing when the names can be kept; raises Invalid."""
        for field, text in (("batch", self.number), ("source", self.source)):
            if not _NAME.fullmatch(text):
                raise errors.Invalid("1 to 32 letters, digits, dots, dashes or underscores", field=field)
            if identifiers.contains_citizen_id(text):
                raise errors.Invalid("it contains a citizen ID and stands in clear", field=field)

    def before(self) -> list[str]:
        """Numbers that should have come before this one, the nearest first, as far as numbers tell.

        The digits at the end count; a date before them is no part of the counter, and a counter that has
        something before it begins with 1.
        """
        series = _series(self.number)
        if series is None:
            return []
        prefix, counter, width = series
        first = max(1, counter - LOOK_BACK)
        return [f"{prefix}{number:0{width}}" for number in range(counter - 1, first - 1, -1)]

    def missing(self, known: set[str]) -> list[str]:
        """Those of `before` that did not come, of which some other number says that they should have."""
        numbers = self.before()
        series = _series(self.number)
        begins_here = series is not None and series[0] != "" and series[1] <= LOOK_BACK
        if not begins_here:
            while numbers and numbers[-1] not in known:
                numbers.pop()
        return sorted(number for number in numbers if number not in known)


def _series(number: str) -> tuple[str, int, int] | None:
    """What stands before the counter, the counter and its width; None: the number has no counter."""
    head, digits = "", number
    if number.isdigit() and len(number) > _DATE_DIGITS and _is_date(number[:_DATE_DIGITS]):
        head, digits = number[:_DATE_DIGITS], number[_DATE_DIGITS:]
    found = _COUNTER.fullmatch(digits)
    if found is None:
        return None
    prefix, counter = found.groups()
    return head + prefix, int(counter), len(counter)


def _is_date(digits: str) -> bool:
    try:
        date(int(digits[:4]), int(digits[4:6]), int(digits[6:]))
    except ValueError:
        return False
    return digits[:2] in ("19", "20", "21")


def day_key(source: str, day: int) -> str:
    """The key of a Beijing day of a source, which is named with its organization."""
    return f"{source} {day}"


def source_of(batch_key: str) -> str:
    """Organization and source of the batch behind a key."""
    return batch_key.rpartition(" ")[0]


def row_key(license_ref: bytes, *, operated_at: int, operation: str) -> bytes:
    """What tells a row from every other of its license."""
    return license_ref + operated_at.to_bytes(8, "big", signed=True) + operation.encode()


def is_newer(row: CollectedRow | None, *, operated_at: int, operation: str) -> bool:
    """Whether a row of the source comes behind the newest one that the ledger has of its license."""
    if row is None:
        return True
    order = OPERATIONS.index
    return (operated_at, order(operation)) > (row.operated_at, order(row.operation))


@dataclass(frozen=True, kw_only=True)
class BatchFact(Fact, is_topic=False):
    """Base: what is said of a batch of the organization acted for."""

    scope: ClassVar[str | None] = "license:issue"
    stream_kind: ClassVar[str] = "organization"
    source: str
    number: str
    rows: int

    def batch(self, about: event.Event) -> Batch:
        """The batch that it is about."""
        return Batch(about.organization, self.source, self.number)

    def touches(self, about: event.Event) -> Touched:
        yield OrganizationRow, about.organization
        yield BatchRow, self.batch(about).key

    def allow(self, about: event.Event, state: State) -> None:
        self.batch(about).check()
        own = state.get(OrganizationRow, about.organization)
        if own is not None and own.stream_id != about.stream_id:
            raise errors.Conflict("a batch stands in its organization's stream")


@dataclass(frozen=True, kw_only=True)
class BatchReceived(BatchFact):
    """批次接收: its rows come now; no other content ever has its number."""

    digest: bytes
    """HMAC of the file."""

    def allow(self, about: event.Event, state: State) -> None:
        super().allow(about, state)
        known = state.get(BatchRow, self.batch(about).key)
        if known is not None and known.digest != self.digest:
            raise errors.BatchDiffers(field="batch")
        if known is not None:
            raise errors.AlreadyExists("the batch came before", field="batch")

    def evolve(self, about: event.Event, state: State, index: int) -> None:
        state.put(
            BatchRow(
                batch_key=self.batch(about).key,
                digest=self.digest,
                rows=self.rows,
                received_index=index,
                settled_index=None,
                rejected=0,
                waiting=0,
            )
        )


@dataclass(frozen=True, kw_only=True)
class BatchSettled(BatchFact):
    """批次办结: every row has its outcome; said again when rows that waited got another."""

    applied: int
    """Rows that changed something."""
    known: int
    """Rows than which the ledger had the same or a newer one."""
    rejected: int
    waiting: int

    def allow(self, about: event.Event, state: State) -> None:
        super().allow(about, state)
        row = state.get(BatchRow, self.batch(about).key)
        if row is None:
            raise errors.NotFound("no such batch came", field="batch")
        if row.rows != self.rows or self.applied + self.known + self.rejected + self.waiting != row.rows:
            raise errors.Invalid("every row has one outcome", field="rows")
        if row.settled_index is not None and row.waiting <= self.waiting:
            raise errors.AlreadyExists("nothing waits for less than before", field="batch")

    def evolve(self, about: event.Event, state: State, index: int) -> None:
        row = state.need(BatchRow, self.batch(about).key)
        state.put(altered(row, settled_index=index, rejected=self.rejected, waiting=self.waiting))


@dataclass(frozen=True, kw_only=True)
class LicenseCollected(Fact):
    """归集: which row of which batch is behind what stands before it in the same transaction."""

    scope: ClassVar[str | None] = "license:issue"
    stream_kind: ClassVar[str] = "holder"
    license_ref: bytes
    source: str
    number: str
    """Of the batch."""
    operation: str
    operated_at: int
    """When the source changed it, in microseconds UTC."""
    digest: bytes
    """HMAC of the row's digest, as docs/import.md has it."""

    def _batch(self, about: event.Event) -> Batch:
        return Batch(about.organization, self.source, self.number)

    def _day_key(self, about: event.Event) -> str:
        return day_key(source_of(self._batch(about).key), days.of_instant(self.operated_at))

    @property
    def _key(self) -> bytes:
        return row_key(self.license_ref, operated_at=self.operated_at, operation=self.operation)

    def touches(self, about: event.Event) -> Touched:
        yield LicenseRow, self.license_ref
        yield AppliedRow, self._key
        yield CollectedRow, self.license_ref
        yield BatchRow, self._batch(about).key
        yield DayRow, self._day_key(about)

    def allow(self, about: event.Event, state: State) -> None:
        license.own_license(self.license_ref, about, state)
        batch = self._batch(about)
        if state.get(BatchRow, batch.key) is None:
            raise errors.NotFound("no such batch came", field="batch")
        if self.operation not in OPERATIONS:
            raise errors.Invalid(f"an operation is one of {', '.join(OPERATIONS)}", field="operation")
        row = state.get(CollectedRow, self.license_ref)
        if row is not None and source_of(row.batch_key) != source_of(batch.key):
            raise errors.DoubleSource(field="source_id", license_ref=self.license_ref)
        if not is_newer(row, operated_at=self.operated_at, operation=self.operation):
            raise errors.AlreadyExists("the ledger has a newer row of this license", field="operated_at")

    def evolve(self, about: event.Event, state: State, index: int) -> None:
        state.put(
            AppliedRow(
                row_key=self._key,
                license_ref=self.license_ref,
                source=source_of(self._batch(about).key),
                number=self.number,
                type_code=state.need(LicenseRow, self.license_ref).type_code,
                operation=self.operation,
                operated_at=self.operated_at,
                digest=self.digest,
                collected_index=index,
            )
        )
        state.put(
            CollectedRow(
                license_ref=self.license_ref,
                batch_key=self._batch(about).key,
                operation=self.operation,
                operated_at=self.operated_at,
            )
        )
        key = self._day_key(about)
        day = state.get(DayRow, key) or DayRow(
            day_key=key, rows=0, newest_index=None, agreed_index=None, agreed_rows=None
        )
        state.put(altered(day, rows=day.rows + 1, newest_index=index))
