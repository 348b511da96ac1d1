"""Exports of the trail: what stands in the file, written and read line by line.

The first line has the manifest (which query, over which indexes, how many events, digests of all that
follows) and the event that recorded it, with its receipt: that is the manifest's signature. Every further
line is one event with its proof and, where it still opens, what its client wrote. A line has one spelling;
`audit_judging` says what a file proves. Opens nothing and asks nobody (`docs/formats/trail-export.md`).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from signing import cbor, event, ids, note, receipt, spelling, suites, trust_json

FORMAT = 1
EVENTS_MAX = 10_000
"""Of one file; the next one goes on behind it."""
LINE_BYTES_MAX = 512 * 1024
BEGINNING = b'{"trail_export":'
SALT_BYTES = 16
_PURPOSE = "trail-export"
_MANIFEST = (
    *("ledger_id", "origin", "partition", "query", "resolved", "since_index", "until_index", "is_all"),
    *("through", "checkpoint", "events", "list_digest", "keys_digest"),
)
_HEAD = ("trail_export", "salt", "manifest", "event", "request_key", "request", "receipt", "consistency")
_LINE = ("index", "event", "proof", "request_key", "request")


class ExportInvalid(ValueError):
    """An export that does not hold; `fault` says for programs what is wrong with it."""

    def __init__(self, fault: str, text: str) -> None:
        super().__init__(text)
        self.fault = fault


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """What an export says of itself."""

    ledger_id: bytes
    origin: str
    partition: int
    query: Mapping[str, Any]
    """As it was asked: the filter's members that were said; of a list of findings its name too."""
    resolved: Mapping[str, tuple[bytes, ...]]
    """What the ledger knew a `holder` and an `operator` of the query by: streams, references."""
    since_index: int
    until_index: int
    """The last index that was looked at: whatever the query covers up to it is here."""
    is_all: bool
    """Whether nothing that was asked for lies behind `until_index`."""
    through: int
    """The index that the trail had come to."""
    checkpoint: str
    """The signed tree head that every event is proven in, with its cosignatures."""
    events: int
    list_digest: bytes
    keys_digest: bytes

    @property
    def text(self) -> str:
        """The bytes that are digested."""
        said: dict[str, Any] = {
            **vars(self),
            "ledger_id": ids.text(self.ledger_id),
            "resolved": {name: [ids.text(one) for one in found] for name, found in self.resolved.items()},
            "list_digest": spelling.to_base64(self.list_digest),
            "keys_digest": spelling.to_base64(self.keys_digest),
        }
        return dump({name: said[name] for name in _MANIFEST})

    @classmethod
    def parse(cls, text: str) -> Manifest:
        """The manifest that is written so; raises ExportInvalid."""
        try:
            return _manifest(json.loads(text))
        except (ValueError, RecursionError) as error:
            raise ExportInvalid("head", f"the manifest: {error}") from error


@dataclass(frozen=True, kw_only=True)
class Head:
    """The first line."""

    salt: bytes
    manifest: Manifest
    event: bytes
    """Stored bytes of the `TrailRead` that recorded the manifest."""
    request_key: bytes | None
    request: Any | None
    """Who asked, and why, as the auditor's client said it."""
    receipt: str
    consistency: tuple[bytes, ...]
    """From the manifest's checkpoint to the receipt's."""

    def write(self) -> bytes:
        """The line, its newline included."""
        said = {
            "trail_export": FORMAT,
            "salt": spelling.to_base64(self.salt),
            "manifest": None,
            "event": spelling.to_base64(self.event),
            "request_key": _key(self.request_key),
            "request": self.request,
            "receipt": self.receipt,
            "consistency": [spelling.to_base64(one) for one in self.consistency],
        }
        before, _, after = dump(said).partition('"manifest":null')
        return f'{before}"manifest":{self.manifest.text}{after}\n'.encode()


@dataclass(frozen=True, kw_only=True)
class Line:
    """One event."""

    index: int
    event: bytes
    """Stored bytes."""
    proof: tuple[bytes, ...]
    """Of inclusion in the manifest's checkpoint, the leaf's sibling first."""
    request_key: bytes | None
    """The key of the sealed part `request`; None: there is none, or it opens no more."""
    request: Any | None

    def write(self) -> bytes:
        """The line, its newline included."""
        said = {
            "index": self.index,
            "event": spelling.to_base64(self.event),
            "proof": [spelling.to_base64(one) for one in self.proof],
            "request_key": _key(self.request_key),
            "request": self.request,
        }
        return f"{dump(said)}\n".encode()


class Digests:
    """The two digests over the lines of an export, taken line by line."""

    def __init__(self, suite: suites.Suite) -> None:
        self._digest = suite.digest
        self.listed = self._digest(cbor.encode([_PURPOSE, FORMAT, "list"]))
        """Over index and leaf hash of every event: whoever has the log's tiles can take it."""
        self.keys = self._digest(cbor.encode([_PURPOSE, FORMAT, "keys"]))
        """Over index and key of every opened part."""

    def add(self, index: int, leaf: bytes, request_key: bytes | None) -> None:
        """Take the next line in."""
        self.listed = self._digest(cbor.encode([self.listed, index, leaf]))
        self.keys = self._digest(cbor.encode([self.keys, index, request_key]))


def digest(salt: bytes, manifest: str, *, suite: suites.Suite) -> bytes:
    """What the event says of a manifest: digest(salt ‖ manifest). Without the salt nobody can guess at it."""
    return suite.digest(cbor.encode([salt, manifest]))


def dump(content: Any) -> str:
    """Compact JSON, members in order, characters as themselves: the one spelling of a line."""
    return json.dumps(content, ensure_ascii=False, separators=(",", ":"))


def parse_head(line: bytes) -> Head:
    """The first line; raises ExportInvalid."""
    try:
        said = trust_json.members(_load(line), *_HEAD)
        if type(said["trail_export"]) is not int or said["trail_export"] != FORMAT:
            raise trust_json.TrustInvalid("an unknown format")
        head = Head(
            salt=trust_json.blob(said["salt"]),
            manifest=_manifest(said["manifest"]),
            event=trust_json.blob(said["event"]),
            request_key=_read_key(said["request_key"]),
            request=said["request"],
            receipt=trust_json.text(said["receipt"]),
            consistency=tuple(trust_json.blob(one) for one in trust_json.array(said["consistency"])),
        )
        _require_spelled(head.write(), line)
    except (ValueError, RecursionError) as error:
        raise ExportInvalid("head", f"the first line: {error}") from error
    return head


def with_receipt(
    data: bytes,
    *,
    stored: Callable[[int], bytes],
    fresh: Callable[[int], str],
    consistency: Callable[[int, int], list[bytes]],
    suite: suites.Suite,
) -> bytes:
    """The export with a fresh receipt; raises ExportInvalid when the ledger did not record it so.

    `stored` gives the bytes at an index, `fresh` a receipt, `consistency` the proof between two sizes.
    """
    first, _, rest = data.partition(b"\n")
    head = parse_head(first + b"\n")
    try:
        index = receipt.parse(head.receipt).index
    except receipt.ReceiptInvalid as error:
        raise ExportInvalid("receipt", str(error)) from error
    kept = stored(index)
    named = event.parse(kept).fact.get("manifest_digest")
    if kept != head.event or named != digest(head.salt, head.manifest.text, suite=suite):
        raise ExportInvalid("manifest", "the ledger has not recorded this export at its index")
    made = fresh(index)
    sizes = (tree_size(head.manifest.checkpoint), tree_size(receipt.parse(made).checkpoint))
    return replace(head, receipt=made, consistency=tuple(consistency(*sizes))).write() + rest


def tree_size(checkpoint: str) -> int:
    """The size of the tree of a checkpoint that is the ledger's own."""
    return note.parse_checkpoint(note.taken_apart(checkpoint)[0]).size


def parse_line(line: bytes) -> Line:
    """A further line; raises ExportInvalid."""
    try:
        said = trust_json.members(_load(line), *_LINE)
        found = Line(
            index=trust_json.number(said["index"], "index"),
            event=trust_json.blob(said["event"]),
            proof=tuple(trust_json.blob(one) for one in trust_json.array(said["proof"])),
            request_key=_read_key(said["request_key"]),
            request=said["request"],
        )
        _require_spelled(found.write(), line)
    except (ValueError, RecursionError) as error:
        raise ExportInvalid("line", str(error)) from error
    return found


def _manifest(item: Any) -> Manifest:
    said = trust_json.members(item, *_MANIFEST)
    if not isinstance(said["query"], dict) or not isinstance(said["resolved"], dict):
        raise trust_json.TrustInvalid("a query is an object")
    counts = ("partition", "since_index", "until_index", "through", "events")
    return Manifest(
        ledger_id=ids.parse(trust_json.text(said["ledger_id"])),
        origin=trust_json.text(said["origin"]),
        query=said["query"],
        resolved={
            name: tuple(ids.parse(trust_json.text(one)) for one in trust_json.array(found))
            for name, found in said["resolved"].items()
        },
        is_all=trust_json.flag(said["is_all"], "is_all"),
        checkpoint=trust_json.text(said["checkpoint"]),
        list_digest=trust_json.blob(said["list_digest"]),
        keys_digest=trust_json.blob(said["keys_digest"]),
        **{name: trust_json.number(said[name], name) for name in counts},
    )


def _load(line: bytes) -> Any:
    if len(line) > LINE_BYTES_MAX:
        raise trust_json.TrustInvalid(f"a line has at most {LINE_BYTES_MAX} bytes")
    return json.loads(line.decode())


def _require_spelled(written: bytes, line: bytes) -> None:
    if written != line:
        raise trust_json.TrustInvalid("not written as its format says, or cut short")


def _key(key: bytes | None) -> str | None:
    return None if key is None else spelling.to_base64(key)


def _read_key(item: Any) -> bytes | None:
    return None if item is None else trust_json.blob(item)
