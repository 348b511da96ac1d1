"""The command that gives a license to its right holder 持证主体更正."""

from __future__ import annotations

from dataclasses import dataclass

from ledger import correction, directory, errors, license, number, representation_commands, serial
from ledger.command import Reads, View, Wants
from ledger.fact import Draft
from ledger.identifiers import HolderCode
from ledger.license_commands import (
    VersionCommand,
    holder_lookup,
    holder_stream,
    own_license,
)
from ledger.state import LicenseRow, StreamRow, TypeRow, TypeRulesRow
from ledger.vault import Vault


@dataclass(frozen=True, kw_only=True)
class CorrectHolder(VersionCommand):
    """Every field again, as the next version of the same serial, sealed under the right holder's key."""

    license_ref: bytes
    holder: HolderCode
    """The right holder."""
    type_and_issuer: tuple[str, str]
    """As read before the lock; they never change."""
    serial_version: int
    """With which version the serial began when it was read."""

    def wants(self, vault: Vault) -> Wants:
        numbers = self._number_of(*self.type_and_issuer).lookups(vault)
        type_code, _ = self.type_and_issuer
        numbers.append(number.filed(vault, self.content.number, type_code, self.license_ref))
        own = serial.lookup(vault, *self.type_and_issuer, self.content.serial)
        return Wants(
            rows={(LicenseRow, self.license_ref)},
            lookups=[holder_lookup(vault, self.holder), own, *numbers, *self._party_lookups(vault)],
        )

    def reads(self, view: View) -> Reads:
        reads = Reads(rows=self._drawn_keys(view.size))
        row = view.state.get(LicenseRow, self.license_ref)
        entry = view.entry(holder_lookup(view.vault, self.holder))
        if row is not None:
            reads.rows |= {
                (StreamRow, row.stream_id),
                (TypeRow, row.type_code),
                (TypeRulesRow, row.type_code),
            }
            reads.data_keys.add(row.stream_id)
            reads.naming.add((row.stream_id, self.license_ref))
        if entry is not None:
            reads.rows.add((StreamRow, entry.stream_id))
            reads.data_keys.add(entry.stream_id)
        self._read_parties(view, reads)
        return reads

    def decide(self, view: View) -> list[Draft]:
        row = own_license(view, self.license_ref, self.actor)
        if view.state.need(StreamRow, row.stream_id).is_erased:
            raise errors.HolderErasedConflict
        if self.serial_version != row.serial_version:
            raise errors.Conflict("the license was renewed meanwhile")
        self._require_known(row)
        stream_id = holder_stream(view, self.holder)
        identifier = serial.next_id(row, self.content.serial)
        made, seals = self._version(
            correction.LicenseHolderCorrected,
            view,
            home=stream_id,
            license_id=identifier.text,
            holder=(self.holder.code_type, self.holder.code),
            license_ref=self.license_ref,
            type_code=row.type_code,
            version=row.version + 1,
            former_stream=row.stream_id,
        )
        self._move_entries(view, row, stream_id, identifier.text)
        version = Draft(fact=made, stream_id=stream_id, effective_at=self.effective_at, seals=tuple(seals))
        return representation_commands.with_change(view, version)

    def _move_entries(self, view: View, row: LicenseRow, stream_id: bytes, identifier: str) -> None:
        """Every serial and number that the license ever had stays taken when the wrong holder is erased,
        and goes with the right one.
        """
        if (row.type_code, row.issuer) != self.type_and_issuer:
            raise errors.Conflict("the serial was not looked for")
        lookup = serial.lookup(view.vault, row.type_code, row.issuer, self.content.serial)
        entry = view.entry(lookup)
        begins_serial = license.serial_number(row) == 0
        if not begins_serial and (entry is None or entry.target != self.license_ref):
            raise errors.Invalid("a license keeps its serial", field="serial")
        for kind, content in view.naming(row.stream_id, self.license_ref):
            moved = directory.entry_lookup(view.vault, kind, content)
            says = [identifier, self.content.number] if moved == lookup else content
            view.drop_entry(moved)
            view.add_entry(moved, stream_id=stream_id, target=self.license_ref, content=says)
        if begins_serial:
            says = [identifier, self.content.number]
            view.add_entry(lookup, stream_id=stream_id, target=self.license_ref, content=says)
        rules, printed = view.state.get(TypeRulesRow, row.type_code), self._number_of(*self.type_and_issuer)
        number.claim(view, rules, printed, stream_id=stream_id, license_ref=self.license_ref)
