"""What a license type's definition may say, and what it then asks of a license; pure.

Gives `faults_of`, everything wrong with a definition at once, and the questions that issuing asks of a
type's rules: `require_fields`, `require_names`, `validity_findings`, `party_rule`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from ledger import errors, field_schema, identifiers, validity
from ledger.errors import Fault
from ledger.state import TypeRulesRow

SHARING_CLASSES = ("unconditional", "conditional", "none")
"""无条件共享, 有条件共享, 不予共享."""
HOLDER_KINDS = ("natural", "legal", "either")
VALIDITY_CHECKS = ("none", "warn", "refuse")
NUMBER_SCOPES = ("nowhere", "type", "type-issuer", "type-area-year")
PAST_DUE = ("overdue", "suspended")
HOLDER_ENDS = ("cancel", "keep", "lapse")
"""注销 on the issuer's confirmation, kept (不动产权证书), or over at once."""
ROLES = (
    *("holder", "co-owner", "obligor", "spouse", "parent", "child", "guardian"),
    *("legal-representative", "specialist"),
)
"""持证人, 共有人, 义务人, 配偶, 父母, 子女, 监护人, 法定代表人, 专业人员."""
PARTY_FILES, PARTY_KEYS, CONSENTS = ("in-file", "not-in-file"), ("own", "first"), ("any", "all", "none")
ISSUER_LEVELS = {
    "1": ("国家级",),
    "2": ("省部级", "省级"),
    "3": ("地市级",),
    "4": ("区县级",),
    "5": ("乡镇级", "其他"),
}
"""证照颁发机构级别: code, and the texts seen with it."""
TYPE_CODE_LENGTH = 21
FIELDS_MAX = 95
WINDOW_DAYS_MAX = 3660
"""A renewal begins at most ten years ahead."""
NAME_LENGTH_MAX = 256
AREA = re.compile(r"[1-9][0-9]{5}")
_SHORT_NAME = re.compile(r"[A-Z][A-Z0-9_]{0,31}")
_HOLDING = ("holder", "co-owner", "spouse")


class PartyRule(NamedTuple):
    """What a type says of one role."""

    role: str
    file: str
    """`in-file`: the license stands in the party's file."""
    key: str
    """`own`: the party's fields are sealed under its own key; `first`: under the first holding party's."""
    consent: str
    """`any` or `all` of the parties in this role consent; `none` is asked."""


class Definition(Protocol):
    """The members of a definition, as the facts have them."""

    @property
    def type_code(self) -> str: ...
    @property
    def name_zh(self) -> str: ...
    @property
    def name_en(self) -> str: ...
    @property
    def names(self) -> tuple[tuple[int, str, str], ...]: ...
    @property
    def holder_kind(self) -> str: ...
    @property
    def validity_rule(self) -> str: ...
    @property
    def validity_check(self) -> str: ...
    @property
    def sharing_class(self) -> str: ...
    @property
    def fields(self) -> tuple[tuple[str, str], ...]: ...
    @property
    def public_fields(self) -> tuple[str, ...]: ...
    @property
    def area(self) -> str | None: ...
    @property
    def issuer_level(self) -> str | None: ...
    @property
    def issuer_level_text(self) -> str | None: ...
    @property
    def number_scope(self) -> str: ...
    @property
    def parties(self) -> tuple[tuple[str, str, str, str], ...]: ...
    @property
    def endorsement_cycle(self) -> str | None: ...
    @property
    def endorsement_grace(self) -> str: ...
    @property
    def endorsement_past_due(self) -> str: ...
    @property
    def holder_end(self) -> str: ...
    @property
    def field_schema(self) -> str | None: ...
    @property
    def short_names(self) -> tuple[tuple[str, str], ...]: ...
    @property
    def renewal_window_days(self) -> int | None: ...


def faults_of(definition: Definition) -> list[Fault]:
    """Everything wrong with a definition, in the order of its members."""
    return [
        *_code(definition.type_code),
        *_names(definition),
        *_choices(definition),
        *_levels(definition),
        *_fields(definition),
        *_parties(definition.parties),
        *_endorsement(definition),
        *_schema(definition),
    ]


def _code(type_code: str) -> Iterator[Fault]:
    serial = type_code[18:]
    if len(type_code) != TYPE_CODE_LENGTH or not (serial.isascii() and serial.isdigit()):
        yield Fault("type_code", "a type code is a credit code and three digits")
        return
    try:
        if identifiers.credit_code(type_code[:18]).code != type_code[:18]:
            yield Fault("type_code", "a type code is written in upper case")
    except identifiers.IdentifierError as error:
        yield Fault("type_code", f"the defining body's code: {error}")


def _names(definition: Definition) -> Iterator[Fault]:
    told = [("name_zh", definition.name_zh), ("name_en", definition.name_en)]
    for number, (_, name_zh, name_en) in enumerate(definition.names):
        told += [(f"names[{number}].name_zh", name_zh), (f"names[{number}].name_en", name_en)]
    for field, name in told:
        if not _is_name(name):
            yield Fault(field, f"a name has 1 to {NAME_LENGTH_MAX} characters on one line")
    since = [day for day, _, _ in definition.names]
    if since != sorted(set(since)):
        yield Fault("names", "names follow each other, each from a day of its own")


def _is_name(text: str) -> bool:
    is_line = text.strip() == text and text.isprintable()
    return 1 <= len(text) <= NAME_LENGTH_MAX and is_line and not identifiers.contains_citizen_id(text)


def _choices(definition: Definition) -> Iterator[Fault]:
    for field, value, choices in (
        ("holder_kind", definition.holder_kind, HOLDER_KINDS),
        ("validity_check", definition.validity_check, VALIDITY_CHECKS),
        ("sharing_class", definition.sharing_class, SHARING_CLASSES),
        ("number_scope", definition.number_scope, NUMBER_SCOPES),
        ("holder_end", definition.holder_end, HOLDER_ENDS),
    ):
        if value not in choices:
            yield Fault(field, f"one of {', '.join(choices)}")
    try:
        validity.parse(definition.validity_rule)
    except ValueError as error:
        yield Fault("validity_rule", str(error))
    window = definition.renewal_window_days
    if window is not None and not 0 <= window <= WINDOW_DAYS_MAX:
        yield Fault("renewal_window_days", f"0 to {WINDOW_DAYS_MAX} days, or none")


def _levels(definition: Definition) -> Iterator[Fault]:
    if definition.area is not None and not AREA.fullmatch(definition.area):
        yield Fault("area", "a division code has six digits")
    level, text = definition.issuer_level, definition.issuer_level_text
    if level is not None and level not in ISSUER_LEVELS:
        yield Fault("issuer_level", f"one of {', '.join(ISSUER_LEVELS)}")
    elif text is not None and text not in ISSUER_LEVELS.get(level or "", ()):
        yield Fault("issuer_level_text", "not a text of this level")


def _fields(definition: Definition) -> Iterator[Fault]:
    names = [name for name, _ in definition.fields]
    if len(names) > FIELDS_MAX or len(set(names)) != len(names):
        yield Fault("fields", f"at most {FIELDS_MAX} different fields")
    for name, label in definition.fields:
        if not field_schema.NAME.fullmatch(name) or identifiers.contains_citizen_id(name):
            yield Fault("fields", "a field's name is snake_case")
        elif not _is_name(label):
            yield Fault(f"fields.{name}", "a field has a label")
    public = definition.public_fields
    if list(public) != sorted(set(public)):
        yield Fault("public_fields", "public fields are sorted and different")
    if set(public) - set(names):
        yield Fault("public_fields", "public fields are fields of the type")
    shorts = [short for _, short in definition.short_names]
    if len(set(shorts)) != len(shorts) or not {name for name, _ in definition.short_names} <= set(names):
        yield Fault("short_names", "each field of the type has at most one short name of its own")
    if len({name for name, _ in definition.short_names}) != len(shorts):
        yield Fault("short_names", "each field of the type has at most one short name of its own")
    if any(not _SHORT_NAME.fullmatch(short) or short.startswith("KZ_") for short in shorts):
        yield Fault("short_names", "a short name is upper case, without the prefix KZ_")


def _parties(parties: Sequence[tuple[str, str, str, str]]) -> Iterator[Fault]:
    roles = [role for role, _, _, _ in parties]
    if len(set(roles)) != len(roles):
        yield Fault("parties", "each role stands once")
    for number, rule in enumerate(parties):
        for part, value, choices in zip(
            PartyRule._fields, rule, (ROLES, PARTY_FILES, PARTY_KEYS, CONSENTS), strict=True
        ):
            if value not in choices:
                yield Fault(f"parties[{number}].{part}", f"one of {', '.join(choices)}")
        if rule[0] == "holder" and rule[1:3] != ("in-file", "own"):
            yield Fault(f"parties[{number}]", "a holder's license stands in its own file, under its own key")


def _endorsement(definition: Definition) -> Iterator[Fault]:
    for field, text in (
        ("endorsement_cycle", definition.endorsement_cycle),
        ("endorsement_grace", definition.endorsement_grace),
    ):
        try:
            length = None if text is None else validity.duration(text)
        except ValueError as error:
            yield Fault(field, str(error))
        else:
            if length is not None and length.number == 0 and field == "endorsement_cycle":
                yield Fault(field, "a cycle takes some time")
    if definition.endorsement_past_due not in PAST_DUE:
        yield Fault("endorsement_past_due", f"one of {', '.join(PAST_DUE)}")


def _schema(definition: Definition) -> Iterator[Fault]:
    if definition.field_schema is None:
        return
    found = field_schema.faults_of(definition.field_schema)
    if identifiers.contains_citizen_id(definition.field_schema):
        yield Fault("field_schema", "a schema, in clear in the log, contains no citizen ID")
    yield from found
    if not found:
        described = set(field_schema.parse(definition.field_schema).names)
        if described != {name for name, _ in definition.fields}:
            yield Fault(
                "field_schema.properties", "the schema describes every field of the type and no other"
            )


# --- what a type asks of a license ---


class Judged(NamedTuple):
    """What a schema says of some fields, found out before the lock."""

    field_schema: str | None
    faults: tuple[Fault, ...]


def judge(rules: TypeRulesRow | None, values: Mapping[str, Any]) -> Judged:
    """What the type's schema says of the fields."""
    text = None if rules is None else rules.field_schema
    return Judged(text, () if text is None else tuple(field_schema.parse(text).faults(values)))


def require_fields(
    rules: TypeRulesRow | None, values: Mapping[str, Any], *, judged: Judged | None = None
) -> None:
    """Nothing when the fields fit the type's schema; raises FieldsUnfit with all faults.

    What was `judged` by the very schema that is in force is not judged again.
    """
    text = None if rules is None else rules.field_schema
    if judged is None or judged.field_schema != text:
        judged = judge(rules, values)
    errors.refuse(judged.faults, leaf=errors.FieldsUnfit)


def require_names(rules: TypeRulesRow | None, names: Sequence[str]) -> None:
    """Nothing when every required field is named; raises FieldsUnfit. What a replay can ask again."""
    if rules is not None and rules.field_schema is not None:
        missing = set(field_schema.parse(rules.field_schema).required) - set(names)
        faults = [Fault(f"fields.{name}", "the field is missing") for name in sorted(missing)]
        errors.refuse(faults, leaf=errors.FieldsUnfit)


def validity_findings(
    rules: TypeRulesRow | None, *, valid_from: int, valid_to: int | None
) -> tuple[validity.Finding, ...]:
    """How a license's dates do not fit the type's rule; nothing where the type does not ask."""
    if rules is None or rules.validity_check == "none":
        return ()
    return validity.findings(rules.validity_rule, valid_from=valid_from, valid_to=valid_to)


def require_validity(rules: TypeRulesRow | None, *, valid_from: int, valid_to: int | None) -> None:
    """Nothing when the dates fit, or the type only warns; raises ValidityUnfit."""
    if rules is not None and rules.validity_check == "refuse":
        found = validity_findings(rules, valid_from=valid_from, valid_to=valid_to)
        errors.refuse([Fault("valid_to", item.message) for item in found], leaf=errors.ValidityUnfit)


def party_rule(rules: TypeRulesRow | None, role: str) -> PartyRule:
    """What the type says of a role; by default those who hold a license together are asked together."""
    for text in () if rules is None else rules.party_rules:
        rule = PartyRule(*text.split(" "))
        if rule.role == role:
            return rule
    is_holding = role in _HOLDING
    return PartyRule(role, "in-file" if is_holding else "not-in-file", "own", "all" if is_holding else "none")


def endorsement_due(rules: TypeRulesRow | None, endorsed_on: int) -> int | None:
    """The last day before the next endorsement is overdue, grace not counted; None: there is no cycle."""
    if rules is None or rules.endorsement_cycle is None:
        return None
    return validity.after(endorsed_on, validity.duration(rules.endorsement_cycle))


def due_columns(rules: TypeRulesRow | None, due: int | None) -> dict[str, Any]:
    """What decision state keeps of the day due: the last day of grace, and whether it suspends."""
    grace = None if rules is None or due is None else validity.duration(rules.endorsement_grace)
    return {
        "endorsement_due": due,
        "overdue_after": due if grace is None or due is None else validity.after(due, grace),
        "overdue_suspends": due is not None
        and rules is not None
        and rules.endorsement_past_due == "suspended",
    }
