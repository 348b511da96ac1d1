"""What auditors look for among the events: uses that no case explains, and what was recorded too late.

A finding is a subject of the trail like any other, so that its list has pages, periods and further subjects.
It is not said by one event alone: what is recorded later of a case or a license makes one and takes it away.
`mark` keeps the postings as the events so far have it; `of` says it of one event, and whoever reads a list
asks it again. No code stands here: parties are streams.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass

from ledger import case, comparison, correction, fact, license, mark, rooms, state, use
from projections import db, postings, sql
from projections.projection import Happened, licenses_of
from signing import event

WITHOUT_CASE = "uses-without-case"
AFTER_END = "uses-after-end"
OF_NO_PARTY = "uses-of-no-party"
WITHOUT_RESULT = "cases-without-result"
IN_DELAY = "uses-in-delay"
NAMES = (WITHOUT_CASE, AFTER_END, OF_NO_PARTY, WITHOUT_RESULT, IN_DELAY)
BLOCKS_MAX = 64
"""Blocks of events of one case or license that are looked through again: the newest before the fact."""
LOOKS = (use.LicenseUsed, comparison.LicenseCompared)
_LOOK_TOPICS = (*rooms.grants(), comparison.LicenseCompared.__name__)
_VERSION_TOPICS = (
    *(license.LicenseIssued.__name__, license.LicenseAmended.__name__, license.LicenseRenewed.__name__),
    *(license.LicenseReplaced.__name__, correction.LicenseHolderCorrected.__name__),
)
_UNKNOWN = frozenset({WITHOUT_CASE})
"""Of a use for a case of which nothing was ever said."""
key = functools.lru_cache(maxsize=65_536)(case.key)


@dataclass(frozen=True, kw_only=True)
class CaseRow(state.Row):
    """A case, as far as anything was said of it."""

    table = "trail_cases"
    case_key: bytes
    spans: tuple[str, ...]
    """As in `ledger.state.CaseRow`."""
    missing: tuple[str, ...]
    """Types of which it was to result in a license that has not come."""


def is_look(made: fact.Fact) -> bool:
    """Whether somebody was told something of a license for a case; what is public needs none."""
    return isinstance(made, LOOKS) and getattr(made, "public_type", None) is None


def of(item: Happened, row: CaseRow | None) -> Set[str]:
    """The findings about cases that an event is one of, as far as the ledger knows the parties.

    `row` is the case of the organization that the event names. That a stream is no party may turn out
    otherwise: files are joined, and parties become known.
    """
    if isinstance(item.fact, case.CaseClosed):
        is_missing = row is not None and bool(row.missing) and _closed_index(spans(row)) == item.index
        return {WITHOUT_RESULT} if is_missing else set()
    if not is_look(item.fact):
        return set()
    return _of_look(item.about, row)


def _of_look(about: event.Event, row: CaseRow | None) -> Set[str]:
    if row is None:
        return _UNKNOWN
    known = spans(row)
    found = set() if case.is_opened(known) else {WITHOUT_CASE}
    ended_at = case.ended_at(known)
    if ended_at is not None and ended_at <= about.recorded_at:
        found.add(AFTER_END)
    parties = {stream_id for one in known for stream_id in one.parties}
    if any(one.named for one in known) and about.stream_id not in parties:
        found.add(OF_NO_PARTY)
    return found


def spans(row: CaseRow) -> list[case.Span]:
    """What is known of a case."""
    return case.parsed(row.spans)


def is_late(item: Happened) -> bool:
    """Whether a fact holds since before it was recorded and would have changed what a use was told."""
    made, about = item.fact, item.about
    if about.effective_at >= about.recorded_at:
        return False
    if isinstance(made, license.StatusChange):
        return made.after != "active"
    if isinstance(made, mark.MarkChange):
        return made.is_set
    return isinstance(made, license.NextVersion)


def is_in_delay(used: Happened, change: Happened) -> bool:
    """Whether a use was recorded between the effect of a change and its recording."""
    return used.index < change.index and used.about.recorded_at >= change.about.effective_at


def mark_all(
    work: db.Work,
    happened: Sequence[Happened],
    place: Callable[[int], postings.Postings],
    type_of: Callable[[bytes], str | None],
) -> None:
    """Post what the facts are among, and take away what they explain.

    `place` gives the postings to which those of an index belong, `type_of` the type of a license that the
    facts name.
    """
    marks = _Marks(work, place)
    _mark_delays(work, happened, marks)
    _Cases(work, happened, marks, type_of).mark()
    marks.save()


class _Marks:
    """Postings of findings."""

    def __init__(self, work: db.Work, place: Callable[[int], postings.Postings]) -> None:
        self._work = work
        self._place = place
        self._gone: dict[tuple[int, int], set[int]] = {}
        """(subject, block) to the indexes that are found there no more."""

    def add(self, name: str, index: int) -> None:
        self._place(index).add(index, (_subject(name),))

    def remove(self, name: str, index: int) -> None:
        subject = _subject(name)
        if not self._place(index).drop(index, subject):
            self._gone.setdefault((subject, index // postings.BLOCK), set()).add(index)

    def save(self) -> None:
        """Take away what is stored; what was added is stored with the other postings."""
        if not self._gone:
            return
        work, texts = self._work, sql.load("trail")
        subjects, blocks = zip(*sorted(self._gone), strict=True)
        stored = work.run(texts["some_postings"], (list(subjects), list(blocks), work.partition))
        left: list[tuple[int, int, bytes]] = []
        for subject, block, offsets in stored:
            indexes = postings.unpack(block, offsets)
            kept = [index for index in indexes if index not in self._gone[subject, block]]
            left.append((subject, block, postings.pack(kept)))
        if left:
            work.run(texts["set_postings"], (*map(list, zip(*left, strict=True)), work.partition))
            work.run(texts["drop_postings"], (list(subjects), list(blocks), work.partition))


@functools.cache
def _subject(name: str) -> int:
    return postings.subject(postings.KINDS["finding"], name.encode())


class _Earlier:
    """What was recorded before some facts under the same subject: what is stored, and what comes with them.

    The newest blocks before a fact are looked through, whatever the batches in which the facts come.
    """

    def __init__(
        self,
        work: db.Work,
        happened: Sequence[Happened],
        *,
        kind: str,
        first_blocks: Mapping[bytes, int],
        topics: Sequence[str],
    ) -> None:
        self._found: dict[bytes, list[Happened]] = {value: [] for value in first_blocks}
        self._blocks: dict[bytes, list[tuple[int, int]]] = {value: [] for value in first_blocks}
        """(index from which it counts, block)."""
        if not first_blocks:
            return
        values = {postings.subject(postings.KINDS[kind], value): value for value in first_blocks}
        texts, firsts = sql.load("trail"), [first_blocks[value] for value in values.values()]
        stored = work.run(texts["earlier_postings"], (list(values), firsts, work.partition, BLOCKS_MAX))
        positions = set()
        for subject, block, offsets in stored:
            self._blocks[values[subject]].append((-1, block))
            positions |= {index + 1 for index in postings.unpack(block, offsets)}
        earlier = (work.partition, sorted(positions), list(topics))
        for index, data in work.run(texts["earlier_events"], earlier):
            about = event.parse(data)
            self._take(Happened(index, about, fact.from_event(about)), kind)
        for item in happened:
            for value in _values(item, kind):
                if value in self._blocks:
                    self._blocks[value].append((item.index, item.index // postings.BLOCK))
            if item.about.topic in topics:
                self._take(item, kind)

    def _take(self, item: Happened, kind: str) -> None:
        for value in _values(item, kind):
            if value in self._found:
                self._found[value].append(item)

    def before(self, index: int, value: bytes) -> list[Happened]:
        """What was recorded before an index."""
        blocks = sorted({block for since, block in self._blocks[value] if since < index})[-BLOCKS_MAX:]
        seen = frozenset(blocks)
        return [
            item for item in self._found[value] if item.index < index and item.index // postings.BLOCK in seen
        ]


def _values(item: Happened, kind: str) -> Sequence[bytes]:
    """Under which cases or licenses an event is posted."""
    if kind == "license":
        return licenses_of(item.fact)
    return () if item.about.case_number is None else (item.about.case_number.encode(),)


def _mark_delays(work: db.Work, happened: Sequence[Happened], marks: _Marks) -> None:
    """Post the uses that were made between the effect of a change and its recording."""
    late = [(item, licenses_of(item.fact)[0]) for item in happened if is_late(item)]
    if not late:
        return
    times = sorted({item.about.effective_at for item, _ in late})
    blocks = dict(work.run(sql.load("trail")["blocks_at"], (work.partition, times)))
    firsts: dict[bytes, int] = {}
    for item, ref in late:
        first = blocks[item.about.effective_at]
        firsts[ref] = min(first, firsts.get(ref, first))
    earlier = _Earlier(work, happened, kind="license", first_blocks=firsts, topics=_LOOK_TOPICS)
    for item, ref in late:
        for used in earlier.before(item.index, ref):
            if is_in_delay(used, item):
                marks.add(IN_DELAY, used.index)


class _Cases:
    """What some facts say of cases, and what follows for the events that name them."""

    def __init__(
        self,
        work: db.Work,
        happened: Sequence[Happened],
        marks: _Marks,
        type_of: Callable[[bytes], str | None],
    ) -> None:
        self._work, self._marks, self._type_of = work, marks, type_of
        self._happened = [item for item in happened if _is_of_case(type(item.fact))]  # type: ignore[arg-type]
        said = [item for item in self._happened if isinstance(item.fact, case.CaseFact)]
        has_cases = bool(said) or bool(work.run(sql.load("trail")["any_case"], (work.partition,)))
        named = {key for item in self._happened for key in keys(item)} if has_cases else set()
        self._rows = work.rows(CaseRow, named)
        self._before = dict(self._rows)
        numbers = {item.about.case_number.encode(): 0 for item in said if item.about.case_number is not None}
        topics = (*_LOOK_TOPICS, *_VERSION_TOPICS)
        self._earlier = _Earlier(work, happened, kind="case", first_blocks=numbers, topics=topics)

    def mark(self) -> None:
        """Go through the facts in their order."""
        for item in self._happened:
            if is_look(item.fact):
                for name in _of_look(item.about, self._row(item)):
                    self._marks.add(name, item.index)
            elif isinstance(item.fact, case.CaseFact):
                self._take_case(item, item.fact)
            elif isinstance(item.fact, license.VersionFact):
                self._take_version(item, item.fact)
        changed = [row for at, row in self._rows.items() if row is not self._before.get(at)]
        self._work.save(changed)

    def _row(self, item: Happened) -> CaseRow | None:
        if not self._rows or item.about.case_number is None:
            return None
        return self._rows.get(keys(item)[0])

    def _take_case(self, item: Happened, made: case.CaseFact) -> None:
        about, before = item.about, self._row(item)
        assert about.case_number is not None, "the rule saw a number"
        earlier = [
            one
            for one in self._earlier.before(item.index, about.case_number.encode())
            if about.organization in (one.about.organization, one.about.issuer)
        ]
        known = [] if before is None else spans(before)
        missing = () if before is None else before.missing
        if isinstance(made, case.CaseOpened):
            opened = made.span_of(
                about.effective_at, item=about.service_item, channel=about.channel, index=item.index
            )
            after = case.after_opening(known, opened)
            if after[-1].closed_at is None and missing:
                # Opened again: nothing is to have come of it yet.
                self._marks.remove(WITHOUT_RESULT, _closed_index(known))
                missing = ()
        else:
            assert isinstance(made, case.CaseClosed), "the other of the two"
            closing = made.closing
            after = case.after_closing(known, at=about.effective_at, index=item.index, closing=closing)
            missing = self._missing(made, earlier)
            if missing:
                self._marks.add(WITHOUT_RESULT, item.index)
        row = CaseRow(case_key=keys(item)[0], spans=tuple(one.text for one in after), missing=missing)
        self._rows[row.case_key] = row
        for one in earlier:
            if is_look(one.fact) and one.about.organization == about.organization:
                was, is_now = _of_look(one.about, before), _of_look(one.about, row)
                for name in sorted(was - is_now):
                    self._marks.remove(name, one.index)
                for name in sorted(is_now - was):
                    self._marks.add(name, one.index)

    def _missing(self, made: case.CaseClosed, earlier: Sequence[Happened]) -> tuple[str, ...]:
        """Types of which no license has come, of those that are named or that were made in the case."""
        come = {self._type_of(ref) for ref in made.license_refs}
        come |= {one.fact.type_code for one in earlier if isinstance(one.fact, license.VersionFact)}
        return tuple(type_code for type_code in made.type_codes if type_code not in come)

    def _take_version(self, item: Happened, made: license.VersionFact) -> None:
        """A license that a closed case was to result in has come."""
        for at in keys(item):
            row = self._rows.get(at)
            if row is None or made.type_code not in row.missing:
                continue
            missing = tuple(type_code for type_code in row.missing if type_code != made.type_code)
            self._rows[at] = state.altered(row, missing=missing)
            if not missing:
                self._marks.remove(WITHOUT_RESULT, _closed_index(spans(row)))


def _closed_index(known: Sequence[case.Span]) -> int:
    index = known[-1].closed_index
    assert index is not None, "the case was closed"
    return index


@functools.cache
def _is_of_case(kind: type[fact.Fact]) -> bool:
    """Asked of every event of a ledger, and answered once a topic."""
    return issubclass(kind, (*LOOKS, license.VersionFact, case.CaseFact))


def keys(item: Happened) -> list[bytes]:
    """The cases that an event may be of: of who acted, and of the issuer that it acted for."""
    about = item.about
    if about.case_number is None or not _is_of_case(type(item.fact)):  # type: ignore[arg-type]
        return []
    if about.issuer in (None, about.organization):
        return [key(about.organization, about.case_number)]
    assert about.issuer is not None, "another than who acted"
    return [key(about.organization, about.case_number), key(about.issuer, about.case_number)]
