"""What requests about the catalog bring, and what its answers hold; shapes only."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, Literal

import pydantic
from pydantic import Field

from api import edge, models, models_answers
from ledger import catalog_rules, field_schema

Duration = Annotated[str, Field(pattern=r"^P(0|[1-9][0-9]{0,2})[DMY]$", description="`P1Y`, `P3M`, `P30D`")]
TypeName = Annotated[str, Field(min_length=1, max_length=catalog_rules.NAME_LENGTH_MAX)]
OwnField = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
_FIELDS_MAX = catalog_rules.FIELDS_MAX


def _schema_text(document: Any) -> Any:
    """The document in its one spelling, as the ledger stores it."""
    return None if document is None else field_schema.write(_plain(document))


def _plain(item: Any) -> Any:
    if isinstance(item, bool) or item is None or isinstance(item, str):
        return item
    if isinstance(item, edge.WrittenInt | edge.DecimalText):
        return Decimal(item.text)
    if isinstance(item, dict):
        return {name: _plain(value) for name, value in item.items()}
    return [_plain(value) for value in item]


FieldSchema = Annotated[
    Any,
    pydantic.BeforeValidator(_schema_text),
    Field(json_schema_extra={"type": ["object", "null"]}, description="A subset of JSON Schema 2020-12"),
]


class LaterName(models.Strict):
    """A name that is registered from a day on."""

    since: models.Day
    name_zh: TypeName
    name_en: TypeName


class IssuerLevel(models.Strict):
    """颁发机构级别 as code and text."""

    code: Literal["1", "2", "3", "4", "5"]
    text: Literal["国家级", "省部级", "省级", "地市级", "区县级", "乡镇级", "其他"] | None = None


class TypeField(models.Strict):
    """A field that licenses of the type have."""

    name: OwnField
    label: TypeName
    short_name: str | None = Field(
        None,
        pattern=r"^[A-Z][A-Z0-9_]{0,31}$",
        description="GB/T 36903 short name, without the prefix `KZ_`",
    )
    is_public: bool = Field(False, description="公开: anyone may see it, whatever the sharing class is")


class PartyRule(models.Strict):
    """What a role on licenses of the type means."""

    role: models.Role
    file: Literal["in-file", "not-in-file"] = Field(description="Whether the license stands in their file")
    key: Literal["own", "first"] = Field(description="Whose key seals their fields")
    consent: Literal["any", "all", "none"] = Field(description="How many in this role consent to a use")


class Endorsement(models.Strict):
    """年检, 签注: how often, with how much grace, and what follows."""

    cycle: Duration
    grace: Duration = "P0D"
    past_due: Literal["overdue", "suspended"] = "overdue"


class Definition(models.Strict):
    """What a license type is; `docs/catalog.md` says what each member asks of licenses."""

    name_zh: TypeName
    name_en: TypeName
    later_names: list[LaterName] = Field(default_factory=list, max_length=50)
    defining_authority: TypeName
    area: models.AreaCode | None = None
    issuer_level: IssuerLevel | None = None
    holder_kind: Literal["natural", "legal", "either"]
    multi_holder: bool = False
    validity_rule: str = Field(min_length=1, max_length=40, description="`P5Y`, `long-term`, …")
    validity_check: Literal["none", "warn", "refuse"] = "warn"
    sharing_class: Literal["unconditional", "conditional", "none"]
    fields: list[TypeField] = Field(default_factory=list, max_length=_FIELDS_MAX)
    field_schema: FieldSchema = None
    number_scope: Literal["nowhere", "type", "type-issuer", "type-area-year"] = "nowhere"
    parties: list[PartyRule] = Field(default_factory=list, max_length=len(catalog_rules.ROLES))
    endorsement: Endorsement | None = None
    holder_end: Literal["cancel", "keep", "lapse"] = "cancel"
    renewal_window_days: int | None = Field(
        None,
        ge=0,
        le=catalog_rules.WINDOW_DAYS_MAX,
        description="So many days before its last valid day a license is renewed 延续; null: at any time",
    )
    is_household_page: bool = Field(False, description="Its licenses are pages of households 户口簿")


class NewType(models.Strict):
    """A license type as a file says it."""

    type_code: models.TypeCode
    definition: Definition


class Register(models.Act):
    """A license type enters the catalog."""

    type_code: models.TypeCode
    definition: Definition


class Revise(models.Act):
    """The whole definition as it is from now on."""

    definition: Definition


class Retire(models.Act):
    """Nothing new is issued under the type."""

    successor: models.TypeCode | None = Field(None, description="The type that takes its place")


class MappedField(models.Strict):
    """A field of a local type and the national one's."""

    local: OwnField
    national: OwnField


class Map(models.Act):
    """A local type stands for a national one."""

    national_type: models.TypeCode
    since: models.Day
    until: models.Day | None = Field(None, description="The last day; null: until it is said again")
    fields: list[MappedField] = Field(default_factory=list, max_length=_FIELDS_MAX)


class TypeChanged(models_answers.Proven):
    """A fact about a license type."""

    type_code: str


class TypeSummary(models_answers.Answer):
    """A license type in a list."""

    type_code: str
    name_zh: str = Field(description="The name registered today, or on the day asked for")
    name_en: str
    holder_kind: str
    sharing_class: str
    is_retired: bool
    registered_index: int
    changed_index: int


class Names(models_answers.Answer):
    """One thing under both names."""

    field: str
    short_name: str = Field(description="GB/T 36903: `ZZBH`, `KZ_MC`")
    name_zh: str


class Mapping(models_answers.Answer):
    """A local type and a national one."""

    type_code: str
    national_type: str
    since: str
    until: str | None
    fields: list[MappedField]


class TypeNow(TypeSummary):
    """A license type."""

    definition: Definition
    retired_at: str | None
    successor: str | None
    names: list[Names] = Field(description="Members and short names: core elements, then surface items")
    mapping: Mapping | None = Field(description="The national type that it stands for")
    local_types: list[Mapping] = Field(description="The first 100 local types that stand for it")
    through: int = Field(description="Index that the catalog had come through")


class Types(models_answers.Answer):
    """A page of the catalog."""

    types: list[TypeSummary]
    through: int
    cursor: str | None = Field(description="Asks for the next page; null: this is the last one")
