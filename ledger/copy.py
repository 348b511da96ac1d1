"""Copies 加注件: a use whose answer is a document with reason, requester and date across the page.

A copy is asked for by a use like any other, so that its rule is the rule of a use; the fact names the digest
of a link that nobody can guess and until when it opens. The first download is a fact too: one that broke off
may be repeated for a minute, and after that the link is dead. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ledger import errors, issuer_seal, use
from ledger.fact import Fact, Touched
from ledger.state import LicenseRow, OrganizationRow, State, altered
from ledger.state_document import CopyRow, SealRow
from signing import cbor, event, suites

LASTS_US = 600 * 1_000_000
"""From the use until the link opens no more."""
REPEAT_US = 60 * 1_000_000
"""From the first download until it is not repeated any more."""


def link_digest(link: str, *, suite: suites.Suite) -> bytes:
    """What the ledger keeps of a link in clear: digest("copy-link" ‖ link)."""
    return suite.digest(cbor.encode(["copy-link", link]))


def require_open(row: CopyRow | None, *, at: int) -> CopyRow:
    """The copy, when its link opens at `at`; raises NotFound, or CopyOver with the reason."""
    if row is None:
        raise errors.NotFound("no such copy")
    if row.downloaded_at is None:
        if at >= row.expires_at:
            raise errors.CopyOver("the copy has expired", reason="expired")
    elif at >= row.downloaded_at + REPEAT_US:
        raise errors.CopyOver("the copy was downloaded", reason="downloaded")
    return row


@dataclass(frozen=True, kw_only=True)
class LicenseCopied(use.LicenseUsed):
    """A granted use whose answer is a copy."""

    link_digest: bytes
    expires_at: int
    signer: str | None = None
    """The organization whose seal could sign the copy when it was asked for; null: that was not asked."""
    fingerprint: bytes | None = None
    """Of that seal; the one that signs the download is told by `CopyDownloaded`."""

    def touches(self, about: event.Event) -> Touched:
        yield from super().touches(about)
        yield CopyRow, self.link_digest
        if self.signer is not None and self.fingerprint is not None:
            yield SealRow, self.fingerprint
            yield OrganizationRow, self.signer

    def allow(self, about: event.Event, state: State) -> None:
        super().allow(about, state)
        if (self.signer is None) != (self.fingerprint is None):
            raise errors.Forbidden("a seal is an organization's")
        if self.signer is not None and self.fingerprint is not None:
            seal, row = state.get(SealRow, self.fingerprint), state.need(LicenseRow, self.license_ref)
            issuer_seal.require_signer(seal, row, signer=self.signer, about=about, state=state)
        if self.expires_at != about.recorded_at + LASTS_US:
            raise errors.Forbidden("a copy lasts its time and no other")
        if state.get(CopyRow, self.link_digest) is not None:
            raise errors.AlreadyExists("the copy is there")

    def evolve(self, about: event.Event, state: State, index: int) -> None:
        super().evolve(about, state, index)
        state.put(
            CopyRow(
                link_digest=self.link_digest,
                license_ref=self.license_ref,
                use_index=index,
                expires_at=self.expires_at,
                downloaded_at=None,
            )
        )


@dataclass(frozen=True, kw_only=True)
class CopyDownloaded(Fact):
    """Whoever has the link took the copy, signed with this seal; recorded by the ledger itself."""

    stream_kind: ClassVar[str] = "holder"
    link_digest: bytes
    license_ref: bytes
    signer: str
    """The organization whose seal it is."""
    fingerprint: bytes

    def touches(self, about: event.Event) -> Touched:
        yield CopyRow, self.link_digest
        yield LicenseRow, self.license_ref
        yield SealRow, self.fingerprint
        yield OrganizationRow, self.signer

    def allow(self, about: event.Event, state: State) -> None:
        row = require_open(state.get(CopyRow, self.link_digest), at=about.recorded_at)
        if row.downloaded_at is not None:
            raise errors.Conflict("the copy was downloaded already")
        license_row = state.get(LicenseRow, self.license_ref)
        if license_row is None or license_row.license_ref != row.license_ref:
            raise errors.LicenseNotFound
        if license_row.stream_id != about.stream_id:
            raise errors.Conflict("the license has another home stream")
        seal = state.get(SealRow, self.fingerprint)
        issuer_seal.require_signer(seal, license_row, signer=self.signer, about=about, state=state)

    def evolve(self, about: event.Event, state: State, index: int) -> None:
        row = state.need(CopyRow, self.link_digest)
        state.put(altered(row, downloaded_at=about.recorded_at))
