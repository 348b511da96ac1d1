"""The verdict on a file, as `license-ledger verify` says it to people and programs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

DEMONSTRATION = "This is a DEMONSTRATION ledger: nothing here has force in law."


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What was judged."""

    is_good: bool
    word: str
    """`proven`, `refused`, `valid as of …`, `valid token, paper not compared`, …."""
    lines: tuple[str, ...] = ()
    details: dict[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """The verdict for programs."""
        return {"good": self.is_good, "verdict": self.word, "lines": list(self.lines), **self.details}


def refused(why: str, **details: Any) -> Verdict:
    """The verdict on what does not hold."""
    return Verdict(is_good=False, word="refused", lines=(why,), details=details)
