"""Commands of supervision: that a page of the trail is shown, and how many requests were turned away."""

from __future__ import annotations

from dataclasses import dataclass

from ledger import audit
from ledger.command import Command, View, actor_stream
from ledger.fact import Draft


@dataclass(frozen=True, kw_only=True)
class ReadTrail(Command):
    """Record that a page of the trail is shown."""

    subject: str
    about: str
    """Whom or what the auditor asked about; sealed under the auditor's own key."""
    events: int
    through: int

    def decide(self, view: View) -> list[Draft]:
        own = actor_stream(self.actor, view)
        assert own is not None, "a client's organization has a stream"
        made = audit.TrailRead(subject=self.subject, events=self.events, through=self.through)
        return [Draft(fact=made, stream_id=own, seals=(("asked", own, self.about),))]


@dataclass(frozen=True, kw_only=True)
class CountRefusals(Command):
    """Record how many requests of a client were turned away beyond its refusal quota in a minute."""

    count: int
    minute: int

    def decide(self, view: View) -> list[Draft]:
        own = actor_stream(self.actor, view)
        assert own is not None, "a client's organization has a stream"
        return [Draft(fact=audit.RefusalsCounted(count=self.count, minute=self.minute), stream_id=own)]
