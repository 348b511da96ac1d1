"""Consent of further parties 共同授权: who holds a license with others joins the authorization of one.

A type says per role whether the consent of any or of all is needed. The first party's authorization names
requester and scope; the others join it, each on evidence, and whoever withdraws it ends it for all. Where a
representative joined for a body, that consent is over when somebody else represents it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ledger import client, errors, holder, joined, mandate, representation
from ledger.fact import Fact, Touched
from ledger.state import AuthorizationRow, State, StreamRow, altered
from ledger.state_mandate import MandateRow
from signing import event

JOINED_MAX = 10


@dataclass(frozen=True, kw_only=True)
class ConsentJoined(Fact):
    """The holder of this stream consents to what another's authorization allows."""

    scope: ClassVar[str | None] = "consent:attest"
    stream_kind: ClassVar[str] = "holder"
    authorization_ref: bytes
    evidence_digest: bytes
    """Digest of the evidence of consent, with a sealed salt."""
    representative: bytes | None = None
    represents_by: bytes | None = None
    """The stream of who consents for a body 法定代表人, and by which of its licenses."""
    acting: bytes | None = None
    acts_by: bytes | None = None
    """The stream of a guardian or agent who consents for the holder, and by which mandate."""

    def touches(self, about: event.Event) -> Touched:
        yield AuthorizationRow, self.authorization_ref
        yield StreamRow, about.stream_id
        yield from representation.touched_by(self.represents_by, self.representative)
        yield from mandate.touched_by(self._acting)

    def allow(self, about: event.Event, state: State) -> None:
        row = state.get(AuthorizationRow, self.authorization_ref)
        if row is None or row.mode != "holder":
            raise errors.AuthorizationNotFound
        if row.is_withdrawn:
            raise errors.AuthorizationWithdrawnConflict
        stream = state.get(StreamRow, about.stream_id)
        if stream is None or stream.kind != "holder":
            raise errors.NotFound("no such holder")
        holder.refuse_contested(stream)
        holder.refuse_ended(stream)
        client.refuse_own(row.requester, about, state)
        others = joined.without(row.joined, about.stream_id)
        stands = about.stream_id in joined.standing(row.joined, at=about.recorded_at)
        if about.stream_id == row.stream_id or stands:
            raise errors.Conflict("the holder consents already")
        if len(others) >= JOINED_MAX:
            raise errors.Conflict(f"at most {JOINED_MAX} join")
        holder.require_attested(about)
        representation.allow_consent(self.represents_by, self.representative, about, state, mode=row.mode)
        mandate.allow_consent(self._acting, about, state, mode=row.mode, scope=row, is_joined=True)

    @property
    def _acting(self) -> mandate.Acting:
        return mandate.Acting(self.acting, self.acts_by, self.representative, self.represents_by)

    def evolve(self, about: event.Event, state: State, index: int) -> None:
        row = state.need(AuthorizationRow, self.authorization_ref)
        given_by = None if self.acts_by is None else state.need(MandateRow, self.acts_by)
        line = joined.line(about.stream_id, None if given_by is None else given_by.until)
        state.put(altered(row, joined=(*joined.without(row.joined, about.stream_id), line)))
        if given_by is not None:
            rests = mandate.Root(self.authorization_ref, row.valid_until, about.stream_id)
            mandate.take_root(given_by.mandate_ref, rests, state, at=about.recorded_at)
        if self.represents_by is not None and self.representative is not None:
            root = representation.Root(
                self.representative, self.authorization_ref, row.valid_until, about.stream_id
            )
            representation.take_root(self.represents_by, root, state, at=about.recorded_at)
