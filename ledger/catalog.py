"""License types: the catalog that every license names.

A type is registered, revised as a whole, and retired; what it asks of its licenses is in
`catalog_rules.py`. A definition is refused with all its faults at once. `national_catalog` reads the
list shipped with the package (`ledger/data/license_types.csv`), which is configuration, not law.
"""

from __future__ import annotations

import csv
import importlib.resources
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from ledger import catalog_rules, days, errors, mapping, power, validity
from ledger.errors import Fault
from ledger.fact import Fact, Touched
from ledger.state import LedgerRow, OrganizationRow, State, TypeRow, TypeRulesRow
from signing import event

FIRST_LOCAL_SERIAL = 900
"""Types without a national code get the operator's credit code and a serial from here to 999."""


@dataclass(frozen=True, kw_only=True)
class _Definition(Fact, is_topic=False):
    """What registration and revision say of a type: all of it."""

    scope: ClassVar[str | None] = "catalog:write"
    type_code: str
    name_zh: str
    """The registered name until the first of `names` begins."""
    name_en: str
    defining_authority: str
    holder_kind: str
    multi_holder: bool
    validity_rule: str
    sharing_class: str
    """`unconditional`, `conditional` or `none`: between departments."""
    fields: tuple[tuple[str, str], ...]
    """(name, 中文 label); empty: not defined yet."""
    names: tuple[tuple[int, str, str], ...] = ()
    """(first Beijing day, name_zh, name_en) of later registered names."""
    area: str | None = None
    """Division code of a type that one area has."""
    issuer_level: str | None = None
    issuer_level_text: str | None = None
    public_fields: tuple[str, ...] = ()
    """公开: what anyone may see, whatever the sharing class is."""
    validity_check: str = "none"
    number_scope: str = "nowhere"
    parties: tuple[tuple[str, str, str, str], ...] = ()
    """(role, file, key, consent): `catalog_rules.PartyRule`."""
    endorsement_cycle: str | None = None
    endorsement_grace: str = "P0D"
    endorsement_past_due: str = "overdue"
    holder_end: str = "cancel"
    field_schema: str | None = None
    """JSON text, a subset of JSON Schema (`field_schema.py`)."""
    short_names: tuple[tuple[str, str], ...] = ()
    """(field, GB/T 36903 short name without the prefix KZ_)."""
    renewal_window_days: int | None = None
    """So many days before its last valid day a license may be renewed; null: at any time."""
    is_household_page: bool = False
    """Whether its licenses may be pages of a household booklet 户口簿 (`household.py`)."""

    def touches(self, about: event.Event) -> Touched:
        return ((TypeRow, self.type_code), (TypeRulesRow, self.type_code))

    def _allow_definition(self, about: event.Event, state: State) -> None:
        errors.refuse(catalog_rules.faults_of(self))
        require_owner(self.type_code, about, state)

    def _put_type(self, state: State, *, asks: bool) -> None:
        known = state.get(TypeRow, self.type_code)
        state.put(
            TypeRow(
                type_code=self.type_code,
                name_zh=self.name_zh,
                name_en=self.name_en,
                holder_kind=self.holder_kind,
                sharing_class=self.sharing_class,
                field_names=tuple(name for name, _ in self.fields),
                public_fields=self.public_fields,
                is_retired=False,
                # What is declared of the type, and what it stands for, is no part of its definition.
                coverage=() if known is None else known.coverage,
                source=None if known is None else known.source,
                stands_for=() if known is None else known.stands_for,
                local_types=() if known is None else known.local_types,
            )
        )
        if asks:
            state.put(self._rules())

    def _rules(self) -> TypeRulesRow:
        return TypeRulesRow(
            type_code=self.type_code,
            validity_rule=self.validity_rule,
            validity_check=self.validity_check,
            number_scope=self.number_scope,
            party_rules=tuple(" ".join(rule) for rule in self.parties),
            endorsement_cycle=self.endorsement_cycle,
            endorsement_grace=self.endorsement_grace,
            endorsement_past_due=self.endorsement_past_due,
            holder_end=self.holder_end,
            field_schema=self.field_schema,
            renewal_window_days=self.renewal_window_days,
            is_household_page=self.is_household_page,
        )


_ASKS_NOTHING: dict[str, Any] = {
    "validity_check": "none",
    "number_scope": "nowhere",
    "parties": (),
    "endorsement_cycle": None,
    "holder_end": "cancel",
    "field_schema": None,
    "renewal_window_days": None,
    "is_household_page": False,
}
"""Members of a definition that asks nothing of its licenses."""


@dataclass(frozen=True, kw_only=True)
class LicenseTypeRegistered(_Definition):
    """A license type enters the catalog."""

    def allow(self, about: event.Event, state: State) -> None:
        if state.get(TypeRow, self.type_code) is not None:
            raise errors.AlreadyExists("the license type is registered", field="type_code")
        self._allow_definition(about, state)

    def evolve(self, about: event.Event, state: State, index: int) -> None:
        # A registration from before types asked anything leaves no rules, so that old state stands.
        asks = any(getattr(self, name) != value for name, value in _ASKS_NOTHING.items())
        self._put_type(state, asks=asks)


@dataclass(frozen=True, kw_only=True)
class LicenseTypeRevised(_Definition):
    """The whole definition as it is from now on; licenses issued before it stand as they are."""

    def allow(self, about: event.Event, state: State) -> None:
        require_in_use(self.type_code, state)
        self._allow_definition(about, state)

    def evolve(self, about: event.Event, state: State, index: int) -> None:
        self._put_type(state, asks=True)


@dataclass(frozen=True, kw_only=True)
class LicenseTypeRetired(Fact):
    """Nothing new is issued under the type; what there is stays, is amended and used."""

    scope: ClassVar[str | None] = "catalog:write"
    type_code: str
    successor: str | None
    """The type that takes its place."""

    def touches(self, about: event.Event) -> Touched:
        yield TypeRow, self.type_code
        if self.successor is not None:
            yield TypeRow, self.successor

    def allow(self, about: event.Event, state: State) -> None:
        require_in_use(self.type_code, state)
        require_owner(self.type_code, about, state)
        if self.successor is not None:
            known = state.get(TypeRow, self.successor)
            if self.successor == self.type_code or known is None or known.is_retired:
                raise errors.LicenseTypeUnknown(field="successor")

    def evolve(self, about: event.Event, state: State, index: int) -> None:
        state.put(replace(state.need(TypeRow, self.type_code), is_retired=True))


@dataclass(frozen=True, kw_only=True)
class LicenseTypeMapped(Fact):
    """A local type stands for a national one (G34) between two days; said again, the last word holds."""

    scope: ClassVar[str | None] = "catalog:write"
    type_code: str
    national_type: str
    since: int
    until: int | None
    """The last Beijing day; null: until it is said again."""
    fields: tuple[tuple[str, str], ...]
    """(field of the type, field of the national type)."""
    in_uses: bool = False
    """Whether a use of the national type finds the type's licenses; not by what was said before uses did."""

    def touches(self, about: event.Event) -> Touched:
        return ((TypeRow, self.type_code), (TypeRow, self.national_type))

    def allow(self, about: event.Event, state: State) -> None:
        local = require_in_use(self.type_code, state)
        require_owner(self.type_code, about, state)
        errors.refuse(list(self._faults(local, state.get(TypeRow, self.national_type))))

    def _faults(self, local: TypeRow, national: TypeRow | None) -> Iterator[Fault]:
        if national is None or national.type_code == local.type_code:
            yield Fault("national_type", "another type of the catalog")
            return
        if self.until is not None and self.until < self.since:
            yield Fault("until", "the mapping ends before it begins")
        for side, names, row in (
            ("from", [name for name, _ in self.fields], local),
            ("to", [name for _, name in self.fields], national),
        ):
            if len(set(names)) != len(names):
                yield Fault(f"fields.{side}", "each field stands once")
            if row.field_names and not set(names) <= set(row.field_names):
                yield Fault(f"fields.{side}", "fields of the two types")
        if self.in_uses:
            yield from self._faults_of_uses(local, national)

    def _faults_of_uses(self, local: TypeRow, national: TypeRow) -> Iterator[Fault]:
        if local.local_types or national.stands_for:
            yield Fault("national_type", "a type for which others stand stands for none")
        is_new = local.type_code not in national.local_types
        if is_new and len(national.local_types) >= mapping.LOCAL_TYPES_MAX:
            yield Fault("national_type", f"at most {mapping.LOCAL_TYPES_MAX} types stand for one")

    def evolve(self, about: event.Event, state: State, index: int) -> None:
        if not self.in_uses:
            return
        local, national = state.need(TypeRow, self.type_code), state.need(TypeRow, self.national_type)
        said = mapping.spelled(self.national_type, since=self.since, until=self.until, fields=self.fields)
        state.put(replace(local, stands_for=said))
        if self.type_code not in national.local_types:
            state.put(replace(national, local_types=(*national.local_types, self.type_code)))


def name_on(definition: LicenseTypeRegistered | LicenseTypeRevised, day: int) -> tuple[str, str]:
    """The name registered on a Beijing day, in Chinese and in English."""
    known = [(name_zh, name_en) for since, name_zh, name_en in definition.names if since <= day]
    return known[-1] if known else (definition.name_zh, definition.name_en)


def require_in_use(type_code: str, state: State) -> TypeRow:
    """The registered type that is not retired; raises NotFound or LicenseTypeRetiredConflict."""
    row = state.get(TypeRow, type_code)
    if row is None:
        raise errors.NotFound("no such license type")
    if row.is_retired:
        raise errors.LicenseTypeRetiredConflict
    return row


def require_owner(type_code: str, about: event.Event, state: State) -> None:
    """Nothing when the actor defines the type (its code begins with theirs) or operates the ledger.

    A definer whom another has succeeded for the type defines it no more. Raises NotTheIssuer.
    """
    ledger = state.get(LedgerRow, 0)
    definer, own = type_code[:18], state.get(OrganizationRow, about.organization)
    day = days.of_instant(about.recorded_at)
    is_operator = ledger is not None and about.organization == ledger.operator
    is_definer = definer == about.organization or power.has_succeeded(
        own, definer, day=day, type_codes=(type_code,)
    )
    if is_operator:
        return
    if not is_definer:
        raise errors.NotTheIssuer("the type is defined by another organization", field="type_code")
    if power.handed_over(own, (type_code,), day=day):
        raise errors.NotTheIssuer("another organization has taken the type over", field="type_code")


def national_catalog(operator: str) -> Iterator[LicenseTypeRegistered]:
    """The shipped list in its order; rows without a national code get codes local to `operator`."""
    local_serial = FIRST_LOCAL_SERIAL
    source = importlib.resources.files("ledger") / "data" / "license_types.csv"
    with source.open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            type_code = row["type_code"]
            if not type_code:
                type_code = f"{operator}{local_serial:03}"
                local_serial += 1
            yield LicenseTypeRegistered(
                type_code=type_code,
                name_zh=row["name_zh"],
                name_en=row["name_en"],
                defining_authority=row["defining_authority_zh"],
                holder_kind=row["holder_kind"],
                multi_holder=row["multi_holder"] == "yes",
                validity_rule=row["validity_rule"],
                sharing_class=row["sharing_class"],
                fields=_fields(row["surface_fields"]),
                validity_check="warn",
                endorsement_cycle=validity.cycle(row["validity_rule"]),
                holder_end="keep" if row["name_zh"] in _KEPT else "cancel",
                parties=_PARTIES.get(row["name_zh"], ()),
                is_household_page=row["name_zh"] == _HOUSEHOLD,
            )


_KEPT = ("不动产权证书", "不动产登记证明", "居民户口簿", "结婚证", "离婚证", "出生医学证明")
"""Types whose licenses stand when a holder dies: heirs, spouses and children prove with them."""
_HOUSEHOLD = "居民户口簿"
"""The type whose licenses are the pages of households."""
_PARTIES: dict[str, tuple[tuple[str, str, str, str], ...]] = {
    "结婚证": (("spouse", "in-file", "own", "all"),),
    "不动产权证书": (("co-owner", "in-file", "own", "all"),),
    "不动产登记证明": (("obligor", "in-file", "own", "none"),),
    "出生医学证明": (("child", "in-file", "own", "any"), ("parent", "in-file", "own", "any")),
    "营业执照": (("legal-representative", "not-in-file", "own", "none"),),
}


def _fields(text: str) -> tuple[tuple[str, str], ...]:
    pairs = (pair.rpartition("=") for pair in text.split(";") if pair)
    return tuple((name, label) for label, _, name in pairs)
