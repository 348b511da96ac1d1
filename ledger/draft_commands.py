"""Commands that enter a draft of a license and review it; `IssueLicense` issues one by its reference."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ledger import attachment, draft
from ledger.command import Command, View, Wants, actor_stream, naming_lookup
from ledger.fact import Draft
from ledger.license_commands import sealed_digest
from ledger.state import DraftRow, TypeRow
from ledger.vault import Lookup, Vault


@dataclass(frozen=True, kw_only=True)
class DraftLicense(Command):
    """起草."""

    type_code: str
    content: Mapping[str, Any]
    """What is to be issued, as it was asked; of attachments what opens their sealed bytes."""
    blobs: tuple[bytes, ...] = ()
    """Digests of these, sorted."""
    draft_ref: bytes = field(default_factory=lambda: secrets.token_bytes(16))

    def wants(self, vault: Vault) -> Wants:
        return Wants(
            rows={(DraftRow, self.draft_ref), (TypeRow, self.type_code), *attachment.rows(self.blobs)},
            lookups=_lookups(vault, self),
        )

    def decide(self, view: View) -> list[Draft]:
        own = actor_stream(self.actor, view)
        assert own is not None, "a client's organization has a stream"
        digest, content = sealed_digest(dict(self.content), suite=view.vault.suite)
        made = draft.LicenseDrafted(
            draft_ref=self.draft_ref,
            type_code=self.type_code,
            content_digest=digest,
            blobs=self.blobs,
            person=view.person(self.actor),
            named=view.named(self.actor),
        )
        return [Draft(fact=made, stream_id=own, seals=(("draft", own, content),))]


@dataclass(frozen=True, kw_only=True)
class ReviewDraft(Command):
    """审核: by another person than the drafter."""

    draft_ref: bytes
    decision: str

    def wants(self, vault: Vault) -> Wants:
        return Wants(rows={(DraftRow, self.draft_ref)}, lookups=_lookups(vault, self))

    def decide(self, view: View) -> list[Draft]:
        own = actor_stream(self.actor, view)
        assert own is not None, "a client's organization has a stream"
        made = draft.DraftReviewed(
            draft_ref=self.draft_ref,
            decision=self.decision,
            person=view.person(self.actor),
            named=view.named(self.actor),
        )
        return [Draft(fact=made, stream_id=own)]


def _lookups(vault: Vault, asked: Command) -> list[Lookup]:
    """What tells who drafts or reviews by name; the account is looked up for every actor."""
    return [] if asked.actor.operator is None else [naming_lookup(vault, asked.actor)]
