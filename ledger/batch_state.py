"""The state that one batch decides on: rows fetched in advance, changed command by command.

A command that fails leaves nothing here: what it changed is undone. Does no I/O.
"""

from __future__ import annotations

from collections.abc import Iterable

from ledger.state import Key, NotLoaded, R, Row, RowKey, State, loaded


class BatchState(State):
    """The state that one batch decides on: rows fetched in advance, changed command by command.

    What a command changed is kept with `keep`, or undone with `undo` when the command failed.
    """

    def __init__(self, rows: dict[RowKey, Row | None]) -> None:
        super().__init__(loaded(rows))
        self._rows = rows
        """None marks a key that was looked for and is not there. Changed in place."""
        self._before: dict[RowKey, tuple[Row | None, bool]] = {}
        """What the present command changed, as it was before, and whether the batch had changed it."""

    def find(self, cls: type[Row], key: Key) -> Row | None:
        try:
            return self._rows[cls, key]
        except KeyError:
            raise NotLoaded(f"{cls.__name__} was not loaded") from None

    def get(self, cls: type[R], key: Key) -> R | None:
        try:
            return self._rows[cls, key]  # type: ignore[return-value]
        except KeyError:
            raise NotLoaded(f"{cls.__name__} was not loaded") from None

    def put(self, row: Row) -> None:
        at = type(row), row.key
        if at not in self._before:
            self._before[at] = self._rows.get(at), at in self.changed
        self._rows[at] = self.changed[at] = row

    def fresh(self) -> Iterable[tuple[Row | None, Row]]:
        """The rows that the present command changed: as they were, and as they are."""
        return ((old, self.changed[at]) for at, (old, _) in self._before.items())

    def keep(self) -> None:
        """What the present command changed stays."""
        self._before.clear()

    def undo(self) -> None:
        """The present command changed nothing."""
        for at, (old, was_changed) in self._before.items():
            self._rows[at] = old
            if was_changed:
                assert old is not None, "a changed row is a row"
                self.changed[at] = old
            else:
                del self.changed[at]
        self._before.clear()
