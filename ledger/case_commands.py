"""Commands by which an organization says that its cases were opened and closed.

What was said already, word for word, is known by its time: it is recorded once, whenever it is said again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ledger import case, errors
from ledger.command import Command, Reads, View, Wants, actor_stream
from ledger.fact import Draft
from ledger.identifiers import HolderCode
from ledger.license_commands import holder_lookup
from ledger.state import CaseRow, LicenseRow, RowKey, StreamRow, TypeRow
from ledger.vault import Vault


@dataclass(frozen=True, kw_only=True)
class _OfCase(Command):
    """Base: the case is the actor's own."""

    at: int
    """When it was opened or closed."""

    @property
    def case_key(self) -> bytes:
        """The key of the case; raises Invalid for an actor without a case number."""
        if self.actor.case_number is None:
            raise errors.Invalid("a case has a number", field="case_number")
        return case.key(self.actor.organization, self.actor.case_number)

    def _known(self, view: View) -> list[case.Span]:
        return case.spans(view.state.get(CaseRow, self.case_key))

    def _own(self, view: View) -> bytes:
        own = actor_stream(self.actor, view)
        assert own is not None, "a client's organization has a stream"
        return own


@dataclass(frozen=True, kw_only=True)
class OpenCase(_OfCase):
    """受理; nothing is recorded where the same was said before."""

    parties: tuple[tuple[str, HolderCode], ...] = ()
    """(role, holder)."""

    def wants(self, vault: Vault) -> Wants:
        lookups = [holder_lookup(vault, holder) for _, holder in self.parties]
        return Wants(rows={(CaseRow, self.case_key)}, lookups=lookups)

    def reads(self, view: View) -> Reads:
        entries = (view.entry(holder_lookup(view.vault, holder)) for _, holder in self.parties)
        streams = {entry.stream_id for entry in entries if entry is not None}
        return Reads(rows={(StreamRow, stream_id) for stream_id in streams}, data_keys=streams)

    def decide(self, view: View) -> list[Draft]:
        own = self._own(view)
        known: list[tuple[str, bytes, HolderCode]] = []
        unknown: list[tuple[str, HolderCode]] = []
        # Once by code and not by holder: how many there are must not tell whose codes are one holder's.
        for role, holder in dict.fromkeys(self.parties):
            entry = view.entry(holder_lookup(view.vault, holder))
            if entry is None:
                unknown.append((role, holder))
            else:
                known.append((role, entry.stream_id, holder))
        made = case.CaseOpened(
            parties=tuple((role, stream_id) for role, stream_id, _ in known),
            unknown=tuple(role for role, _ in unknown),
        )
        if self._is_repeat(made, view):
            return []
        seals: list[tuple[str, bytes, Any]] = [
            (f"party/{number}", stream_id, [holder.code_type, holder.code, holder.printed])
            for number, (_, stream_id, holder) in enumerate(known)
        ]
        if unknown:
            content = [[role, one.code_type, one.code, one.printed] for role, one in unknown]
            seals.append(("parties", own, content))
        return [Draft(fact=made, stream_id=own, effective_at=self.at, seals=tuple(seals))]

    def _is_repeat(self, made: case.CaseOpened, view: View) -> bool:
        """Whether the same was said before; raises CaseConflict where another thing was.

        Who the parties are is not compared: an answer that depends on it would tell whom the ledger knows.
        """
        before = next((one for one in self._known(view) if one.opened_at == self.at), None)
        if before is None:
            return False
        said = made.span_of(self.at, item=self.actor.service_item, channel=self.actor.channel)
        if before.opening != said.opening:
            raise errors.CaseConflict("another thing was said of this opening", field="opened_at")
        return True


@dataclass(frozen=True, kw_only=True)
class CloseCase(_OfCase):
    """办结; nothing is recorded where the same was said before."""

    outcome: str
    type_codes: tuple[str, ...] = ()
    license_refs: tuple[bytes, ...] = ()

    def wants(self, vault: Vault) -> Wants:
        rows: set[RowKey] = {(CaseRow, self.case_key)}
        rows |= {(TypeRow, type_code) for type_code in self.type_codes}
        rows |= {(LicenseRow, license_ref) for license_ref in self.license_refs}
        return Wants(rows=rows)

    def decide(self, view: View) -> list[Draft]:
        made = case.CaseClosed(
            outcome=self.outcome,
            type_codes=tuple(sorted(set(self.type_codes))),
            license_refs=tuple(sorted(set(self.license_refs))),
        )
        before = next((one for one in self._known(view) if one.closed_at == self.at), None)
        if before is not None and before.closing == made.closing:
            return []
        if before is not None:
            raise errors.CaseConflict("another thing was said of this closing", field="closed_at")
        return [Draft(fact=made, stream_id=self._own(view), effective_at=self.at)]
