"""What an export of the trail proves, against a trust file and nothing else.

`judge` goes through a file line by line, keeping nothing of a line but its index, and says what it is or
raises ExportInvalid with the first thing that does not hold. That all events of the query are there is the
ledger's own word, given in its log: an export that keeps one back is proof against whoever signed it
(`docs/formats/trail-export.md`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from ledger import audit, errors, fact
from ledger.audit_export import (
    EVENTS_MAX,
    Digests,
    ExportInvalid,
    Head,
    Manifest,
    digest,
    dump,
    parse_head,
    parse_line,
)
from signing import event, merkle, note, receipt, seal, trust, trust_witness

SUBJECTS = {
    "license_ref": "license",
    "holder": "holder",
    "requester": "requester",
    "case_number": "case",
    "operator": "operator",
    "issuer": "issuer",
    "service_item_code": "item",
    "channel": "channel",
    "reason": "reason",
    "finding": "finding",
}
"""Members of a query to the trail's subjects."""


@dataclass(frozen=True)
class Seen:
    """One event of the export, proven."""

    index: int
    about: event.Event
    made: fact.Fact
    data: bytes
    is_opened: bool
    """Whether what its client wrote, if anything, is shown."""


@dataclass(frozen=True, kw_only=True)
class Proven:
    """What an export is."""

    manifest: Manifest
    recorded: event.Event
    """The event that recorded it: whose it is, and when."""
    index: int
    """Of that event."""
    receipt: str
    request: Any | None
    """Who asked, and why."""
    head: note.Checkpoint
    ledger: trust.Ledger
    unopened: int
    """Events of which a sealed request is not shown."""


def judge(
    lines: Iterable[bytes],
    *,
    trusted: trust.TrustFile,
    seen: Callable[[Manifest, Seen], None] = lambda manifest, one: None,
) -> Proven:
    """What the lines of a file prove; raises ExportInvalid. `seen` is told every event that is proven.

    1. The first line is written as its format says, and a trusted ledger's receipt proves its event.
    2. The event records that the trail was exported, and names this manifest, query and count.
    3. The manifest's checkpoint is signed by a key of that ledger, has every index of the export, and the
       receipt's tree goes on from it.
    4. Each further line is one event of the ledger, in the order of the log and within the indexes.
    5. Its proof leads to the checkpoint, and what is shown of its request is what its sealed part opens to.
    6. They are as many as the manifest says, and lead to both of its digests.
    """
    rest = iter(lines)
    first = parse_head(next(rest, b""))
    ledger, recorded, proven = _recorded(first, trusted)  # 1
    _require_named(first, recorded, ledger)  # 2
    head = _tree(first, ledger, recorded, proven)  # 3
    manifest, digests = first.manifest, Digests(ledger.suite)
    count = unopened = 0
    for one in _events(rest, manifest, head, ledger, digests):  # 4, 5
        count += 1
        unopened += not one.is_opened
        if count > manifest.events:
            break
        seen(manifest, one)
    if count != manifest.events:  # 6
        raise ExportInvalid("count", f"{count} events are here, and the manifest says {manifest.events}")
    if digests.listed != manifest.list_digest:
        raise ExportInvalid("list", "these are not the events that the manifest lists")
    if digests.keys != manifest.keys_digest:
        raise ExportInvalid("keys", "what is shown of requests is not what the manifest lists")
    return Proven(
        manifest=manifest,
        recorded=recorded,
        index=proven.index,
        receipt=first.receipt,
        request=first.request,
        head=head,
        ledger=ledger,
        unopened=unopened,
    )


def subject(query: Any) -> str:
    """What an export is about, as its event says it: the subjects in alphabetical order, or `all`."""
    return "+".join(sorted(SUBJECTS[name] for name in query if name in SUBJECTS)) or "all"


def _recorded(first: Head, trusted: trust.TrustFile) -> tuple[trust.Ledger, event.Event, receipt.Proven]:
    """The ledger, the event that recorded the export, and what its receipt proves."""
    try:
        about = event.parse_strictly(first.event)
        ledger = next((one for one in trusted.ledgers if one.ledger_id == about.ledger_id), None)
        if ledger is None or ledger.suite.name != about.suite:
            raise ExportInvalid("ledger", "the export is of a ledger that is not trusted")
        proven = trust.prove(ledger, first.receipt, event=first.event)
        trust_witness.cosigned(ledger, receipt.parse(first.receipt).checkpoint)
    except trust.KeyCompromised as error:
        raise ExportInvalid("compromised", str(error)) from error
    except (event.EventInvalid, receipt.ReceiptInvalid, note.NoteInvalid, trust.TrustInvalid) as error:
        raise ExportInvalid("receipt", f"the event that recorded the export: {error}") from error
    _require_opened(about, first.request_key, first.request, "the first line")
    return ledger, about, proven


def _require_named(first: Head, recorded: event.Event, ledger: trust.Ledger) -> None:
    made, manifest = _fact(recorded), first.manifest
    if not isinstance(made, audit.TrailRead) or made.manifest_digest is None:
        raise ExportInvalid("manifest", "the event does not record an export")
    if made.manifest_digest != digest(first.salt, manifest.text, suite=ledger.suite):
        raise ExportInvalid("manifest", "the event records another manifest")
    if manifest.events > EVENTS_MAX:
        raise ExportInvalid("count", f"an export has at most {EVENTS_MAX} events")
    named = (made.events, made.through, made.subject)
    if named != (manifest.events, manifest.through, subject(manifest.query)):
        raise ExportInvalid("manifest", "the event says another count, index or subject than the manifest")


def _tree(
    first: Head, ledger: trust.Ledger, recorded: event.Event, proven: receipt.Proven
) -> note.Checkpoint:
    """The tree that the events are proven in."""
    manifest = first.manifest
    if manifest.ledger_id != recorded.ledger_id:
        raise ExportInvalid("ledger", "the manifest is of another ledger than its event")
    # Whatever became of the key since: that the believed tree of the receipt goes on from this one is proven.
    known = [held.key for origin in ledger.origins for held in origin.keys]
    try:
        text, signer = note.verify(manifest.checkpoint, trusted=known)
        head = note.parse_checkpoint(text)
        trust_witness.cosigned(ledger, manifest.checkpoint)
    except (note.NoteInvalid, trust.TrustInvalid) as error:
        raise ExportInvalid("checkpoint", f"the manifest's checkpoint: {error}") from error
    if not manifest.origin == head.origin == signer.name:
        raise ExportInvalid("origin", "the manifest names another log than its checkpoint")
    if {_partition(head.origin), _partition(proven.checkpoint.origin)} != {str(manifest.partition)}:
        raise ExportInvalid("origin", "the export was recorded in another log than its events")
    if not manifest.until_index < head.size <= proven.index:
        raise ExportInvalid("checkpoint", "the checkpoint is not of a tree that the export could be of")
    trees = (head.size, proven.checkpoint.size)
    try:
        merkle.verify_consistency(
            *trees, first.consistency, head.root, proven.checkpoint.root, digest=ledger.suite.digest
        )
    except merkle.ProofInvalid as error:
        raise ExportInvalid("consistency", f"from the checkpoint to the receipt: {error}") from error
    return head


def _partition(origin: str) -> str:
    """HOST/PATH/<partition>, of whatever generation: a successor continues the tree."""
    return origin.rpartition("/")[2].partition(".")[0]


def _events(
    lines: Iterator[bytes],
    manifest: Manifest,
    head: note.Checkpoint,
    ledger: trust.Ledger,
    digests: Digests,
) -> Iterator[Seen]:
    before, take = manifest.since_index - 1, ledger.suite.digest
    for number, line in enumerate(lines, start=2):
        one = parse_line(line)
        if one.index <= before:
            raise ExportInvalid("order", f"line {number}: out of the log's order, or before the indexes")
        if one.index > manifest.until_index:
            raise ExportInvalid("range", f"line {number}: index {one.index} is beyond the export")
        before = one.index
        leaf = merkle.leaf_hash(one.event, digest=take)
        try:
            merkle.verify_inclusion(leaf, one.index, head.size, one.proof, head.root, digest=take)
            about = event.parse_strictly(one.event)
        except (merkle.ProofInvalid, event.EventInvalid) as error:
            raise ExportInvalid("proof", f"line {number}, index {one.index}: {error}") from error
        if about.ledger_id != ledger.ledger_id:
            raise ExportInvalid("ledger", f"line {number}: an event of another ledger")
        is_opened = _require_opened(about, one.request_key, one.request, f"line {number}")
        digests.add(one.index, leaf, one.request_key)
        yield Seen(one.index, about, _fact(about), one.event, is_opened)


def _require_opened(about: event.Event, key: bytes | None, shown: Any | None, where: str) -> bool:
    """Whether what a client wrote, if anything, is shown; raises ExportInvalid when it is something else."""
    part = about.sealed.get("request")
    if key is None:
        if shown is not None:
            raise ExportInvalid("request", f"{where}: a request is shown without the key that opens it")
        return part is None
    try:
        said = seal.unseal_alone(part, part_key=key, place=about.place("request"))
    except seal.PartInvalid as error:
        raise ExportInvalid("request", f"{where}: the key does not open the event's request") from error
    if not _is_request(said) or dump(said) != dump(shown):
        raise ExportInvalid("request", f"{where}: the event's request says something else")
    return True


def _is_request(said: Any) -> bool:
    """Whether it is what an event seals as its request: texts by name."""
    return isinstance(said, dict) and all(
        isinstance(name, str) and isinstance(value, str) for name, value in said.items()
    )


def _fact(about: event.Event) -> fact.Fact:
    try:
        return fact.from_event(about)
    except errors.HistoryBroken as error:
        raise ExportInvalid(
            "topic", f"an event that this program does not know: {about.topic[:40]}"
        ) from error
