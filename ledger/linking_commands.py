"""Commands of registering organs about the codes of a holder: link, unlink, contest, settle.

The directory is the only tie between a code and a stream, so that a link adds a row to it and its reversal
takes the row away, in the commit of the fact. The linked code and the salt of the evidence are sealed under
the holder's key.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import Any

from ledger import authorization_commands, errors, joining, linking
from ledger.batch import Entry
from ledger.command import Command, Reads, View, Wants
from ledger.fact import Draft, Fact
from ledger.identifiers import HolderCode
from ledger.license_commands import holder_lookup
from ledger.state import LinkRow, StreamRow
from ledger.vault import Vault


@dataclass(frozen=True, kw_only=True)
class Registration(Command):
    """Base: what is said of the holder of a code, on evidence."""

    holder: HolderCode
    evidence: str
    """Hexadecimal digest of the proof, kept by the registering organ."""
    effective_at: int | None = None
    salt: bytes = field(
        default_factory=lambda: secrets.token_bytes(authorization_commands.EVIDENCE_SALT_BYTES)
    )

    def wants(self, vault: Vault) -> Wants:
        return Wants(lookups=[holder_lookup(vault, self.holder)])

    def reads(self, view: View) -> Reads:
        entry = self._entry(view)
        if entry is None:
            return Reads()
        return Reads(rows={(StreamRow, entry.stream_id)}, data_keys={entry.stream_id})

    def _entry(self, view: View) -> Entry | None:
        return view.entry(holder_lookup(view.vault, self.holder))

    def _stream(self, view: View) -> bytes:
        entry = self._entry(view)
        if entry is None:
            raise errors.NotFound("no holder under this code")
        return entry.stream_id

    def _digest(self, view: View) -> bytes:
        return authorization_commands.evidence_digest(
            self.salt, evidence=self.evidence, suite=view.vault.suite
        )

    def _draft(self, made: Fact, stream_id: bytes, *seals: tuple[str, bytes, Any]) -> Draft:
        parts = (("evidence", stream_id, [self.salt, self.evidence]), *seals)
        return Draft(fact=made, stream_id=stream_id, effective_at=self.effective_at, seals=parts)


@dataclass(frozen=True, kw_only=True)
class ContestHolderCode(Registration):
    """重号: what stands under the code is used no more until it is settled."""

    def decide(self, view: View) -> list[Draft]:
        stream_id = self._stream(view)
        made = linking.HolderCodeContested(evidence_digest=self._digest(view))
        return [self._draft(made, stream_id)]


@dataclass(frozen=True, kw_only=True)
class SettleHolderCode(Registration):
    """重号处理完毕."""

    def decide(self, view: View) -> list[Draft]:
        stream_id = self._stream(view)
        made = linking.HolderCodeSettled(evidence_digest=self._digest(view))
        return [self._draft(made, stream_id)]


@dataclass(frozen=True, kw_only=True)
class _Pair(Registration):
    """Base: two codes of one holder."""

    linked: HolderCode

    def wants(self, vault: Vault) -> Wants:
        return Wants(lookups=[holder_lookup(vault, self.holder), holder_lookup(vault, self.linked)])

    def reads(self, view: View) -> Reads:
        reads = Reads()
        for entry in (self._entry(view), self._linked_entry(view)):
            if entry is not None:
                reads.rows.add((StreamRow, entry.stream_id))
                reads.data_keys.add(entry.stream_id)
                if entry.target is not None:
                    reads.rows.add((LinkRow, entry.target))
        return reads

    def _linked_content(self) -> list[str]:
        return [self.linked.code_type, self.linked.code, self.linked.printed]

    def _linked_entry(self, view: View) -> Entry | None:
        return view.entry(holder_lookup(view.vault, self.linked))


@dataclass(frozen=True, kw_only=True)
class LinkHolderCodes(_Pair):
    """关联: a code that the ledger does not know leads to the other's stream; two known files are joined."""

    link_ref: bytes = field(default_factory=lambda: secrets.token_bytes(16))

    def wants(self, vault: Vault) -> Wants:
        wants = super().wants(vault)
        wants.rows.add((LinkRow, self.link_ref))
        return wants

    def decide(self, view: View) -> list[Draft]:
        if self.holder == self.linked:
            raise errors.Invalid("two different codes are linked", field="linked")
        known, other = self._entry(view), self._linked_entry(view)
        if known is not None and other is not None:
            return self._join(view, known.stream_id, other.stream_id)
        entry, fresh = (known, self.linked) if known is not None else (other, self.holder)
        if entry is None:
            raise errors.NotFound("no holder under either code")
        content = [fresh.code_type, fresh.code, fresh.printed]
        view.add_entry(
            holder_lookup(view.vault, fresh),
            stream_id=entry.stream_id,
            target=self.link_ref,
            content=content,
        )
        made = linking.HolderCodeLinked(link_ref=self.link_ref, evidence_digest=self._digest(view))
        return [self._draft(made, entry.stream_id, ("linked", entry.stream_id, content))]

    def _join(self, view: View, own: bytes, other: bytes) -> list[Draft]:
        if own == other:
            raise errors.AlreadyExists("both codes lead to one file", field="linked")
        made = joining.HolderFilesJoined(
            other_stream=other,
            all_streams=tuple(sorted({*view.streams(own), *view.streams(other)})),
            evidence_digest=self._digest(view),
        )
        return [self._draft(made, own, ("linked", own, self._linked_content()))]


@dataclass(frozen=True, kw_only=True)
class UnlinkHolderCodes(_Pair):
    """撤销关联: the code that was linked, of the two, leads nowhere; files that were joined are parted."""

    def decide(self, view: View) -> list[Draft]:
        entry, other = self._entry(view), self._linked_entry(view)
        if entry is None or other is None:
            raise errors.NotFound("these codes are not linked")
        if entry.stream_id != other.stream_id:
            return self._part(view, entry.stream_id, other.stream_id)
        code, link_ref = self.linked, other.target
        if link_ref is None:
            code, link_ref = self.holder, entry.target
        if link_ref is None:
            raise errors.NotFound("these codes are not linked")
        view.drop_entry(holder_lookup(view.vault, code))
        made = linking.HolderCodeUnlinked(link_ref=link_ref, evidence_digest=self._digest(view))
        content = [code.code_type, code.code, code.printed]
        return [self._draft(made, entry.stream_id, ("linked", entry.stream_id, content))]

    def _part(self, view: View, own: bytes, other: bytes) -> list[Draft]:
        if other not in view.streams(own):
            raise errors.NotFound("these codes are not linked")
        made = joining.HolderFilesParted(
            other_stream=other,
            own_streams=joining.side(own, view.state, without=other),
            other_streams=joining.side(other, view.state, without=own),
            evidence_digest=self._digest(view),
        )
        return [self._draft(made, own, ("linked", own, self._linked_content()))]
