"""The daily reconciliation 对账: what a source says it sent, held against what the ledger applied.

A sheet has the keys and moments of rows, with their digests, or the rows themselves. What is in it and not
here, here and not in it, or in both with other words, is told; nothing is recorded. Memory does not grow with
the sheet: what it named is kept in a scratch file.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

from ledger import (
    collection,
    collection_order,
    collection_reading,
    collection_rejects,
    collection_row,
    days,
    errors,
    power,
    reading,
    reconciliation,
    sql,
    stock_columns,
    stock_commands,
    stock_file,
    stock_run,
)
from ledger.collection_reading import PARTITION
from ledger.errors import Fault
from ledger.reconciliation import Line
from ledger.state import LicenseRow
from ledger.state_collection import AppliedRow, CollectedRow
from ledger.stock_row import Faults
from ledger.vault import Vault
from signing import ids, suites

CHUNK = 500
DIFFERENCES = ("missing-here", "missing-there", "different", "rejected", "outdated", "unreadable")
"""What may be told of a row, but that it is the same."""
COLUMNS = (
    *("outcome", "line", "license_type", "operation", "operated_at", "license_ref", "index"),
    *("batch", "remark"),
)
"""Of a difference; without a code, name or number."""
DAYS_MAX = 400
LINES_MAX = 50_000
"""Days, issuers, types and areas together; what is counted is kept in memory."""
LENGTH_MAX = stock_columns.LENGTHS_MAX["source_id"]
_MAY_SAY = ("issuer", "area_code")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_KEYS = {*collection_row.KEY_COLUMNS, "issuer"}
Tell = Callable[[Mapping[str, Any]], object]


@dataclass(kw_only=True)
class Group:
    """Rows of one line of the sheet."""

    sent: int = 0
    held: int = 0
    same: int = 0
    differences: int = 0
    sum: reconciliation.Sum = field(default_factory=reconciliation.Sum)
    """Over the rows that the ledger has."""


@dataclass(kw_only=True)
class Summary:
    """How a sheet and the ledger agree."""

    rows: int = 0
    same: int = 0
    told: dict[str, int] = field(default_factory=lambda: dict.fromkeys(DIFFERENCES, 0))
    groups: dict[Line, Group] = field(default_factory=dict)
    newest_index: int | None = None
    """Leaf index of the newest row that the ledger has of the days asked about."""
    undigested: int = 0
    """Rows of the sheet without a digest, of which it was looked whether they are there."""

    @property
    def is_agreed(self) -> bool:
        """Whether nothing differs; rows that were rejected or outdated are known to both."""
        return not any(
            self.told[name] for name in ("missing-here", "missing-there", "different", "unreadable")
        )

    def group(self, line: Line) -> Group:
        """The rows of a line."""
        return self.groups.setdefault(line, Group())

    def agreement(self, source: str, day: int, *, suite: suites.Suite) -> reconciliation.ReconciliationAgreed:
        """What both sides agree on; raises Invalid when they do not, or the sheet says too little for it."""
        if not self.is_agreed:
            raise errors.Invalid("the sheet and the ledger differ", field="FILE")
        if any(line.day != day for line in self.groups):
            raise errors.Invalid("the sheet has rows of another day", field="FILE")
        if any(group.same > group.held for group in self.groups.values()):
            raise errors.Invalid("a row stands in the sheet twice", field="FILE")
        if self.undigested:
            raise errors.Invalid("a row has no digest: nobody knows whether it is the same", field="FILE")
        held = [(line, group.held, group.sum.digest) for line, group in self.groups.items() if group.held]
        return reconciliation.ReconciliationAgreed(
            source=source,
            day=day,
            rows=sum(rows for _, rows, _ in held),
            through=self.newest_index,
            rejected=self.told["rejected"],
            outdated=self.told["outdated"],
            lines=len(held),
            digest=reconciliation.sheet_digest(held, suite=suite),
        )

    def figures(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "agreed": self.is_agreed,
            "rows": self.rows,
            "same": self.same,
            **{name.replace("-", "_"): count for name, count in self.told.items()},
            "days": [
                {
                    "day": days.text(line.day),
                    "license_type": line.type_code,
                    "issuer": line.issuer,
                    "area_code": line.area_code,
                    **{name: getattr(group, name) for name in ("sent", "held", "same", "differences")},
                    "digest": group.sum.digest.hex(),
                }
                for line, group in sorted(self.groups.items(), key=lambda one: one[0])
            ],
        }


class Sent(NamedTuple):
    """A row of a sheet that can be looked for."""

    record: stock_file.Record
    source: stock_commands.Source
    operation: str
    operated_at: int
    digest: bytes | None
    """As the ledger keeps it; None: the sheet does not say."""
    reject_key: bytes
    area_code: str | None

    def line(self, row: LicenseRow | None) -> Line:
        """Where it is counted: by its license, or by what it says itself."""
        issuer, area = self.source.issuer, self.area_code
        if row is not None:
            issuer, area = row.issuer, row.area_code
        day = days.of_instant(self.operated_at)
        return Line(day, issuer, self.source.type_code, power.area_of(area, issuer))

    def key(self, license_ref: bytes) -> bytes:
        """Of the row once it is applied."""
        return collection.row_key(license_ref, operated_at=self.operated_at, operation=self.operation)


class SheetJudge(collection_row.BatchJudge):
    """Reads the rows of a sheet."""

    known: ClassVar[tuple[str, ...]] = (*collection_row.BatchJudge.known, "digest")

    def sent(self, record: stock_file.Record) -> Sent | list[Fault]:
        """The row as it is looked for, or why it cannot be."""
        faults = Faults(list(record.faults))
        said = self.said(record)
        digest = said.pop("digest", None)
        if digest is not None and not (isinstance(digest, str) and _DIGEST.fullmatch(digest.lower())):
            faults.add("digest", "digest")
        for name in (*collection_row.KEY_COLUMNS, *_MAY_SAY):
            value = said.get(name)
            if value is None or value == "":
                if name not in _MAY_SAY:
                    faults.add(name, "missing")
            elif not isinstance(value, str):
                faults.add(name, "text")
            elif len(value) > LENGTH_MAX:
                faults.add(name, "length")
        operation, at = said.get("operation"), self.moment(said, faults)
        if operation not in collection.OPERATIONS:
            faults.add("operation", "choice")
        issuer = None if faults.found else self.issuer(said, faults)
        if faults.found or at is None or issuer is None or operation is None:
            return faults.found
        made: bytes | None = None
        if digest is not None:
            made = bytes.fromhex(digest)
        elif said.keys() - _KEYS:
            made = collection_row.row_digest(said)
        return Sent(
            record=record,
            source=self.source(said, said["license_type"], issuer),
            operation=operation,
            operated_at=at,
            digest=None if made is None else self.kept(made),
            reject_key=self.reject_key(said),
            area_code=said.get("area_code"),
        )


class Reconciliation:
    """One sheet of a source against the ledger."""

    def __init__(
        self,
        *,
        rows: stock_file.Reader,
        judge: SheetJudge,
        vault: Vault,
        reader: reading.Reader,
        folder: Path,
        tell: Tell,
        day: int | None = None,
        is_stopping: Callable[[], bool] = lambda: False,
    ) -> None:
        """`folder` is for a scratch file; `day`: what the ledger has is told of this day alone."""
        self._rows, self._judge, self._vault, self._reader = rows, judge, vault, reader
        self._folder, self._tell, self._day = folder, tell, day
        self._summary, self._is_stopping = Summary(), is_stopping
        self._texts = sql.load("collection")
        self._source = collection.source_of(judge.batch.key)

    def run(self) -> Summary:
        """How it came out; every difference was told by then. Raises Stopped."""
        with collection_order.seeing(self._folder) as seen:
            for some in _chunks(self._rows.records()):
                if self._is_stopping():
                    raise stock_run.Stopped
                self._compare(some, seen)
                self._asked()
            for day in sorted(self._asked()):
                self._held(day, seen)
        return self._summary

    def _asked(self) -> set[int]:
        """The days of which the ledger is asked; raises Invalid once the sheet is of too much."""
        asked = {line.day for line in self._summary.groups} if self._day is None else {self._day}
        if len(asked) > DAYS_MAX:
            raise errors.Invalid(f"a sheet is of at most {DAYS_MAX} days", field="FILE")
        if len(self._summary.groups) > LINES_MAX:
            raise errors.Invalid(
                f"a sheet has at most {LINES_MAX} lines of days, issuers, types and areas", field="FILE"
            )
        return asked

    # --- what is in the sheet ---

    def _compare(self, records: Sequence[stock_file.Record], seen: collection_order.Seen) -> None:
        found: list[Sent] = []
        for record in records:
            self._summary.rows += 1
            read = self._judge.sent(record)
            if isinstance(read, list):
                remark = "; ".join(f"{fault.field}: {fault.message}" for fault in read)
                self._differs("unreadable", line=record.line, remark=remark)
            else:
                found.append(read)
                self._summary.undigested += read.digest is None
        targets = collection_reading.targets(self._reader, self._vault, {one.source for one in found})
        keys = {one.key(targets[one.source]) for one in found if one.source in targets}
        applied = self._reader.rows(AppliedRow, sorted(keys))
        newest = self._reader.rows(CollectedRow, sorted(set(targets.values())))
        licenses = self._reader.rows(LicenseRow, sorted(set(targets.values())))
        rejects = self._rejects(found, targets, applied)
        for one in found:
            ref = targets.get(one.source)
            row = None if ref is None else applied.get(one.key(ref))
            group = self._summary.group(one.line(None if ref is None else licenses.get(ref)))
            group.sent += 1
            if isinstance(row, AppliedRow) and row.source == self._source:
                self._held_too(one, row, group)
            else:
                group.differences += 1
                self._not_held(one, None if ref is None else newest.get(ref), ref, rejects)
        seen.add(key for key in keys if key in applied)

    def _held_too(self, one: Sent, row: AppliedRow, group: Group) -> None:
        if one.digest in (None, row.digest):
            self._summary.same += 1
            group.same += 1
            return
        group.differences += 1
        self._differs("different", **_about(one), **_of(row))

    def _not_held(
        self, one: Sent, newest: CollectedRow | None, ref: bytes | None, rejects: Mapping[bytes, str]
    ) -> None:
        told = {} if ref is None else {"license_ref": ids.text(ref)}
        is_own = newest is not None and collection.source_of(newest.batch_key) == self._source
        if one.reject_key in rejects:
            self._differs("rejected", **_about(one), **told, remark=rejects[one.reject_key])
        elif is_own and not collection.is_newer(newest, operated_at=one.operated_at, operation=one.operation):
            self._differs("outdated", **_about(one), **told)
        else:
            self._differs("missing-here", **_about(one), **told)

    def _rejects(
        self,
        found: Iterable[Sent],
        targets: Mapping[stock_commands.Source, bytes],
        applied: Mapping[Any, Any],
    ) -> dict[bytes, str]:
        """Remarks of the rows that were rejected, of those that were not applied."""
        keys = [
            one.reject_key
            for one in found
            if one.source not in targets or one.key(targets[one.source]) not in applied
        ]
        return collection_rejects.remarks(self._reader, keys)

    # --- what is in the ledger ---

    def _held(self, day: int, seen: collection_order.Seen) -> None:
        """Count what the ledger applied of a day, and tell what the sheet did not name."""
        suite, summary = self._vault.suite, self._summary
        for row_key, ref, batch, type_code, operation, at, index, digest, issuer, area in self._applied(day):
            group = summary.group(Line(day, issuer, type_code, power.area_of(area, issuer)))
            group.held += 1
            group.sum.add(row_key, digest, suite=suite)
            summary.newest_index = max(index, summary.newest_index or 0)
            if row_key in seen:
                continue
            group.differences += 1
            self._differs(
                "missing-there",
                license_type=type_code,
                operation=operation,
                operated_at=days.instant_text(at),
                license_ref=ids.text(ref),
                index=index,
                batch=batch,
            )

    def _applied(self, day: int) -> Iterator[tuple[Any, ...]]:
        first, end = days.start(day), days.start(day + 1)
        texts, source = self._texts, self._source
        page = self._reader.run(texts["applied_between_first"], (PARTITION, source, first, end, CHUNK))
        while page:
            yield from page
            if len(page) < CHUNK:
                return
            behind = page[-1][5], page[-1][0]
            page = self._reader.run(texts["applied_between"], (PARTITION, source, *behind, end, CHUNK))

    def _differs(self, outcome: str, **said: Any) -> None:
        self._summary.told[outcome] += 1
        self._tell({"outcome": outcome, **said})


def _about(one: Sent) -> dict[str, Any]:
    return {
        "line": one.record.line,
        "license_type": one.source.type_code,
        "operation": one.operation,
        "operated_at": days.instant_text(one.operated_at),
    }


def _of(row: AppliedRow) -> dict[str, Any]:
    return {"license_ref": ids.text(row.license_ref), "index": row.collected_index, "batch": row.number}


def _chunks(records: Iterator[stock_file.Record]) -> Iterator[list[stock_file.Record]]:
    while some := list(itertools.islice(records, CHUNK)):
        yield some
