"""The whole life of licenses and authorizations, with time: facts in memory against docs/rules.md.

Gives `Life`, a hypothesis state machine whose clock the machine itself moves, over Beijing midnights
too; `life_uses.py` adds the uses. No database, so that thousands of steps take seconds.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from ledger import (
    authorization,
    coverage,
    days,
    ending,
    errors,
    fact,
    license,
    linking,
    mark,
)
from ledger.state import AuthorizationRow
from signing import ids
from tests import rules_table
from tests.history import (
    CONDITIONAL,
    FREE,
    HALL,
    HOLDER,
    ISSUER,
    NOON,
    OPERATOR_REF,
    OTHER,
    REGISTRY,
    STRANGER,
    STREAMS,
    History,
    begun,
    granted,
    version,
)
from tests.rules_table import Held, Permission

RULES = rules_table.read()
HOLDERS = (HOLDER, STRANGER)
TYPES = (FREE, CONDITIONAL)
HOUR_US = 3_600 * 1_000_000

holders = st.sampled_from((HOLDER, HOLDER, STRANGER))
requesters = st.sampled_from((HALL, HALL, OTHER))
types = st.sampled_from(TYPES)
opened = st.sampled_from((None, None, frozenset({"name"})))
few = st.sampled_from((None, None, 1, 2, 3))


@dataclass
class Model:
    """What the page says of."""

    licenses: list[Held] = field(default_factory=list)
    permissions: list[Permission] = field(default_factory=list)
    standings: dict[str, str] = field(default_factory=dict)
    misses: dict[tuple[str, str, str], int] = field(default_factory=dict)
    """(holder, requester, Beijing day) to comparisons that missed."""


class Life(RuleBasedStateMachine):
    """Every fact that concerns a use, at instants of the machine's own."""

    def __init__(self) -> None:
        super().__init__()
        self.history: History = begun()
        self.model = Model()
        self.at = NOON
        self.refs = (number.to_bytes(16, "big") for number in itertools.count(1))

    @initialize()
    def begin(self) -> None:
        made = coverage.CoverageDeclared(
            coverage_ref=b"c" * 16,
            type_code=FREE,
            issuer=None,
            area=None,
            issued_from=None,
            issued_to=None,
            holds="all",
        )
        self.history.record(made, stream=REGISTRY, by=None, at=self.at)
        for holder in HOLDERS:
            self.issue(holder, FREE, None, None)

    # --- time ---

    @rule(step=st.sampled_from((1, 1_000_000, HOUR_US, 6 * HOUR_US, 24 * HOUR_US, 40 * 24 * HOUR_US)))
    def pass_time(self, step: int) -> None:
        self.at += step

    @rule(before=st.booleans())
    def come_to_midnight(self, before: bool) -> None:
        """The last microsecond of the Beijing day, or the first of the next."""
        midnight = days.start(days.of_instant(self.at) + 1)
        self.at = midnight - 1 if before else midnight

    # --- licenses and holders ---

    @rule(
        holder=holders,
        type_code=types,
        first=st.sampled_from((None, None, 1, 2)),
        last=st.sampled_from((None, 0, 1, 3)),
    )
    def issue(self, holder: bytes, type_code: str, first: int | None, last: int | None) -> None:
        today = days.of_instant(self.at)
        first_day = days.parse("2020-01-01") if first is None else today + first
        last_day = None if last is None else max(first_day, today + last)
        ref = next(self.refs)
        made = version(
            license_ref=ref,
            type_code=type_code,
            parties=(("holder", holder),),
            valid_from=first_day,
            valid_to=last_day,
            issued_on=min(first_day, today),
        )
        if self.attempt(made, holder=holder):
            self.model.licenses.append(
                Held(
                    ref,
                    ids.text(ref),
                    holder.hex(),
                    type_code,
                    "active",
                    days.text(first_day),
                    None if last_day is None else days.text(last_day),
                    standing=self.model.standings.get(holder.hex()),
                )
            )

    @precondition(lambda self: self.model.licenses)
    @rule(data=st.data(), verb=st.sampled_from(["suspend", "reinstate"] * 3 + ["annul", "revoke", "cancel"]))
    def change_status(self, data: st.DataObject, verb: str) -> None:
        held = data.draw(st.sampled_from(self.model.licenses))
        before, after = RULES.status_changes[verb]
        is_barred = "frozen" in held.marks and not RULES.while_frozen[verb]
        made = license.STATUS_CHANGES[verb](license_ref=held.ref)
        if held.status not in before or is_barred:
            with pytest.raises(errors.StatusConflict):
                self.record(made, stream=bytes.fromhex(held.holder))
            return
        if self.attempt(made, holder=bytes.fromhex(held.holder)):
            held.status = after

    @precondition(lambda self: self.model.licenses)
    @rule(data=st.data(), is_lost=st.booleans())
    def turn_lost(self, data: st.DataObject, is_lost: bool) -> None:
        held = data.draw(st.sampled_from(self.model.licenses))
        made = (mark.LicenseReportedLost if is_lost else mark.LicenseFound)(license_ref=held.ref)
        is_ended = is_lost and held.status not in rules_table.LIVE
        if is_ended or ("lost" in held.marks) == is_lost:
            with pytest.raises(errors.StatusConflict):
                self.record(made, stream=bytes.fromhex(held.holder))
            return
        if self.attempt(made, holder=bytes.fromhex(held.holder)):
            held.marks ^= {"lost"}

    @rule(holder=holders)
    def turn_standing(self, holder: bytes) -> None:
        """A holder ends, or a code is contested; or what stood in the way is reversed."""
        name = holder.hex()
        now = self.model.standings.pop(name, None)
        made: fact.Fact
        if now is None and self.at % 3:
            made, then = ending.HolderEnded(kind="death", evidence_digest=bytes(32)), "holder-ended"
        elif now is None:
            made, then = linking.HolderCodeContested(evidence_digest=bytes(32)), "holder-contested"
        elif now == "holder-ended":
            made, then = ending.HolderEndReversed(evidence_digest=bytes(32)), ""
        else:
            made, then = linking.HolderCodeSettled(evidence_digest=bytes(32)), ""
        self.history.record(made, stream=holder, by=None, at=self.at, operator_ref=OPERATOR_REF)
        if then:
            self.model.standings[name] = then
        for held in self.model.licenses:
            if held.holder == name:
                held.standing = then or None

    # --- authorizations ---

    @rule(
        mode=st.sampled_from(("holder", "holder", *authorization.MODES)),
        holder=holders,
        requester=requesters,
        of_types=st.sets(types, min_size=1),
        begins=st.sampled_from((None, None, None, 12)),
        lasts=st.sampled_from((None, None, 6, 48)),
        count=few,
        a_day=few,
        fields=opened,
        of_items=st.sampled_from((None, None, None, frozenset({"item-1"}))),
        of_cases=st.sampled_from((None, None, None, frozenset({"case-1"}))),
    )
    def grant(self, mode: str, holder: bytes, requester: str, of_types: set[str], **limits: Any) -> None:
        named = frozenset({FREE} if mode == "unconditional" else of_types)
        begins = 0 if limits["begins"] is None else self.at + limits["begins"] * HOUR_US
        ends = None if limits["lasts"] is None else max(begins, self.at) + limits["lasts"] * HOUR_US
        ref = next(self.refs)
        made = granted(
            mode,
            authorization_ref=ref,
            requester=requester,
            requester_stream=STREAMS[requester],
            type_codes=tuple(sorted(named)),
            valid_from=begins,
            valid_until=ends,
            uses_max=limits["count"],
            uses_per_day=limits["a_day"],
            field_names=listed(limits["fields"]),
            service_items=listed(limits["of_items"]),
            case_numbers=listed(limits["of_cases"]),
            use_code_digest=ref * 2 if mode == "holder" else None,
        )
        stream = holder if mode == "holder" else STREAMS[requester]
        if self.attempt(made, holder=stream):
            self.model.permissions.append(
                Permission(
                    ref,
                    mode,
                    requester,
                    holder.hex() if mode == "holder" else None,
                    named,
                    fields=limits["fields"],
                    items=limits["of_items"],
                    cases=limits["of_cases"],
                    begins=begins,
                    ends=ends,
                    count=limits["count"],
                    a_day=limits["a_day"],
                    entrusted_by=ISSUER if mode == "entrusted" else None,
                )
            )

    @precondition(lambda self: len(self.model.permissions) > 2)
    @rule(data=st.data())
    def withdraw(self, data: st.DataObject) -> None:
        item = data.draw(st.sampled_from(self.model.permissions))
        row = self.history.row(AuthorizationRow, item.ref)
        made = authorization.AuthorizationWithdrawn(authorization_ref=item.ref)
        if item.is_withdrawn:
            with pytest.raises(errors.AuthorizationWithdrawnConflict):
                self.record(made, stream=row.stream_id)
            return
        self.record(made, stream=row.stream_id)
        item.is_withdrawn = True

    # --- recording ---

    def record(self, made: fact.Fact, *, stream: bytes) -> None:
        self.history.record(made, stream=stream, at=self.at)

    def attempt(self, made: fact.Fact, *, holder: bytes) -> bool:
        """Whether it was recorded: of a holder who stands in the way it may be refused, of no other."""
        try:
            self.record(made, stream=holder)
        except errors.Conflict:
            assert holder.hex() in self.model.standings
            return False
        return True


def listed(names: frozenset[str] | None) -> tuple[str, ...] | None:
    return None if names is None else tuple(sorted(names))
