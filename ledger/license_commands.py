"""Commands that issue and amend licenses.

Values, salts, references and places in status lists are drawn when a command is made, before the
lock; what the ledger holds decides under it. Identifiers follow GB/T 36904 (`license_id.py`).
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ledger import (
    attachment,
    catalog_rules,
    draft,
    drawing,
    errors,
    license,
    number,
    party,
    power,
    representation_commands,
    serial,
)
from ledger.command import Actor, Reads, RowKey, View, Wants
from ledger.content import Content, Origin
from ledger.fact import Draft
from ledger.identifiers import HolderCode
from ledger.state import (
    STATUS_LIST_SIZE,
    DraftRow,
    LicenseRow,
    StreamRow,
    TypeRow,
    TypeRulesRow,
)
from ledger.vault import Lookup, Vault
from signing import cbor, fields, suites

__all__ = ["Content", "IssueLicense", "Origin", "Party", "VersionCommand"]
SERIAL_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
SERIAL_LENGTH = 20
PLACES_DRAWN = 8
_PLACE_BITS = STATUS_LIST_SIZE.bit_length() - 1


def draw_serial() -> str:
    """A random serial for a license whose issuer gave none."""
    drawn = secrets.randbelow(len(SERIAL_ALPHABET) ** SERIAL_LENGTH)
    characters = []
    for _ in range(SERIAL_LENGTH):
        drawn, digit = divmod(drawn, len(SERIAL_ALPHABET))
        characters.append(SERIAL_ALPHABET[digit])
    return "".join(characters)


def draw_places(counterparts: int = 0) -> tuple[int, ...]:
    """Random places in a status list, to take the first free ones of."""
    drawn = PLACES_DRAWN + 2 * counterparts
    bits = secrets.randbits(drawn * _PLACE_BITS)
    return tuple(bits >> number * _PLACE_BITS & (STATUS_LIST_SIZE - 1) for number in range(drawn))


@dataclass(frozen=True, kw_only=True)
class Party:
    """A further party 当事人, as the issuer names it or as the version before has it."""

    role: str
    code_type: str
    code: str
    name: str
    field_names: tuple[str, ...]
    """Of the content's values, those that are about this party."""
    holder: HolderCode | None = None
    """None: its stream is known."""
    stream_id: bytes | None = None

    def stream(self, view: View) -> bytes:
        """The party's stream, begun when this is the first fact about it."""
        if self.stream_id is not None:
            return self.stream_id
        assert self.holder is not None, "a party has a code or a stream"
        return holder_stream(view, self.holder)


@dataclass(frozen=True, kw_only=True)
class VersionCommand(representation_commands.OfVersion):
    """What issue and every later version share."""

    content: Content
    effective_at: int | None = None
    endorsement_due: int | None = None
    counterparts: int = 0
    """Counterparts 副本 to be printed with the original; `places` are drawn for as many."""
    parties: tuple[Party, ...] = ()
    """Beside the first holding party."""
    attachments: tuple[attachment.Attached, ...] = ()
    looked_at: int | None = None
    """Leaf index of the version from which attachments are kept; None for a new license."""
    removed: tuple[str, ...] = ()
    """Names of attachments that the next version lacks."""
    places: tuple[int, ...] = field(default_factory=draw_places)

    def _values(self, license_id_: str, holder: tuple[str, str], previous: str | None) -> dict[str, Any]:
        """Every value, the reserved fields among them."""
        code_type, code = holder
        values = {
            **self.content.values,
            "@holder_code": code,
            "@holder_code_type": code_type,
            "@holder_name": self.content.holder_name,
            "@license_id": license_id_,
            "@license_number": self.content.number,
        }
        if previous is not None:
            values[license.PREVIOUS_ID] = previous
        values |= {one.field_name: dict(one.value) for one in self.attachments}
        for position, one in enumerate(self.parties, start=1):
            values |= party.reserved(position, code_type=one.code_type, code=one.code, name=one.name)
        return values

    def _party_lookups(self, vault: Vault) -> list[Lookup]:
        return [holder_lookup(vault, one.holder) for one in self.parties if one.holder is not None]

    def _read_parties(self, view: View, reads: Reads) -> None:
        """The streams and keys of the parties that are known."""
        for one in self.parties:
            known = one.stream_id
            if one.holder is not None:
                entry = view.entry(holder_lookup(view.vault, one.holder))
                known = None if entry is None else entry.stream_id
            if known is not None:
                reads.rows.add((StreamRow, known))
                reads.data_keys.add(known)

    def _number_of(self, type_code: str, issuer: str) -> number.Printed:
        said = self.content
        return number.Printed(
            number=said.number,
            type_code=type_code,
            issuer=issuer,
            area_code=said.area_code,
            issued_on=said.issued_on,
        )

    def _area(self, before: LicenseRow | None) -> str | None:
        """The division that is said; of a license of another's, the one in that issuer's code.

        Who reads the version alone sees the code of the issuer that made it, not of the one before.
        """
        said = self.content.area_code
        if said is None and before is not None and before.issuer != self.actor.responsible:
            return power.area_of(None, before.issuer)
        return said

    def _claim(self, view: View, printed: number.Printed, *, stream_id: bytes, license_ref: bytes) -> None:
        """Claim the printed number, where the type says that numbers are unique; raises NumberTaken."""
        rules = view.state.get(TypeRulesRow, printed.type_code)
        number.claim(view, rules, printed, stream_id=stream_id, license_ref=license_ref)

    def _drawn_keys(self, size: int) -> set[RowKey]:
        """Keys of the rows that places and attachments, drawn before the lock, may have."""
        return {
            *drawing.place_keys(self.places, size),
            *attachment.rows(one.digest for one in self.attachments),
        }

    def _require_known(self, row: LicenseRow) -> None:
        """Nothing unless the license got or lost attachments since it was looked at, or has none of a removed
        name; raises Conflict, Invalid.
        """
        names = (*row.field_names, *(one.field_name for one in self.attachments))
        if self.looked_at != row.version_index and any(map(attachment.is_name, names)):
            raise errors.Conflict("the license has a newer version meanwhile")
        attachment.require_removable(self.removed, row.field_names)

    def _due(self, rules: TypeRulesRow | None) -> int | None:
        """The first day due that was said, else by the type's cycle."""
        if self.endorsement_due is not None:
            return self.endorsement_due
        begun = max(self.content.valid_from, self.content.issued_on)
        return catalog_rules.endorsement_due(rules, begun)

    def _version(
        self,
        cls: type[license.VersionFact],
        view: View,
        *,
        home: bytes,
        license_id: str,
        holder: tuple[str, str],
        previous: str | None = None,
        **known: Any,
    ) -> tuple[Any, list[tuple[str, bytes, Any]]]:
        """The fact and the parts to be sealed; raises FieldsUnfit by the type as it is now."""
        rules = view.state.get(TypeRulesRow, known["type_code"])
        self._require_fields(rules)
        values = self._values(license_id, holder, previous)
        salted = fields.salted(values, view.random.take(fields.SALT_BYTES * len(values)))
        digests = fields.digests(salted, suite=view.vault.suite)
        parties = [("holder", home), *((one.role, one.stream(view)) for one in self.parties)]
        owned = self._owned(rules, parties)
        made = cls(
            valid_from=self.content.valid_from,
            valid_to=self.content.valid_to,
            issued_on=self.content.issued_on,
            field_names=tuple(sorted(salted)),
            fields_root=fields.root(digests.values(), suite=view.vault.suite),
            pieces=drawing.free_pieces(self.places, view, first=0, count=1 + self.counterparts),
            area_code=self._area(view.state.get(LicenseRow, known["license_ref"])),
            endorsement_due=self._due(rules) if cls is license.LicenseIssued else self.endorsement_due,
            parties=tuple(parties),
            party_fields=tuple(sorted((position, name) for name, position in owned.items())),
            unfiled=party.unfiled(rules, (role for role, _ in parties)),
            blobs=attachment.blobs(self.attachments, owned),
            **known,
        )
        number.file(
            view,
            self.content.number,
            type_code=known["type_code"],
            stream_id=home,
            license_ref=known["license_ref"],
        )
        more = {one.field_name: one.sealed_items for one in self.attachments}
        said = {name: [*pair, *more.get(name, ())] for name, pair in salted.items()}
        return made, _parts(said, digests, parties, owned)

    def _require_fields(self, rules: TypeRulesRow | None) -> None:
        """Nothing when the fields fit the type's schema as it is now; raises FieldsUnfit."""
        catalog_rules.require_fields(rules, self.content.values, judged=self.content.judged)

    def _owned(self, rules: TypeRulesRow | None, parties: list[tuple[str, bytes]]) -> dict[str, int]:
        """Field name to the position of the party under whose own key it is sealed."""
        owned: dict[str, int] = {}
        for position, one in enumerate(self.parties, start=1):
            if parties[position][1] != parties[0][1] and party.seals_own(rules, one.role):
                given = party.reserved(position, code_type="", code="", name="")
                owned |= dict.fromkeys((*one.field_names, *given), position)
        return owned


def _parts(
    said: Mapping[str, list[Any]],
    digests: Mapping[str, bytes],
    parties: list[tuple[str, bytes]],
    owned: Mapping[str, int],
) -> list[tuple[str, bytes, Any]]:
    """The part of the first party, which has the digests of what the others' parts hold, and theirs."""
    first = {name: [digests[name]] if name in owned else items for name, items in said.items()}
    parts = [("fields", parties[0][1], first)]
    for position in sorted(set(owned.values())):
        own = {name: said[name] for name, number in owned.items() if number == position}
        parts.append((f"fields/{position}", parties[position][1], own))
    return parts


@dataclass(frozen=True, kw_only=True)
class IssueLicense(VersionCommand):
    """颁发."""

    type_code: str
    holder: HolderCode
    license_ref: bytes = field(default_factory=lambda: secrets.token_bytes(16))
    origin: Origin | None = None
    draft_ref: bytes | None = None

    def wants(self, vault: Vault) -> Wants:
        rows: set[RowKey] = {
            (TypeRow, self.type_code),
            (TypeRulesRow, self.type_code),
            (LicenseRow, self.license_ref),
        }
        if self.draft_ref is not None:
            rows.add((DraftRow, self.draft_ref))
        lookups = [holder_lookup(vault, self.holder), self._id_lookup(vault), *self._number_lookups(vault)]
        return Wants(rows=rows, lookups=[*lookups, *self._party_lookups(vault)])

    def reads(self, view: View) -> Reads:
        entry = view.entry(holder_lookup(view.vault, self.holder))
        reads = Reads(rows=self._drawn_keys(view.size))
        if entry is not None:
            reads.rows.add((StreamRow, entry.stream_id))
            reads.data_keys.add(entry.stream_id)
        self._read_parties(view, reads)
        return reads

    def decide(self, view: View) -> list[Draft]:
        row = None if self.draft_ref is None else view.state.get(DraftRow, self.draft_ref)
        if row is not None:
            draft.require(row, "approved", at=view.at)
        stream_id = holder_stream(view, self.holder)
        origin = None if self.origin is None else sealed_digest(self.origin.content(), suite=view.vault.suite)
        made, seals = self._version(
            license.LicenseIssued,
            view,
            home=stream_id,
            license_id=self._license_text(),
            holder=(self.holder.code_type, self.holder.code),
            license_ref=self.license_ref,
            type_code=self.type_code,
            version=1,
            previous=None if self.origin is None else self.origin.license_id,
            origin_digest=None if origin is None else origin[0],
            draft_ref=self.draft_ref,
            **self._whence(),
        )
        lookup = self._id_lookup(view.vault)
        content = [self._license_text(), self.content.number]
        view.add_entry(lookup, stream_id=stream_id, target=self.license_ref, content=content)
        self._claim(view, self._printed(), stream_id=stream_id, license_ref=self.license_ref)
        if origin is not None:
            seals.append(("origin", stream_id, origin[1]))
        version = Draft(fact=made, stream_id=stream_id, effective_at=self.effective_at, seals=tuple(seals))
        return representation_commands.with_change(view, version)

    def _whence(self) -> dict[str, Any]:
        """What the fact says of where a license of the stock comes from."""
        return {}

    def _license_text(self) -> str:
        """The identifier as it is printed."""
        return serial.build_id(self.type_code, self.actor.responsible, self.content.serial, 1).text

    def _number_lookups(self, vault: Vault) -> list[Lookup]:
        return self._printed().lookups(vault)

    def _printed(self) -> number.Printed:
        return self._number_of(self.type_code, self.actor.responsible)

    def _id_lookup(self, vault: Vault) -> Lookup:
        return serial.lookup(vault, self.type_code, self.actor.responsible, self.content.serial)


@dataclass(frozen=True, kw_only=True)
class AmendLicense(VersionCommand):
    """变更: every field again, as the next version of the same serial."""

    license_ref: bytes
    holder: HolderCode
    """The holder as the issuer knows it; must be the license's own."""
    type_and_issuer: tuple[str, str] | None = None
    """As read before the lock, to look for the number; they never change. None: there was no license."""
    serial_version: int | None = None
    """With which version the serial began when it was read; None: nobody read it."""
    previous: str | None = None
    """The identifier before, where no version can follow under its serial: a serial begins."""

    def wants(self, vault: Vault) -> Wants:
        known = self.type_and_issuer
        numbers = [] if known is None else self._number_of(*known).lookups(vault)
        if known is not None:
            numbers.append(number.filed(vault, self.content.number, known[0], self.license_ref))
        if known is not None and self.previous is not None:
            numbers.append(serial.lookup(vault, *known, self.content.serial))
        return Wants(
            rows={(LicenseRow, self.license_ref)},
            lookups=[
                holder_lookup(vault, self.holder),
                *numbers,
                *self._party_lookups(vault),
            ],
        )

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

    def decide(self, view: View) -> list[Draft]:
        row = own_license(view, self.license_ref, self.actor)
        entry = view.entry(holder_lookup(view.vault, self.holder))
        if entry is None or entry.stream_id != row.stream_id:
            raise errors.InvalidHolderCode("not the holder of this license", field="holder")
        if self.serial_version not in (None, row.serial_version):
            raise errors.Conflict("the license was renewed meanwhile")
        if self.type_and_issuer != (row.type_code, row.issuer):
            raise errors.Conflict("the printed number was not looked for")
        self._require_known(row)
        if (self.previous is None) == (license.serial_number(row) == 0):
            raise errors.Conflict("the license's identifier is another")
        identifier = serial.next_id(row, self.content.serial)
        made, seals = self._version(
            license.LicenseAmended,
            view,
            home=row.stream_id,
            license_id=identifier.text,
            holder=(self.holder.code_type, self.holder.code),
            license_ref=self.license_ref,
            type_code=row.type_code,
            version=row.version + 1,
            previous=self.previous,
        )
        serial.begin(view, row, identifier, self.content.number)
        printed = self._number_of(row.type_code, row.issuer)
        self._claim(view, printed, stream_id=row.stream_id, license_ref=row.license_ref)
        version = Draft(
            fact=made, stream_id=row.stream_id, effective_at=self.effective_at, seals=tuple(seals)
        )
        return representation_commands.with_change(view, version)


def sealed_digest(content: Any, *, suite: suites.Suite) -> tuple[bytes, list[Any]]:
    """digest(salt ‖ content) for the fact, and the salt with the content to be sealed."""
    salted = [secrets.token_bytes(fields.SALT_BYTES), content]
    return suite.digest(cbor.encode(salted)), salted


def holder_lookup(vault: Vault, holder: HolderCode) -> Lookup:
    """The lookup of a holder by code type and normalized code."""
    return vault.lookup("holder", holder.code_type, holder.code)


def holder_stream(view: View, holder: HolderCode) -> bytes:
    """The holder's stream, begun with its directory row when this is the first fact about the holder."""
    lookup = holder_lookup(view.vault, holder)
    entry = view.entry(lookup)
    if entry is not None:
        return entry.stream_id
    stream_id = view.new_stream()
    content = [holder.code_type, holder.code, holder.printed]
    view.add_entry(lookup, stream_id=stream_id, target=None, content=content)
    return stream_id


def own_license(view: View, license_ref: bytes, actor: Actor) -> LicenseRow:
    """The license when `actor` may change it; raises LicenseNotFound or NotTheIssuer."""
    row = view.state.get(LicenseRow, license_ref)
    if row is None:
        raise errors.LicenseNotFound
    power.require_issuer(
        view.state,
        organization=actor.organization,
        acting=actor.responsible,
        issuer=row.issuer,
        type_code=row.type_code,
        area_code=row.area_code,
        at=view.at,
    )
    return row
