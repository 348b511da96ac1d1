"""What a check says: findings, each with what and where, and the figures of the run.

Texts name indexes, sizes, tables, keys and columns, and never a value.
"""

from __future__ import annotations

from dataclasses import dataclass

FINDINGS_MAX = 20


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that does not hold."""

    kind: str
    """`event`, `checkpoint`, `tile`, `anchor`, `since`, `rule`, `state`, `directory` or `ledger`."""
    index: int | None
    """Leaf index of the event that it is about."""
    text: str


@dataclass(frozen=True, kw_only=True)
class Report:
    """What one check found."""

    events: int
    """Events that were gone through."""
    checkpoints: int
    seconds: float
    findings: tuple[Finding, ...]
    is_complete: bool
    """False: the check ended early, with as many findings as a report tells."""
    unread: tuple[str, ...] = ()
    """What the login may not read, so that it was not checked."""

    @property
    def is_sound(self) -> bool:
        """Whether everything holds."""
        return not self.findings

    @property
    def rate(self) -> float:
        """Events a second."""
        return self.events / self.seconds if self.seconds else 0.0


class Enough(Exception):
    """As many findings as a report tells."""


class Findings:
    """Collects findings, each once; raises Enough with the last one that a report tells."""

    def __init__(self) -> None:
        self.found: list[Finding] = []

    def add(self, kind: str, text: str, *, index: int | None = None) -> None:
        """One more finding."""
        finding = Finding(kind=kind, index=index, text=text)
        if finding in self.found:
            return
        self.found.append(finding)
        if len(self.found) >= FINDINGS_MAX:
            raise Enough

    def event(self, index: int, text: str, *, kind: str = "event") -> None:
        """A finding about the event at `index`."""
        self.add(kind, f"event at index {index}{text}", index=index)
