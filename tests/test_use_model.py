"""A model of uses that reads docs/rules.md, against the real append path on a real PostgreSQL.

Hypothesis makes histories: issue, amend, change status, grant, narrow, withdraw, suspend clients,
erase, use. The model asks the page's table what each use leads to, and in the end knows what the state
tables hold.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import hypothesis.strategies as st
import psycopg
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import (
    precondition,
    rule,
    run_state_machine_as_test,
)

from ledger import (
    check,
    command,
    comparison_commands,
    days,
    errors,
    identifiers,
    opening,
    use_commands,
)
from ledger.pen import Recorded
from tests.conftest import Cluster
from tests.rules_table import Held, Permission, Request, Verdict, beijing_day
from tests.shared_model import PARTY_FIELDS, Shared, held_by
from tests.standing_model import HOLDERS
from tests.use_model import (
    FIELDS,
    RESERVED,
    RULES,
    holders,
    items,
    requesters,
    some_fields,
    types,
)
from tests.world import World

KINDS = {
    "granted",
    "not-authorized",
    "not-held",
    "not-covered",
    "authorization-exhausted",
    "license-suspended",
}


class Uses(Shared):
    """Histories with uses among them."""

    def __init__(self) -> None:
        super().__init__()
        self.reasons: set[str] = set()

    def teardown(self) -> None:
        try:
            self.tables_equal_the_model()
        finally:
            super().teardown()

    # --- uses ---

    @rule(
        holder=holders,
        type_code=types,
        requester=requesters,
        item=items,
        fields=some_fields,
    )
    def use_by_holder(
        self,
        holder: identifiers.HolderCode,
        type_code: str,
        requester: str,
        item: str,
        fields: tuple[str, ...] | None,
    ) -> None:
        self._use_by_holder(holder, type_code, requester, item, fields)

    def _use_by_holder(
        self,
        holder: identifiers.HolderCode,
        type_code: str,
        requester: str,
        item: str,
        fields: tuple[str, ...] | None,
    ) -> None:
        name = self.model.knows(holder)
        licenses = held_by(self.model, name, type_code)
        asked = request(requester, item, fields, type_code)
        permissions = [made for made in self.model.alive() if made.holder in (None, name)]
        recorded = self._use(requester, item, fields, holder=holder, type_code=type_code)
        self._agree(permissions, licenses, asked, recorded, only=type_code, asked_by=name)

    @rule(holder=holders, type_code=types, requester=requesters, count=st.sampled_from([None, 1]))
    def use_under_a_fresh_law(
        self, holder: identifiers.HolderCode, type_code: str, requester: str, count: int | None
    ) -> None:
        """Closer to what is not held, and to a count that is used up, than chance comes."""
        self.grant_widely(mode="statutory", holder=holder, requester=requester, count=count)
        for _ in range(2):
            self._use_by_holder(holder, type_code, requester, "item-1", None)

    @rule(data=st.data(), requester=requesters, item=items, fields=some_fields)
    def use_by_reference(
        self, data: st.DataObject, requester: str, item: str, fields: tuple[str, ...] | None
    ) -> None:
        known = [held.ref for held in self.model.licenses]
        known += [held.ref for held in self.model.licenses if held.status != "active"] * 2
        ref = data.draw(st.sampled_from([*known, bytes(16)]))
        licenses = [
            held for held in self.model.licenses if held.ref == ref and held.holder not in self.model.erased
        ]
        recorded = self._use(requester, item, fields, license_ref=ref)
        self._agree(self.model.alive(), licenses, request(requester, item, fields, None), recorded)

    @precondition(lambda self: self.model.permissions)
    @rule(data=st.data(), by_reference=st.booleans())
    def use_what_an_authorization_covers(self, data: st.DataObject, by_reference: bool) -> None:
        """Closer to a grant than chance comes: its requester, one of its items, one of its licenses."""
        made = data.draw(st.sampled_from(self.model.permissions))
        covered = [
            held
            for held in self.model.licenses
            if made.holder in (None, held.holder) and (held.type in made.types or held.name in made.licenses)
        ]
        if not covered:
            return
        covered += [held for held in covered if held.status != "active"] * 3
        held = data.draw(st.sampled_from(covered))
        item = min(made.items or {"item-1"})
        holder = next((h for h in HOLDERS if self.model.knows(h) == held.holder), None)
        if by_reference or holder is None:
            licenses = [] if held.holder in self.model.erased else [held]
            recorded = self._use(made.requester, item, None, license_ref=held.ref)
            asked = request(made.requester, item, None, None)
            self._agree(self.model.alive(), licenses, asked, recorded)
        else:
            self._use_by_holder(holder, held.type, made.requester, item, None)

    @precondition(lambda self: self.model.use_codes)
    @rule(data=st.data(), requester=requesters, item=items, fields=some_fields)
    def use_by_code(
        self, data: st.DataObject, requester: str, item: str, fields: tuple[str, ...] | None
    ) -> None:
        ref = data.draw(st.sampled_from(sorted(self.model.use_codes)))
        permissions = [made for made in self.model.alive() if made.ref == ref]
        (owner,) = [made.holder for made in permissions] or [None]
        licenses = held_by(self.model, owner) if permissions else []
        named = next((type_code for made in permissions for type_code in sorted(made.types)), None)
        recorded = self._use(requester, item, fields, use_code=self.model.use_codes[ref])
        asked = request(requester, item, fields, named)
        self._agree(permissions, licenses, asked, recorded, asked_by=owner)

    @rule(holder=holders, type_code=types, requester=requesters, item=items)
    def compare_by_holder(
        self, holder: identifiers.HolderCode, type_code: str, requester: str, item: str
    ) -> None:
        """A comparison is decided as a use of what is claimed, of one license."""
        name, asked = self.model.knows(holder), request(requester, item, ("name",), type_code)
        licenses = held_by(self.model, name, type_code)
        permissions = [made for made in self.model.alive() if made.holder in (None, name)]
        made = comparison_commands.CompareLicense(
            actor=self._actor(requester, item),
            holder=holder,
            type_code=type_code,
            field_names=("name",),
            claims={"name": "值"},
        )
        try:
            recorded = list(self.world.do(made).recorded)
        except errors.VersionMoved as moved:
            known = {moved.extra["version_index"]: (("name", "match"),)}
            recorded = list(self.world.do(replace(made, known=known)).recorded)
        self._agree(permissions, licenses, asked, recorded, only=type_code, asked_by=name, is_comparison=True)

    @rule(requester=requesters)
    def use_by_an_unknown_code(self, requester: str) -> None:
        recorded = self._use(requester, "item-1", None, use_code="a" * 26)
        self._agree([], [], request(requester, "item-1", None, None), recorded)

    def _use(self, requester: str, item: str, fields: tuple[str, ...] | None, **named: Any) -> list[Recorded]:
        asked = use_commands.UseLicense(actor=self._actor(requester, item), field_names=fields, **named)
        return list(self.world.do(asked).recorded)

    def _actor(self, requester: str, item: str) -> command.Actor:
        return replace(self.halls[requester], service_item=item, case_number="CASE-A")

    def _agree(
        self,
        permissions: list[Permission],
        licenses: list[Held],
        asked: Request,
        recorded: list[Recorded],
        *,
        only: str | None = None,
        asked_by: str | None = None,
        is_comparison: bool = False,
    ) -> None:
        """What was recorded is what the page says, in its stream, naming what it may.

        `only`: the one type that finding nothing is about, where a type was asked for; `asked_by`: the holder
        under whose code, or consent, it was asked for.
        """
        words = self.model.finding_nothing()
        is_contested = asked_by in self.model.contested
        asked = replace(
            asked,
            finding_nothing=words if only is None else {only: words[only]},
            is_contested=is_contested,
        )
        verdict = RULES.judge(permissions, licenses, asked, at=recorded[0].event.recorded_at)
        if is_comparison and verdict.outcome == "granted" and len(verdict.used) > 1:
            verdict = replace(verdict, rule=next(one for one in RULES.table if one.outcome == "ambiguous"))
        self.reasons.add(verdict.outcome)
        if verdict.outcome == "granted":
            assert verdict.permission is not None
            topic = "LicenseCompared" if is_comparison else "LicenseUsed"
            assert {item.event.topic for item in recorded} == {topic}
            assert {item.event.fact["license_ref"] for item in recorded} == {x.ref for x in verdict.used}
            assert {item.event.fact["authorization_ref"] for item in recorded} == {verdict.permission.ref}
            for item in [] if is_comparison else recorded:
                assert set(item.event.fact["fields"]) == opened(item, verdict, asked)
            self._spend(verdict.permission, recorded)
            return
        (refused,) = recorded
        told = refused.event.fact
        assert (refused.event.topic, told["reason"], told["code"]) == (
            "UseRefused",
            verdict.outcome,
            verdict.rule.code,
        )
        assert told["authorization_ref"] == (verdict.permission and verdict.permission.ref)
        named = [told["license_ref"]] if told["license_ref"] else told["choices"]
        whose, used = verdict.holder, verdict.used
        if verdict.outcome == "ambiguous":
            # Those that stand with one holder, where it is recorded.
            (whose,) = {item.holder for item in used if item.ref in named}
            used = tuple(item for item in used if item.holder == whose)
        elif verdict.outcome == "holder-contested" and is_contested:
            whose = asked_by
        assert set(named) == {item.ref for item in used}
        assert refused.event.stream_id == self._stream(replace(verdict, holder=whose), asked.requester)

    def _spend(self, permission: Permission, recorded: list[Recorded]) -> None:
        permission.spent += len(recorded)
        if permission.a_day is not None:
            today = beijing_day(recorded[0].event.recorded_at)
            permission.spent_on[today] = permission.spent_on.get(today, 0) + len(recorded)

    def _stream(self, verdict: Verdict, requester: str) -> bytes:
        owner = {
            "requester": None,
            "authorization": verdict.permission and verdict.permission.holder,
            "holder": verdict.holder,
        }[verdict.rule.recorded_in]
        if owner is None:
            return self._one("SELECT stream_id FROM organizations WHERE organization = %s", requester)
        of_owner = next((x.ref for x in self.model.licenses if x.holder == owner), None)
        if of_owner is not None:
            return self._one("SELECT stream_id FROM licenses WHERE license_ref = %s", of_owner)
        shared = next((x.ref for x in self.model.licenses if owner in x.parties), None)
        if shared is not None:
            return self._one("SELECT stream_id FROM license_parties WHERE license_ref = %s", shared)
        assert verdict.permission is not None
        return self._one(
            "SELECT stream_id FROM authorizations WHERE authorization_ref = %s", verdict.permission.ref
        )

    def _one(self, statement: str, value: object) -> bytes:
        with psycopg.connect(str(self.world.ledger.ways.owner)) as conn:
            found = conn.execute(statement, (value,)).fetchone()  # type: ignore[arg-type]
        assert found is not None
        return bytes(found[0])

    # --- the state tables ---

    def tables_equal_the_model(self) -> None:
        """Every license and authorization is in the tables as the model has it, and none more."""
        with psycopg.connect(str(self.world.ledger.ways.owner)) as conn:
            licenses = conn.execute(
                "SELECT license_ref, type_code, status, version, valid_from, valid_to, frozen_index IS NULL,"
                " lost_index IS NULL, restricted_index IS NULL FROM licenses"
            ).fetchall()
            granted = conn.execute(
                "SELECT authorization_ref, mode, requester, uses, uses_max, is_withdrawn, type_codes::text,"
                " license_refs::text, field_names::text, service_items::text, valid_from, valid_until,"
                " uses_per_day, entrusted_by, uses_today"
                " FROM authorizations"
            ).fetchall()
        assert sorted(licenses) == sorted(
            (
                held.ref,
                held.type,
                held.status,
                self.model.versions[held.ref],
                days.parse(held.first_day),
                None if held.last_day is None else days.parse(held.last_day),
                *(mark not in held.marks for mark in ("frozen", "lost", "restricted")),
            )
            for held in self.model.licenses
        )
        assert sorted(granted) == sorted(
            (
                made.ref,
                made.mode,
                made.requester,
                made.spent,
                made.count,
                made.is_withdrawn,
                listed(made.types),
                listed(made.licenses),
                listed(made.fields),
                listed(made.items),
                made.begins,
                made.ends,
                made.a_day,
                made.entrusted_by,
                list(made.spent_on.values())[-1] if made.spent_on else 0,
            )
            for made in self.model.permissions
        )


def request(requester: str, item: str, fields: tuple[str, ...] | None, type_code: str | None) -> Request:
    names = None if fields is None else frozenset(fields)
    return Request(requester, type_code, item, names, case="CASE-A")


def opened(item: Recorded, verdict: Verdict, asked: Request) -> set[str]:
    """The fields that a granted use discloses."""
    held = next(x for x in verdict.used if x.ref == item.event.fact["license_ref"])
    assert verdict.permission is not None
    names = set(FIELDS[held.type]) | RESERVED
    if "none" not in held.parties.values() and held.parties:
        names |= PARTY_FIELDS
    for limit in (verdict.permission.fields, asked.fields):
        if limit is not None:
            names &= limit | {"@license_id"}
    return names


def listed(names: frozenset[str] | None) -> str | None:
    """Names as the tables hold them."""
    return None if names is None else json.dumps(sorted(names), ensure_ascii=False)


@contextmanager
def fresh_world(cluster: Cluster) -> Iterator[World]:
    """A world on a ledger of its own, checked in full at its end."""
    configured = cluster.clone()
    try:
        with opening.opened(configured, migrate=False) as ledger:
            with ledger.appending() as appender:
                yield World(ledger, appender)
            identity = check.identity_of(ledger.vault.ring)
            report = check.check(ledger.ways.service, identity=identity, anchor=ledger.vault.anchor)
            assert report.findings == ()
    finally:
        cluster.drop(configured)


def meet_each_kind(histories: Uses) -> None:
    """A history that comes on purpose to what chance may leave out."""
    try:
        histories.begin()
        hall, other = histories.halls_by_name()
        free, conditional = (held.type for held in histories.model.licenses)
        owner, nobody = HOLDERS[:2]
        histories.use_by_holder(owner, free, hall, "item-1", None)
        histories.use_under_a_fresh_law(owner, free, hall, 1)
        histories.use_under_a_fresh_law(nobody, free, other, None)
        histories.use_by_holder(nobody, conditional, other, "item-1", None)
        held = histories.model.licenses[0]
        histories.world.status(held.ref, "suspend")
        held.status = "suspended"
        histories.use_by_holder(owner, free, other, "item-1", None)
        assert histories.reasons == KINDS
    finally:
        histories.teardown()


def run(cluster: Cluster, *, examples: int, steps: int) -> set[str]:
    """The outcomes that were met."""
    met: set[str] = set()

    class OnThisCluster(Uses):
        def make_world(self) -> Any:
            return fresh_world(cluster)

        def teardown(self) -> None:
            met.update(self.reasons)
            super().teardown()

    meet_each_kind(OnThisCluster())
    run_state_machine_as_test(
        OnThisCluster,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            phases=(Phase.generate,),
            suppress_health_check=list(HealthCheck),
            database=None,
        ),
    )
    return met


def test_uses_on_the_real_append_path_go_as_the_page_says(cluster: Cluster) -> None:
    assert run(cluster, examples=8, steps=25) >= KINDS


@pytest.mark.outside
@pytest.mark.faults
def test_long_histories_of_uses_go_as_the_page_says(cluster: Cluster) -> None:
    """The seed is `--hypothesis-seed`, which `make faults` prints."""
    assert run(cluster, examples=30, steps=80) >= KINDS
