"""Uses and comparisons in the lives of `life_model.py`.

Gives `Uses`: after every step and at every use the ledger's choice is the page's, and whatever the page
does not grant is refused as a stored fact as well.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis.stateful import invariant, precondition, rule

from ledger import command, comparison, errors, fact, use, use_choice, use_commands
from ledger.state import AuthorizationRow, LicenseRow, State, StreamRow, TypeRow
from tests import rules_table
from tests.history import CLIENTS, CONDITIONAL, FREE, HALL, OTHER, History
from tests.life_model import HOLDERS, RULES, TYPES, Life, holders, listed, requesters, types
from tests.rules_table import Held, Permission, Request, Verdict

REQUESTERS = (HALL, OTHER)
NAMES = ("@license_id", "domicile", "name")
NOTHING = {FREE: "none", CONDITIONAL: "uncovered"}

items = st.sampled_from(("item-1", "item-1", "item-2"))
cases = st.sampled_from(("case-1", "case-1", "case-2"))
asked_fields = st.sampled_from((None, None, ("name",), ("domicile", "name")))


@dataclass
class Seen:
    """The view that a refusal is written from."""

    state: State
    at: int


class Uses(Life):
    """Lives with uses among what happens."""

    def __init__(self) -> None:
        super().__init__()
        self.outcomes: set[str] = set()
        self.steps = 0

    @invariant()
    def whatever_is_asked_the_choice_is_the_pages(self) -> None:
        """After every step, for each holder, type and requester; nothing is recorded."""
        self.steps += 1
        for holder, type_code, requester in itertools.product(HOLDERS, TYPES, REQUESTERS):
            permissions, licenses = self.concerned(holder, type_code)
            asked = Request(requester, type_code, "item-1", None, "case-1", NOTHING)
            self.agreed(permissions, licenses, asked)

    @precondition(lambda self: self.model.permissions)
    @rule(
        data=st.data(),
        is_comparison=st.sampled_from((False, False, True)),
        times=st.integers(1, 3),
        case=st.sampled_from(("case-1", "case-1", "case-2")),
    )
    def use_what_is_permitted(self, data: st.DataObject, is_comparison: bool, times: int, case: str) -> None:
        """Closer to a grant than chance comes: a requester, one of its types, its scope but for a case."""
        made = data.draw(st.sampled_from(self.model.permissions))
        owner = data.draw(holders) if made.holder is None else bytes.fromhex(made.holder)
        for _ in range(times):
            self.ask(
                owner,
                is_comparison,
                type_code=min(made.types),
                requester=made.requester,
                item="item-1",
                case=case,
                fields=None,
            )

    @rule(
        holder=holders,
        type_code=types,
        requester=requesters,
        item=items,
        case=cases,
        fields=asked_fields,
        is_comparison=st.sampled_from((False, False, False, True)),
    )
    def ask_at_random(self, holder: bytes, is_comparison: bool, **said: Any) -> None:
        self.ask(holder, is_comparison, **said)

    def ask(self, holder: bytes, is_comparison: bool, **said: Any) -> None:
        """A use or a comparison by holder and type; the ledger's choice is the page's."""
        permissions, licenses = self.concerned(holder, said["type_code"])
        asked = Request(
            said["requester"],
            said["type_code"],
            said["item"],
            None if said["fields"] is None else frozenset(said["fields"]),
            said["case"],
            NOTHING,
        )
        verdict, outcome = self.agreed(permissions, licenses, asked)
        self.forge(permissions, licenses, asked)
        if outcome.reason is not None:
            self.refuse(outcome, asked)
        elif is_comparison and len(outcome.licenses) == 1:
            self.compare(verdict, asked)
        else:
            for one in verdict.used:
                self.record_use(verdict.permission, one, asked)
                spend(verdict.permission, self.at)

    def concerned(self, holder: bytes, type_code: str) -> tuple[list[Permission], list[Held]]:
        """What a request by holder and type may concern."""
        name = holder.hex()
        licenses = [one for one in self.model.licenses if (one.holder, one.type) == (name, type_code)]
        return [one for one in self.model.permissions if one.holder in (None, name)], licenses

    def agreed(
        self, permissions: list[Permission], licenses: list[Held], asked: Request
    ) -> tuple[Verdict, use_choice.Outcome]:
        """What the page and the ledger say, which is the same."""
        verdict = RULES.judge(permissions, licenses, asked, at=self.at)
        outcome = self.choice(permissions, licenses, asked)
        self.outcomes.add(verdict.outcome)
        assert (outcome.reason or "granted") == verdict.outcome
        assert {row.license_ref for row in outcome.licenses} == {one.ref for one in verdict.used}
        named = outcome.authorization and outcome.authorization.authorization_ref
        assert named == (verdict.permission and verdict.permission.ref)
        return verdict, outcome

    def choice(
        self, permissions: list[Permission], licenses: list[Held], asked: Request
    ) -> use_choice.Outcome:
        rows = [self.history.row(LicenseRow, one.ref) for one in licenses]
        assert asked.type is not None
        return use_choice.decide(
            [self.history.row(AuthorizationRow, one.ref) for one in permissions],
            rows,
            use.Asked(asked.requester, asked.item, listed(asked.fields), asked.case),
            type_code=asked.type,
            types=[self.history.row(TypeRow, asked.type)],
            homes={row.stream_id: self.history.row(StreamRow, row.stream_id) for row in rows},
            at=self.at,
        )

    def forge(self, permissions: list[Permission], licenses: list[Held], asked: Request) -> None:
        """Of each pair, a use is allowed as a fact exactly when the page grants it for that pair alone."""
        for permission, held in itertools.islice(itertools.product(permissions, licenses), 12):
            alone = RULES.judge([permission], [held], asked, at=self.at)
            before = History()
            before.rows, before.size = dict(self.history.rows), self.history.size
            if alone.outcome == "granted":
                self.record_use(permission, held, asked)
            else:
                with pytest.raises(errors.Forbidden):
                    self.record_use(permission, held, asked)
            self.history = before

    def record_use(self, permission: Permission | None, held: Held, asked: Request) -> None:
        assert permission is not None
        row = self.history.row(LicenseRow, held.ref)
        made = use.LicenseUsed(
            license_ref=held.ref,
            version=row.version,
            license_index=row.version_index,
            authorization_ref=permission.ref,
            mode=permission.mode,
            fields=shown(permission, asked),
            status="effective",
        )
        self.by_requester(made, asked, stream=row.stream_id)

    def compare(self, verdict: Verdict, asked: Request) -> None:
        (held,) = verdict.used
        assert verdict.permission is not None
        row = self.history.row(LicenseRow, held.ref)
        made = comparison.LicenseCompared(
            license_ref=held.ref,
            version=row.version,
            license_index=row.version_index,
            authorization_ref=verdict.permission.ref,
            mode=verdict.permission.mode,
            verdicts=tuple((name, "mismatch") for name in shown(verdict.permission, asked)),
        )
        key = (held.holder, asked.requester, rules_table.beijing_day(self.at))
        if self.model.misses.get(key, 0) >= comparison.MISSES_MAX:
            with pytest.raises(errors.ComparisonLimit):
                self.by_requester(made, asked, stream=row.stream_id)
            return
        self.by_requester(made, asked, stream=row.stream_id)
        self.model.misses[key] = self.model.misses.get(key, 0) + 1
        spend(verdict.permission, self.at)

    def refuse(self, outcome: use_choice.Outcome, asked: Request) -> None:
        """The refusal that the command would write is one that may be stored."""
        actor = command.Actor(client_id=CLIENTS[asked.requester], organization=asked.requester)
        seen = Seen(State(lambda cls, key: self.history.rows.get((cls, key))), self.at)
        asked_for = use_commands.UseLicense(actor=actor, type_code=asked.type)
        draft = asked_for.refusal(outcome, seen)  # type: ignore[arg-type]
        self.by_requester(draft.fact, asked, stream=draft.stream_id)

    def by_requester(self, made: fact.Fact, asked: Request, *, stream: bytes) -> None:
        self.history.record(
            made,
            stream=stream,
            by=asked.requester,
            at=self.at,
            service_item=asked.item,
            case_number=asked.case,
        )


def shown(permission: Permission, asked: Request) -> tuple[str, ...]:
    """The fields that a use discloses, or, where the authorization does not open them, would have."""
    names = set(NAMES)
    if permission.fields is not None and asked.fields is None:
        names &= permission.fields | {"@license_id"}
    if asked.fields is not None:
        names &= asked.fields | {"@license_id"}
    return tuple(sorted(names))


def spend(permission: Permission | None, at: int) -> None:
    assert permission is not None
    permission.spent += 1
    if permission.a_day is not None:
        day = rules_table.beijing_day(at)
        permission.spent_on[day] = permission.spent_on.get(day, 0) + 1
