"""Licenses of the stock held against their sources: would each be known again if its file came once more.

What a row is known by stands in the directory, which is not in the log. A license whose source is missing
would be issued a second time. References are gathered while the history is read, and asked about in runs.
"""

from __future__ import annotations

from ledger import fact, license
from ledger.check_report import Findings
from ledger.check_source import Source, Unreadable
from signing import ids

RUN_MAX = 100_000
"""Licenses asked about in one reading of the directory; each takes some sixty bytes."""


class Sources:
    """The imported licenses of a history, and what the directory knows of them."""

    def __init__(self, source: Source, findings: Findings) -> None:
        self._source, self._findings = source, findings
        self._refs: list[bytes] = []
        self.is_readable = True

    def visit(self, made: fact.Fact) -> None:
        """Take note of a license that was imported."""
        if isinstance(made, license.LicenseIssued) and made.origin is not None:
            self._refs.append(made.license_ref)
            if len(self._refs) >= RUN_MAX:
                self.compare()

    def compare(self) -> None:
        """Name those noted so far that no source leads to."""
        refs, self._refs = self._refs, []
        if not refs or not self.is_readable:
            return
        try:
            for ref in self._source.sourceless(refs):
                text = f"no source leads to the imported license {ids.text(ref)}"
                self._findings.add("directory", text)
        except Unreadable:
            self.is_readable = False
