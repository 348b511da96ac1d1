"""Where sealed attachments lie: stored before the fact that names them, fetched by digest, collected again.

Storing takes no lock. What no fact came to name, what belonged to a draft that is not issued any more, and
what an erased holder's key opened goes: at once where the ledger sees it, else with the daily `migrate`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping

from ledger import errors, sql
from ledger.opening import Ledger
from ledger.reading import Reader

PARTITION = 0


def store(reader: Reader, sealed: Mapping[bytes, bytes]) -> None:
    """Sealed bytes by digest are there from here on, durably; raises Unavailable."""
    if sealed:
        reader.run(sql.load("attachments")["store"], (PARTITION, list(sealed), list(sealed.values())))


def fetch(reader: Reader, digest: bytes) -> bytes:
    """The sealed bytes of a digest; raises NotFound."""
    rows = reader.run(sql.load("attachments")["fetch"], (PARTITION, digest))
    if not rows:
        raise errors.NotFound("no such attachment")
    sealed: bytes = rows[0][0]
    return sealed


def drop_unnamed(reader: Reader, digests: Iterable[bytes]) -> None:
    """Of some sealed bytes those go that no fact names; tried once, since `migrate` collects them too."""
    with contextlib.suppress(errors.Unavailable):
        reader.run(sql.load("attachments")["drop_unnamed"], (PARTITION, list(digests)))


def drop_of_draft(reader: Reader, draft_ref: bytes) -> None:
    """The sealed bytes of a draft that was issued or returned go; tried once, as above."""
    with contextlib.suppress(errors.Unavailable):
        reader.run(sql.load("attachments")["drop_of_draft"], (PARTITION, draft_ref))


def drop_erased(ledger: Ledger, stream_ids: Iterable[bytes]) -> None:
    """The sealed bytes of erased holders go; what opens them went with their keys."""
    with contextlib.closing(ledger.recorder.session()) as session:
        for stream_id in stream_ids:
            session.run(sql.load("attachments")["drop_of_stream"], PARTITION, stream_id)
