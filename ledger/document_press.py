"""The press: a page is made and signed, apart from whoever asked for it.

`press` is what a worker process runs: values in, bytes out, with neither a database nor the ledger's own
keys; the key of the seal that signs comes with the work. What cannot be made comes back as `Unmade`, since
an error of a library need not survive the way between processes.
"""

from __future__ import annotations

import importlib
import signal
from dataclasses import dataclass, field
from datetime import datetime

from ledger import revocation_asking
from signing import certificate, document_page

SECONDS_MAX = 60
"""A page that takes longer ends its worker, which is then replaced."""


@dataclass(frozen=True, kw_only=True)
class Work:
    """A page to be made and signed."""

    page: document_page.Page
    seal: certificate.Seal = field(repr=False)
    at: datetime
    level: str
    """One of `ledger.document.LEVELS`."""
    timestamp_url: str | None = None
    roots: tuple[bytes, ...] = ()
    time_stamp_roots: tuple[bytes, ...] = ()
    revocation_lists: tuple[bytes, ...] = ()
    sources: revocation_asking.Sources = field(default_factory=revocation_asking.Sources)
    """Who is asked about revocations, for the archive."""


@dataclass(frozen=True, kw_only=True)
class Unmade:
    """Why no document was made."""

    reason: str
    """`character`, `page`, `time-stamp` or `archive`."""
    place: str = ""
    """Of a page: the label, or the member, that is at fault."""
    character: str = ""
    """The one that the font lacks."""


def press(work: Work) -> bytes | Unmade:
    """The signed document; run in a process of its own.

    What signs is loaded there: whoever only hands work over does not wait for its libraries.
    """
    signal.alarm(SECONDS_MAX)
    try:
        made: bytes | Unmade = importlib.import_module("ledger.document_making").made(work)
        return made
    finally:
        signal.alarm(0)
