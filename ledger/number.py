"""Printed numbers 证照编号: every license is filed under its number; where a type says so, it is claimed too.

Both are directory rows in the holder's stream, found by keyed lookup: no number stands in clear. A claim, of
kind `unique-number`, is one license's alone. What is filed, kind `number`, has the license's reference behind
the keyed lookup of type and number, so that all licenses of a type and one number lie side by side. A license
keeps what it claimed and was filed under; both go with the directory rows of an erased holder.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from ledger import comparison, days, errors
from ledger.command import View
from ledger.state import TypeRulesRow
from ledger.vault import Lookup, Vault
from signing import ids

KIND, FILED = "unique-number", "number"
FIELD = "@license_number"
FILED_MAX = 200
"""Licenses of one printed number at which the ledger looks, in turn one of each type."""
_DIVISION = slice(2, 8)
"""Of a credit code: the division code of the registering authority (GB 32100 §4)."""


class Filed(NamedTuple):
    """What was found under a number."""

    types: frozenset[str] = frozenset()
    """The types of which it was looked for."""
    refs: tuple[bytes, ...] = ()
    is_all: bool = True
    """Whether no more can be filed: nothing was cut, and the licenses of before are filed too (`filing`)."""


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


def filed_content(number: str, type_code: str, license_ref: bytes) -> list[str]:
    """What is sealed in the row by which a license is filed: the number's normal form, type, reference."""
    return [comparison.code(number), type_code, ids.text(license_ref)]


def filed(vault: Vault, number: str, type_code: str, license_ref: bytes) -> Lookup:
    """The lookup under which a license is filed by its number."""
    return filed_lookup(vault, *filed_content(number, type_code, license_ref))


def filed_lookup(vault: Vault, normal: str, type_code: str, ref: str) -> Lookup:
    """As `filed`, of what is sealed in the row."""
    base = filed_under(vault, normal, type_code)
    digests = tuple(digest + ids.parse(ref) for digest in base.digests)
    return Lookup(kind=FILED, digests=digests, pepper_id=base.pepper_id)


def filed_under(vault: Vault, normal: str, type_code: str) -> Lookup:
    """What the lookups of all licenses of a type and a number begin with."""
    return vault.lookup(FILED, type_code, normal)


def file(view: View, number: str, *, type_code: str, stream_id: bytes, license_ref: bytes) -> None:
    """The license is found by this number from now on; it may have been before."""
    content = filed_content(number, type_code, license_ref)
    lookup = filed_lookup(view.vault, *content)
    if view.entry(lookup) is None:
        view.add_entry(lookup, stream_id=stream_id, target=license_ref, content=content)
