"""How often the page behind a QR code was looked at: counts by hour, never a token, an address or a holder.

Looks are counted in memory and added to a table now and then, so that a look appends nothing and writes
nothing. What a process had not added yet when it was killed is lost.
"""

from __future__ import annotations

import threading
from collections import Counter

from ledger import errors, reading, sql

HOUR_US = 3_600_000_000
KINDS_MAX = 10_000
"""Kinds of looks held in memory; more than these are counted without type and issuer."""

Kind = tuple[int, str, str, str]
"""Hours since 1970 UTC, type code, issuer and result; no type and issuer: of a code that is unknown."""


class Counts:
    """Looks that were not added to the table yet; safe between threads."""

    def __init__(self, reader: reading.Reader, *, partition: int = 0) -> None:
        self._reader = reader
        self._partition = partition
        self._counts: Counter[Kind] = Counter()
        self._lock = threading.Lock()

    def add(self, *, at: int, result: str, type_code: str = "", issuer: str = "") -> None:
        """One look at the instant `at`, in microseconds UTC."""
        with self._lock:
            kind = (at // HOUR_US, type_code, issuer, result)
            if kind not in self._counts and len(self._counts) >= KINDS_MAX:
                kind = (at // HOUR_US, "", "", result)
            self._counts[kind] += 1

    def store(self) -> None:
        """Add them to the table; raises Unavailable, and then they wait for the next time."""
        with self._lock:
            taken, self._counts = self._counts, Counter()
        if not taken:
            return
        columns = [list(column) for column in zip(*sorted(taken), strict=True)]
        counts = [taken[kind] for kind in sorted(taken)]
        try:
            self._reader.run(sql.load("reading")["count_looks"], (self._partition, *columns, counts))
        except errors.Unavailable:
            with self._lock:
                self._counts += taken
            raise
