"""The command by which a source and the ledger agree on a day."""

from __future__ import annotations

from dataclasses import dataclass

from ledger import collection, reconciliation
from ledger.command import Command, View, Wants, actor_stream
from ledger.fact import Draft
from ledger.state_collection import DayRow
from ledger.vault import Vault


@dataclass(frozen=True, kw_only=True)
class AgreeDay(Command):
    """Both sides have the same rows; nothing is recorded where as much was agreed on before."""

    agreed: reconciliation.ReconciliationAgreed

    @property
    def _key(self) -> str:
        return collection.day_key(f"{self.actor.organization} {self.agreed.source}", self.agreed.day)

    def wants(self, vault: Vault) -> Wants:
        return Wants(rows={(DayRow, self._key)})

    def decide(self, view: View) -> list[Draft]:
        row = view.state.get(DayRow, self._key)
        asked = self.agreed.rows, self.agreed.rows, self.agreed.through
        if row is not None and (row.agreed_rows, row.rows, row.newest_index) == asked:
            return []
        own = actor_stream(self.actor, view)
        assert own is not None, "an issuer has a stream"
        return [Draft(fact=self.agreed, stream_id=own)]
