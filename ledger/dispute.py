"""Disputes 异议/纠错: somebody says that a license is wrong or missing, and its issuer decides in time.

A holder raises one through a client that attests it, a using office on a case of its own. What is claimed
stands sealed; kind, names of fields and days stand in clear. The decision is promised within so many
working days, as the calendar was known then. A dispute refuses nothing: the license is used as ever, and
whoever looks is told that it is disputed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Protocol

from ledger import days, errors, holder, license, party, power, version, workdays
from ledger.fact import Fact, Touched
from ledger.state import ClientRow, LicenseRow, OrganizationRow, State, StreamRow, TypeRow, altered
from ledger.state_dispute import ClaimRow, DisputeRow
from signing import cbor, event, ids, suites

WRONG, MISSING, DUPLICATE, STALE, UNREADABLE = "wrong", "missing", "duplicate", "stale", "unreadable"
KINDS = (WRONG, MISSING, DUPLICATE, STALE, UNREADABLE)
"""错证, 缺证, 重复, 状态滞后, 无法识别."""
HOLDER, OFFICE = "holder", "office"
UPHELD, REJECTED, WITHDRAWN = "upheld", "rejected", "withdrawn"
MENDED_ELSEWHERE = (DUPLICATE, STALE)
"""Kinds that can be mended by what leaves no trace of its own on the license: the end of the other one of
two, an endorsement, a mark that is lifted."""
KEY_BYTES = 16


def claim_key(license_ref: bytes, raiser: str, kind: str, field_names: tuple[str, ...]) -> bytes:
    """The key of all disputes about the same: a digest of which license, by whom, and what is wrong with it.

    `raiser` is `holder` or the office's organization.
    """
    said = ["dispute", license_ref, raiser, kind, list(field_names)]
    return suites.INTL.digest(cbor.encode(said))[:KEY_BYTES]


class Promised(Protocol):
    """What was promised when a dispute was raised."""

    @property
    def filed_at(self) -> int:
        """When it was raised."""

    @property
    def working_days(self) -> int:
        """Within how many."""

    @property
    def due_on(self) -> int:
        """Until which day."""

    @property
    def known_until(self) -> int:
        """How far the calendar was known then."""


def due(promised: Promised, calendar: workdays.Calendar) -> tuple[int, bool]:
    """The last day for the decision, and whether it may still turn out another.

    What was promised by a calendar that reached so far stays; else it is counted anew by the present one.
    """
    if promised.due_on <= promised.known_until:
        return promised.due_on, False
    start = days.of_instant(promised.filed_at)
    day = calendar.due(start, promised.working_days)
    return day, day > calendar.known_until


@dataclass(frozen=True, kw_only=True)
class DisputeFiled(Fact):
    """提出异议: what is said to be wrong, by whom, and until when it is to be decided."""

    stream_kind: ClassVar[str] = "holder"
    dispute_ref: bytes
    kind: str
    raised_by: str
    license_ref: bytes | None
    """None: the license is missing; then this stands with the organization that reports it."""
    party: bytes | None
    """The stream of the party who raises it."""
    type_code: str
    issuer: str
    """As the license says; of a missing one, who should have issued it."""
    area_code: str | None
    """管辖属地, as the license says."""
    field_names: tuple[str, ...]
    """What is disputed, sorted."""
    working_days: int
    due_on: int
    """The last Beijing day for the decision."""
    known_until: int
    """The last day of which the calendar knew whether it is a working day."""
    former: bytes | None
    """The dispute before about the same by the same, which is settled."""
    evidence_digest: bytes

    def needed_scope(self, state: State) -> str | None:
        return raising_scope(self.raised_by)

    def touches(self, about: event.Event) -> Touched:
        yield DisputeRow, self.dispute_ref
        claim_key = self._claim_key(about)
        if claim_key is not None:
            yield ClaimRow, claim_key
        yield StreamRow, about.stream_id
        yield TypeRow, self.type_code
        if self.former is not None:
            yield DisputeRow, self.former
        if self.license_ref is not None:
            yield LicenseRow, self.license_ref
        if self.party is not None:
            yield StreamRow, self.party

    def _claim_key(self, about: event.Event) -> bytes | None:
        """Of a missing license nothing in clear says whose it is, nor so whether it is the same."""
        if self.license_ref is None:
            return None
        raiser = HOLDER if self.raised_by == HOLDER else about.organization
        return claim_key(self.license_ref, raiser, self.kind, self.field_names)

    def allow(self, about: event.Event, state: State) -> None:
        if state.get(DisputeRow, self.dispute_ref) is not None:
            raise errors.AlreadyExists("the dispute is recorded")
        self._check(about)
        _require_term(self, about)
        type_row = state.get(TypeRow, self.type_code)
        if type_row is None:
            raise errors.LicenseTypeUnknown(field="license_type")
        version.check_field_names(self.field_names, type_row)
        if self.license_ref is None:
            self._allow_missing(about, state)
        else:
            self._allow_license(self.license_ref, about, state)
        claim_key = self._claim_key(about)
        claim = None if claim_key is None else state.get(ClaimRow, claim_key)
        latest = None if claim is None else claim.dispute_ref
        if latest != self.former:
            raise errors.Conflict("another dispute came before")
        if self.former is not None and state.need(DisputeRow, self.former).outcome is None:
            raise errors.AlreadyExists("it is disputed already", dispute_ref=ids.text(self.former))

    def _check(self, about: event.Event) -> None:
        """Nothing when what is said fits together; raises Invalid."""
        if self.kind not in KINDS:
            raise errors.Invalid(f"a kind is one of {', '.join(KINDS)}", field="kind")
        if self.raised_by not in (HOLDER, OFFICE):
            raise errors.Invalid(f"{HOLDER} or {OFFICE}", field="raised_by")
        if about.client is not None and about.operator_ref is None:
            raise errors.Invalid("a dispute names its operator", field="operator")
        if (self.kind == MISSING) != (self.license_ref is None):
            raise errors.Invalid("a license is named unless it is missing", field="license_ref")
        if self.kind == WRONG and not self.field_names:
            raise errors.Invalid("what is wrong is named", field="fields")
        if self.kind == MISSING and self.field_names:
            raise errors.Invalid("a missing license has no fields", field="fields")
        if about.case_number is None and (self.raised_by == OFFICE or self.license_ref is None):
            raise errors.Invalid("this is raised on a case", field="case_number")
        if about.effective_at != about.recorded_at:
            raise errors.Invalid("a dispute is raised when it is recorded", field="effective_at")

    def _allow_missing(self, about: event.Event, state: State) -> None:
        own = state.get(OrganizationRow, about.organization)
        if own is None or own.stream_id != about.stream_id:
            raise errors.Conflict("what is missing stands with who reports it")
        if self.party is not None or self.area_code is not None:
            raise errors.Invalid("nothing is known of what is missing", field="holder")

    def _allow_license(self, license_ref: bytes, about: event.Event, state: State) -> None:
        row = state.get(LicenseRow, license_ref)
        if row is None:
            raise errors.LicenseNotFound
        if row.stream_id != about.stream_id:
            raise errors.Conflict("the license has another home stream")
        if (row.type_code, row.issuer, row.area_code) != (self.type_code, self.issuer, self.area_code):
            raise errors.Conflict("the license is of another type, issuer or division")
        if (self.party is not None) != (self.raised_by == HOLDER):
            raise errors.Invalid("who raises it as a holder is a party", field="holder")
        if self.party is None:
            return
        stream = state.get(StreamRow, self.party)
        if stream is None or stream.is_erased or not party.holds(row, self.party):
            raise errors.LicenseNotFound
        holder.refuse_contested(stream)
        holder.refuse_ended(stream)

    def evolve(self, about: event.Event, state: State, index: int) -> None:
        state.put(
            DisputeRow(
                dispute_ref=self.dispute_ref,
                stream_id=about.stream_id,
                license_ref=self.license_ref,
                kind=self.kind,
                raised_by=self.raised_by,
                party=self.party,
                organization=about.organization,
                type_code=self.type_code,
                issuer=self.issuer,
                field_names=self.field_names,
                filed_at=about.recorded_at,
                filed_index=index,
                working_days=self.working_days,
                due_on=self.due_on,
                known_until=self.known_until,
            )
        )
        claim_key = self._claim_key(about)
        if claim_key is not None:
            state.put(ClaimRow(claim_key=claim_key, dispute_ref=self.dispute_ref))
        _count(self.license_ref, 1, state)


@dataclass(frozen=True, kw_only=True)
class _Settled(Fact, is_topic=False):
    """Base: a dispute is open no more."""

    stream_kind: ClassVar[str] = "holder"
    dispute_ref: bytes
    license_ref: bytes | None
    """The license that it is about; of one that was missing, the one that is there now."""

    def touches(self, about: event.Event) -> Touched:
        yield DisputeRow, self.dispute_ref
        if self.license_ref is not None:
            yield LicenseRow, self.license_ref

    def _row(self, about: event.Event, state: State) -> DisputeRow:
        """The dispute, which is open; raises NotFound or Conflict."""
        row = state.get(DisputeRow, self.dispute_ref)
        if row is None:
            raise errors.NotFound("no such dispute")
        if about.client is not None and about.operator_ref is None:
            raise errors.Invalid("who settles a dispute names the operator", field="operator")
        if about.effective_at != about.recorded_at:
            raise errors.Invalid("a dispute is settled when it is recorded", field="effective_at")
        if row.license_ref not in (None, self.license_ref):
            raise errors.Invalid("the dispute is about another license", field="license_ref")
        if home(row, state) != about.stream_id:
            raise errors.Conflict("the dispute stands in another stream")
        return row

    def _settle(self, outcome: str, about: event.Event, state: State, index: int, mended: int | None) -> None:
        row = state.need(DisputeRow, self.dispute_ref)
        changed = {"settled_at": about.recorded_at, "settled_index": index, "mended_index": mended}
        state.put(altered(row, outcome=outcome, **changed))
        _count(row.license_ref, -1, state)


@dataclass(frozen=True, kw_only=True)
class DisputeDecided(_Settled):
    """异议处理: by the responsible issuer; upheld once the license is mended, or rejected."""

    scope: ClassVar[str | None] = "license:issue"
    outcome: str
    """`upheld` or `rejected`."""
    mended_index: int | None
    """Leaf index of the event that mended the license: its version or its status since the dispute came."""

    def allow(self, about: event.Event, state: State) -> None:
        row = self._row(about, state)
        held = None if self.license_ref is None else state.get(LicenseRow, self.license_ref)
        power.require_issuer(
            state,
            organization=about.organization,
            acting=about.issuer,
            issuer=row.issuer,
            type_code=row.type_code,
            area_code=None if row.license_ref is None or held is None else held.area_code,
            at=about.recorded_at,
        )
        if about.client is not None:
            types = state.need(ClientRow, about.client).license_types
            if row.type_code not in types:
                raise errors.NotTheIssuer
        if row.license_ref is None and held is not None:
            license.require_issuer(held, about, state)
        require_open(row)
        if self.outcome == UPHELD:
            self._require_mended(row, held)
        elif self.outcome != REJECTED:
            raise errors.Invalid(f"{UPHELD} or {REJECTED}", field="outcome")
        elif self.mended_index is not None or (row.license_ref is None and self.license_ref is not None):
            raise errors.Invalid("what is rejected mends nothing", field="outcome")

    def _require_mended(self, row: DisputeRow, held: LicenseRow | None) -> None:
        """Nothing when the license is as the dispute wants it, as far as its row can say."""
        if held is None:
            raise errors.Invalid("the license that was missing is named", field="license_ref")
        if held.type_code != row.type_code:
            raise errors.Invalid("a license of another type was missing", field="license_ref")
        if self.mended_index is None:
            if row.kind not in MENDED_ELSEWHERE:
                raise errors.Conflict("amend the license first: what is upheld is mended")
        elif self.mended_index not in mends(held, since=row.filed_index):
            raise errors.Conflict("this does not mend the license")

    def evolve(self, about: event.Event, state: State, index: int) -> None:
        self._settle(self.outcome, about, state, index, self.mended_index)


@dataclass(frozen=True, kw_only=True)
class DisputeWithdrawn(_Settled):
    """撤回异议: by who raised it."""

    party: bytes | None
    """The stream of the party who raised it; None: the organization that did."""
    evidence_digest: bytes | None

    def needed_scope(self, state: State) -> str | None:
        row = state.get(DisputeRow, self.dispute_ref)
        return raising_scope(OFFICE if row is None else row.raised_by)

    def allow(self, about: event.Event, state: State) -> None:
        row = self._row(about, state)
        if self.license_ref != row.license_ref:
            raise errors.Invalid(
                "a withdrawal names no license that the dispute does not", field="license_ref"
            )
        if row.party is not None:
            if self.party != row.party or self.evidence_digest is None:
                raise errors.NotFound("no such dispute of this holder")
        else:
            own, day = state.get(OrganizationRow, about.organization), days.of_instant(about.recorded_at)
            is_raiser = about.organization == row.organization
            if not is_raiser and not power.has_succeeded(own, row.organization, day=day):
                raise errors.NotFound("no such dispute of this organization")
            if self.party is not None or self.evidence_digest is not None:
                raise errors.Invalid("an office withdraws what it raised itself", field="holder")
        require_open(row)

    def evolve(self, about: event.Event, state: State, index: int) -> None:
        self._settle(WITHDRAWN, about, state, index, None)


def home(row: DisputeRow, state: State) -> bytes:
    """The stream in which a dispute is settled: that of its license, which may be another holder's by now."""
    held = None if row.license_ref is None else state.get(LicenseRow, row.license_ref)
    return row.stream_id if held is None else held.stream_id


def require_open(row: DisputeRow) -> None:
    """Nothing when nobody has settled the dispute; raises Conflict."""
    if row.outcome is not None:
        raise errors.Conflict("the dispute is settled", dispute_status=row.outcome)


def mends(row: LicenseRow, *, since: int) -> list[int]:
    """Leaf indexes after `since` of what the license shows now, sorted: a version, a status, a mark."""
    marks = (getattr(row, column) for column in license.MARKS.values())
    found = {row.version_index, row.status_index, *(index for index in marks if index is not None)}
    return sorted(index for index in found if index > since)


def raising_scope(raised_by: str) -> str:
    """The scope of clients through which one is raised, and withdrawn."""
    return "consent:attest" if raised_by == HOLDER else "license:use"


def _require_term(said: DisputeFiled, about: event.Event) -> None:
    """Nothing when the last day can be so many working days away; raises Invalid.

    The calendar of that time is not asked again: notices are amended, and a promise stays what it was.
    """
    left = said.due_on - days.of_instant(about.recorded_at)
    if not 1 <= said.working_days <= workdays.TERM_DAYS_MAX:
        raise errors.Invalid(f"1 to {workdays.TERM_DAYS_MAX} working days", field="working_days")
    if not said.working_days <= left <= 3 * said.working_days + 15:
        raise errors.Invalid("no term of so many working days", field="due_on")


def _count(license_ref: bytes | None, change: int, state: State) -> None:
    """One more, or one less, of the open disputes about a license."""
    if license_ref is not None:
        row = state.need(LicenseRow, license_ref)
        state.put(altered(row, open_disputes=row.open_disputes + change))
