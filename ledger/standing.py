"""Standing: what was recorded of a license, or true of it, at a moment that is over.

Two questions that are not the same. *As of* an instant: what the ledger would have answered then, from
what had been recorded. *Effective on* a day: what was true at its end, as it is known now, from when each
fact holds in law. Both run the facts' own `evolve`, so that no rule is written twice. Does no I/O.
"""

from __future__ import annotations

from collections.abc import Sequence

from ledger import days, license
from ledger.fact import Fact
from ledger.state import Key, LicenseRow, Loader, Row, State
from signing import event

FROM_THE_START = (license.LicenseAnnulled, license.LicenseVoided)
"""What holds on every day, whenever it was decided: 撤销 and 作废 undo a license from its beginning."""

Change = tuple[int, event.Event, Fact]
"""Leaf index, event and fact."""


def standing(
    changes: Sequence[Change], *, find: Loader, as_of: int | None = None, effective_on: int | None = None
) -> LicenseRow | None:
    """The row of the license that `changes`, all of one license in their order, are about.

    None when nothing of it had been recorded. `as_of` is an instant, `effective_on` a Beijing day; each
    leaves out what came later. `find` gives rows of other things than the license.
    """
    known = [change for change in changes if as_of is None or change[1].recorded_at <= as_of]
    if effective_on is not None:
        known = _true_on(known, effective_on)
    if not known:
        return None
    license_ref: bytes = known[0][2].license_ref  # type: ignore[attr-defined]

    def load(cls: type[Row], key: Key) -> Row | None:
        return None if cls is LicenseRow else find(cls, key)

    state = State(load)
    for index, about, made in known:
        made.evolve(about, state, index)
    return state.get(LicenseRow, license_ref)


def _true_on(changes: Sequence[Change], day: int) -> list[Change]:
    """What holds at the end of a day, in the order in which it began to.

    The issue comes first whenever it was recorded: from when a license is valid, its dates say.
    """
    end = days.start(day + 1)
    issue, rest = changes[:1], changes[1:]
    undone = [change for change in rest if isinstance(change[2], FROM_THE_START)]
    others = [
        change
        for change in rest
        if change[1].effective_at < end and not isinstance(change[2], FROM_THE_START)
    ]
    return [*issue, *sorted(others, key=lambda change: (change[1].effective_at, change[0])), *undone]
