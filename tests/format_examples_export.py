"""The worked example of `docs/formats/trail-export.md`: an auditor's export of what one requester did.

`Example` can tell it otherwise too: another list, manifest or recording, each signed by the ledger's own key,
for the tests of what a verifier refuses.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ledger import audit, audit_export, audit_judging, fact
from signing import event, keys, merkle, note, receipt, seal, suites

SUITE = suites.INTL
AUDITOR, AUDITOR_STREAM = "513500000000000353", bytes([0x22]) * 16
AUDITOR_KEY = seal.DataKey(owner=AUDITOR_STREAM, number=0, secret=bytes([0x07]) * 32)
SALT = bytes([0xB0]) * audit_export.SALT_BYTES
REQUEST = {"operator_account": "audit-1", "operator_name": "赵某", "reason": "年度审计"}
NONCES = {"request": bytes([0x74]) * 12, "asked": bytes([0x75]) * 12, "manifest": bytes([0x76]) * 12}
MOMENT = 1_770_080_400_000_000


@dataclass(frozen=True, kw_only=True)
class Example:
    """A ledger of some events, of which an export is made and recorded as its next event."""

    events: Sequence[event.Event]
    origin: str
    log_key: keys.SigningKey
    request_key: seal.DataKey
    """Under which the events' requests are sealed."""
    receipt_key: keys.SigningKey | None = None
    """Under which the recording is proven; None: the log key."""

    @functools.cached_property
    def stored(self) -> list[bytes]:
        return [event.encode(one) for one in self.events]

    @functools.cached_property
    def checkpoint(self) -> str:
        """The signed tree head of the events before the export."""
        return self._signed(self.stored)

    def lines(self, indexes: Sequence[int]) -> list[audit_export.Line]:
        """The events at some indexes."""
        tree = merkle.Extension.of((), 0, [merkle.leaf_hash(data) for data in self.stored])
        return [
            audit_export.Line(
                index=index,
                event=self.stored[index],
                proof=tuple(tree.proof(index)),
                **_opened(self.events[index], self.request_key),
            )
            for index in indexes
        ]

    def manifest(self, lines: Sequence[audit_export.Line], **changes: Any) -> audit_export.Manifest:
        """What is to be said of some lines."""
        digests = audit_export.Digests(SUITE)
        for one in lines:
            digests.add(one.index, merkle.leaf_hash(one.event), one.request_key)
        made = audit_export.Manifest(
            ledger_id=self.events[0].ledger_id,
            origin=self.origin,
            partition=0,
            query={"requester": self.events[1].organization},
            resolved={},
            since_index=0,
            until_index=len(self.events) - 1,
            is_all=True,
            through=len(self.events) - 1,
            checkpoint=self.checkpoint,
            events=len(lines),
            list_digest=digests.listed,
            keys_digest=digests.keys,
        )
        return replace(made, **changes)

    def head(self, manifest: audit_export.Manifest, **changes: Any) -> audit_export.Head:
        """The first line, whose event says what `manifest` does, or something else by `changes`."""
        said = {
            "subject": audit_judging.subject(manifest.query),
            "events": manifest.events,
            "through": manifest.through,
            "manifest_digest": audit_export.digest(SALT, manifest.text, suite=SUITE),
            **changes,
        }
        recorded = self.recording(audit.TrailRead(**said), manifest)
        stored = [*self.stored, event.encode(recorded)]
        tree = merkle.Extension.of((), 0, [merkle.leaf_hash(data) for data in stored])
        size = len(self.stored)
        return audit_export.Head(
            salt=SALT,
            manifest=manifest,
            event=stored[-1],
            **_opened(recorded, AUDITOR_KEY),
            receipt=receipt.write(
                index=size, proof=tree.proof(size), checkpoint=self._signed(stored, self.receipt_key)
            ),
            consistency=tuple(
                merkle.consistency_proof(size, size + 1, node=lambda level, at: tree.rows[level][at])
            ),
        )

    def recording(self, made: fact.Fact, manifest: audit_export.Manifest) -> event.Event:
        """The event of an export."""
        about = replace(
            self.events[1],
            event_id=bytes([0x83]) * 16,
            topic=made.topic,
            stream_id=AUDITOR_STREAM,
            effective_at=MOMENT,
            recorded_at=MOMENT,
            client=bytes([0x32]) * 16,
            organization=AUDITOR,
            operator_ref=bytes([0x91]) * 16,
            case_number=None,
            service_item=None,
            fact=fact.to_map(made),
            sealed={},
        )
        asked = json.dumps(dict(manifest.query), ensure_ascii=False)
        parts = {"request": REQUEST, "asked": asked, "manifest": [SALT, manifest.text]}
        sealed = {
            name: seal.seal(
                content, key=AUDITOR_KEY, place=about.place(name), nonce=NONCES[name], suite=SUITE
            )
            for name, content in parts.items()
        }
        return replace(about, sealed=sealed)

    def export(self, indexes: Sequence[int] = (1, 2), **changes: Any) -> bytes:
        """The whole file."""
        lines = self.lines(indexes)
        return written(self.head(self.manifest(lines, **changes)), lines)

    def _signed(self, stored: Sequence[bytes], key: keys.SigningKey | None = None) -> str:
        tree = merkle.Extension.of((), 0, [merkle.leaf_hash(data) for data in stored])
        text = note.Checkpoint(origin=self.origin, size=tree.size, root=tree.root).text
        return note.sign(text, name=self.origin, key=key or self.log_key)


def written(head: audit_export.Head, lines: Sequence[audit_export.Line]) -> bytes:
    """The bytes of a file."""
    return b"".join([head.write(), *(one.write() for one in lines)])


def blocks(example: Example) -> dict[str, str]:
    """Block name to text, without the last newline."""
    lines = example.lines((1, 2))
    manifest = example.manifest(lines)
    steps = {
        "salt": SALT.hex(),
        "manifest_digest": audit_export.digest(SALT, manifest.text, suite=SUITE).hex(),
        "list": [listed for listed, _ in _chain(lines)],
        "keys": [keys_ for _, keys_ in _chain(lines)],
    }
    return {
        "trail-export": example.export().decode().rstrip("\n"),
        "steps": json.dumps(steps, indent=1),
    }


def _chain(lines: Sequence[audit_export.Line]) -> Iterator[tuple[str, str]]:
    """Both digests before the first line and after each."""
    digests = audit_export.Digests(SUITE)
    yield digests.listed.hex(), digests.keys.hex()
    for one in lines:
        digests.add(one.index, merkle.leaf_hash(one.event), one.request_key)
        yield digests.listed.hex(), digests.keys.hex()


def _opened(about: event.Event, key: seal.DataKey) -> dict[str, Any]:
    if "request" not in about.sealed:
        return {"request_key": None, "request": None}
    place = about.place("request")
    part_key = seal.part_key(key, place)
    request = seal.unseal_alone(about.sealed["request"], part_key=part_key, place=place)
    return {"request_key": part_key, "request": request}
