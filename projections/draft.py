"""Drafts that wait: those of an organization that may still be issued, in the order in which they came.

What is drafted is sealed and no business of a list; a reviewer opens one draft at a time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from ledger import draft, license, state
from projections import db, listing, paging
from projections.projection import Happened


@dataclass(frozen=True, kw_only=True)
class WaitingRow(state.Row):
    """A draft, and how far it came."""

    table = "waiting_drafts"
    draft_ref: bytes
    organization: str
    type_code: str
    drafter: bytes
    """The operator's reference."""
    drafted_at: int
    draft_index: int
    status: str
    """As recorded: `drafted`, `approved`, `returned` or `issued`."""


class Draft:
    """The projection `draft`."""

    name: ClassVar[str] = "draft"
    version: ClassVar[int] = db.VERSIONS["draft"]
    tables: ClassVar[tuple[str, ...]] = ("waiting_drafts",)

    def apply(self, work: db.Work, happened: Sequence[Happened]) -> None:
        """Change the rows that the facts name."""
        news = [(item, ref) for item in happened if (ref := _ref(item)) is not None]
        rows = work.rows(WaitingRow, {ref for _, ref in news})
        for item, ref in news:
            made, about = item.fact, item.about
            if isinstance(made, draft.LicenseDrafted):
                assert about.operator_ref is not None, "the rule saw an operator"
                rows[ref] = WaitingRow(
                    draft_ref=ref,
                    organization=about.organization,
                    type_code=made.type_code,
                    drafter=about.operator_ref,
                    drafted_at=about.recorded_at,
                    draft_index=item.index,
                    status="drafted",
                )
            elif isinstance(made, draft.DraftReviewed):
                rows[ref] = replace(rows[ref], status=draft.DECISIONS[made.decision])
            else:
                rows[ref] = replace(rows[ref], status="issued")
        work.save(list(rows.values()))


def _ref(item: Happened) -> bytes | None:
    """The draft that a fact is about."""
    made = item.fact
    if isinstance(made, draft.LicenseDrafted | draft.DraftReviewed | license.LicenseIssued):
        return made.draft_ref
    return None


_WAITING = listing.listing("draft", "waiting", WaitingRow, index="draft_index")


class Lists:
    """Reads the drafts."""

    def __init__(self, database: db.Database, *, cursor_key: bytes) -> None:
        self._database = database
        self._cursors = paging.Cursors(cursor_key)

    def waiting(
        self,
        organization: str,
        *,
        at: int,
        status: str | None = None,
        limit: int = 100,
        cursor: str | None = None,
    ) -> paging.Page[WaitingRow]:
        """Drafts of an organization that at `at` may still be issued; of one status, or of both."""
        statuses = list(draft.OPEN) if status is None else [status]
        asked = {
            "organization": organization,
            "statuses": statuses,
            "drafted_after": draft.still_open_since(at),
        }
        of = ["draft", organization, *statuses]
        return listing.page(self._database, self._cursors, _WAITING, asked, of=of, limit=limit, cursor=cursor)
