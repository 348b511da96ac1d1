"""Commands that renew 延续 and replace 补发/换发: the next version, from what the present one says.

The present version is opened before the lock, for its own issuer; under the lock it must still be the
present one. What changes is said, everything else is sealed anew as it was.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ledger import attachment, errors, license, license_id, number, representation_commands, serial
from ledger.command import Reads, View, Wants
from ledger.fact import Draft
from ledger.license_commands import (
    VersionCommand,
    own_license,
)
from ledger.state import LicenseRow, StreamRow, TypeRow, TypeRulesRow
from ledger.vault import Vault


@dataclass(frozen=True, kw_only=True)
class _FollowingCommand(VersionCommand):
    """What renewal and replacement share."""

    license_ref: bytes
    holder: tuple[str, str]
    """Code type and code as the present version has them."""
    previous: str
    """The present version's identifier."""
    follows: int
    """Leaf index of the present version when it was opened."""

    type_code: str
    """As opened; a license keeps its type."""
    issuer: str
    """As opened; a license keeps its issuer, also in the hands of a successor."""

    def wants(self, vault: Vault) -> Wants:
        printed = self._number_of(self.type_code, self.issuer)
        own = serial.lookup(vault, self.type_code, self.issuer, self.content.serial)
        filed = number.filed(vault, self.content.number, self.type_code, self.license_ref)
        return Wants(rows={(LicenseRow, self.license_ref)}, lookups=[own, filed, *printed.lookups(vault)])

    def reads(self, view: View) -> Reads:
        reads = Reads(rows=self._drawn_keys(view.size))
        row = view.state.get(LicenseRow, self.license_ref)
        if row is not None:
            reads.rows |= {
                (StreamRow, row.stream_id),
                (TypeRow, row.type_code),
                (TypeRulesRow, row.type_code),
            }
            reads.data_keys.add(row.stream_id)
        self._read_parties(view, reads)
        return reads

    def _present(self, view: View) -> LicenseRow:
        row = own_license(view, self.license_ref, self.actor)
        if (row.version_index, row.type_code, row.issuer) != (self.follows, self.type_code, self.issuer):
            raise errors.Conflict("the license has a newer version meanwhile")
        attachment.require_removable(self.removed, row.field_names)
        return row

    def _next(
        self, view: View, row: LicenseRow, cls: type[license.NextVersion], identifier: str, **members: Any
    ) -> Draft:
        made, seals = self._version(
            cls,
            view,
            home=row.stream_id,
            license_id=identifier,
            holder=self.holder,
            previous=self.previous,
            license_ref=self.license_ref,
            type_code=row.type_code,
            version=row.version + 1,
            **members,
        )
        printed = self._number_of(row.type_code, row.issuer)
        self._claim(view, printed, stream_id=row.stream_id, license_ref=row.license_ref)
        return Draft(fact=made, stream_id=row.stream_id, effective_at=self.effective_at, seals=tuple(seals))


@dataclass(frozen=True, kw_only=True)
class RenewLicense(_FollowingCommand):
    """延续: a new term under a new serial; both identifiers lead to the license."""

    def decide(self, view: View) -> list[Draft]:
        row = self._present(view)
        identifier = self._identifier(row).text
        draft = self._next(view, row, license.LicenseRenewed, identifier)
        lookup = serial.lookup(view.vault, row.type_code, row.issuer, self.content.serial)
        content = [identifier, self.content.number]
        view.add_entry(lookup, stream_id=row.stream_id, target=self.license_ref, content=content)
        return representation_commands.with_change(view, draft)

    def _identifier(self, row: LicenseRow) -> license_id.LicenseId:
        return serial.build_id(row.type_code, row.issuer, self.content.serial, 1)


@dataclass(frozen=True, kw_only=True)
class ReplaceLicense(_FollowingCommand):
    """补发, 换发: the next version of the same serial for the same term."""

    cause: str

    def decide(self, view: View) -> list[Draft]:
        row = self._present(view)
        identifier = serial.next_id(row, self.content.serial)
        draft = self._next(view, row, license.LicenseReplaced, identifier.text, cause=self.cause)
        serial.begin(view, row, identifier, self.content.number)
        return representation_commands.with_change(view, draft)
