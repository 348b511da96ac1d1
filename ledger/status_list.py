"""Status lists of printed pieces: which status each place has now, by the rules of a verification.

`Lists` gives the compressed array of a list as decision state is committed; `status` says which of the
standard's statuses a result of `verification` is. One statement reads a list, those alike grouped, so that
its cost follows what there is to say and not how many licenses are valid. Nothing is stored: a list is a
view of decision state, and `signing.status_list` signs it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from ledger import sql, tables, verification
from ledger.state import STATUS_LIST_SIZE, LicenseRow, PieceRow, StreamRow, TypeRulesRow
from signing import status_list

assert status_list.PLACES == STATUS_LIST_SIZE, "a list has the places that are drawn"

NUMBERS_MAX = 65_536
Run = Callable[[str, Sequence[Any]], list[Any]]
"""Runs one statement and gives its rows."""

_BY_NATIONAL = {
    "0": status_list.VALID,
    "1": status_list.VALID,
    "2": status_list.SUSPENDED,
    "3": status_list.INVALID,
    "5": status_list.INVALID,
}
_PAPER_ONLY = ("superseded", "piece-cancelled")


def status(result: str) -> int:
    """The status of a place whose piece has this result of a verification.

    Dates are the token's own: what is not yet effective or expired is VALID here. Where the paper alone is
    dead and the license may live, REPLACED.
    """
    if result in _PAPER_ONLY:
        return status_list.REPLACED
    if result == "expired":
        return status_list.VALID
    return _BY_NATIONAL[verification.NATIONAL_RESULTS[result]]


class Lists:
    """The lists of one partition, read by `run`."""

    def __init__(self, run: Run, *, partition: int = 0) -> None:
        self._run = run
        self._partition = partition
        self._sql = sql.load("status_list")

    def numbers(self) -> tuple[int, ...]:
        """Numbers of the lists that have a place taken."""
        size, partition = STATUS_LIST_SIZE, self._partition
        rows = self._run(self._sql["numbers"], (size, partition, size, partition, size, NUMBERS_MAX))
        return tuple(number for (number,) in rows)

    def compressed(self, number: int, *, at: int) -> bytes:
        """The statuses of list `number` at the instant `at`, packed and compressed."""
        return status_list.pack(self._said(number, at))

    def _said(self, number: int, at: int) -> Iterator[tuple[int, list[int]]]:
        first = number * STATUS_LIST_SIZE
        bounds = (first, self._partition, first, first + STATUS_LIST_SIZE, STATUS_LIST_SIZE)
        for *standing, places in self._run(self._sql["standings"], bounds):
            yield self._judged(*standing, at=at), places

    def _judged(
        self,
        recorded: str,
        is_frozen: bool,
        is_lost: bool,
        is_restricted: bool,
        is_present: bool,
        is_cancelled: bool,
        is_erased: bool,
        is_ended: bool,
        type_code: str | None,
        overdue_after: int | None,
        valid_from: int | None,
        valid_to: int | None,
        *,
        at: int,
    ) -> int:
        """The status of pieces that stand so: a row of each kind with what is known is judged for all."""
        if is_erased:
            return status("unknown")
        shown = 1
        row = LicenseRow(
            license_ref=b"",
            stream_id=b"",
            type_code=type_code or "",
            issuer="",
            status=recorded,
            status_since=0,
            status_index=0,
            version=shown if is_present else shown + 1,
            version_index=0,
            valid_from=0 if valid_from is None else valid_from,
            valid_to=valid_to,
            field_names=(),
            frozen_index=0 if is_frozen else None,
            lost_index=0 if is_lost else None,
            restricted_index=0 if is_restricted else None,
            overdue_after=overdue_after,
            overdue_suspends=overdue_after is not None,
        )
        place = PieceRow(piece_key=0, license_ref=b"", version=shown, piece=0, is_cancelled=is_cancelled)
        home = StreamRow(stream_id=b"", kind="holder", is_erased=False, ended_at=0 if is_ended else None)
        result = verification.result(row, version=shown, at=at, place=place)
        return status(verification.of_holder(result, home, self._rules(type_code)))

    def _rules(self, type_code: str | None) -> TypeRulesRow | None:
        if type_code is None:
            return None
        table = tables.table(TypeRulesRow)
        rows = self._run(table.rows, (self._partition, [type_code]))
        found = table.row(rows[0]) if rows else None
        assert found is None or isinstance(found, TypeRulesRow), "a row of its table"
        return found
