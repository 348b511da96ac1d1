"""The catalog as people read it: types with their names, local types by national one, who issues for whom.

What a type asks of a license is decided from decision state; here it is only shown.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from ledger import catalog, days, issuing, state, tables
from projections import db, listing, paging, sql
from projections.projection import Happened


@dataclass(frozen=True, kw_only=True)
class TypeRow(state.Row):
    """A license type as it is now."""

    table = "catalog_types"
    type_code: str
    definition: str
    """The members of the definition as JSON."""
    registered_index: int
    changed_index: int
    is_retired: bool
    retired_at: int | None
    successor: str | None

    def defined(self) -> catalog.LicenseTypeRegistered:
        """The definition, as a registration of now would say it."""
        return catalog.LicenseTypeRegistered(**_frozen(json.loads(self.definition)))


@dataclass(frozen=True, kw_only=True)
class MappingRow(state.Row):
    """A local type and the national one that it stands for."""

    table = "catalog_mappings"
    type_code: str
    national_type: str
    since: int
    until: int | None
    fields: str
    """[field of the type, field of the national type] as JSON."""
    mapped_index: int

    def pairs(self) -> list[tuple[str, str]]:
        """Field of the type, field of the national type."""
        return [(local, national) for local, national in json.loads(self.fields)]


@dataclass(frozen=True, kw_only=True)
class EntrustmentRow(state.Row):
    """Issuing that one organization entrusted to another, also when it has ended."""

    table = "catalog_entrustments"
    entrustment_ref: bytes
    delegator: str
    delegate: str
    type_codes: tuple[str, ...]
    areas: tuple[str, ...]
    valid_from: int
    valid_until: int | None
    entrusted_index: int
    ended_index: int | None
    ended_on: int | None
    """The Beijing day on which it was ended."""


class Catalog:
    """The projection `catalog`."""

    name: ClassVar[str] = "catalog"
    version: ClassVar[int] = db.VERSIONS["catalog"]
    tables: ClassVar[tuple[str, ...]] = ("catalog_types", "catalog_mappings", "catalog_entrustments")

    def apply(self, work: db.Work, happened: Sequence[Happened]) -> None:
        """Change the rows that the facts name."""
        news = [item for item in happened if isinstance(item.fact, _FACTS)]
        if news:
            changes = _Changes(work, news)
            for item in news:
                changes.take(item)
            changes.save()


_FACTS = (
    catalog.LicenseTypeRegistered,
    catalog.LicenseTypeRevised,
    catalog.LicenseTypeRetired,
    catalog.LicenseTypeMapped,
    issuing.IssuingEntrusted,
    issuing.IssuingEntrustmentEnded,
)


class _Changes:
    """The rows that some facts change."""

    def __init__(self, work: db.Work, news: Sequence[Happened]) -> None:
        self._work = work
        codes = {code for item in news if (code := getattr(item.fact, "type_code", None)) is not None}
        refs = {ref for item in news if (ref := getattr(item.fact, "entrustment_ref", None)) is not None}
        self._types = work.rows(TypeRow, codes)
        self._mappings: dict[str, MappingRow] = {}
        self._entrustments = work.rows(EntrustmentRow, refs)

    def take(self, item: Happened) -> None:
        """Change rows by one fact."""
        made = item.fact
        if isinstance(made, catalog.LicenseTypeMapped):
            self._mappings[made.type_code] = _mapping(made, item.index)
        elif isinstance(made, catalog.LicenseTypeRetired):
            self._types[made.type_code] = replace(
                self._types[made.type_code],
                changed_index=item.index,
                is_retired=True,
                retired_at=item.about.recorded_at,
                successor=made.successor,
            )
        elif isinstance(made, catalog.LicenseTypeRegistered | catalog.LicenseTypeRevised):
            known = self._types.get(made.type_code)
            self._types[made.type_code] = _type(made, item.index, known)
        elif isinstance(made, issuing.IssuingEntrusted):
            row = EntrustmentRow(**vars(made), entrusted_index=item.index, ended_index=None, ended_on=None)
            self._entrustments[made.entrustment_ref] = row
        elif isinstance(made, issuing.IssuingEntrustmentEnded):
            self._entrustments[made.entrustment_ref] = replace(
                self._entrustments[made.entrustment_ref],
                ended_index=item.index,
                ended_on=days.of_instant(item.about.recorded_at),
            )

    def save(self) -> None:
        """Store what changed."""
        self._work.save(list(self._types.values()))
        self._work.save(list(self._mappings.values()))
        self._work.save(list(self._entrustments.values()))


class Types:
    """Reads the catalog."""

    def __init__(self, database: db.Database, *, cursor_key: bytes) -> None:
        self._database = database
        self._cursors = paging.Cursors(cursor_key)

    def page(self, *, limit: int = 100, cursor: str | None = None) -> paging.Page[TypeRow]:
        """Types in the order of their registration."""
        return self._page("types", TypeRow, {}, limit, cursor)

    def entrustments(
        self, *, organization: str | None, day: int | None, limit: int = 100, cursor: str | None = None
    ) -> paging.Page[EntrustmentRow]:
        """Entrusted issuing in the order of recording; None: of everybody, of every day."""
        asked = {"organization": organization, "day": day}
        return self._page("entrustments", EntrustmentRow, asked, limit, cursor)

    def local_types(
        self, national_type: str, *, limit: int = 100, cursor: str | None = None
    ) -> paging.Page[MappingRow]:
        """Local types that stand for a national one, in the order in which they were mapped."""
        return self._page("local_types", MappingRow, {"value": national_type}, limit, cursor)

    def entry(self, type_code: str) -> tuple[int, TypeRow | None]:
        """The index come through, and the type."""
        return self._one("type", TypeRow, type_code)

    def mapping(self, type_code: str) -> MappingRow | None:
        """Which national type the type stands for."""
        return self._one("mapping", MappingRow, type_code)[1]

    def _one(self, name: str, cls: type[state.R], value: str) -> tuple[int, state.R | None]:
        params = {"partition": self._database.partition, "value": value}
        through, rows = db.page_of(self._database.read(_text(name, cls), params), tables.table(cls).row)
        row: Any = rows[0] if rows else None
        return through, row

    def _page(
        self, name: str, cls: type[state.Row], asked: dict[str, Any], limit: int, cursor: str | None
    ) -> paging.Page[Any]:
        listed = listing.listing("catalog", name, cls, index=_ORDERS[cls])
        of = ["catalog", name, *asked.values()]
        return listing.page(self._database, self._cursors, listed, asked, of=of, limit=limit, cursor=cursor)


_ORDERS: dict[type[state.Row], str] = {
    MappingRow: "mapped_index",
    EntrustmentRow: "entrusted_index",
    TypeRow: "registered_index",
}


def _text(name: str, cls: type[state.Row]) -> str:
    columns = ", ".join(f"t.{column}" for column in cls.columns())
    return sql.load("catalog")[name].format(columns=columns)


def _type(
    made: catalog.LicenseTypeRegistered | catalog.LicenseTypeRevised, index: int, known: TypeRow | None
) -> TypeRow:
    return TypeRow(
        type_code=made.type_code,
        definition=json.dumps(vars(made), ensure_ascii=False),
        registered_index=index if known is None else known.registered_index,
        changed_index=index,
        is_retired=False,
        retired_at=None,
        successor=None,
    )


def _mapping(made: catalog.LicenseTypeMapped, index: int) -> MappingRow:
    return MappingRow(
        type_code=made.type_code,
        national_type=made.national_type,
        since=made.since,
        until=made.until,
        fields=json.dumps(made.fields, ensure_ascii=False),
        mapped_index=index,
    )


def _frozen(members: dict[str, Any]) -> dict[str, Any]:
    return {
        name: tuple(tuple(item) if isinstance(item, list) else item for item in value)
        if isinstance(value, list)
        else value
        for name, value in members.items()
    }
