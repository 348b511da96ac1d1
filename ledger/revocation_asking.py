"""Asking about revocations before a document is archived: OCSP responders and lists at configured addresses.

Certificates name addresses too; those are never asked, since a certificate may be a stranger's. What comes
back counts only when the certificate's issuer, or a responder that it appointed, signed it
(`signing.revocation`). Who is silent is passed over: whether what is known suffices is the archive's to say.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from ledger import fetching
from signing import revocation

TIMEOUT_S = 5.0
ALL_S = 25.0
"""After so many seconds nobody is asked any more: a press has a minute for a document."""
ADDRESSES_MAX = 8
_REQUEST, _RESPONSE = "application/ocsp-request", "application/ocsp-response"


@dataclass(frozen=True, kw_only=True)
class Sources:
    """Addresses that are asked, in their order."""

    responders: tuple[str, ...] = ()
    """OCSP responders (RFC 6960 appendix A.1)."""
    lists: tuple[str, ...] = ()
    """Revocation lists, DER (RFC 5280 §4.2.1.13)."""


def evidence(sources: Sources, *, at: datetime) -> revocation.Evidence | None:
    """What finds out about certificates at `at`; None where no address is configured."""
    if not (sources.responders or sources.lists):
        return None

    def find(links: Sequence[revocation.Link]) -> tuple[list[bytes], list[bytes]]:
        until = time.monotonic() + ALL_S
        lists = [data for url in sources.lists if (data := _fetched(url, until)) is not None]
        answers = (_answer(link, sources.responders, at=at, until=until) for link in links)
        return lists, [data for data in answers if data is not None]

    return find


def _fetched(url: str, until: float) -> bytes | None:
    said = _said(url, None, until, bytes_max=revocation.LIST_BYTES_MAX)
    return said if said is not None and revocation.is_list(said) else None


def _answer(link: revocation.Link, responders: Sequence[str], *, at: datetime, until: float) -> bytes | None:
    """The first responder's answer that is about the certificate, genuine and of now."""
    asked = revocation.request(link)
    for url in responders:
        said = _said(url, asked, until, bytes_max=fetching.ANSWER_BYTES_MAX)
        if said is not None and revocation.is_current(said, link, at=at):
            return said
    return None


def _said(url: str, body: bytes | None, until: float, *, bytes_max: int) -> bytes | None:
    """What an address says; None where it is silent, or nobody is asked any more."""
    left = until - time.monotonic()
    if left <= 0:
        return None
    try:
        with fetching.Peer(url, timeout_s=min(TIMEOUT_S, left), bytes_max=bytes_max) as peer:
            answer = peer.get() if body is None else peer.post("", body, media_type=_REQUEST)
    except fetching.Unanswered:
        return None
    is_fit = answer.status == 200 and (body is None or answer.media_type == _RESPONSE)
    return answer.body if is_fit else None
