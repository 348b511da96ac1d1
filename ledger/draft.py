"""Drafts 制证草稿: what one operator enters and another reviews before it is issued.

A draft stands in the issuing organization's stream, sealed under its key: it makes no holder, no license
and no number, and grants nothing. It is reviewed by another person than the one who entered it, through
whichever clients of the organization, issued once, and void after 30 days, by the clock and without an event.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ledger import account, attachment, days, errors
from ledger.fact import Fact, Touched
from ledger.state import ClientRow, DraftRow, OrganizationRow, State, TypeRow, altered
from signing import event

DAYS_MAX = 30
DECISIONS = {"approve": "approved", "return": "returned"}
"""Decision of a review to the status that follows."""


@dataclass(frozen=True, kw_only=True)
class LicenseDrafted(Fact):
    """起草: the whole content, sealed."""

    scope: ClassVar[str | None] = "license:issue"
    stream_kind: ClassVar[str] = "organization"
    draft_ref: bytes
    type_code: str
    content_digest: bytes
    """Digest of what is to be issued, with a sealed salt."""
    blobs: tuple[bytes, ...] = ()
    """Digests of the sealed bytes of its attachments, sorted."""
    person: bytes | None = None
    """Who has the operator's account in the organization, whichever client names it."""
    named: bytes | None = None
    """A random reference of the operator's name in the organization."""

    def touches(self, about: event.Event) -> Touched:
        yield DraftRow, self.draft_ref
        yield TypeRow, self.type_code
        yield OrganizationRow, about.organization
        yield from attachment.rows(self.blobs)

    def allow(self, about: event.Event, state: State) -> None:
        if state.get(DraftRow, self.draft_ref) is not None:
            raise errors.AlreadyExists("the draft is recorded")
        if state.get(TypeRow, self.type_code) is None:
            raise errors.LicenseTypeUnknown(field="license_type")
        own = state.get(OrganizationRow, about.organization)
        if own is None or own.stream_id != about.stream_id:
            raise errors.Conflict("a draft stands in its organization's stream")
        if about.operator_ref is None:
            raise errors.Invalid("a draft names its operator", field="operator")
        _person(self, about)
        _require_type(self, self.type_code, about, state)
        attachment.check_drafted(self.blobs, state)

    def evolve(self, about: event.Event, state: State, index: int) -> None:
        state.put(
            DraftRow(
                draft_ref=self.draft_ref,
                organization=about.organization,
                type_code=self.type_code,
                drafter=_person(self, about),
                drafted_at=about.recorded_at,
                draft_index=index,
                status="drafted",
                client=None if self.person is None else about.client,
                drafter_name=self.named,
            )
        )
        attachment.put_drafted(self.blobs, draft_ref=self.draft_ref, stream_id=about.stream_id, state=state)


@dataclass(frozen=True, kw_only=True)
class DraftReviewed(Fact):
    """审核: approved, or returned to be drafted anew."""

    scope: ClassVar[str | None] = "license:issue"
    stream_kind: ClassVar[str] = "organization"
    draft_ref: bytes
    decision: str
    """`approve` or `return`."""
    person: bytes | None = None
    named: bytes | None = None
    """Of the reviewer, as of a drafter."""

    def touches(self, about: event.Event) -> Touched:
        return ((DraftRow, self.draft_ref), (OrganizationRow, about.organization))

    def allow(self, about: event.Event, state: State) -> None:
        row = state.get(DraftRow, self.draft_ref)
        if row is None or row.organization != about.organization:
            raise errors.NotFound("no such draft")
        own = state.get(OrganizationRow, about.organization)
        if own is None or own.stream_id != about.stream_id:
            raise errors.Conflict("a review stands in its organization's stream")
        if about.operator_ref is None:
            raise errors.Invalid("a review names its operator", field="operator")
        _require_type(self, row.type_code, about, state)
        require(row, "drafted", at=about.recorded_at)
        if _person(self, about) == row.drafter:
            raise errors.Forbidden("a draft is reviewed by another operator", field="operator")
        if about.client != row.client and self.named is not None and self.named == row.drafter_name:
            # One client knows its namesakes apart; two clients may each have an account of one person.
            raise errors.Forbidden(
                "through another client, a draft is not reviewed by who has the drafter's name",
                field="operator",
            )
        if self.decision not in DECISIONS:
            raise errors.Invalid(f"a decision is one of {', '.join(DECISIONS)}", field="decision")

    def evolve(self, about: event.Event, state: State, index: int) -> None:
        state.put(altered(state.need(DraftRow, self.draft_ref), status=DECISIONS[self.decision]))


def _person(made: LicenseDrafted | DraftReviewed, about: event.Event) -> bytes:
    """Who acted, known across the clients of the organization; raises Conflict when the event says another.

    Before operators were their clients' own, the operator's reference was the person's.
    """
    assert about.operator_ref is not None, "allow() saw an operator"
    if made.person is None:
        return about.operator_ref
    if account.operator_ref(made.person, about.client, suite=about.suite) != about.operator_ref:
        raise errors.Conflict("the operator is another person's")
    return made.person


def _require_type(
    made: LicenseDrafted | DraftReviewed, type_code: str, about: event.Event, state: State
) -> None:
    """Nothing when the client is registered for the type; raises NotTheIssuer.

    Not asked of events of before persons were named, when it was asked of the issue alone.
    """
    if made.person is None or about.client is None:
        return
    if type_code not in state.need(ClientRow, about.client).license_types:
        raise errors.NotTheIssuer(field="license_type")


def expires_at(drafted_at: int) -> int:
    """The first instant at which a draft is void: 30 days after it was recorded."""
    return drafted_at + DAYS_MAX * days.DAY_US


def still_open_since(at: int) -> int:
    """The instant after which a draft was recorded that is not void at `at`."""
    return at - DAYS_MAX * days.DAY_US


OPEN = ("drafted", "approved")
"""A draft that may still be issued."""


def status(row: DraftRow, at: int) -> str:
    """`drafted`, `approved`, `returned` or `issued` as recorded, or `expired` by the clock."""
    return "expired" if row.status in OPEN and at >= expires_at(row.drafted_at) else row.status


def require(row: DraftRow, wanted: str, *, at: int) -> None:
    """Nothing when the draft is where a step begins; raises Conflict."""
    said = status(row, at)
    if said != wanted:
        raise errors.Conflict("the draft is not ready for this step", draft_status=said)


def require_approved(row: DraftRow | None, about: event.Event, *, type_code: str) -> DraftRow:
    """The draft that an issue names; raises NotFound or Conflict unless it is to be issued now."""
    if row is None or row.organization != about.organization or row.type_code != type_code:
        raise errors.NotFound("no such draft")
    require(row, "approved", at=about.recorded_at)
    return row
