"""License types: the catalog that every license names.

`LicenseTypeRegistered` is the only fact so far; `national_catalog` reads the list shipped with the
package (`ledger/data/license_types.csv`), which is configuration, not law.
"""

from __future__ import annotations

import csv
import importlib.resources
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from ledger import errors, identifiers, license
from ledger.fact import Fact, Touched
from ledger.state import State, TypeRow
from signing import event

SHARING_CLASSES = ("unconditional", "conditional", "none")
"""无条件共享, 有条件共享, 不予共享."""
TYPE_CODE_LENGTH = 21
FIRST_LOCAL_SERIAL = 900
"""Types without a national code get the operator's credit code and a serial from here to 999."""


@dataclass(frozen=True, kw_only=True)
class LicenseTypeRegistered(Fact):
    """A license type enters the catalog."""

    scope: ClassVar[str | None] = "catalog:write"
    type_code: str
    name_zh: str
    name_en: str
    defining_authority: str
    holder_kind: str
    multi_holder: bool
    validity_rule: str
    sharing_class: str
    """`unconditional`, `conditional` or `none`."""
    fields: tuple[tuple[str, str], ...]
    """(name, 中文 label); empty: not defined yet."""

    def touches(self, about: event.Event) -> Touched:
        return ((TypeRow, self.type_code),)

    def allow(self, about: event.Event, state: State) -> None:
        if state.get(TypeRow, self.type_code) is not None:
            raise errors.AlreadyExists("the license type is registered", field="type_code")
        check_type_code(self.type_code)
        if self.sharing_class not in SHARING_CLASSES:
            raise errors.Invalid(
                f"a sharing class is one of {', '.join(SHARING_CLASSES)}", field="sharing_class"
            )
        for name, _ in self.fields:
            if not license.FIELD_NAME.fullmatch(name):
                raise errors.Invalid("a field's name is snake_case", field="fields")

    def evolve(self, about: event.Event, state: State, index: int) -> None:
        state.put(
            TypeRow(
                type_code=self.type_code,
                name_zh=self.name_zh,
                name_en=self.name_en,
                holder_kind=self.holder_kind,
                sharing_class=self.sharing_class,
                field_names=tuple(name for name, _ in self.fields),
            )
        )


def check_type_code(type_code: str) -> None:
    """Nothing when `type_code` is 18 characters of credit code and 3 digits; raises Invalid."""
    try:
        identifiers.credit_code(type_code[:18])
    except identifiers.IdentifierError as error:
        raise errors.Invalid(f"the defining body's code: {error}", field="type_code") from error
    serial = type_code[18:]
    if len(type_code) != TYPE_CODE_LENGTH or not (serial.isascii() and serial.isdigit()):
        raise errors.Invalid("a type code is a credit code and three digits", field="type_code")


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
            )


def _fields(text: str) -> tuple[tuple[str, str], ...]:
    pairs = (pair.rpartition("=") for pair in text.split(";") if pair)
    return tuple((name, label) for label, _, name in pairs)
