"""Printed numbers 证照编号: where a type says that they are unique, a number is claimed in the directory.

A claim is a directory row of kind `unique-number` in the holder's stream, found by keyed lookup: no number
stands in clear. A license keeps what it claimed; claims of an erased holder go with the directory rows.
"""

from __future__ import annotations

from dataclasses import dataclass

from ledger import days, errors
from ledger.command import View
from ledger.state import TypeRulesRow
from ledger.vault import Lookup, Vault

KIND = "unique-number"
_DIVISION = slice(2, 8)
"""Of a credit code: the division code of the registering authority (GB 32100 §4)."""


@dataclass(frozen=True, kw_only=True)
class Printed:
    """A printed number with what its uniqueness may depend on."""

    number: str
    type_code: str
    issuer: str
    area_code: str | None
    """None: the division in the issuer's credit code."""
    issued_on: int

    def lookup(self, vault: Vault, scope: str) -> Lookup:
        """The lookup of the number within `scope`."""
        return vault.lookup(KIND, *self.content(scope))

    def lookups(self, vault: Vault) -> list[Lookup]:
        """The lookups of every scope: which one counts is known under the lock."""
        return [self.lookup(vault, scope) for scope in ("type", "type-issuer", "type-area-year")]

    def content(self, scope: str) -> list[str]:
        """What is sealed in the directory row, and what the lookup is made of."""
        within = {
            "type": (),
            "type-issuer": (self.issuer,),
            "type-area-year": (self.area_code or self.issuer[_DIVISION], days.text(self.issued_on)[:4]),
        }
        return [scope, self.type_code, *within[scope], self.number]


def claim(
    view: View, rules: TypeRulesRow | None, printed: Printed, *, stream_id: bytes, license_ref: bytes
) -> None:
    """The number is this license's from now on, where the type asks; raises NumberTaken."""
    if rules is None or rules.number_scope == "nowhere":
        return
    lookup = printed.lookup(view.vault, rules.number_scope)
    entry = view.entry(lookup)
    if entry is None:
        content = printed.content(rules.number_scope)
        view.add_entry(lookup, stream_id=stream_id, target=license_ref, content=content)
    elif entry.target != license_ref:
        raise errors.NumberTaken(field="number")
