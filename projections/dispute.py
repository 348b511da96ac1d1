"""Disputes 异议/纠错 that wait for their issuers, and those that an organization raised.

What is claimed is sealed and no business of a list. The last day stands as it was promised; whether it is
past, and what has become of one that was provisional, is said by `ledger.dispute`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from ledger import dispute, holder, license, power, state
from projections import db, listing, paging, sql
from projections import tasks as task_lists
from projections.projection import Happened

OPEN, LAPSED = "open", "lapsed"
STATUSES = (OPEN, dispute.UPHELD, dispute.REJECTED, dispute.WITHDRAWN, LAPSED)
"""`lapsed`: the holder was erased before it was settled."""
SLACK_DAYS = 15
"""So much nearer may a last day turn out that was provisional."""
_FILED_BITS = 40
_ALONE = power.Reach()


@dataclass(frozen=True, kw_only=True)
class FiledRow(state.Row):
    """A dispute, and how far it came."""

    table = "filed_disputes"
    dispute_ref: bytes
    stream_id: bytes
    """Where it is settled: of the license's holder, or of who reports that one is missing."""
    license_ref: bytes | None
    kind: str
    raised_by: str
    organization: str
    """Through whose client it came."""
    type_code: str
    issuer: str
    area: str
    """The division in which the license lies."""
    filed_at: int
    filed_index: int
    working_days: int
    due_on: int
    known_until: int
    due_key: int
    """The last day, and within it the order in which they came."""
    status: str
    settled_at: int | None


class Disputes:
    """The projection `dispute`."""

    name: ClassVar[str] = "dispute"
    version: ClassVar[int] = db.VERSIONS["dispute"]
    tables: ClassVar[tuple[str, ...]] = ("filed_disputes",)

    def apply(self, work: db.Work, happened: Sequence[Happened]) -> None:
        """Change the rows that the facts name."""
        refs = {item.fact.dispute_ref for item in happened if isinstance(item.fact, _SETTLED)}
        rows, moved, erased = work.rows(FiledRow, refs), dict[bytes, tuple[bytes, str]](), set[bytes]()
        for item in happened:
            made = item.fact
            if isinstance(made, dispute.DisputeFiled):
                rows[made.dispute_ref] = _filed(item, made)
            elif isinstance(made, _SETTLED):
                outcome = made.outcome if isinstance(made, dispute.DisputeDecided) else dispute.WITHDRAWN
                rows[made.dispute_ref] = state.altered(
                    rows[made.dispute_ref], status=outcome, settled_at=item.about.recorded_at
                )
            elif isinstance(made, license.NextVersion):
                moved[made.license_ref] = item.about.stream_id, made.area_code or ""
            elif isinstance(made, holder.HolderErased):
                erased.add(item.about.stream_id)
        work.save(list(rows.values()))
        texts = sql.load("dispute")
        if moved:
            streams, areas = map(list, zip(*moved.values(), strict=True))
            work.run(texts["move"], (list(moved), streams, areas, work.partition))
        if erased:
            work.run(texts["lapse"], (work.partition, sorted(erased)))


_SETTLED = (dispute.DisputeDecided, dispute.DisputeWithdrawn)


def _filed(item: Happened, made: dispute.DisputeFiled) -> FiledRow:
    return FiledRow(
        dispute_ref=made.dispute_ref,
        stream_id=item.about.stream_id,
        license_ref=made.license_ref,
        kind=made.kind,
        raised_by=made.raised_by,
        organization=item.about.organization,
        type_code=made.type_code,
        issuer=made.issuer,
        area=power.area_of(made.area_code, made.issuer),
        filed_at=item.about.recorded_at,
        filed_index=item.index,
        working_days=made.working_days,
        due_on=made.due_on,
        known_until=made.known_until,
        due_key=(made.due_on << _FILED_BITS) | item.index,
        status=OPEN,
        settled_at=None,
    )


class Lists:
    """Reads the disputes."""

    def __init__(self, database: db.Database, *, cursor_key: bytes) -> None:
        self._database = database
        self._cursors = paging.Cursors(cursor_key)

    def waiting(
        self,
        issuer: str,
        *,
        before: int | None = None,
        reach: power.Reach = _ALONE,
        limit: int = 100,
        cursor: str | None = None,
    ) -> paging.Page[FiledRow]:
        """Open disputes about licenses of an issuer, the nearest last day first.

        `before`: those alone whose last day was before that one, and provisional ones somewhat later.
        """
        asked, of = task_lists.answered_for(issuer, reach), ["dispute", "waiting", issuer, before is not None]
        answered = task_lists.answered("d")
        listed = listing.listing("dispute", "waiting", FiledRow, index="due_key", answered=answered)
        return self._page(listed, asked, of=of, before=before, limit=limit, cursor=cursor)

    def all_waiting(
        self,
        *,
        issuer: str | None = None,
        before: int | None = None,
        limit: int = 100,
        cursor: str | None = None,
    ) -> paging.Page[FiledRow]:
        """As `waiting`, of all issuers or of one, whoever has succeeded it."""
        of = ["dispute", "all", issuer, before is not None]
        if issuer is None:
            listed = listing.listing("dispute", "all_waiting", FiledRow, index="due_key")
            return self._page(listed, {}, of=of, before=before, limit=limit, cursor=cursor)
        listed = listing.listing("dispute", "waiting_of", FiledRow, index="due_key")
        return self._page(listed, {"value": issuer}, of=of, before=before, limit=limit, cursor=cursor)

    def raised(
        self,
        organization: str,
        *,
        raised_by: Sequence[str],
        status: str | None = None,
        limit: int = 100,
        cursor: str | None = None,
    ) -> paging.Page[FiledRow]:
        """Disputes that came through an organization and were raised so, of one status or of all, as they
        came."""
        listed = listing.listing("dispute", "raised", FiledRow, index="filed_index")
        asked = {"value": organization, "status": status, "raised_by": list(raised_by)}
        of = ["dispute", "raised", organization, status, *raised_by]
        return listing.page(self._database, self._cursors, listed, asked, of=of, limit=limit, cursor=cursor)

    def _page(
        self,
        listed: listing.Listing[FiledRow],
        asked: Mapping[str, Any],
        *,
        of: Sequence[Any],
        before: int | None,
        limit: int,
        cursor: str | None,
    ) -> paging.Page[FiledRow]:
        return listing.page(
            self._database,
            self._cursors,
            listed,
            {**asked, "before": before, "slack": SLACK_DAYS},
            of=of,
            is_by_index=False,
            limit=limit,
            cursor=cursor,
        )
