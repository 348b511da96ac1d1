"""Verdicts on exports of the trail: that every event is proven and asked for, and what another file shows.

An export says that it has all that its query finds. Whoever has a file with an event that the query finds
and the export has not, holds the proof of the contrary: `of_export` with `against` looks for it.
"""

from __future__ import annotations

import io
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from api import verdicts_log
from api.verdicts import DEMONSTRATION, Verdict
from ledger import audit_export, audit_judging, bundle, days, errors, fact
from projections import postings, projection, trail
from signing import event, ids, merkle, receipt, spelling, trust

NEEDS_FRESH = "needs a fresh receipt"
OMITS = "omits events"
SPLIT = "split view"
OMITTED_TOLD_MAX = 20
_MEMBERS = frozenset(audit_judging.SUBJECTS) | frozenset(
    ("recorded_from", "recorded_until", "since_index", "until_index", "grace_days")
)
"""Of a query."""
_FROM_OTHERS = frozenset({"requester", "issuer", "finding"})
"""Subjects under which an event may be found by what other events say of its license or authorization."""


def of_export(
    lines: Iterable[bytes],
    file: trust.TrustFile,
    *,
    is_witnessed: bool = False,
    against: bytes | None = None,
) -> Verdict:
    """The verdict on an export; raises Invalid when what it is held against cannot be judged itself."""
    collected = _Collected()
    try:
        proven = audit_judging.judge(lines, trusted=file, seen=collected.see)
        query = _query(proven.manifest)
    except audit_export.ExportInvalid as error:
        word = NEEDS_FRESH if error.fault == "compromised" else "refused"
        return Verdict(is_good=False, word=word, lines=(str(error),), details={"fault": error.fault})
    verdict = verdicts_log.with_witnesses(
        _told(proven, collected.topics), proven.ledger, proven.manifest.checkpoint, is_asked=is_witnessed
    )
    if against is None or not verdict.is_good:
        return verdict
    return _held(verdict, query, proven.manifest, collected.known, _others(against, file))


def lines_of(stream: Any, *, first: bytes) -> Iterator[bytes]:
    """The lines of a file of which the first was read, none longer than a line can be."""
    yield first
    while line := stream.readline(audit_export.LINE_BYTES_MAX + 1):
        yield line


class _Query:
    """Which events a manifest's query finds, as far as an event says it itself."""

    def __init__(self, manifest: audit_export.Manifest) -> None:
        query = manifest.query
        if not query.keys() <= _MEMBERS:
            raise ValueError
        self.indexes = _indexes(manifest)
        self._named = {
            audit_judging.SUBJECTS[name]: _values(manifest, name)
            for name in audit_judging.SUBJECTS
            if name in query
        }
        self._from, self._until = (
            days.parse_instant(query[name]) if name in query else None
            for name in ("recorded_from", "recorded_until")
        )

    @property
    def is_of_findings(self) -> bool:
        """Whether it asks for what no event says itself."""
        return "finding" in self._named

    def refuses(self, one: projection.Happened) -> bool:
        """Whether an event is none that was asked for, whatever other events say."""
        return not self._is_in_period(one) or bool(self._missing(one) - _FROM_OTHERS)

    def finds(self, one: projection.Happened) -> bool:
        """Whether an event was asked for, whatever other events say."""
        return self._is_in_period(one) and not self._missing(one)

    def _missing(self, one: projection.Happened) -> set[str]:
        said = set(trail.subjects(one, trail.Known({}, {})))
        return {
            name
            for name, values in self._named.items()
            if not any((postings.KINDS[name], value) in said for value in values)
        }

    def _is_in_period(self, one: projection.Happened) -> bool:
        at = one.about.recorded_at
        return (self._from is None or at >= self._from) and (self._until is None or at < self._until)


def _indexes(manifest: audit_export.Manifest) -> range:
    """Of which events the manifest says that whatever the query finds is here; raises ValueError.

    An export that is all says it of every index that the trail had come to, as far as it was asked about: it
    has not looked further only where what follows is not of the period, or may be explained yet.
    """
    query = manifest.query
    last = min(manifest.through, query.get("until_index", manifest.through))
    if query.get("since_index", 0) != manifest.since_index or manifest.until_index > last:
        raise ValueError
    if not manifest.is_all:
        return range(manifest.since_index, manifest.until_index + 1)
    if manifest.until_index < last and not query.keys() & {"recorded_until", "finding"}:
        raise ValueError
    return range(manifest.since_index, last + 1)


def _values(manifest: audit_export.Manifest, name: str) -> tuple[bytes, ...]:
    """What a member of a query is in postings."""
    if name in ("holder", "operator"):
        return manifest.resolved[name]
    said = manifest.query[name]
    return (ids.parse(said) if name == "license_ref" else said.encode(),)


class _Collected:
    """What is kept of the events of an export: how many of each topic, and their leaves."""

    def __init__(self) -> None:
        self.topics: Counter[str] = Counter()
        self.known: dict[int, bytes] = {}
        self._query: _Query | None = None

    def see(self, manifest: audit_export.Manifest, one: audit_judging.Seen) -> None:
        """Take an event in; raises audit_export.ExportInvalid when it is none that was asked for."""
        if self._query is None:
            self._query = _query(manifest)
        if self._query.refuses(projection.Happened(one.index, one.about, one.made)):
            raise audit_export.ExportInvalid(
                "query", f"the event at index {one.index} is none that was asked for"
            )
        self.topics[one.about.topic] += 1
        self.known[one.index] = merkle.leaf_hash(one.data)


def _query(manifest: audit_export.Manifest) -> _Query:
    try:
        return _Query(manifest)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise audit_export.ExportInvalid(
            "query", "the manifest's query is none that a ledger answers"
        ) from error


def _told(proven: audit_judging.Proven, topics: Counter[str]) -> Verdict:
    manifest, recorded = proven.manifest, proven.recorded
    when = days.instant_text(recorded.recorded_at)
    request: dict[str, str] = proven.request or {}
    who = request.get("operator_name", "somebody")
    asked = json.dumps(manifest.query, ensure_ascii=False)
    rest = "all that was asked for" if manifest.is_all else f"more may follow from {manifest.until_index + 1}"
    lines = [
        f"export of {manifest.origin}, recorded at index {proven.index}, {when}",
        f"asked by {recorded.organization}, {who}: {request.get('reason', 'no reason said')}",
        f"query {asked}",
        f"indexes {manifest.since_index} to {manifest.until_index}, {rest}",
        f"{manifest.events} events, each in the tree of {proven.head.size}",
        *(f"{count} {topic}" for topic, count in sorted(topics.items())),
        "that these are all is the ledger's own word, recorded in its log",
    ]
    if proven.unopened:
        lines.append(f"of {proven.unopened} events the request is not shown: it opened no more")
    if proven.ledger.is_demonstration:
        lines.append(DEMONSTRATION)
    details = {
        "origin": manifest.origin,
        "index": proven.index,
        "recorded_at": when,
        "organization": recorded.organization,
        "request": proven.request,
        "query": dict(manifest.query),
        "since_index": manifest.since_index,
        "until_index": manifest.until_index,
        "is_all": manifest.is_all,
        "size": proven.head.size,
        "events": manifest.events,
        "topics": dict(sorted(topics.items())),
        "unopened": proven.unopened,
        "is_demonstration": proven.ledger.is_demonstration,
    }
    return Verdict(is_good=True, word="proven", lines=tuple(lines), details=details)


def _held(
    verdict: Verdict,
    query: _Query,
    manifest: audit_export.Manifest,
    known: Mapping[int, bytes],
    others: Iterable[projection.Happened],
) -> Verdict:
    """The verdict, with what another file shows that the export should have and has not."""
    if query.is_of_findings:
        raise errors.Invalid("no event says by itself what is a finding", field="--against")
    compared, omitted, contradicted = 0, set(), set()
    for one in others:
        if one.about.ledger_id != manifest.ledger_id:
            raise errors.Invalid("the other file is of another ledger", field="--against")
        if one.index in known and known[one.index] != merkle.leaf_hash(event.encode(one.about)):
            contradicted.add(one.index)
        elif one.index in query.indexes and query.finds(one):
            compared += 1
            omitted |= {one.index} - known.keys()
    details = {
        **verdict.details,
        "compared": compared,
        "omitted": sorted(omitted),
        "contradicted": sorted(contradicted),
    }
    if contradicted:
        line = f"the ledger has signed two histories: other events are proven at index {_some(contradicted)}"
        return Verdict(is_good=False, word=SPLIT, lines=(line, *verdict.lines), details=details)
    if omitted:
        line = f"{len(omitted)} events that were asked for are kept back, at index {_some(omitted)}"
        return Verdict(is_good=False, word=OMITS, lines=(line, *verdict.lines), details=details)
    line = f"the other file shows {compared} events that were asked for, and none that is not here"
    return Verdict(is_good=True, word=verdict.word, lines=(*verdict.lines, line), details=details)


def _some(indexes: Iterable[int]) -> str:
    return ", ".join(map(str, sorted(indexes)[:OMITTED_TOLD_MAX]))


def _others(data: bytes, file: trust.TrustFile) -> list[projection.Happened]:
    """The events of an export or a proof bundle; raises Invalid when it does not hold itself."""
    found: list[projection.Happened] = []
    try:
        if data.startswith(audit_export.BEGINNING):
            stream = io.BytesIO(data)
            audit_judging.judge(
                lines_of(stream, first=stream.readline(audit_export.LINE_BYTES_MAX + 1)),
                trusted=file,
                seen=lambda _, one: found.append(projection.Happened(one.index, one.about, one.made)),
            )
            return found
        bundle.judge(data, trusted=file)
    except (audit_export.ExportInvalid, bundle.BundleInvalid) as error:
        raise errors.Invalid(f"the other file: {error}", field="--against") from error
    for use in json.loads(data)["uses"]:
        for name in ("", "license_"):
            if f"{name}event" in use["proof"]:
                about = event.parse(spelling.from_base64(use["proof"][f"{name}event"]))
                index = receipt.parse(use["proof"][f"{name}receipt"]).index
                found.append(projection.Happened(index, about, fact.from_event(about)))
    return found
