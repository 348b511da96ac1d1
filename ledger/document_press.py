"""The press: a page is made and signed, apart from whoever asked for it.

`press` is what a worker process runs: values in, bytes out, with neither a database nor the ledger's own
keys; the key of the seal that signs comes with the work. What cannot be made comes back as `Unmade`, since
an error of a library need not survive the way between processes.
"""

from __future__ import annotations

import signal
from dataclasses import dataclass, field
from datetime import datetime

from signing import certificate, document, document_page

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
    """The signed document; run in a process of its own."""
    signal.alarm(SECONDS_MAX)
    try:
        return _pressed(work)
    except document_page.CharacterMissing as error:
        return Unmade(reason="character", place=error.field, character=error.character)
    except document_page.PageInvalid as error:
        return Unmade(reason="page", place=error.field)
    except document.TimeStampFailed:
        return Unmade(reason="time-stamp")
    except document.DocumentInvalid:
        return Unmade(reason="archive")
    finally:
        signal.alarm(0)


def _pressed(work: Work) -> bytes:
    made = document_page.render(work.page)
    stamper = None
    if work.level != "b-b":
        assert work.timestamp_url is not None, "a stamped document has an authority"
        stamper = document.authority_at(work.timestamp_url)
    signed = document.sign(made, seal=work.seal, at=work.at, time_stamper=stamper)
    if work.level != "b-lta":
        return signed
    assert stamper is not None, "an archived document is stamped"
    return document.archive(
        signed,
        time_stamper=stamper,
        at=work.at,
        roots=work.roots,
        time_stamp_roots=work.time_stamp_roots,
        revocation_lists=work.revocation_lists,
    )
