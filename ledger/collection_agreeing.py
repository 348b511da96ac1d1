"""How an agreement on a day is recorded, once a sheet was compared: it is asked for, or known already."""

from __future__ import annotations

from ledger import collection, collection_sheet, errors, reading, reconciliation_commands
from ledger.command import Actor
from ledger.state_collection import DayRow
from ledger.stock_run import Submit
from signing import suites


def agree(
    done: collection_sheet.Summary,
    *,
    actor: Actor,
    source: str,
    day: int | None,
    submit: Submit,
    reader: reading.Reader,
    suite: suites.Suite,
) -> int | None:
    """Leaf index of the agreement; raises Invalid, or Conflict when rows came meanwhile."""
    if day is None:
        raise errors.Invalid("an agreement is on a day", field="day")
    agreed = done.agreement(source, day, suite=suite)
    result = submit(reconciliation_commands.AgreeDay(actor=actor, agreed=agreed)).result()
    if result.indexes:
        return result.indexes[0]
    key = collection.day_key(f"{actor.organization} {source}", day)
    row = reader.rows(DayRow, [key]).get(key)
    return None if row is None else row.agreed_index
