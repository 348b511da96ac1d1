"""Commands of supervision: that a page or an export is shown, and how many requests were turned away."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field

from ledger import audit, audit_export
from ledger.command import Command, View, actor_stream
from ledger.fact import Draft


@dataclass(frozen=True, kw_only=True)
class ReadTrail(Command):
    """Record that a page of the trail is shown, or an export of it."""

    subject: str
    about: str
    """Whom or what the auditor asked about; sealed under the auditor's own key."""
    events: int
    through: int
    manifest: str | None = None
    """Of an export; sealed with its salt, so that the same request is given the same file again."""
    salt: bytes = field(default_factory=lambda: secrets.token_bytes(audit_export.SALT_BYTES))

    def decide(self, view: View) -> list[Draft]:
        own = actor_stream(self.actor, view)
        assert own is not None, "a client's organization has a stream"
        digest = None
        sealed: tuple[tuple[str, bytes, object], ...] = ()
        if self.manifest is not None:
            digest = audit_export.digest(self.salt, self.manifest, suite=view.vault.suite)
            sealed = (("manifest", own, [self.salt, self.manifest]),)
        made = audit.TrailRead(
            subject=self.subject, events=self.events, through=self.through, manifest_digest=digest
        )
        return [Draft(fact=made, stream_id=own, seals=(("asked", own, self.about), *sealed))]


@dataclass(frozen=True, kw_only=True)
class CountRefusals(Command):
    """Record how many requests of a client were turned away beyond its refusal quota in a minute."""

    count: int
    minute: int

    def decide(self, view: View) -> list[Draft]:
        own = actor_stream(self.actor, view)
        assert own is not None, "a client's organization has a stream"
        return [Draft(fact=audit.RefusalsCounted(count=self.count, minute=self.minute), stream_id=own)]
