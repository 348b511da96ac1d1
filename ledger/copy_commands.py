"""Commands behind a copy 加注件: the use that asks for one, and its download through the link.

A copy that could not be made is not asked for in vain: who signs it is found before the lock, and whether
that seal still stands is asked under it, so that nothing is recorded, and nothing of an authorization spent,
where there would be nothing to download.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import NamedTuple

from ledger import copy, errors, use
from ledger.command import Command, Reads, View, Wants, actor_stream
from ledger.fact import Draft
from ledger.number_commands import UseByNumber
from ledger.state import LicenseRow, OrganizationRow, StreamRow
from ledger.state_document import CopyRow, SealRow
from ledger.use_commands import UseLicense
from ledger.vault import Vault
from signing import ids

LINKS_MAX = 20
"""As many as licenses that one request uses together."""


def new_links() -> tuple[str, ...]:
    """Links that nobody can guess, one for each license that one request may use; 260 bits in text."""
    return tuple(
        ids.text(secrets.token_bytes(ids.ID_BYTES)) + ids.text(secrets.token_bytes(ids.ID_BYTES))
        for _ in range(LINKS_MAX)
    )


class Signer(NamedTuple):
    """By whom the copy of a license can be signed, as was found before the lock."""

    license_ref: bytes
    organization: str
    fingerprint: bytes


class Wanted(NamedTuple):
    """A copy that would be granted: what it would show, and whose license it is of."""

    license_ref: bytes
    license_index: int
    fields: tuple[str, ...]


class SignersUnread(errors.Conflict):
    """Nobody has looked yet by whom these copies can be signed; nothing was recorded.

    Told to whoever submits the command, who looks and submits it again.
    """

    def __init__(self, wanted: tuple[Wanted, ...]) -> None:
        super().__init__("the license came into question meanwhile: ask again")
        self.wanted = wanted


@dataclass(frozen=True, kw_only=True)
class CopyLicense(UseLicense):
    """A use as any other; where it is granted, each license gets a copy with a link of its own."""

    links: tuple[str, ...] = field(default_factory=new_links, repr=False)
    signers: tuple[Signer, ...] = ()

    def wants(self, vault: Vault) -> Wants:
        wants = super().wants(vault)
        wants.rows |= {(CopyRow, copy.link_digest(link, suite=vault.suite)) for link in self.links}
        wants.rows |= {(SealRow, one.fingerprint) for one in self.signers}
        wants.rows |= {(OrganizationRow, one.organization) for one in self.signers}
        return wants

    def decide(self, view: View) -> list[Draft]:
        drafts = super().decide(view)
        own = actor_stream(self.actor, view)
        assert own is not None, "a client's organization has a stream"
        signers = {one.license_ref: one for one in self.signers}
        granted = [draft.fact for draft in drafts if isinstance(draft.fact, use.LicenseUsed)]
        unread = [one for one in granted if one.license_ref not in signers]
        if unread:
            raise SignersUnread(
                tuple(Wanted(one.license_ref, one.license_index, one.fields) for one in unread)
            )
        links = iter(self.links)
        return [
            _copied(draft, draft.fact, signers[draft.fact.license_ref], next(links), own, view)
            if isinstance(draft.fact, use.LicenseUsed)
            else draft
            for draft in drafts
        ]


@dataclass(frozen=True, kw_only=True)
class CopyByNumber(CopyLicense, UseByNumber):
    """As CopyLicense, of a license that is named by its printed number."""


def _copied(draft: Draft, used: use.LicenseUsed, signer: Signer, link: str, own: bytes, view: View) -> Draft:
    """The use as the use that it is: one with a copy, whose link is sealed under the requester's key."""
    made = copy.LicenseCopied(
        **vars(used),
        link_digest=copy.link_digest(link, suite=view.vault.suite),
        expires_at=view.at + copy.LASTS_US,
        signer=signer.organization,
        fingerprint=signer.fingerprint,
    )
    return draft._replace(fact=made, seals=(*draft.seals, ("copy-link", own, link)))


@dataclass(frozen=True, kw_only=True)
class DownloadCopy(Command):
    """A copy leaves: the first time it is a fact, again within a minute it is none."""

    link_digest: bytes
    license_ref: bytes
    signer: str
    fingerprint: bytes

    def wants(self, vault: Vault) -> Wants:
        return Wants(
            rows={
                (CopyRow, self.link_digest),
                (LicenseRow, self.license_ref),
                (SealRow, self.fingerprint),
                (OrganizationRow, self.signer),
            }
        )

    def reads(self, view: View) -> Reads:
        row = view.state.get(LicenseRow, self.license_ref)
        return Reads() if row is None else Reads(rows={(StreamRow, row.stream_id)})

    def decide(self, view: View) -> list[Draft]:
        row = copy.require_open(view.state.get(CopyRow, self.link_digest), at=view.at)
        if row.downloaded_at is not None:
            return []
        license_row = view.state.need(LicenseRow, self.license_ref)
        made = copy.CopyDownloaded(
            link_digest=self.link_digest,
            license_ref=self.license_ref,
            signer=self.signer,
            fingerprint=self.fingerprint,
        )
        return [Draft(fact=made, stream_id=license_row.stream_id)]
