"""Licenses: issued, amended, and the changes of their status; what is true of one at an instant.

A license keeps its reference for life and has versions; status and marks (`ledger/mark.py`) belong to
the license, fields and dates to a version. Expiry and future start are never stored: `status` says
them from the dates.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from ledger import attachment, catalog_rules, days, draft, errors, party, place, power, stock, version
from ledger.fact import Fact, Touched
from ledger.state import (
    ClientRow,
    DraftRow,
    LicenseRow,
    PieceRow,
    State,
    StreamRow,
    TypeRow,
    TypeRulesRow,
    altered,
)
from signing import event

FIELD_NAME, RESERVED_FIELDS, PREVIOUS_ID = version.FIELD_NAME, version.RESERVED_FIELDS, version.PREVIOUS_ID
VERSION_MAX = 999
DAY_MIN, DAY_MAX = version.DAY_MIN, version.DAY_MAX


LIVE = ("active", "suspended")
"""Recorded statuses of a license that has not ended."""
MARKS = {"frozen": "frozen_index", "lost": "lost_index", "restricted": "restricted_index"}
"""What stands beside the recorded status, each by itself, to the column that says so."""


def status(row: LicenseRow, at: int) -> str:
    """The license's status at the instant `at`: recorded, or by Beijing date, or `effective`.

    Of what stands together an ending is said first, then a freeze, a loss, a suspension, a restriction.
    A license that was not endorsed in time is suspended by the date where its type says so.
    """
    if row.status not in LIVE:
        return row.status
    if row.frozen_index is not None:
        return "frozen"
    if row.lost_index is not None:
        return "lost"
    if row.status != "active":
        return row.status
    if row.restricted_index is not None:
        return "restricted"
    day = days.of_instant(at)
    if day < row.valid_from:
        return "not-yet-effective"
    if row.valid_to is not None and day > row.valid_to:
        return "expired"
    if row.overdue_suspends and row.overdue_after is not None and day > row.overdue_after:
        return "suspended"
    return "effective"


@dataclass(frozen=True, kw_only=True)
class VersionFact(Fact, is_topic=False):
    """What issue and every later version say of it; fields are sealed, their root is in clear."""

    scope: ClassVar[str | None] = "license:issue"
    stream_kind: ClassVar[str] = "holder"
    license_ref: bytes
    type_code: str
    version: int
    parties: tuple[tuple[str, bytes], ...]
    """(role, stream id); the first holding party's stream is the license's home."""
    valid_from: int
    valid_to: int | None
    """Last valid Beijing day; None: long-term 长期."""
    issued_on: int
    field_names: tuple[str, ...]
    fields_root: bytes
    pieces: tuple[tuple[int, int, int], ...]
    origin_digest: bytes | None = None
    """Digest of what a license transferred in was elsewhere, with a sealed salt."""
    area_code: str | None = None
    """管辖属地: a division code; None: that of the issuer's credit code."""
    endorsement_due: int | None = None
    """Last day on which the next endorsement is in time; None in a later version: as before."""
    party_fields: tuple[tuple[int, str], ...] = ()
    """(position in `parties`, field name) of what is sealed under a further party's own key."""
    unfiled: tuple[int, ...] = ()
    """Positions of parties in whose file the license does not stand."""
    blobs: tuple[tuple[int, bytes], ...] = ()
    """(position in `parties`, digest of the sealed bytes) of each attachment."""

    def touches(self, about: event.Event) -> Touched:
        yield LicenseRow, self.license_ref
        yield TypeRow, self.type_code
        yield TypeRulesRow, self.type_code
        for _, stream_id in self.parties[1:]:
            yield StreamRow, stream_id
        for piece in self.pieces:
            yield PieceRow, place.Piece(*piece).key
        yield from attachment.rows(digest for _, digest in self.blobs)

    def _allow_version(self, about: event.Event, state: State, *, is_stock: bool = False) -> None:
        type_row = state.get(TypeRow, self.type_code)
        if type_row is None:
            raise errors.LicenseTypeUnknown(field="license_type")
        if about.client is not None:
            client = state.need(ClientRow, about.client)
            if self.type_code not in client.license_types:
                raise errors.NotTheIssuer(field="license_type")
        known = state.get(LicenseRow, self.license_ref)
        power.require_issuer(
            state,
            organization=about.organization,
            acting=about.issuer,
            issuer=about.issuer or "" if known is None else known.issuer,
            type_code=self.type_code,
            area_code=self.area_code,
            at=about.recorded_at,
        )
        if not self.parties or self.parties[0][1] != about.stream_id:
            raise errors.Invalid("a license has a first holding party", field="holder")
        version.check_dates(self.valid_from, self.valid_to, self.issued_on)
        version.check_area(self.area_code)
        version.check_due(self.endorsement_due, after=self.valid_from)
        version.check_field_names(self.field_names, type_row)
        rules = state.get(TypeRulesRow, self.type_code)
        self._allow_parties(rules, state)
        if not is_stock:
            catalog_rules.require_names(rules, self.field_names)
            if known is None or (known.valid_from, known.valid_to) != (self.valid_from, self.valid_to):
                catalog_rules.require_validity(rules, valid_from=self.valid_from, valid_to=self.valid_to)
        place.check_pieces(self.pieces, state, first=0)
        attachment.check(self, state)

    def _allow_parties(self, rules: TypeRulesRow | None, state: State) -> None:
        party.check(rules, self.parties, self.party_fields, names=self.field_names)
        if self.unfiled != party.unfiled(rules, (role for role, _ in self.parties)):
            raise errors.Invalid("not the files that the type names", field="parties")
        for position, (_, stream_id) in enumerate(self.parties):
            known = state.get(StreamRow, stream_id)
            if known is not None and (known.kind != "holder" or known.is_erased):
                raise errors.Invalid("a party is a holder", field=f"parties[{position}]")

    def _evolve_version(self, about: event.Event, state: State, row: LicenseRow) -> None:
        rules = state.get(TypeRulesRow, self.type_code)
        lines = party.lines(rules, self.parties, self.party_fields)
        before = state.get(LicenseRow, self.license_ref)
        # The home is said again, since a correction of the holder moves the license.
        row = altered(
            row, counterparts=max(0, len(self.pieces) - 1), parties=lines, stream_id=about.stream_id
        )
        state.put(row)
        party.put(row, before, state)
        for _, stream_id in self.parties:
            if state.get(StreamRow, stream_id) is None:
                state.put(StreamRow(stream_id=stream_id, kind="holder", is_erased=False))
        place.put_pieces(self.pieces, state, license_ref=self.license_ref, version=self.version)
        attachment.put(self.blobs, self.parties, license_ref=self.license_ref, state=state)


@dataclass(frozen=True, kw_only=True)
class LicenseIssued(VersionFact):
    """颁发: a license begins, in its first version."""

    draft_ref: bytes | None = None
    """The draft that it was issued from, reviewed by another operator."""
    origin: str | None = None
    """How a license of the stock 存量 came here (`ledger/stock.py`); None: it was issued here."""
    trust_level: str | None = None
    serial_number: int = 1
    """The version in the identifier; 0: no other version can follow under its serial."""

    def touches(self, about: event.Event) -> Touched:
        yield from super().touches(about)
        if self.draft_ref is not None:
            yield DraftRow, self.draft_ref

    def allow(self, about: event.Event, state: State) -> None:
        if state.get(LicenseRow, self.license_ref) is not None:
            raise errors.AlreadyExists("the license is issued")
        if self.version != 1:
            raise errors.Invalid("a license begins with version 1", field="version")
        type_row = state.get(TypeRow, self.type_code)
        stock.check(self.origin, self.trust_level, self.serial_number)
        if type_row is not None and type_row.is_retired and self.origin is None:
            raise errors.LicenseTypeRetiredConflict(field="license_type")
        if self.draft_ref is not None:
            row = state.get(DraftRow, self.draft_ref)
            draft.require_approved(row, about, type_code=self.type_code)
        self._allow_version(about, state, is_stock=self.origin is not None)

    def evolve(self, about: event.Event, state: State, index: int) -> None:
        assert about.issuer is not None, "allow() saw an issuer"
        row = LicenseRow(
            license_ref=self.license_ref,
            stream_id=about.stream_id,
            type_code=self.type_code,
            issuer=about.issuer,
            status="active",
            status_since=about.effective_at,
            status_index=index,
            version=self.version,
            version_index=index,
            valid_from=self.valid_from,
            valid_to=self.valid_to,
            field_names=self.field_names,
            area_code=self.area_code,
            serial_version=2 - self.serial_number,
            **catalog_rules.due_columns(state.get(TypeRulesRow, self.type_code), self.endorsement_due),
        )
        self._evolve_version(about, state, row)
        if self.draft_ref is not None:
            state.put(altered(state.need(DraftRow, self.draft_ref), status="issued"))


@dataclass(frozen=True, kw_only=True)
class NextVersion(VersionFact, is_topic=False):
    """Base of the facts by which the next version replaces the present one, and its lost paper with it."""

    before: ClassVar[tuple[str, ...]] = LIVE
    begins_serial: ClassVar[bool] = False

    def allow(self, about: event.Event, state: State) -> None:
        row = own_license(self.license_ref, about, state)
        if row.status not in self.before:
            raise errors.StatusConflict(license_status=row.status)
        refuse_frozen(row)
        if self.origin_digest is not None:
            raise errors.Invalid("only a new license comes from elsewhere", field="origin")
        if self.version != row.version + 1 or self.type_code != row.type_code:
            raise errors.Conflict("the version does not follow the present one")
        if not self.begins_serial and serial_number(row) >= VERSION_MAX:
            raise errors.Conflict("the serial has no further version")
        self._allow_version(about, state)

    def evolve(self, about: event.Event, state: State, index: int) -> None:
        row = state.need(LicenseRow, self.license_ref)
        row = replace(
            row,
            version=self.version,
            version_index=index,
            valid_from=self.valid_from,
            valid_to=self.valid_to,
            field_names=self.field_names,
            area_code=self.area_code,
            lost_index=None,
            serial_version=self.version if self.begins_serial else row.serial_version,
        )
        if self.endorsement_due is not None:
            rules = state.get(TypeRulesRow, self.type_code)
            row = altered(row, **catalog_rules.due_columns(rules, self.endorsement_due))
        self._evolve_version(about, state, row)


@dataclass(frozen=True, kw_only=True)
class LicenseAmended(NextVersion):
    """变更: what the license says changes."""


@dataclass(frozen=True, kw_only=True)
class LicenseRenewed(NextVersion):
    """延续: a new term under a new serial, which names the identifier before."""

    before, begins_serial = ("active",), True

    def allow(self, about: event.Event, state: State) -> None:
        super().allow(about, state)
        _require_previous(self)
        row, rules = state.need(LicenseRow, self.license_ref), state.get(TypeRulesRow, self.type_code)
        version.require_window(rules, row.valid_to, at=about.recorded_at)


@dataclass(frozen=True, kw_only=True)
class LicenseReplaced(NextVersion):
    """补发, 换发: printed anew for the same term; the paper before is dead."""

    cause: str
    """`lost` 补发, `damaged` or `renewed-form` 换发."""

    def allow(self, about: event.Event, state: State) -> None:
        super().allow(about, state)
        _require_previous(self)
        row = state.need(LicenseRow, self.license_ref)
        if (self.valid_from, self.valid_to) != (row.valid_from, row.valid_to):
            raise errors.Invalid("a replacement keeps the term", field="valid_to")
        if self.cause not in version.REPLACEMENT_CAUSES:
            raise errors.Invalid(f"a cause is one of {', '.join(version.REPLACEMENT_CAUSES)}", field="cause")


@dataclass(frozen=True, kw_only=True)
class StatusChange(Fact, is_topic=False):
    """Base of the facts that change a license's recorded status."""

    scope: ClassVar[str | None] = "license:issue"
    stream_kind: ClassVar[str] = "holder"
    before: ClassVar[tuple[str, ...]] = ()
    after: ClassVar[str] = ""
    while_frozen: ClassVar[bool] = True
    """Whether it may happen to a frozen license: what takes the license away may not."""
    license_ref: bytes

    def touches(self, about: event.Event) -> Touched:
        return ((LicenseRow, self.license_ref),)

    def allow(self, about: event.Event, state: State) -> None:
        row = own_license(self.license_ref, about, state)
        if row.status not in self.before:
            raise errors.StatusConflict(license_status=row.status)
        if not self.while_frozen:
            refuse_frozen(row)
        if about.effective_at > about.recorded_at:
            raise errors.Invalid("a status change cannot take effect later", field="effective_at")

    def evolve(self, about: event.Event, state: State, index: int) -> None:
        row = state.need(LicenseRow, self.license_ref)
        state.put(replace(row, status=self.after, status_since=about.effective_at, status_index=index))


@dataclass(frozen=True, kw_only=True)
class LicenseSuspended(StatusChange):
    """暂扣."""

    before, after = ("active",), "suspended"


@dataclass(frozen=True, kw_only=True)
class LicenseReinstated(StatusChange):
    """暂扣发还."""

    before, after = ("suspended",), "active"


@dataclass(frozen=True, kw_only=True)
class LicenseAnnulled(StatusChange):
    """撤销: void from the start."""

    before, after = LIVE, "annulled"


@dataclass(frozen=True, kw_only=True)
class LicenseRecalled(StatusChange):
    """撤回: lawful, taken back from now on."""

    before, after = LIVE, "recalled"


@dataclass(frozen=True, kw_only=True)
class LicenseRevoked(StatusChange):
    """吊销: a penalty, from now on."""

    before, after = LIVE, "revoked"


@dataclass(frozen=True, kw_only=True)
class LicenseCancelled(StatusChange):
    """注销: the formal end, also after the other endings."""

    before, after = (*LIVE, "annulled", "recalled", "revoked", "transferred-out"), "cancelled"
    while_frozen = False


@dataclass(frozen=True, kw_only=True)
class LicenseVoided(StatusChange):
    """制证错误作废: made by mistake, never meant to be held."""

    before, after = LIVE, "void"
    while_frozen = False


@dataclass(frozen=True, kw_only=True)
class LicenseTransferredOut(StatusChange):
    """转出: another place goes on with the license; the destination names this one."""

    before, after = ("active",), "transferred-out"
    while_frozen = False
    area_code: str
    """Six digits of the destination (GB/T 2260)."""

    def allow(self, about: event.Event, state: State) -> None:
        super().allow(about, state)
        if not (len(self.area_code) == 6 and self.area_code.isascii() and self.area_code.isdigit()):
            raise errors.Invalid("an area code has six digits", field="area_code")


@dataclass(frozen=True, kw_only=True)
class LicenseTransferCancelled(StatusChange):
    """取消转出: the license stays."""

    before, after = ("transferred-out",), "active"


STATUS_CHANGES: dict[str, type[StatusChange]] = {
    "suspend": LicenseSuspended,
    "reinstate": LicenseReinstated,
    "annul": LicenseAnnulled,
    "recall": LicenseRecalled,
    "revoke": LicenseRevoked,
    "cancel": LicenseCancelled,
    "void": LicenseVoided,
    "transfer-out": LicenseTransferredOut,
    "cancel-transfer": LicenseTransferCancelled,
}
"""Verb to fact."""


def serial_number(row: LicenseRow) -> int:
    """The version in the present identifier: counted from the beginning of its serial."""
    return row.version - row.serial_version + 1


def _require_previous(made: NextVersion) -> None:
    if PREVIOUS_ID not in made.field_names:
        raise errors.Invalid("the version names the identifier before it", field="fields")


def refuse_frozen(row: LicenseRow) -> None:
    """Nothing unless a freeze stands; raises StatusConflict."""
    if row.frozen_index is not None:
        raise errors.StatusConflict("the license is frozen", license_status="frozen")


def own_license(license_ref: bytes, about: event.Event, state: State) -> LicenseRow:
    """The license, when the actor is its issuer and the event stands in its home stream."""
    row = state.get(LicenseRow, license_ref)
    if row is None:
        raise errors.LicenseNotFound
    require_issuer(row, about, state)
    if row.stream_id != about.stream_id:
        raise errors.Conflict("the license has another home stream")
    if about.client is not None and row.type_code not in state.need(ClientRow, about.client).license_types:
        raise errors.NotTheIssuer
    return row


def require_issuer(row: LicenseRow, about: event.Event, state: State) -> None:
    """Nothing when the actor may act as the license's responsible issuer; raises NotTheIssuer."""
    power.require_issuer(
        state,
        organization=about.organization,
        acting=about.issuer,
        issuer=row.issuer,
        type_code=row.type_code,
        area_code=row.area_code,
        at=about.recorded_at,
    )
