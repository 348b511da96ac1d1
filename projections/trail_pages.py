"""Pages of the audit trail: by one subject or several at once, between two indexes or two instants.

A page costs the same however long the trail is: the rarest subject leads through its postings, the
others are looked for in the same blocks, and every event found is asked itself whether it belongs. A
search that finds little gives up after a bounded walk; its page is short and says where to go on.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, get_args

from ledger import errors, fact, state
from projections import db, finding, paging, postings, sql, trail
from projections.projection import Happened, licenses_of
from signing import event

Subject = Literal[
    "case", "license", "holder", "finding", "operator", "reason", "item", "requester", "issuer", "channel"
]
"""The rarest first: the first of those asked for leads."""
VALUES_MAX: dict[Subject, int] = {"holder": 16, "operator": 64}
"""Streams of a holder, clients of an operator; every other subject has one value."""
WALK_MAX = 2_048
"""Blocks, events of a holder, or events that do not belong, that one page walks through at most."""
CHANGES_MAX = 10_000
"""Changes of one license."""
LATE_CHANGES_MAX = 100
"""Changes of one license among which that of a use in delay is looked for: the newest."""
BLOCKS_AT_FIRST = 4
EVENTS_A_STEP = 256
"""Events of a holder that are asked at once whether they belong to the other subjects too."""


@dataclass(frozen=True, kw_only=True)
class Query:
    """Which events are asked for: those found under every one of the subjects."""

    subjects: Mapping[Subject, Sequence[bytes | str]] = field(default_factory=dict)
    """References and stream ids as bytes, codes and numbers as text. A holder may have several streams, a
    person be the operator of several clients; no subject at all: every event."""
    since_index: int = 0
    until_index: int = paging.INDEX_MAX
    recorded_from: int | None = None
    """Microseconds: the first instant of the period."""
    recorded_until: int | None = None
    """Microseconds: the first instant after the period."""
    is_newest_first: bool = True
    accepts: Callable[[trail.TrailRow], bool] | None = None
    """What the projection alone cannot say of a row."""

    def check(self) -> None:
        """Nothing when subjects and values fit; raises Invalid."""
        if not self.subjects.keys() <= set(get_args(Subject)):
            raise errors.Invalid("not a subject of the trail", field="subject")
        for name, values in self.subjects.items():
            if not 1 <= len(values) <= VALUES_MAX.get(name, 1):
                raise errors.Invalid(f"a subject {name} has not so many values", field="value")

    def identity(self) -> list[list[tuple[int, bytes]]]:
        """What tells a query from others; not further clients of an operator, which come between pages."""
        operators = postings.KINDS["operator"]
        return [values[:1] if values[0][0] == operators else values for values in self.named()]

    def named(self) -> list[list[tuple[int, bytes]]]:
        """The subjects as (kind, value), one list for each, the rarest first."""
        return [
            [
                (postings.KINDS[name], value.encode() if isinstance(value, str) else value)
                for value in self.subjects[name]
            ]
            for name in get_args(Subject)
            if name in self.subjects
        ]


class Pages:
    """Reads the trail."""

    def __init__(self, database: db.Database, *, cursor_key: bytes) -> None:
        self._database = database
        self._cursors = paging.Cursors(cursor_key)

    def page(
        self, query: Query, *, limit: int = 100, cursor: str | None = None
    ) -> paging.Page[trail.TrailRow]:
        """One page of the events that `query` asks for; raises Invalid or Unavailable."""
        query.check()
        first = paging.Bounds(
            since=query.since_index, until=query.until_index, is_newest_first=query.is_newest_first
        )
        of = ["trail", query.recorded_from, query.recorded_until, query.identity()]

        def fetch(bounds: paging.Bounds, count: int) -> paging.Fetched[trail.TrailRow]:
            through = self._database.position("trail").through
            search = _Search(self._database, query)
            return search.found(search.within(bounds, through), count, through=through)

        return paging.page(self._cursors, cursor, of=of, first=first, limit=limit, fetch=fetch)

    def operators(self, refs: Sequence[bytes]) -> list[bytes]:
        """Those of some operators' references under which the trail has events."""
        subjects = {postings.subject(postings.KINDS["operator"], ref): ref for ref in refs}
        params = {"partition": self._database.partition, "subjects": list(subjects), "limit": len(subjects)}
        return [subjects[one] for (one,) in self._database.read(sql.load("trail")["posted"], params)]

    def first_recorded_from(self, at: int) -> int:
        """The first index whose event was recorded at `at` or later, or the next to come."""
        return _Search(self._database, Query()).first_recorded_from(at)

    def changes(self, license_ref: bytes) -> tuple[int, list[Happened]]:
        """The index come through, and everything that made or changed a license, the first first."""
        params = {
            "partition": self._database.partition,
            "license_ref": license_ref,
            "limit": CHANGES_MAX + 1,
        }
        rows = self._database.read(sql.load("trail")["changes"], params)
        through, found = db.page_of(rows, lambda row: int(row[0]))
        if len(found) > CHANGES_MAX:
            raise errors.Unavailable("a license has changed more often than one answer can tell")
        return through, _events(self._database, found)


def _events(database: db.Database, indexes: Sequence[int]) -> list[Happened]:
    """The events at some indexes, the first first."""
    params = {
        "partition": database.partition,
        "positions": sorted(index + 1 for index in indexes),
        "limit": len(indexes),
    }
    found = database.read(sql.load("trail")["events"], params)
    return [_happened(index, data) for index, data in found]


class _Search:
    """One page's way through the events."""

    def __init__(self, database: db.Database, query: Query) -> None:
        self._database = database
        self._texts = sql.load("trail")
        self._query = query
        self._order = "DESC" if query.is_newest_first else "ASC"
        self._named = query.named()
        self._leads = self._named[0] if self._named else None
        others = [values for values in self._named[1:] if values[0][0] != postings.KINDS["holder"]]
        self._others = {
            postings.subject(*one): place for place, values in enumerate(others) for one in values
        }
        """The subjects that do not lead, each with its place among them."""
        self._places = len(others)
        self._walked = self._hits = 0

    def within(self, bounds: paging.Bounds, through: int) -> paging.Bounds:
        """The bounds, cut to what was followed and to the period."""
        since, until = bounds.since, min(bounds.until, through)
        if self._query.recorded_from is not None:
            since = max(since, self._recorded_from(self._query.recorded_from, through))
        if self._query.recorded_until is not None:
            until = min(until, self._recorded_from(self._query.recorded_until, through) - 1)
        return replace(bounds, since=since, until=until)

    def found(self, bounds: paging.Bounds, count: int, *, through: int) -> paging.Fetched[trail.TrailRow]:
        """As many rows as asked for, or those found until the search gives up."""
        rows: list[tuple[int, trail.TrailRow]] = []
        rest: paging.Bounds | None = bounds
        while rest is not None and rest.since <= rest.until and len(rows) < count:
            if self._walked >= WALK_MAX:
                return paging.Fetched(through=through, rows=rows, rest=rest)
            indexes, rest = self._candidates(rest, count - len(rows))
            found = self._rows(indexes)
            # Who asks of each event more than postings say reads more for each.
            self._walked += len(indexes) - len(found)
            rows += [(row.index, row) for row in found]
        return paging.Fetched(through=through, rows=rows)

    def _candidates(self, bounds: paging.Bounds, wanted: int) -> tuple[list[int], paging.Bounds | None]:
        """Indexes at which the next events may be, and where to go on; None: nowhere."""
        if self._leads is None:
            indexes = self._ordered(range(bounds.since, bounds.until + 1), wanted)
            return indexes, bounds.after(indexes[-1])
        if self._leads[0][0] == postings.KINDS["holder"]:
            return self._of_streams(bounds, wanted)
        return self._posted(bounds, wanted)

    def _of_streams(self, bounds: paging.Bounds, wanted: int) -> tuple[list[int], paging.Bounds | None]:
        assert self._leads is not None, "a holder leads"
        limit = wanted if len(self._named) == 1 else EVENTS_A_STEP
        params = {
            "partition": self._database.partition,
            "values": [uuid.UUID(bytes=value) for _, value in self._leads],
            "since": bounds.since,
            "until": bounds.until,
            "limit": limit,
        }
        found = self._database.read(self._texts["streams"].format(order=self._order), params)
        indexes = [index for (index,) in found]
        self._walked += len(indexes)
        return indexes, bounds.after(indexes[-1]) if len(indexes) == limit else None

    def _posted(self, bounds: paging.Bounds, wanted: int) -> tuple[list[int], paging.Bounds | None]:
        """A few blocks first, then as many as their yield lets expect."""
        assert self._leads is not None, "a subject leads"
        expected = wanted * self._walked // max(1, self._hits) + 1
        limit = min(max(BLOCKS_AT_FIRST, expected), WALK_MAX - self._walked)
        params = {
            "partition": self._database.partition,
            "subjects": [postings.subject(*one) for one in self._leads],
            "first": bounds.since // postings.BLOCK,
            "last": bounds.until // postings.BLOCK,
            "limit": limit,
        }
        found = self._database.read(self._texts["postings"].format(order=self._order), params)
        self._walked += len(found)
        others = self._shared([block for block, _ in found])
        indexes: list[int] = []
        for block, offsets in found:
            inside = {n for n in postings.unpack(block, offsets) if bounds.since <= n <= bounds.until}
            inside = inside.intersection(*others.get(block, ()))
            indexes += self._ordered(inside, wanted - len(indexes))
            self._hits += len(inside)
            if len(indexes) == wanted:
                return indexes, bounds.after(indexes[-1])
        return indexes, bounds.after(self._edge(found[-1][0])) if len(found) == limit else None

    def _shared(self, blocks: list[int]) -> dict[int, list[list[int]]]:
        """For each block a list of indexes for each of the other subjects."""
        if not self._others or not blocks:
            return {}
        params = {
            "partition": self._database.partition,
            "others": list(self._others),
            "blocks": sorted(blocks),
            "limit": len(self._others) * len(blocks),
        }
        shared: dict[int, list[list[int]]] = {block: [[] for _ in range(self._places)] for block in blocks}
        for one, block, offsets in self._database.read(self._texts["other_postings"], params):
            shared[block][self._others[one]] += postings.unpack(block, offsets)
        return shared

    def _edge(self, block: int) -> int:
        """The last index of a block in the order of the page."""
        return block * postings.BLOCK + (0 if self._query.is_newest_first else postings.BLOCK - 1)

    def _ordered(self, indexes: Collection[int], count: int) -> list[int]:
        if isinstance(indexes, range):
            chosen = indexes[::-1] if self._query.is_newest_first else indexes
            return list(chosen[:count])
        return sorted(indexes, reverse=self._query.is_newest_first)[:count]

    def _rows(self, indexes: Sequence[int]) -> list[trail.TrailRow]:
        """The rows of the events at some indexes that belong to every subject, in the order given."""
        happened = _events(self._database, indexes)
        licenses, authorizations = trail.named(happened)
        known = trail.Known(
            self._database.rows(trail.LicenseRow, licenses),
            self._database.rows(trail.AuthorizationRow, authorizations),
            *self._findings(happened),
        )
        rows = [trail.row(item, known) for item in happened if self._belongs(item, known)]
        accepts = self._query.accepts
        if accepts is not None:
            rows = [row for row in rows if accepts(row)]
        return rows[::-1] if self._query.is_newest_first else rows

    def _findings(
        self, happened: Sequence[Happened]
    ) -> tuple[dict[state.Key, finding.CaseRow], dict[int, Happened]]:
        """The cases that some events name, and in whose delay they lie, for a list of findings."""
        asked = self._query.subjects.get("finding")
        if asked is None:
            return {}, {}
        cases = self._database.rows(finding.CaseRow, {key for item in happened for key in finding.keys(item)})
        return cases, self._late_changes(happened) if finding.IN_DELAY in asked else {}

    def _late_changes(self, happened: Sequence[Happened]) -> dict[int, Happened]:
        """Index of a use to the first change in whose delay it lies."""
        used = [(licenses_of(item.fact)[0], item) for item in happened if finding.is_look(item.fact)]
        if not used:
            return {}
        params = {
            "partition": self._database.partition,
            "refs": sorted({ref for ref, _ in used}),
            "after": min(item.index for _, item in used),
            "unlike": [one.__name__ for one in trail.DISPUTING],
            "limit": LATE_CHANGES_MAX,
        }
        found = self._database.read(self._texts["changes_of"], params)
        changes = {item.index: item for item in _events(self._database, [index for _, index in found])}
        told: dict[int, Happened] = {}
        for changed, index in found:
            change = changes[index]
            for ref, item in used:
                if ref == changed and finding.is_late(change) and finding.is_in_delay(item, change):
                    told.setdefault(item.index, change)
        return told

    def _belongs(self, item: Happened, known: trail.Known) -> bool:
        said = set(trail.subjects(item, known))
        return all(not said.isdisjoint(values) for values in self._named)

    def first_recorded_from(self, at: int) -> int:
        """The first index followed whose event was recorded at an instant or later, or the next to come."""
        return self._recorded_from(at, self._database.position("trail").through)

    def _recorded_from(self, at: int, through: int) -> int:
        """The first index whose event was recorded at `at` or later; `through` + 1 when none was."""
        text = self._texts["recorded_from"].format(block=postings.BLOCK)
        params = {"partition": self._database.partition, "at": at, "bound": through + 1}
        ((index,),) = self._database.read(text, params)
        return int(index)


def _happened(index: int, data: bytes) -> Happened:
    about = event.parse(data)
    return Happened(index, about, fact.from_event(about))
