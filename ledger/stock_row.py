"""One row of the stock judged: the license that it says, or all of its faults at once.

Asks everything that can be known before the lock: shapes, codes, dates, the type with its fields, the
powers of who imports. What the ledger says under the lock may still refuse a row. No code is corrected, no
identifier rewritten; a fault names column and rule, never a value.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from ledger import (
    catalog_rules,
    errors,
    identifiers,
    license_commands,
    party,
    power,
    state,
    stock,
    stock_cells,
    stock_columns,
    stock_commands,
    stock_file,
    version,
)
from ledger.command import Actor
from ledger.errors import Fault
from ledger.identifiers import HolderCode
from ledger.vault import Vault

JOINT = "^"
"""Joins several holders in the exchange format."""
NAME_LENGTH_MAX = 200
STRING_LENGTH_MAX = 10_000
SERIAL_UNUSED = "0"
"""Of a license whose identifier stays as it is printed."""
LONG_TERM = ("长期", "永久")
_TYPE_CODE = re.compile("[0-9A-Z]{18}[0-9]{3}")
_PARTY = {"role", "code_type", "code", "name", "fields"}


@dataclass(frozen=True, kw_only=True)
class Defaults:
    """What a row says that does not say it."""

    origin: str = "from-database"
    trust_level: str | None = None


@dataclass
class Faults:
    """What is wrong with a row, as it is found."""

    found: list[Fault] = field(default_factory=list)

    def add(self, column: str, rule: str) -> None:
        """One more, unless it was found already."""
        fault = Fault(column, rule)
        if fault not in self.found:
            self.found.append(fault)


@dataclass(frozen=True, kw_only=True)
class Read:
    """A license as a row says it."""

    type_code: str
    issuer: str
    holder: HolderCode
    parties: tuple[license_commands.Party, ...]
    content: license_commands.Content
    """Without a serial."""
    origin: str
    trust_level: str | None
    number_scope: str


class Judge:
    """Judges rows for one importer; types and powers as they were committed when last asked for."""

    known: ClassVar[tuple[str, ...]] = stock_columns.COLUMNS
    needed: ClassVar[tuple[str, ...]] = stock_columns.NEEDED
    """Columns that a file of rows has."""
    aliases: ClassVar[Mapping[str, str]] = stock_columns.ALIASES

    def __init__(
        self,
        vault: Vault,
        actor: Actor,
        *,
        row: state.Loader,
        now: Callable[[], int],
        defaults: Defaults | None = None,
    ) -> None:
        self._vault, self._actor = vault, actor
        self._row, self._now = row, now
        self._defaults = defaults or Defaults()
        self._rows: dict[state.RowKey, state.Row | None] = {}
        self._powers: dict[tuple[str, str, str], bool] = {}

    def forget(self) -> None:
        """Types and powers are read anew from here on."""
        self._rows.clear()
        self._powers.clear()

    def columns(self, names: Iterable[str]) -> None:
        """Nothing when a file's columns are known and enough; raises Invalid with all that are not."""
        said = [self.aliases.get(name, name) for name in names]
        known = {*self.known, stock_file.REMARK}
        faults = [
            # By its place: where the line with the names is missing, they are a person's words.
            Fault("FILE", f"column {place} is unknown")
            for place, name in enumerate(said, start=1)
            if name not in known
            and not version.FIELD_NAME.fullmatch(name.removeprefix(stock_columns.FIELD_PREFIX))
        ]
        faults += [Fault("FILE", f"column {name} is missing") for name in self.needed if name not in said]
        if len(set(said)) != len(said):
            faults.append(Fault("FILE", "a column stands twice"))
        errors.refuse(faults)

    def judge(self, record: stock_file.Record) -> stock_commands.ImportLicense | list[Fault]:
        """The command behind a row, or everything that is wrong with it."""
        faults = Faults(list(record.faults))
        if any(fault.field == "*" for fault in faults.found):
            return faults.found
        said = self.said(record)
        made = self._command(said, faults)
        return faults.found if made is None or faults.found else made

    def said(self, record: stock_file.Record) -> dict[str, Any]:
        """Column, by our name for it, to value."""
        return {self.aliases.get(name, name): value for name, value in record.values.items()}

    def _command(self, said: dict[str, Any], faults: Faults) -> stock_commands.ImportLicense | None:
        read = self.read(said, faults)
        return None if read is None else stock_commands.ImportLicense(**self.members(said, read))

    def read(self, said: dict[str, Any], faults: Faults) -> Read | None:
        """What a row says of a license; None, or with faults, when something is wrong with it."""
        self.check_columns(said, faults, needed=stock_columns.NEEDED)
        type_code, rules, type_row = self.kind(said, faults)
        issuer = self.issuer(said, faults)
        area = self._area(said, faults)
        self._check_power(type_code, issuer, area, faults)
        holders = self._holders(said, faults)
        values, parties = self._fields(said, holders, type_row, faults)
        self._check_parties(rules, parties, faults)
        issued_on, valid_from, valid_to = self._days(said, faults)
        origin = self._choice(said, "origin", stock.ORIGINS, self._defaults.origin, faults)
        trust = self._choice(said, "trust_level", stock.TRUST_LEVELS, self._defaults.trust_level, faults)
        if faults.found or not holders or issued_on is None or valid_from is None or issuer is None:
            return None
        content = license_commands.Content(
            serial=SERIAL_UNUSED,
            number=said["number"],
            holder_name=holders[0].name,
            values=values,
            valid_from=valid_from,
            valid_to=valid_to,
            issued_on=issued_on,
            area_code=area,
            judged=catalog_rules.judge(rules, values),
        )
        return Read(
            type_code=type_code,
            issuer=issuer,
            holder=_code(holders[0]),
            parties=tuple(parties),
            content=content,
            origin=origin or self._defaults.origin,
            trust_level=trust,
            number_scope="nowhere" if rules is None else rules.number_scope,
        )

    def members(self, said: dict[str, Any], read: Read) -> dict[str, Any]:
        """The members of the command that issues what a row says."""
        identifier, content = self._identifier(said, read.type_code, read.issuer), read.content
        if identifier is None:
            content = replace(content, serial=license_commands.draw_serial())
        return {
            "actor": self.actor_for(read.issuer),
            "type_code": read.type_code,
            "holder": read.holder,
            "parties": read.parties,
            "content": content,
            "effective_at": stock_commands.effect(read.content.issued_on, now=self._now()),
            "source": self.source(said, read.type_code, read.issuer),
            "taken_from": read.origin,
            "trust_level": read.trust_level,
            "identifier": identifier,
            "number_scope": read.number_scope,
        }

    def actor_for(self, issuer: str) -> Actor:
        """Who imports, for a responsible issuer."""
        own = self._actor.organization
        return self._actor if issuer == own else replace(self._actor, issuer=issuer)

    def source(self, said: dict[str, Any], type_code: str, issuer: str) -> stock_commands.Source:
        """What a row is known by: its source id, else everything that it says."""
        known = said.get("source_id")
        content = ["id", known] if known is not None else ["row", sorted(said.items())]
        digest = self._vault.body_digest(["stock", type_code, issuer, *content]).hex()
        return stock_commands.Source(type_code=type_code, issuer=issuer, digest=digest)

    # --- column by column ---

    def check_columns(self, said: dict[str, Any], faults: Faults, *, needed: Iterable[str]) -> None:
        """Add what is missing, unknown or too long."""
        for name in needed:
            if said.get(name) in (None, ""):
                faults.add(name, "missing")
        for name, value in said.items():
            if name in ("fields", "parties"):
                continue
            is_field = name.startswith(stock_columns.FIELD_PREFIX)
            if name not in self.known and not is_field:
                faults.add("*", "unknown-column")
            elif not isinstance(value, str) and not is_field:
                faults.add(name, "text")
                said[name] = ""
            elif name in stock_columns.LENGTHS_MAX and len(value) > stock_columns.LENGTHS_MAX[name]:
                faults.add(name, "length")
            elif name in ("source_id", "license_id", "number") and not value.isprintable():
                faults.add(name, "unprintable")

    def kind(
        self, said: dict[str, Any], faults: Faults
    ) -> tuple[str, state.TypeRulesRow | None, state.TypeRow | None]:
        """The license type, what it asks, and its row."""
        code = said.get("license_type") or ""
        if not code:
            return "", None, None
        row = (
            self._find(state.TypeRow, code) if isinstance(code, str) and _TYPE_CODE.fullmatch(code) else None
        )
        if not isinstance(row, state.TypeRow):
            faults.add("license_type", "license-type-unknown")
            return "", None, None
        rules = self._find(state.TypeRulesRow, code)
        return code, rules if isinstance(rules, state.TypeRulesRow) else None, row

    def issuer(self, said: dict[str, Any], faults: Faults) -> str | None:
        """The responsible issuer: who imports, unless the row says another."""
        code, fault = stock_cells.issuer(said.get("issuer") or self._actor.responsible)
        if fault is not None:
            faults.add("issuer", fault)
        return code

    def _area(self, said: dict[str, Any], faults: Faults) -> str | None:
        area = said.get("area_code") or None
        if area is not None and not catalog_rules.AREA.fullmatch(area):
            faults.add("area_code", "area-code")
            return None
        return area

    def _check_power(self, type_code: str, issuer: str | None, area: str | None, faults: Faults) -> None:
        """As the rule will ask it under the lock."""
        if not type_code or issuer is None:
            return
        asked = type_code, issuer, area or ""
        if asked not in self._powers:
            self._powers[asked] = self._may_issue(type_code, issuer, area)
        if not self._powers[asked]:
            faults.add("issuer", errors.NotTheIssuer.type)

    def _may_issue(self, type_code: str, issuer: str, area: str | None) -> bool:
        known = state.State(self._find)
        client_id, organization = self._actor.client_id, self._actor.organization
        client = None if client_id is None else known.get(state.ClientRow, client_id)
        if client is not None and type_code not in client.license_types:
            return False
        try:
            if issuer != organization and client_id is not None:
                power.require_delegate(known, organization=organization, acting=issuer, at=self._now())
            power.require_issuer(
                known,
                organization=organization,
                acting=issuer,
                issuer=issuer,
                type_code=type_code,
                area_code=area,
                at=self._now(),
            )
        except errors.NotTheIssuer:
            return False
        return True

    def _holders(self, said: dict[str, Any], faults: Faults) -> list[license_commands.Party]:
        """Those who hold the license together, joined by `^` in the columns of the holder."""
        columns = ("holder_code_type", "holder_code", "holder_name")
        if any(not said.get(name) for name in columns):
            return []
        parts = [said[name].split(JOINT) for name in columns]
        if len({len(part) for part in parts}) != 1:
            faults.add("holder_code", "holder-count")
            return []
        count = len(parts[0])
        roles = said["holder_role"].split(JOINT) if said.get("holder_role") else []
        roles = roles or ["holder", *("co-owner" for _ in range(count - 1))]
        if len(roles) != count or roles[0] != "holder":
            faults.add("holder_role", "holder-count")
            return []
        made = []
        for role, code_type, code, name in zip(roles, *parts, strict=True):
            one = self._party(role, code_type, code, name, (), column="holder", faults=faults)
            made += [] if one is None else [one]
        return made if len(made) == count else []

    def _party(
        self,
        role: str,
        code_type: str,
        code: str,
        name: str,
        field_names: tuple[str, ...],
        *,
        column: str,
        faults: Faults,
    ) -> license_commands.Party | None:
        """One party; a fault names the column that it stands in."""
        is_holder = column == "holder"
        if not name or len(name) > NAME_LENGTH_MAX or not stock_columns.is_name(name):
            faults.add("holder_name" if is_holder else column, "name")
        if role not in catalog_rules.ROLES:
            faults.add("holder_role" if is_holder else column, "role")
        try:
            found = identifiers.holder_code(code_type, code)
        except identifiers.IdentifierError as error:
            member = "holder_code_type" if error.fault == "code-type-unknown" else "holder_code"
            faults.add(member if is_holder else column, error.fault)
            return None
        return license_commands.Party(
            role=role,
            code_type=found.code_type,
            code=found.code,
            name=name,
            field_names=field_names,
            holder=found,
        )

    def _fields(
        self,
        said: dict[str, Any],
        holders: list[license_commands.Party],
        type_row: state.TypeRow | None,
        faults: Faults,
    ) -> tuple[dict[str, Any], list[license_commands.Party]]:
        """The fields of the license, and every further party with its own."""
        values = dict(self._json(said, "fields", dict, faults))
        for name, value in said.items():
            if name.startswith(stock_columns.FIELD_PREFIX):
                if name.removeprefix(stock_columns.FIELD_PREFIX) in values:
                    faults.add(name, "twice")
                values[name.removeprefix(stock_columns.FIELD_PREFIX)] = value
        parties = holders[1:]
        for item in self._json(said, "parties", list, faults):
            one = self._further(item, values, faults)
            parties += [] if one is None else [one]
        for name, value in values.items():
            if not _is_known(name, type_row):
                faults.add("fields", "field-unknown")
            elif isinstance(value, str) and len(value) > STRING_LENGTH_MAX:
                faults.add(f"{stock_columns.FIELD_PREFIX}{name}", "length")
        if len(values) > catalog_rules.FIELDS_MAX:
            faults.add("fields", "too-many")
        return values, parties

    def _json(self, said: dict[str, Any], name: str, kind: type[Any], faults: Faults) -> Any:
        try:
            return stock_cells.parsed(said.get(name), kind)
        except ValueError as error:
            faults.add(name, str(error))
            return kind()

    def _further(self, item: Any, values: dict[str, Any], faults: Faults) -> license_commands.Party | None:
        own = item.get("fields", {}) if isinstance(item, dict) else None
        texts = [item.get(name) for name in ("role", "code_type", "code", "name")] if own is not None else []
        if not isinstance(own, dict) or item.keys() - _PARTY or not all(isinstance(t, str) for t in texts):
            faults.add("parties", "party")
            return None
        if values.keys() & own.keys():
            faults.add("parties", "twice")
        values |= own
        role, code_type, code, name = texts
        return self._party(role, code_type, code, name, tuple(own), column="parties", faults=faults)

    def _check_parties(
        self, rules: state.TypeRulesRow | None, parties: list[license_commands.Party], faults: Faults
    ) -> None:
        if len(parties) >= party.PARTIES_MAX:
            faults.add("parties", "too-many")
        known = [(one.role, one.code_type, one.code) for one in parties]
        if len(set(known)) != len(known):
            faults.add("parties", "twice")

    def _days(self, said: dict[str, Any], faults: Faults) -> tuple[int | None, int | None, int | None]:
        """Day of issue, first and last valid day; a license is valid from its issue unless it says when."""
        texts = {name: said.get(name) or "" for name in ("issued_on", "valid_from", "valid_to")}
        if texts["valid_to"] in LONG_TERM:
            texts["valid_to"] = ""
        found: dict[str, int | None] = {}
        for name, text in texts.items():
            found[name] = stock_cells.day(text) if text else None
            if text and found[name] is None:
                faults.add(name, "date")
        issued_on = found["issued_on"]
        valid_from = found["valid_from"] if texts["valid_from"] else issued_on
        valid_to = found["valid_to"]
        if valid_from is not None and valid_to is not None and valid_to < valid_from:
            faults.add("valid_to", "before-valid-from")
        return issued_on, valid_from, valid_to

    def _choice(
        self, said: dict[str, Any], name: str, choices: tuple[str, ...], default: str | None, faults: Faults
    ) -> str | None:
        value: str | None = said.get(name) or default
        if value is not None and value not in choices:
            faults.add(name, "choice")
        return value

    def _identifier(
        self, said: dict[str, Any], type_code: str, issuer: str
    ) -> stock_commands.Identifier | None:
        text = said.get("license_id")
        return stock_commands.Identifier.of(text, type_code=type_code, issuer=issuer) if text else None

    def _find(self, cls: type[state.Row], key: state.Key) -> state.Row | None:
        if (cls, key) not in self._rows:
            self._rows[cls, key] = self._row(cls, key)
        return self._rows[cls, key]


def _is_known(name: str, type_row: state.TypeRow | None) -> bool:
    if not stock_cells.is_field_name(name):
        return False
    return type_row is None or not type_row.field_names or name in type_row.field_names


def _code(holder: license_commands.Party) -> HolderCode:
    assert holder.holder is not None, "a holder of a row has a code"
    return holder.holder
