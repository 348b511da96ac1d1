"""One row of a batch judged: what it inserts, updates or deletes, or all of its faults at once.

Reads the columns of the stock and those of the directory exchange (`cd_operation`, `cd_time`); everything
that the stock's judge asks of a license it asks too. A row whose license has not come yet waits. Looks at the
ledger before the lock; what changed since, the lock finds.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, NamedTuple

from ledger import (
    attachment,
    catalog_rules,
    collection,
    collection_commands,
    collection_reading,
    collection_rejects,
    days,
    disclosure,
    license_commands,
    reading,
    stock,
    stock_cells,
    stock_columns,
    stock_commands,
    stock_file,
    stock_row,
)
from ledger.collection_commands import Delivered
from ledger.command import Actor
from ledger.errors import Fault
from ledger.row import Key
from ledger.state import LicenseRow
from ledger.stock_results import Outcome
from ledger.stock_row import Faults
from ledger.vault import Vault
from signing import ids

KEY_COLUMNS = ("operation", "operated_at", "source_id", "license_type")
OWN = (
    *("operation", "operated_at", "batch", "change", "effective_on", "reason"),
    *("document_number", "transferred_to"),
)
"""Columns that only a row of a batch has."""
UNKEPT = ("row_id", "data_source", "license_name", "type_name")
"""Columns of the exchange that say what the ledger knows otherwise."""
ALIASES = {
    "cd_operation": "operation",
    "cd_time": "operated_at",
    "cd_batch": "batch",
    "id": "row_id",
    "certificate_holder": "holder_name",
    "certificate_name": "license_name",
    "certificate_type": "type_name",
    "issue_date": "issued_on",
    "issue_dept": "issuer_name",
    "issue_dept_code": "issuer",
}
"""Names of the directory exchange for our columns."""
UPDATES = (
    *("suspend", "reinstate", "report-lost", "found", "restrict", "lift-restriction"),
    *("freeze", "release", "transfer-out", "cancel-transfer"),
)
ENDINGS = ("cancel", "annul", "recall", "revoke", "void")
"""注销, 撤销, 撤回, 吊销, 作废; the first unless a row says which."""
REASON_LENGTH_MAX = 500
DOCUMENT_LENGTH_MAX = 100
_ORDERED = ("freeze", "release")
"""Changes by a court's order 查封, which has a number 文号."""
EARLY_US = days.DAY_US
"""A source's clock may be so far ahead."""
_NOT_DIGESTED = ("operation", "operated_at", "batch", *UNKEPT)


Delivery = (
    collection_commands.CollectLicense
    | collection_commands.CollectAmendment
    | collection_commands.CollectStatus
    | list[Fault]
    | Outcome
)
"""The command behind a row, everything that is wrong with it, or what else is told of it."""


class Place(NamedTuple):
    """What orders a row among those of its file."""

    key: bytes
    """The same for all rows of one license."""
    operated_at: int
    rank: int


def row_digest(said: Mapping[str, Any]) -> bytes:
    """SHA-256 over what a row says of its license, as docs/import.md has it."""
    content = {name: value for name, value in said.items() if name not in _NOT_DIGESTED}
    text = json.dumps(content, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).digest()


def kept_digest(vault: Vault, digest: bytes) -> bytes:
    """What the ledger keeps of a row's digest: an HMAC, since a row can be guessed."""
    return vault.body_digest(["row", digest])


@dataclass
class _Known:
    """What was read of the ledger for the next rows, all at once."""

    targets: dict[stock_commands.Source, bytes] = field(default_factory=dict)
    rows: dict[Key, LicenseRow] = field(default_factory=dict)
    events: dict[int, bytes] = field(default_factory=dict)
    filed: dict[tuple[str, str], list[bytes]] = field(default_factory=dict)


class BatchJudge(stock_row.Judge):
    """Judges the rows of one batch."""

    known: ClassVar[tuple[str, ...]] = (*stock_columns.COLUMNS, *OWN, *UNKEPT)
    needed: ClassVar[tuple[str, ...]] = KEY_COLUMNS
    aliases: ClassVar[Mapping[str, str]] = {**stock_columns.ALIASES, **ALIASES}

    def __init__(
        self,
        vault: Vault,
        actor: Actor,
        *,
        batch: collection.Batch,
        reader: reading.Reader,
        now: Callable[[], int],
        defaults: stock_row.Defaults | None = None,
    ) -> None:
        super().__init__(vault, actor, row=reader.row, now=now, defaults=defaults)
        self.batch, self._reader = batch, reader
        self._opener = disclosure.Disclosure(reader, vault, versions_max=1)
        self._known = _Known()

    def place(self, record: stock_file.Record) -> Place:
        """Where a row comes; one that says too little for it comes first, and is rejected."""
        said = self.said(record)
        operation, source_id = said.get("operation"), said.get("source_id")
        if record.faults or operation not in collection.OPERATIONS or not isinstance(source_id, str):
            return Place(record.line.to_bytes(16, "big"), 0, 0)
        kind = [str(said.get("license_type")), str(said.get("issuer") or self._actor.responsible), source_id]
        key = hashlib.sha256(json.dumps(kind).encode()).digest()[:16]
        at = self.moment(said, Faults())
        return Place(key, at or 0, collection.OPERATIONS.index(operation))

    def kept(self, digest: bytes) -> bytes:
        """What the ledger keeps of a digest."""
        return kept_digest(self._vault, digest)

    def prepare(self, records: Sequence[stock_file.Record]) -> None:
        """Read what some rows ask of the ledger; without rows, forget what was read."""
        known, sources, numbers = _Known(), set(), set()
        for record in records:
            said = self.said(record)
            type_code, issuer = said.get("license_type"), said.get("issuer") or self._actor.responsible
            texts = type_code, issuer, said.get("source_id"), said.get("number") or ""
            if record.faults or not all(isinstance(text, str) for text in texts):
                continue
            if said.get("operation") == "I":
                numbers.add((str(type_code), texts[3]))
            else:
                sources.add(self.source(said, str(type_code), str(issuer)))
        if records:
            known.targets = collection_reading.targets(self._reader, self._vault, sources)
            refs = list(known.targets.values())
            known.rows = self._reader.rows(LicenseRow, refs)
            indexes = {row.version_index for row in known.rows.values()}
            known.events = collection_reading.events(self._reader, indexes)
            known.filed = collection_reading.filed(self._reader, self._vault, sorted(numbers))
        self._known = known

    def reject_key(self, said: Mapping[str, Any]) -> bytes:
        """By what a rejected row is found again: an HMAC of its key and moment."""
        names = ("license_type", "issuer", "source_id", "operation", "operated_at")
        texts = [str(said.get(name) or "") for name in names]
        texts[1] = texts[1] or self._actor.responsible
        return self._vault.body_digest(["rejected", *texts])

    def reject(self, record: stock_file.Record, remark: str, *, at: int) -> collection_rejects.Reject:
        """What is kept of a row that was rejected."""
        said = self.said(record)
        operation, type_code = said.get("operation"), said.get("license_type")
        return collection_rejects.Reject(
            row_key=self.reject_key(said),
            source=collection.source_of(self.batch.key),
            number=self.batch.number,
            line=record.line,
            remark=remark,
            rejected_at=at,
            license_key=self._license_key(said),
            # What is no type may be anything, and is not kept.
            type_code=str(type_code) if self.kind(said, Faults())[0] else None,
            operation=str(operation) if operation in collection.OPERATIONS else None,
            operated_at=self.moment(said, Faults()),
            organization=self.batch.organization,
        )

    def settled(self, record: stock_file.Record, operated_at: int) -> collection_rejects.Settled:
        """What a row that was applied puts right."""
        key = self._license_key(self.said(record))
        assert key is not None, "a row that was applied has a key"
        return key, operated_at

    def _license_key(self, said: Mapping[str, Any]) -> bytes | None:
        """An HMAC of the key of a row's license; None: the row does not say it."""
        type_code, source_id = said.get("license_type"), said.get("source_id")
        if not (isinstance(type_code, str) and isinstance(source_id, str) and type_code and source_id):
            return None
        issuer = str(said.get("issuer") or self._actor.responsible)
        return self._vault.body_digest(["rejected license", type_code, issuer, source_id])

    def deliver(self, record: stock_file.Record) -> Delivery:
        """The command behind a row, everything that is wrong with it, or that it waits."""
        faults = Faults(list(record.faults))
        if any(fault.field == "*" for fault in faults.found):
            return faults.found
        said = self.said(record)
        delivered = self._delivered(said, faults)
        if delivered is None:
            return faults.found
        if delivered.operation == "I":
            return self._issue(record, said, delivered, faults)
        return self._update(record, said, delivered, faults)

    # --- what every row says ---

    def _delivered(self, said: dict[str, Any], faults: Faults) -> Delivered | None:
        for name in KEY_COLUMNS:
            if said.get(name) in (None, ""):
                faults.add(name, "missing")
            elif not isinstance(said[name], str):
                faults.add(name, "text")
        operation, operated_at = said.get("operation"), self.moment(said, faults)
        if operation not in (None, "", *collection.OPERATIONS):
            faults.add("operation", "choice")
        if said.get("batch") not in (None, "", self.batch.number):
            faults.add("batch", "other-batch")
        choices = {"I": (), "U": UPDATES, "D": ENDINGS}.get(str(operation), ())
        if said.get("change") not in (None, "", *choices):
            faults.add("change", "choice")
        self._check_reason(said, faults)
        _check_change(said, faults)
        if faults.found or operation is None or operated_at is None:
            return None
        digest = kept_digest(self._vault, row_digest(said))
        return Delivered(batch=self.batch, operation=operation, operated_at=operated_at, digest=digest)

    def moment(self, said: dict[str, Any], faults: Faults) -> int | None:
        """When the source changed the row."""
        text = said.get("operated_at")
        if text in (None, ""):
            return None
        found = stock_cells.moment(text) if isinstance(text, str) else None
        if found is None:
            faults.add("operated_at", "time")
        elif found > self._now() + EARLY_US:
            faults.add("operated_at", "in-the-future")
        return found

    def _check_reason(self, said: dict[str, Any], faults: Faults) -> None:
        reason = said.get("reason") or ""
        if not isinstance(reason, str) or not reason.isprintable():
            faults.add("reason", "unprintable")
        elif len(reason) > REASON_LENGTH_MAX:
            faults.add("reason", "length")
        elif not reason and said.get("operation") == "D":
            faults.add("reason", "missing")

    def _effective(self, said: dict[str, Any], delivered: Delivered, faults: Faults) -> int | None:
        """From when a change holds in law: the day that the row says, else when the source made it."""
        text = said.get("effective_on") or ""
        found = stock_cells.day(text) if text and isinstance(text, str) else None
        if text and found is None:
            faults.add("effective_on", "date")
        at = delivered.operated_at if found is None else days.start(found)
        if found is not None and at > self._now():
            faults.add("effective_on", "in-the-future")
        return at if at <= self._now() else None

    def _acting(self, said: dict[str, Any], issuer: str) -> Actor:
        actor = self.actor_for(issuer)
        return replace(actor, reason=said["reason"]) if said.get("reason") else actor

    # --- operation by operation ---

    def _issue(
        self, record: stock_file.Record, said: dict[str, Any], delivered: Delivered, faults: Faults
    ) -> Delivery:
        read = self.read(said, faults)
        if read is None or faults.found:
            return faults.found
        other = self._elsewhere(said, read)
        if other is not None:
            doubled = (Fault("source_id", "double-source"),)
            return Outcome(line=record.line, outcome="rejected", license_ref=ids.text(other), faults=doubled)
        members = self.members(said, read)
        members["actor"] = self._acting(said, read.issuer)
        return collection_commands.CollectLicense(**members, delivered=delivered)

    def _elsewhere(self, said: dict[str, Any], read: stock_row.Read) -> bytes | None:
        """A license in force of the same type, issuer, holder and number that came in another way."""
        pair = read.type_code, read.content.number
        refs: Sequence[bytes] | None = self._known.filed.get(pair)
        if refs is None:
            refs = self._reader.filed(read.content.number, [read.type_code]).refs
        if not refs:
            return None
        own = self._target(said, read.type_code, read.issuer)
        holder = self._reader.find("holder", read.holder.code_type, read.holder.code)
        for ref in refs:
            row = None if ref == own or holder is None else self._reader.row(LicenseRow, ref)
            if row is None or holder is None or row.status not in ("active", "suspended"):
                continue
            if (row.issuer, row.stream_id) == (read.issuer, holder.stream_id):
                return ref
        return None

    def _target(self, said: dict[str, Any], type_code: str, issuer: str) -> bytes | None:
        """The license that the row's key leads to."""
        source = self.source(said, type_code, issuer)
        if source in self._known.targets:
            return self._known.targets[source]
        found = self._reader.find(stock.SOURCE_KIND, *source.content)
        return None if found is None else found.target

    def _update(
        self, record: stock_file.Record, said: dict[str, Any], delivered: Delivered, faults: Faults
    ) -> Delivery:
        type_code, _, _ = self.kind(said, faults)
        issuer, effective_at = self.issuer(said, faults), self._effective(said, delivered, faults)
        if faults.found or issuer is None:
            return faults.found
        target = self._target(said, type_code, issuer)
        row = None
        if target is not None:
            row = self._known.rows.get(target) or self._reader.row(LicenseRow, target)
        if row is None:
            return Outcome(line=record.line, outcome="waiting")
        verb = said.get("change") or (ENDINGS[0] if delivered.operation == "D" else None)
        if verb is None:
            return self._amend(said, row, delivered, faults, effective_at)
        self.check_columns(said, faults, needed=())
        return faults.found or collection_commands.CollectStatus(
            actor=self._acting(said, issuer),
            license_ref=row.license_ref,
            verb=verb,
            effective_at=effective_at,
            document=said.get("document_number") or None,
            area_code=said.get("transferred_to") or None,
            delivered=delivered,
        )

    def _amend(
        self,
        said: dict[str, Any],
        row: LicenseRow,
        delivered: Delivered,
        faults: Faults,
        effective_at: int | None,
    ) -> Delivery:
        read = self.read(said, faults)
        if read is None or faults.found:
            return faults.found
        if any(map(attachment.is_name, row.field_names)):
            return [Fault("*", "has-attachments")]
        version = self._opener.opened(row.version_index, self._known.events.get(row.version_index))
        if version is None:
            return [Fault("*", "holder-erased")]
        kept = disclosure.serial(row, version)
        content = replace(read.content, serial=kept or license_commands.draw_serial())
        return collection_commands.CollectAmendment(
            actor=self._acting(said, read.issuer),
            license_ref=row.license_ref,
            holder=read.holder,
            parties=read.parties,
            content=content,
            looked_at=row.version_index,
            type_and_issuer=(row.type_code, row.issuer),
            effective_at=effective_at,
            counterparts=row.counterparts,
            places=license_commands.draw_places(row.counterparts),
            serial_version=row.serial_version,
            previous=version.license_id if kept is None else None,
            delivered=delivered,
        )


def _check_change(said: Mapping[str, Any], faults: Faults) -> None:
    """Add what a change needs and lacks, or has and does not need."""
    change = said.get("change")
    for name, changes in (("document_number", _ORDERED), ("transferred_to", ("transfer-out",))):
        text = said.get(name) or ""
        if change not in changes:
            if text:
                faults.add(name, "choice")
        elif not text:
            faults.add(name, "missing")
        elif not isinstance(text, str) or not text.isprintable():
            faults.add(name, "unprintable")
        elif len(text) > DOCUMENT_LENGTH_MAX:
            faults.add(name, "length")
        elif name == "transferred_to" and not catalog_rules.AREA.fullmatch(text):
            faults.add(name, "area-code")
