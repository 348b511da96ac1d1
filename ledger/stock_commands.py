"""The command that takes a license of the stock into the ledger 存量归集.

It issues as `IssueLicense` does, on the same path and under the same powers, and differs in three things: a
row is known for good by its source, so that it is never issued twice; identifier and number stay as they
are printed; and what would refuse an issue, where the license is beyond doubt, becomes a finding.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from ledger import (
    catalog_rules,
    command,
    comparison,
    days,
    errors,
    license,
    license_id,
    number,
    quality,
    serial,
    stock,
)
from ledger.command import Reads, View, Wants
from ledger.fact import Draft
from ledger.license_commands import IssueLicense
from ledger.state import LicenseRow, TypeRow, TypeRulesRow
from ledger.vault import Lookup, Vault

REVISED = "type-revised"
"""Why a row is to be judged again."""


@dataclass(frozen=True, kw_only=True)
class Source:
    """What a row is known by for good."""

    type_code: str
    issuer: str
    digest: str
    """HMAC of its source id or, without one, of its content: it outlives the holder's erasure."""

    @property
    def content(self) -> list[str]:
        """What is sealed in the directory row, and what the lookup is made of."""
        return [self.type_code, self.issuer, self.digest]

    def lookup(self, vault: Vault) -> Lookup:
        """The lookup by which the row is found again."""
        return vault.lookup(stock.SOURCE_KIND, *self.content)


@dataclass(frozen=True, kw_only=True)
class Identifier:
    """An identifier that others made, as it is printed."""

    judged: license_id.Classification
    serial_number: int
    """Its version; 0: it has no serial of the license's type and issuer."""

    @classmethod
    def of(cls, text: str, *, type_code: str, issuer: str) -> Identifier:
        """The identifier on a license of a type and issuer."""
        judged = license_id.classify(text)
        read = judged.license_id
        is_own = read is not None and (read.type_code, read.issuer_code) == (type_code, issuer)
        return cls(judged=judged, serial_number=read.version if is_own and read is not None else 0)


@dataclass(frozen=True, kw_only=True)
class ImportLicense(IssueLicense):
    """A license that was issued before the ledger knew it; `content.serial` is that of its identifier."""

    gives_way: ClassVar[bool] = True
    outcome: ClassVar[str] = "issued"
    """What is told of the row."""
    source: Source
    taken_from: str
    """Its origin, one of `stock.ORIGINS`."""
    trust_level: str | None = None
    identifier: Identifier | None = None
    """None: the license had none, and gets the one that an issue would give it."""
    number_scope: str = "nowhere"
    """Where numbers of the type are unique, as read before the lock."""

    def wants(self, vault: Vault) -> Wants:
        wants = super().wants(vault)
        wants.lookups.append(self.source.lookup(vault))
        return wants

    def reads(self, view: View) -> Reads:
        reads = super().reads(view)
        known = view.entry(self.source.lookup(view.vault))
        if known is not None and known.target is not None:
            reads.rows.add((LicenseRow, known.target))
        printed = self._find_number(view)
        if printed is not None:
            reads.rows.add((LicenseRow, printed))
        return reads

    def decide(self, view: View) -> list[Draft]:
        self._refuse_known(view)
        rules = view.state.get(TypeRulesRow, self.type_code)
        if self.number_scope != ("nowhere" if rules is None else rules.number_scope):
            raise errors.Conflict("the license type was revised meanwhile", reason=REVISED)
        clashing = self._find_number(view)
        issued, *beside = super().decide(view)
        owner = command.actor_stream(self.actor, view)
        assert owner is not None, "an issuer has a stream"
        view.add_entry(
            self.source.lookup(view.vault),
            stream_id=owner,
            target=self.license_ref,
            content=self.source.content,
        )
        return [issued, *self._findings(view, rules, issued, clashing), *beside]

    def _whence(self) -> dict[str, Any]:
        return {
            "origin": self.taken_from,
            "trust_level": self.trust_level,
            "serial_number": 1 if self.identifier is None else self.identifier.serial_number,
        }

    def _refuse_known(self, view: View) -> None:
        """Nothing when the row is new; raises AlreadyExists, which says where it is."""
        known = view.entry(self.source.lookup(view.vault))
        if known is not None and known.target is not None:
            row = view.state.get(LicenseRow, known.target)
            index = row.version_index if row is not None and row.version == 1 else None
            raise errors.AlreadyExists("the row is in the ledger", license_ref=known.target, index=index)

    def _findings(
        self, view: View, rules: TypeRulesRow | None, issued: Draft, clashing: bytes | None
    ) -> list[Draft]:
        """What is doubtful about the license, each a fact behind its issue."""
        found: list[tuple[str, bytes | None]] = [
            (name, None) for name in doubts(view.state.get(TypeRow, self.type_code), rules, self)
        ]
        if clashing is not None:
            found.append((quality.NUMBER_CLASH, clashing))
        return [
            Draft(
                fact=quality.QualityFindingRaised(
                    license_ref=self.license_ref, finding=name, other_ref=other
                ),
                stream_id=issued.stream_id,
                effective_at=None,
            )
            for name, other in sorted(found)
        ]

    def _find_number(self, view: View) -> bytes | None:
        """Another license that has the printed number, where numbers are unique."""
        if self.number_scope == "nowhere":
            return None
        entry = view.entry(self._printed().lookup(view.vault, self.number_scope))
        return None if entry is None else entry.target

    def _number_lookups(self, vault: Vault) -> list[Lookup]:
        if self.number_scope == "nowhere":
            return []
        return [self._printed().lookup(vault, self.number_scope)]

    def _claim(self, view: View, printed: number.Printed, **claim: Any) -> None:
        """Claim the number unless another license has it: then both stay."""
        if self._find_number(view) is None:
            super()._claim(view, printed, **claim)

    def _require_fields(self, rules: TypeRulesRow | None) -> None:
        """Fields that do not fit are a finding."""

    def _license_text(self) -> str:
        return super()._license_text() if self.identifier is None else self.identifier.judged.text

    def _id_lookup(self, vault: Vault) -> Lookup:
        if self.identifier is None:
            return super()._id_lookup(vault)
        read = self.identifier.judged.license_id
        if read is None or self.identifier.serial_number == 0:
            return vault.lookup(stock.TEXT_KIND, self.identifier.judged.text)
        return serial.lookup(vault, read.type_code, read.issuer_code, read.serial)


def doubts(type_row: TypeRow | None, rules: TypeRulesRow | None, asked: ImportLicense) -> list[str]:
    """The findings about a license that do not depend on others."""
    content, found = asked.content, []
    judged = content.judged
    if judged is None or judged.field_schema != (None if rules is None else rules.field_schema):
        judged = catalog_rules.judge(rules, content.values)
    if judged.faults:
        found.append("fields-unfit")
    names = (content.holder_name, *(one.name for one in asked.parties))
    if any(comparison.has_lost(comparison.name(one)) for one in names):
        found.append(quality.CHARACTERS_LOST)
    verdict = license_id.Verdict.OK if asked.identifier is None else asked.identifier.judged.verdict
    if verdict is not license_id.Verdict.OK:
        found.append(f"license-id-{verdict}")
    if type_row is not None and type_row.is_retired:
        found.append(quality.RETIRED)
    if rules is not None and rules.validity_check == "refuse":
        unfit = catalog_rules.validity_findings(
            rules, valid_from=content.valid_from, valid_to=content.valid_to
        )
        if unfit:
            found.append("validity-unfit")
    return found


def effect(issued_on: int, *, now: int) -> int | None:
    """The instant from which the license holds in law: its day of issue, unless that is to come."""
    begun = days.start(issued_on)
    return begun if issued_on > license.DAY_MIN and begun <= now else None
