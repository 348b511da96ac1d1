"""Decision state: what grants and denies, one row a thing, kept in tables and equal to a replay.

A `Row` is a frozen dataclass whose fields are its table's columns; the first field is its key. `State`
holds the rows that one batch loaded, shows each command the effects of those before it, and knows
which rows changed. Rules read it and facts evolve it; nothing here does I/O.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from ledger import row as rows
from ledger import (
    state_bulletin,
    state_collection,
    state_dispute,
    state_document,
    state_household,
    state_mandate,
)
from ledger.scope import OfAuthorization, Scoped

Key = rows.Key
Row = rows.Row
RowKey = tuple[type[Row], Key]
Keys = set[RowKey]


class NotLoaded(LookupError):
    """A rule asked for a row that its command did not name; the command must be prepared again."""


@dataclass(frozen=True, kw_only=True)
class LedgerRow(Row):
    """The ledger itself; one row, key 0."""

    table = "ledger_facts"
    ledger_key: int
    operator: str
    registry: bytes
    suite: str


@dataclass(frozen=True, kw_only=True)
class GenerationRow(Row):
    """An origin of this partition; generation 0 is the first."""

    table = "generations"
    generation: int
    origin: str
    from_size: int


@dataclass(frozen=True, kw_only=True)
class KeyRow(Row):
    """A verification key and the indexes at which it came and went."""

    table = "signing_keys"
    key_id: bytes
    purpose: str
    public: bytes
    introduced_index: int
    retired_index: int | None
    """Also the size of the largest tree that it can have signed."""
    compromised_since: int | None = None
    """The size of the log from which on it was not the ledger's alone, where it was compromised."""


@dataclass(frozen=True, kw_only=True)
class TypeRow(Row):
    """A license type of the catalog."""

    table = "license_types"
    type_code: str
    name_zh: str
    name_en: str
    holder_kind: str
    sharing_class: str
    field_names: tuple[str, ...]
    """Names the type defines; empty when any snake_case name may be used."""
    public_fields: tuple[str, ...]
    """公开: what anyone may see; apart from the sharing class."""
    is_retired: bool
    coverage: tuple[str, ...] = ()
    """Declarations of coverage in force, as `ledger.coverage` spells them."""
    source: str | None = None
    """`up` or `down` for a type held by reference; None: the ledger itself holds its licenses."""
    stands_for: tuple[str, ...] = ()
    """Of a local type: the national one, first and last day, and `own=national` fields (`ledger.mapping`)."""
    local_types: tuple[str, ...] = ()
    """Of a national type: local ones that stand for it or once did; their own rows say when."""


@dataclass(frozen=True, kw_only=True)
class TypeRulesRow(Row):
    """What a type asks of its licenses; none for a type whose definition asks nothing."""

    table = "license_type_rules"
    type_code: str
    validity_rule: str
    validity_check: str
    """`none`, `warn` or `refuse`."""
    number_scope: str
    """Where printed numbers are unique: `nowhere`, `type`, `type-issuer` or `type-area-year`."""
    party_rules: tuple[str, ...]
    """`role file key consent`, see `ledger.catalog_rules.PartyRule`."""
    endorsement_cycle: str | None
    endorsement_grace: str
    endorsement_past_due: str
    """`overdue` or `suspended`."""
    holder_end: str
    """When the holder ends: `cancel`, `keep` or `lapse`."""
    field_schema: str | None
    renewal_window_days: int | None = None
    """So many days before its last valid day a license is renewed, and reminded of; None: at any time."""
    is_household_page: bool = False
    """Whether its licenses may be pages of a household booklet 户口簿."""


@dataclass(frozen=True, kw_only=True)
class StreamRow(Row):
    """A stream."""

    table = "streams"
    stream_id: bytes
    kind: str
    """`holder`, `organization` or `registry`."""
    is_erased: bool
    is_contested: bool = False
    """A code that leads here is two persons' 重号: nothing is used automatically."""
    ended_at: int | None = None
    """When the holder ended in law; None: it has not, or that was reversed."""
    same_holder: tuple[str, ...] = ()
    links: tuple[str, ...] = ()
    """Every other stream of the same holder, as sorted text; those with which it was joined itself."""
    name_changes: tuple[str, ...] = ()
    """Leaf indexes of the newest changes of the holder's name, as decimal text."""


@dataclass(frozen=True, kw_only=True)
class LinkRow(Row):
    """One more code that leads to a holder's stream; the code itself is sealed."""

    table = "holder_links"
    link_ref: bytes
    stream_id: bytes
    is_reversed: bool


@dataclass(frozen=True, kw_only=True)
class OrganizationRow(Row):
    """An organization that acts here, and its stream."""

    table = "organizations"
    organization: str
    stream_id: bytes
    took_over: tuple[str, ...] = ()
    """Whom it succeeded, from when and for which types, as `ledger.power` spells it."""
    handed_over: tuple[str, ...] = ()
    """Who succeeded it."""


@dataclass(frozen=True, kw_only=True)
class EntrustmentRow(Row):
    """What one organization entrusted to another."""

    table = "entrustments"
    pair: str
    """Delegator and delegate, as `ledger.power.pair`."""
    grants: tuple[str, ...]
    """Entrustments that did not end, as `ledger.power.Grant` spells them."""


@dataclass(frozen=True, kw_only=True)
class ClientRow(Row):
    """A client 接入系统 and what it may do."""

    table = "clients"
    client_id: bytes
    name: str
    organization: str
    scopes: tuple[str, ...]
    license_types: tuple[str, ...]
    """Type codes it may issue."""
    algorithm: str
    keys: tuple[str, ...]
    """Public JWKs, each as JSON text."""
    generation: int
    """Rises with every change of its keys; tokens of an earlier one are dead."""
    is_suspended: bool
    acts_for: tuple[str, ...] = ()
    """Further organizations that it serves."""


@dataclass(frozen=True, kw_only=True)
class LicenseRow(Row):
    """A license: its recorded status and its present version."""

    table = "licenses"
    license_ref: bytes
    stream_id: bytes
    type_code: str
    issuer: str
    status: str
    """As recorded: `active`, `suspended` or one of the endings (docs/rules.md)."""
    status_since: int
    status_index: int
    version: int
    version_index: int
    """Leaf index of the event that holds the present version's fields."""
    valid_from: int
    valid_to: int | None
    field_names: tuple[str, ...]
    frozen_index: int | None = None
    """Leaf index of the event that set the mark `frozen`; None: it does not stand. So the other two."""
    lost_index: int | None = None
    restricted_index: int | None = None
    serial_version: int = 1
    """The version with which the serial of the present identifier began."""
    endorsement_due: int | None = None
    """Last day on which the next endorsement is in time; None: none is due."""
    overdue_after: int | None = None
    """Last day of grace, as the type said when the day was set."""
    overdue_suspends: bool = False
    """Whether the license is suspended after that day, as the type said."""
    counterparts: int = 0
    area_code: str | None = None
    """管辖属地; None: the division in its issuer's credit code."""
    parties: tuple[str, ...] = ()
    """Of a license with several parties, each as `ledger.party.Party.text`; none where it has one."""
    is_orphaned: bool = False
    """Whether its home was erased while other parties live: it is used no more."""
    open_disputes: int = 0
    """异议: how many are not settled; they hinder nothing."""


@dataclass(frozen=True, kw_only=True)
class AuthorizationRow(Scoped, OfAuthorization, Row):
    """An authorization: its scope now and how often it was used."""

    table = "authorizations"
    stream_id: bytes
    mode: str
    requester: str
    grantor: str
    uses: int
    is_withdrawn: bool
    use_code_digest: bytes | None
    joined: tuple[str, ...] = ()
    """Streams, as text, of further parties who consent to it; with the instant at which a mandate ends."""
    entrusted_by: str | None = None
    """Mode `entrusted`: whose licenses."""
    uses_day: int = 0
    """The Beijing day that `uses_today` counts; kept while there is a cap a day."""
    uses_today: int = 0
    is_unrepresented: bool = False
    """Whether it is over because somebody else represents the body now than who consented for it."""
    is_unmandated: bool = False
    """Whether it is over because the mandate of the guardian or agent who consented has ended."""


@dataclass(frozen=True, kw_only=True)
class PieceRow(Row):
    """A printed piece of a version, by its place in a status list."""

    table = "pieces"
    piece_key: int
    """status list × 2^20 + index."""
    license_ref: bytes
    version: int
    piece: int
    is_cancelled: bool = False


@dataclass(frozen=True, kw_only=True)
class MissRow(Row):
    """How many comparisons of one holder by one requester missed on one day."""

    table = "comparison_misses"
    miss_key: bytes
    """Stream of the license, then the requester's credit code."""
    day: int
    """The last Beijing day on which one missed."""
    misses: int


@dataclass(frozen=True, kw_only=True)
class PartyRow(Row):
    """A party of a license beside the home, by license reference and stream."""

    table = "license_parties"
    party_key: bytes
    license_ref: bytes
    stream_id: bytes
    type_code: str
    is_current: bool


@dataclass(frozen=True, kw_only=True)
class DraftRow(Row):
    """A draft of a license, by which person, at which leaf index, and how far it came."""

    table = "drafts"
    draft_ref: bytes
    organization: str
    type_code: str
    drafter: bytes
    drafted_at: int
    draft_index: int
    status: str
    """As recorded: `drafted`, `approved`, `returned` or `issued`."""
    client: bytes | None = None
    """Through which client it was drafted."""
    drafter_name: bytes | None = None
    """The reference of the drafter's name; as the client None for drafts of before names were compared."""


@dataclass(frozen=True, kw_only=True)
class CaseRow(Row):
    """A case 办件 of an organization, as its feed says."""

    table = "cases"
    case_key: bytes
    """`ledger.case.key` of organization and number."""
    organization: str
    case_number: str
    spans: tuple[str, ...]
    """From an opening to a closing, each as `ledger.case.Span.text`."""


@dataclass(frozen=True, kw_only=True)
class BlobRow(Row):
    """A sealed attachment of a license or of a draft, by the digest of its sealed bytes."""

    table = "attachments"
    digest: bytes
    license_ref: bytes | None
    draft_ref: bytes | None
    stream_id: bytes
    """Under whose key its own key is sealed."""


@dataclass(frozen=True, kw_only=True)
class RepresentationRow(Row):
    """Who represents the holder of a license 法定代表人, as its versions say."""

    table = "representations"
    license_ref: bytes
    representatives: tuple[str, ...]
    """Their streams, as sorted text."""
    rooted: tuple[str, ...]
    """Consents that rest on their word, each as `ledger.representation.Root.text`."""


ROWS: tuple[type[Row], ...] = (
    LedgerRow,
    GenerationRow,
    KeyRow,
    TypeRow,
    TypeRulesRow,
    StreamRow,
    LinkRow,
    OrganizationRow,
    EntrustmentRow,
    ClientRow,
    LicenseRow,
    AuthorizationRow,
    PieceRow,
    MissRow,
    PartyRow,
    DraftRow,
    CaseRow,
    RepresentationRow,
    state_mandate.MandateRow,
    state_dispute.DisputeRow,
    state_dispute.ClaimRow,
    state_bulletin.MonthRow,
    BlobRow,
    state_document.SealRow,
    state_document.CopyRow,
    state_collection.BatchRow,
    state_collection.CollectedRow,
    state_collection.AppliedRow,
    state_collection.DayRow,
    state_household.HouseholdRow,
    state_household.HouseholdPlaceRow,
)
STATUS_LIST_SIZE = 1 << 20

R = TypeVar("R", bound=Row)
Loader = Callable[[type[Row], Key], Row | None]


class State:
    """Rows by class and key, as a replay or a batch leaves them: what changed here, over what is loaded."""

    def __init__(self, loader: Loader) -> None:
        self.changed: dict[RowKey, Row] = {}
        self._loader = loader

    def find(self, cls: type[Row], key: Key) -> Row | None:
        """The row, or None when there is none; raises NotLoaded when nobody asked for it in time."""
        row = self.changed.get((cls, key))
        return self._loader(cls, key) if row is None else row

    def get(self, cls: type[R], key: Key) -> R | None:
        """The row of `cls` under `key`, or None."""
        return self.find(cls, key)  # type: ignore[return-value]

    def need(self, cls: type[R], key: Key) -> R:
        """The row of `cls` under `key`, which the history must have."""
        row = self.find(cls, key)
        if row is None:
            raise NotLoaded(cls.__name__)
        return row  # type: ignore[return-value]

    def put(self, row: Row) -> None:
        """`row` from here on."""
        self.changed[type(row), row.key] = row

    def changed_of(self, cls: type[R]) -> Iterable[R]:
        """The changed rows of one class, in the order they first changed."""
        return (cast(R, row) for (kind, _), row in self.changed.items() if kind is cls)


def loaded(rows: Mapping[tuple[type[Row], Key], Row | None]) -> Loader:
    """A loader over rows fetched in advance; None marks a key that was looked for and is not there."""

    def find(cls: type[Row], key: Key) -> Row | None:
        try:
            return rows[cls, key]
        except KeyError:
            raise NotLoaded(f"{cls.__name__} was not loaded") from None

    return find


def altered(row: R, **changes: Any) -> R:
    """`row` with some columns changed: `dataclasses.replace` without its checks, on the hottest path."""
    made = object.__new__(type(row))
    made.__dict__.update(row.__dict__, **changes)
    return made


def row_values(row: Row) -> tuple[Any, ...]:
    """The row's values in column order."""
    return tuple(map(row.__dict__.__getitem__, row.columns()))
