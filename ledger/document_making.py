"""A document made: its page set, signed and, where asked for, stamped and archived (see `document_press`)."""

from __future__ import annotations

from ledger import revocation_asking
from ledger.document_press import Unmade, Work
from signing import document, document_page


def made(work: Work) -> bytes | Unmade:
    """The signed document, or why there is none."""
    try:
        return _signed(document_page.render(work.page), work)
    except document_page.CharacterMissing as error:
        return Unmade(reason="character", place=error.field, character=error.character)
    except document_page.PageInvalid as error:
        return Unmade(reason="page", place=error.field)
    except document.TimeStampFailed:
        return Unmade(reason="time-stamp")
    except document.DocumentInvalid:
        return Unmade(reason="archive")


def _signed(page: bytes, work: Work) -> bytes:
    if work.timestamp_url is None:
        return document.sign(page, seal=work.seal, at=work.at)
    stamper = document.authority_at(work.timestamp_url)
    signed = document.sign(page, seal=work.seal, at=work.at, time_stamper=stamper)
    if work.level != "b-lta":
        return signed
    return document.archive(
        signed,
        time_stamper=stamper,
        at=work.at,
        roots=work.roots,
        time_stamp_roots=work.time_stamp_roots,
        revocation_lists=work.revocation_lists,
        evidence=revocation_asking.evidence(work.sources, at=work.at),
    )
