"""Cases 办件: which an organization opened and closed, as its feed says; for audit alone.

A case belongs to the organization that numbered it, and stands in that organization's stream. Its parties
are streams where the ledger knows them, their codes sealed under their own keys; those that it does not know
are sealed with the organization and make no holder. Nothing is refused because of a case: feeds are late.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

from ledger import errors
from ledger.fact import Fact, Touched
from ledger.state import CaseRow, LicenseRow, OrganizationRow, State, StreamRow, TypeRow, altered
from signing import cbor, event, ids, suites

KEY_BYTES = 16
OUTCOMES = ("approved", "denied", "withdrawn", "terminated")
"""准予, 不予, 申请人撤回, 终止办理."""
ROLES = ("applicant", "agent", "interested")
"""申请人, 代理人, 利害关系人."""
PARTIES_MAX = 20
RESULTS_MAX = 20
"""License types that a case is expected to result in, and licenses that it resulted in."""
SPANS_MAX = 20
"""A case is opened so many times."""


class Span(NamedTuple):
    """A case from an opening to a closing, each with the leaf index that says so; None: not said yet."""

    opened_at: int | None = None
    opened_index: int | None = None
    opening: str | None = None
    """Digest of what the opening says in clear, but for the streams: a repeat is known by it, and who says it
    twice must not learn whom the ledger knows."""
    closed_at: int | None = None
    closed_index: int | None = None
    closing: str | None = None
    named: int = 0
    """How many parties were named."""
    parties: tuple[bytes, ...] = ()
    """Streams of those whom the ledger knew when the case was opened; two may be one holder's."""

    @property
    def text(self) -> str:
        """The line in decision state."""
        said = ["-" if item is None else str(item) for item in self[:6]]
        return " ".join([*said, str(self.named), *map(ids.text, self.parties)])


def key(organization: str, case_number: str) -> bytes:
    """The key of a case: a digest of organization and number."""
    return suites.INTL.digest(cbor.encode(["case", organization, case_number]))[:KEY_BYTES]


def spans(row: CaseRow | None) -> list[Span]:
    """What is known of a case, in its order."""
    return [] if row is None else parsed(row.spans)


def parsed(lines: Sequence[str]) -> list[Span]:
    """The spans that some lines of a case say."""
    return [_span(line.split(" ")) for line in lines]


def _span(items: Sequence[str]) -> Span:
    opened_at, opened_index, opening, closed_at, closed_index, closing, named, *parties = items

    def number(text: str) -> int | None:
        return None if text == "-" else int(text)

    return Span(
        opened_at=number(opened_at),
        opened_index=number(opened_index),
        opening=None if opening == "-" else opening,
        closed_at=number(closed_at),
        closed_index=number(closed_index),
        closing=None if closing == "-" else closing,
        named=int(named),
        parties=tuple(ids.parse(text) for text in parties),
    )


def ended_at(known: Sequence[Span]) -> int | None:
    """When the case ended; None while it is open, or before anything is known of it."""
    return known[-1].closed_at if known else None


def is_opened(known: Sequence[Span]) -> bool:
    """Whether anybody said that the case was opened."""
    return any(one.opened_at is not None for one in known)


@dataclass(frozen=True, kw_only=True)
class CaseFact(Fact, is_topic=False):
    """Base: what an organization says of one of its cases; number, item and channel are the event's own."""

    scope: ClassVar[str | None] = "case:upload"
    stream_kind: ClassVar[str] = "organization"

    def touches(self, about: event.Event) -> Touched:
        yield OrganizationRow, about.organization
        if about.case_number is not None:
            yield CaseRow, key(about.organization, about.case_number)

    def _known(self, about: event.Event, state: State) -> list[Span]:
        """What is known of the case; raises what keeps anybody from saying anything of it."""
        if about.case_number is None:
            raise errors.Invalid("a case has a number", field="case_number")
        own = state.get(OrganizationRow, about.organization)
        if own is None or own.stream_id != about.stream_id:
            raise errors.Conflict("a case stands in its organization's stream")
        if about.effective_at > about.recorded_at:
            raise errors.Invalid("what is yet to come is not said of a case", field=self._time)
        return spans(state.get(CaseRow, key(about.organization, about.case_number)))

    _time: ClassVar[str]
    """The member that says when."""

    def _put(self, about: event.Event, state: State, known: Sequence[Span]) -> None:
        assert about.case_number is not None, "allow() saw a number"
        case_key = key(about.organization, about.case_number)
        lines = tuple(one.text for one in known)
        row = state.get(CaseRow, case_key)
        if row is None:
            row = CaseRow(
                case_key=case_key,
                organization=about.organization,
                case_number=about.case_number,
                spans=lines,
            )
        state.put(altered(row, spans=lines))


@dataclass(frozen=True, kw_only=True)
class CaseOpened(CaseFact):
    """受理: opened, or opened again after its end, at the event's effective time."""

    _time: ClassVar[str] = "opened_at"
    parties: tuple[tuple[str, bytes], ...]
    """(role, stream) of those whom the ledger knows."""
    unknown: tuple[str, ...]
    """Roles of the others, whose codes are sealed with the organization."""

    def touches(self, about: event.Event) -> Touched:
        yield from super().touches(about)
        for _, stream_id in self.parties:
            yield StreamRow, stream_id

    def span_of(self, at: int, *, item: str | None, channel: str, index: int | None = None) -> Span:
        """The opening alone."""
        roles = sorted((*(role for role, _ in self.parties), *self.unknown))
        return Span(
            opened_at=at,
            opened_index=index,
            opening=said(item, channel, roles),
            named=len(roles),
            parties=tuple(sorted({stream_id for _, stream_id in self.parties})),
        )

    def allow(self, about: event.Event, state: State) -> None:
        known = self._known(about, state)
        if about.service_item is None:
            raise errors.Invalid("a case is of a service item", field="service_item_code")
        roles = [*(role for role, _ in self.parties), *self.unknown]
        if len(roles) > PARTIES_MAX:
            raise errors.Invalid(f"at most {PARTIES_MAX} parties", field="parties")
        if not set(roles) <= set(ROLES):
            raise errors.Invalid(f"a role is one of {', '.join(ROLES)}", field="parties")
        for _, stream_id in self.parties:
            row = state.get(StreamRow, stream_id)
            if row is None or row.kind != "holder":
                raise errors.Invalid("a party is a holder", field="parties")
        require_opening(known, at=about.effective_at)

    def evolve(self, about: event.Event, state: State, index: int) -> None:
        known = self._known(about, state)
        made = self.span_of(about.effective_at, item=about.service_item, channel=about.channel, index=index)
        self._put(about, state, after_opening(known, made))


@dataclass(frozen=True, kw_only=True)
class CaseClosed(CaseFact):
    """办结: closed at the event's effective time; the opening may be said later."""

    _time: ClassVar[str] = "closed_at"
    outcome: str
    type_codes: tuple[str, ...]
    """Types of the licenses that the case is expected to result in."""
    license_refs: tuple[bytes, ...]
    """Licenses that it resulted in, as far as they are known."""

    def touches(self, about: event.Event) -> Touched:
        yield from super().touches(about)
        for type_code in self.type_codes:
            yield TypeRow, type_code
        for license_ref in self.license_refs:
            yield LicenseRow, license_ref

    @property
    def closing(self) -> str:
        """Digest of what it says."""
        return said(self.outcome, self.type_codes, self.license_refs)

    def allow(self, about: event.Event, state: State) -> None:
        known = self._known(about, state)
        if self.outcome not in OUTCOMES:
            raise errors.Invalid(f"an outcome is one of {', '.join(OUTCOMES)}", field="outcome")
        results: tuple[tuple[str, tuple[Any, ...]], ...] = (
            ("license_types", self.type_codes),
            ("license_refs", self.license_refs),
        )
        for name, items in results:
            if len(items) > RESULTS_MAX or list(items) != sorted(set(items)):
                raise errors.Invalid(f"at most {RESULTS_MAX} different ones, sorted", field=name)
            if items and self.outcome != "approved":
                raise errors.Invalid("only an approved case results in licenses", field=name)
        if any(state.get(TypeRow, type_code) is None for type_code in self.type_codes):
            raise errors.LicenseTypeUnknown(field="license_types")
        if any(state.get(LicenseRow, license_ref) is None for license_ref in self.license_refs):
            raise errors.LicenseNotFound(field="license_refs")
        require_closing(known, at=about.effective_at)

    def evolve(self, about: event.Event, state: State, index: int) -> None:
        known = self._known(about, state)
        closed = after_closing(known, at=about.effective_at, index=index, closing=self.closing)
        self._put(about, state, closed)


def said(*items: Any) -> str:
    """A digest by which a repeat is known."""
    plain = [list(item) if isinstance(item, tuple) else item for item in items]
    return suites.INTL.digest(cbor.encode(plain))[:8].hex()


def require_opening(known: Sequence[Span], *, at: int) -> None:
    """Nothing when a case can be opened at an instant; raises CaseConflict."""
    if any(one.opened_at == at for one in known):
        raise errors.CaseConflict("it is said already that the case was opened then", field="opened_at")
    if not known or _fills(known[-1], at):
        return
    last = known[-1]
    if last.closed_at is None:
        raise errors.CaseConflict("the case is open: it is closed first", field="opened_at")
    if at < last.closed_at:
        raise errors.CaseConflict("the case was closed later than that", field="opened_at")
    if len(known) >= SPANS_MAX:
        raise errors.CaseConflict(f"a case is opened at most {SPANS_MAX} times")


def _fills(last: Span, at: int) -> bool:
    """Whether an opening is that of a case whose closing came first."""
    return last.opened_at is None and last.closed_at is not None and at <= last.closed_at


def after_opening(known: Sequence[Span], made: Span) -> list[Span]:
    """What is known after an opening that is allowed."""
    assert made.opened_at is not None, "it says when"
    if known and _fills(known[-1], made.opened_at):
        last = known[-1]
        filled = made._replace(closed_at=last.closed_at, closed_index=last.closed_index, closing=last.closing)
        return [*known[:-1], filled]
    return [*known, made]


def require_closing(known: Sequence[Span], *, at: int) -> None:
    """Nothing when a case can be closed at an instant; raises CaseConflict."""
    if not known:
        return
    if known[-1].closed_at is not None:
        raise errors.CaseConflict("the case is closed already", field="closed_at")
    opened_at = known[-1].opened_at
    if opened_at is not None and at < opened_at:
        raise errors.CaseConflict("the case was opened later than that", field="closed_at")


def after_closing(known: Sequence[Span], *, at: int, index: int, closing: str) -> list[Span]:
    """What is known after a closing that is allowed."""
    last = known[-1] if known else Span()
    return [*known[:-1], last._replace(closed_at=at, closed_index=index, closing=closing)]
