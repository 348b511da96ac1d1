"""What registering organs say of holders in the model of uses: contested codes, ends, and their inverses.

Gives `Standings`, the part of the hypothesis state machine of `use_model.py` that changes no license.
"""

from __future__ import annotations

from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from ledger import command, ending_commands, errors, identifiers, linking_commands
from tests.world import World, citizen

HOLDERS = tuple(citizen(number) for number in range(3))


class Standings(RuleBasedStateMachine):
    """Contests and ends of holders."""

    model: Any
    world: World
    registrar: command.Actor

    @precondition(lambda self: len(self.model.licenses) > 3)
    @rule(holder=st.sampled_from(HOLDERS))
    def contest_or_settle(self, holder: identifiers.HolderCode) -> None:
        name = self.model.knows(holder)
        cls = (
            linking_commands.SettleHolderCode
            if name in self.model.contested
            else linking_commands.ContestHolderCode
        )
        asked = cls(actor=self.registrar, holder=holder, evidence="00" * 32)
        if name is None:
            with pytest.raises(errors.NotFound):
                self.world.do(asked)
            return
        self.world.do(asked)
        self.model.contested ^= {name}
        self._stand_again()

    @precondition(lambda self: len(self.model.licenses) > 3)
    @rule(holder=st.sampled_from(HOLDERS[1:]))
    def end_or_reverse(self, holder: identifiers.HolderCode) -> None:
        name = self.model.knows(holder)
        members: dict[str, Any] = {"actor": self.registrar, "holder": holder, "evidence": "00" * 32}
        if name in self.model.ended:
            self.world.do(ending_commands.ReverseEnd(**members))
            self.model.ended.remove(name)
            self._stand_again()
            return
        asked = ending_commands.EndHolder(kind="death", **members)
        if name is None or name in self.model.contested:
            with pytest.raises((errors.NotFound, errors.HolderContestedConflict)):
                self.world.do(asked)
            return
        self.world.do(asked)
        self.model.ended.add(name)
        self._stand_again()

    def _stand_again(self) -> None:
        for held in self.model.licenses:
            held.standing = self.model.standing(held.holder)
            others = held.parties.keys() - {held.holder}
            held.gone = {name for name in others if self.model.standing(name) is not None}
