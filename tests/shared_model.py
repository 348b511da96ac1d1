"""Licenses of two owners in the model of uses: found under the code of either, used when both consent.

Gives `Shared`, which adds to the histories of `use_model.py` what two owners bring: an issue to two, and the
consent of the second 共同授权. Both roles ask `all`, as the catalog has it where a type says nothing.
"""

from __future__ import annotations

from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis.stateful import precondition, rule

from ledger import consent_commands, errors, identifiers
from signing import ids
from tests.rules_table import Held
from tests.standing_model import HOLDERS
from tests.use_model import FIELDS, Histories, Model, holders, shifts, span, types

PARTY_FIELDS = {"@party_1_code", "@party_1_code_type", "@party_1_name"}


def held_by(model: Model, name: str | None, type_code: str | None = None) -> list[Held]:
    """The licenses that are found under a holder, as the first of their parties or as another."""
    return [
        held
        for held in model.licenses
        if (held.holder == name or (name in held.parties and held.holder not in model.erased))
        and type_code in (None, held.type)
    ]


class Shared(Histories):
    """Histories with licenses of two owners."""

    @precondition(lambda self: self.model.licenses)
    @rule(holder=holders, other=st.sampled_from(HOLDERS), type_code=types, last=shifts)
    def issue_to_two(
        self,
        holder: identifiers.HolderCode,
        other: identifiers.HolderCode,
        type_code: str,
        last: int | None,
    ) -> None:
        if holder == other:
            return
        first_day, last_day = span(None, last)
        values: dict[str, Any] = dict.fromkeys(FIELDS[type_code], "值")
        ref = self.world.issue(
            holder, type_code=type_code, valid_from=first_day, valid_to=last_day, co_owner=other, **values
        )
        parties = dict.fromkeys((self.model.name(holder), self.model.name(other)), "all")
        made = Held(ref, ids.text(ref), next(iter(parties)), type_code, "active", first_day, last_day)
        made.parties = parties
        self.model.licenses.append(made)
        self.model.versions[ref] = 1
        self._stand_again()

    @precondition(lambda self: any(item.mode == "holder" for item in self.model.alive()))
    @rule(data=st.data(), holder=st.sampled_from(HOLDERS))
    def join(self, data: st.DataObject, holder: identifiers.HolderCode) -> None:
        """The holder consents to what another's authorization allows."""
        item = data.draw(st.sampled_from([one for one in self.model.alive() if one.mode == "holder"]))
        asked = consent_commands.JoinConsent(
            actor=self.world.issuer, authorization_ref=item.ref, holder=holder, evidence="00" * 32
        )
        name = self.model.knows(holder)
        consents_already = name == item.holder or name in item.joined
        if name is None or item.is_withdrawn or self.model.standing(name) or consents_already:
            with pytest.raises(errors.LedgerError):
                self.world.do(asked)
            return
        self.world.do(asked)
        item.joined.add(name)

    @precondition(lambda self: any(held.parties for held in self.model.licenses))
    @rule(data=st.data(), count=st.sampled_from([None, 2]))
    def consent_of_both(self, data: st.DataObject, count: int | None) -> None:
        """Closer to a grant than chance comes: the first owner consents, and the second joins."""
        held = data.draw(st.sampled_from([one for one in self.model.licenses if one.parties]))
        owners = [code for code in HOLDERS if self.model.knows(code) in held.parties]
        if len(owners) != len(HOLDERS[:2]) or any(map(self.model.standing, held.parties)):
            return
        first, second = sorted(owners, key=lambda code: self.model.knows(code) != held.holder)
        self.grant_widely("holder", first, self.halls_by_name()[0], count)
        made = self.model.permissions[-1]
        asked = consent_commands.JoinConsent(
            actor=self.world.issuer, authorization_ref=made.ref, holder=second, evidence="00" * 32
        )
        self.world.do(asked)
        made.joined.add(self.model.name(second))

    def halls_by_name(self) -> list[str]:
        """The requesters, the usual one first."""
        return list(self.halls)
