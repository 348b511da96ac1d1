"""What may happen to licenses, authorizations, clients and holders, and the plain records that follow it.

Gives `Histories`, a hypothesis state machine over a real ledger, and its `Model`; `test_use_model.py`
adds the uses. Dates are yesterday, today and tomorrow: the database's clock decides.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis.stateful import (
    initialize,
    precondition,
    rule,
)

from ledger import (
    authorization,
    authorization_commands,
    client,
    command,
    coverage_commands,
    days,
    errors,
    identifiers,
    license,
    license_commands,
    mark,
    registry_commands,
)
from ledger.store import wall_clock
from signing import ids
from tests import rules_table
from tests.rules_table import Held, Permission
from tests.standing_model import HOLDERS, Standings
from tests.world import AUDITOR, BUSINESS_LICENSE, HALL, ISSUER, World

RULES = rules_table.read()
CONDITIONAL = "11100000000013127D001"
TYPES = (BUSINESS_LICENSE, CONDITIONAL)
REQUESTERS = (HALL, AUDITOR)
ITEMS = ("item-1", "item-2")
DAY_US = days.DAY_US
FIELDS = {
    BUSINESS_LICENSE: ("domicile", "name"),
    CONDITIONAL: ("address", "name"),
}
RESERVED = {"@holder_code", "@holder_code_type", "@holder_name", "@license_id", "@license_number"}

holders = st.sampled_from((*HOLDERS[:1] * 3, *HOLDERS))
requesters = st.sampled_from((*REQUESTERS[:1] * 3, *REQUESTERS))
items = st.sampled_from((*ITEMS[:1] * 3, *ITEMS))
types = st.sampled_from(TYPES)
shifts = st.sampled_from([None, None, None, -1, 0, 1])
limits = st.sampled_from([None, None, 1, 2, 3])
some_fields = st.sampled_from([None, None, None, ("name",), ("address", "name"), ("domicile",)])
caps = st.sampled_from([None, None, None, 1, 2])
some_cases = st.sampled_from([None, None, None, ("CASE-A",), ("CASE-B",)])
some_items = st.sampled_from([None, None, None, ("item-1",), ("item-2",)])


@dataclass
class Model:
    """What the ledger should hold."""

    licenses: list[Held] = field(default_factory=list)
    versions: dict[bytes, int] = field(default_factory=dict)
    permissions: list[Permission] = field(default_factory=list)
    use_codes: dict[bytes, str] = field(default_factory=dict)
    erased: set[str] = field(default_factory=set)
    contested: set[str] = field(default_factory=set)
    ended: set[str] = field(default_factory=set)
    """Names of holders; a holder who comes again after an erasure has another name."""
    names: dict[str, str] = field(default_factory=dict)
    declared: dict[bytes, tuple[str, str]] = field(default_factory=dict)
    """Declarations of coverage in force: type and what the ledger holds of it."""
    sources_down: set[str] = field(default_factory=set)
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def name(self, holder: identifiers.HolderCode) -> str:
        """The holder's name in the model."""
        return self.names.setdefault(holder.code, f"holder-{next(self.numbers)}")

    def standing(self, name: str | None) -> str | None:
        """What of a holder comes before the status of licenses."""
        if name in self.contested:
            return "holder-contested"
        return "holder-ended" if name in self.ended else None

    def knows(self, holder: identifiers.HolderCode) -> str | None:
        return self.names.get(holder.code)

    def finding_nothing(self) -> dict[str, str]:
        """Of each type, the page's word for finding nothing of it, when nothing is known of the license."""
        words = {}
        for type_code in TYPES:
            held = {holds for of_type, holds in self.declared.values() if of_type == type_code}
            words[type_code] = "none" if held == {"all"} else "uncovered"
            if type_code in self.sources_down:
                words[type_code] = "unreachable"
        return words

    def erase(self, name: str) -> None:
        """The holder is erased; licenses of others, of which they were a party, go on without."""
        self.erased.add(name)
        for held in self.licenses:
            if name in held.parties and name != held.holder:
                held.parties[name] = "none"

    def alive(self) -> list[Permission]:
        """Authorizations but those of erased holders."""
        return [item for item in self.permissions if item.holder not in self.erased]


class Histories(Standings):
    """Everything that happens to licenses, authorizations, clients and holders, but for uses."""

    make_world: Any = None

    def __init__(self) -> None:
        super().__init__()
        self._made = self.make_world()
        self.world: World = self._made.__enter__()
        self.model = Model()
        self.halls: dict[str, command.Actor] = {}

    def teardown(self) -> None:
        self._made.__exit__(None, None, None)

    @initialize()
    def begin(self) -> None:
        for organization in REQUESTERS:
            self.halls[organization] = self.world.register(organization, "license:use")
        self.registrar = self.world.register(AUDITOR, "holder:register")
        for type_code in TYPES:
            self.issue(HOLDERS[0], type_code, None, None)
        self.declare_coverage(TYPES[0], "all")

    # --- licenses ---

    @rule(holder=holders, type_code=types, first=shifts, last=shifts)
    def issue(
        self, holder: identifiers.HolderCode, type_code: str, first: int | None, last: int | None
    ) -> None:
        first_day, last_day = span(first, last)
        if last_day is not None and last_day < first_day:
            return
        values = dict.fromkeys(FIELDS[type_code], "值")
        ref = self.world.issue(holder, type_code=type_code, valid_from=first_day, valid_to=last_day, **values)
        name = self.model.name(holder)
        standing = self.model.standing(name)
        self.model.licenses.append(
            Held(ref, ids.text(ref), name, type_code, "active", first_day, last_day, standing=standing)
        )
        self.model.versions[ref] = 1

    @precondition(lambda self: self.model.licenses)
    @rule(data=st.data(), last=shifts)
    def amend(self, data: st.DataObject, last: int | None) -> None:
        held = data.draw(st.sampled_from(self.model.licenses))
        holder = next((h for h in HOLDERS if self.model.knows(h) == held.holder), HOLDERS[0])
        first_day, last_day = span(None, last)
        content = license_commands.Content(
            serial=license_commands.draw_serial(),
            number="NO-2",
            holder_name="合成持证主体",
            values=dict.fromkeys(FIELDS[held.type], "新值"),
            valid_from=days.parse(first_day),
            valid_to=None if last_day is None else days.parse(last_day),
            issued_on=days.parse(first_day),
        )
        asked = license_commands.AmendLicense(
            actor=self.world.issuer,
            license_ref=held.ref,
            holder=holder,
            type_and_issuer=self.world.kind(held.ref),
            content=content,
        )
        is_closed = held.status not in ("active", "suspended") or "frozen" in held.marks
        if held.holder in self.model.erased or is_closed:
            with pytest.raises(errors.LedgerError):
                self.world.do(asked)
            return
        self.world.do(asked)
        held.first_day, held.last_day = first_day, last_day
        held.parties, held.gone = {}, set()
        held.marks.discard("lost")
        self.model.versions[held.ref] += 1

    @precondition(lambda self: self.model.licenses)
    @rule(
        data=st.data(),
        verb=st.sampled_from([*["suspend", "reinstate"] * 4, *license.STATUS_CHANGES]),
    )
    def change_status(self, data: st.DataObject, verb: str) -> None:
        held = data.draw(st.sampled_from(self.model.licenses))
        before, after = RULES.status_changes[verb]
        is_barred = "frozen" in held.marks and not RULES.while_frozen[verb]
        if held.holder in self.model.erased or held.status not in before or is_barred:
            with pytest.raises((errors.StatusConflict, errors.HolderErasedConflict)):
                self.world.status(held.ref, verb)
            return
        self.world.status(held.ref, verb)
        held.status = after

    @precondition(lambda self: self.model.licenses)
    @rule(data=st.data(), verb=st.sampled_from(sorted(mark.MARK_CHANGES)))
    def change_mark(self, data: st.DataObject, verb: str) -> None:
        held = data.draw(st.sampled_from(self.model.licenses))
        name, is_set = RULES.mark_changes[verb]
        is_ended = is_set and held.status not in rules_table.LIVE
        if held.holder in self.model.erased or is_ended or (name in held.marks) == is_set:
            with pytest.raises((errors.StatusConflict, errors.HolderErasedConflict)):
                self.world.status(held.ref, verb)
            return
        self.world.status(held.ref, verb)
        held.marks ^= {name}

    # --- authorizations ---

    @rule(mode=st.sampled_from(["holder", "statutory"]), holder=holders, requester=requesters, count=limits)
    def grant_widely(
        self, mode: str, holder: identifiers.HolderCode, requester: str, count: int | None
    ) -> None:
        """An authorization that nothing but its count limits."""
        consents = mode == "holder"
        if consents and self.model.standing(self.model.knows(holder)) is not None:
            return
        ref, code = self.world.grant_with_code(
            mode=mode,
            requester=requester,
            holder=holder if consents else None,
            type_codes=tuple(sorted(TYPES)),
            uses_max=count,
        )
        if consents:
            self.model.use_codes[ref] = code
        name = self.model.name(holder) if consents else None
        self.model.permissions.append(
            Permission(ref, mode, requester, name, frozenset(TYPES), begins=0, count=count)
        )

    @rule(
        mode=st.sampled_from(["holder", "holder", "statutory", "unconditional", "entrusted"]),
        holder=holders,
        requester=requesters,
        named=st.sets(types, max_size=2),
        a_day=caps,
        cases=some_cases,
        begins=shifts,
        ends=shifts,
        count=limits,
        fields=some_fields,
        items=some_items,
        data=st.data(),
    )
    def grant(self, mode: str, holder: identifiers.HolderCode, data: st.DataObject, **members: Any) -> None:
        begins, ends = members["begins"], members["ends"]
        own = [item.name for item in self.model.licenses if item.holder == self.model.knows(holder)]
        refs: list[str] = []
        if mode == "holder" and own:
            refs = data.draw(st.lists(st.sampled_from(own), unique=True, max_size=2))
        now = wall_clock()
        scope = authorization.Scope(
            license_refs=tuple(sorted(refs)),
            type_codes=tuple(sorted(members["named"])),
            field_names=members["fields"],
            service_items=members["items"],
            valid_from=0 if begins is None else now + begins * DAY_US,
            valid_until=None if ends is None else now + ends * DAY_US + DAY_US // 2,
            uses_max=members["count"],
            uses_per_day=members["a_day"],
            case_numbers=members["cases"],
        )
        entrusted_by = ISSUER if mode == "entrusted" else None
        asked = authorization_commands.GrantAuthorization(
            actor=self.world.issuer,
            mode=mode,
            entrusted_by=entrusted_by,
            requester=members["requester"],
            holder=holder if mode == "holder" else None,
            evidence="00" * 32 if mode == "holder" else None,
            scope=scope,
        )
        ends_first = scope.valid_until is not None and scope.valid_until <= scope.valid_from
        forbidden = mode == "unconditional" and CONDITIONAL in scope.type_codes
        if ends_first or forbidden or not (refs or scope.type_codes):
            with pytest.raises(errors.Invalid):
                self.world.do(asked)
            return
        if mode == "holder" and self.model.standing(self.model.knows(holder)) is not None:
            with pytest.raises((errors.HolderContestedConflict, errors.HolderEndedConflict)):
                self.world.do(asked)
            return
        self.world.do(asked)
        if mode == "holder":
            self.model.use_codes[asked.authorization_ref] = asked.use_code
        self.model.permissions.append(
            Permission(
                asked.authorization_ref,
                mode,
                members["requester"],
                self.model.name(holder) if mode == "holder" else None,
                frozenset(scope.type_codes),
                frozenset(scope.license_refs),
                None if scope.field_names is None else frozenset(scope.field_names),
                None if scope.service_items is None else frozenset(scope.service_items),
                scope.valid_from,
                scope.valid_until,
                scope.uses_max,
                cases=None if scope.case_numbers is None else frozenset(scope.case_numbers),
                a_day=scope.uses_per_day,
                entrusted_by=entrusted_by,
            )
        )

    @precondition(lambda self: self.model.permissions)
    @rule(data=st.data(), what=st.sampled_from(["count", "fields", "items", "types", "ends", "wider"]))
    def narrow(self, data: st.DataObject, what: str) -> None:
        item = data.draw(st.sampled_from(self.model.permissions))
        changed = self._narrower(item, what)
        asked = authorization_commands.NarrowAuthorization(
            actor=self.world.issuer, authorization_ref=item.ref, changes=changes_of(changed)
        )
        if item.is_withdrawn or item.holder in self.model.erased or what == "wider":
            with pytest.raises(
                (errors.AuthorizationWithdrawnConflict, errors.ScopeWidened, errors.HolderErasedConflict)
            ):
                self.world.do(asked)
            return
        if changes_of(changed) == changes_of(item):
            with pytest.raises(errors.Conflict):
                self.world.do(asked)
            return
        self.world.do(asked)
        self.model.permissions[self.model.permissions.index(item)] = changed

    def _narrower(self, item: Permission, what: str) -> Permission:
        if what == "count":
            return replace(item, count=1 if item.count is None else max(1, item.count - 1))
        if what == "fields":
            kept = {"name"} if item.fields is None else {"name"} & item.fields
            return replace(item, fields=frozenset(kept))
        if what == "items":
            return replace(item, items=frozenset(sorted(item.items or {"item-1"})[:1]))
        if what == "types" and len(item.types) + len(item.licenses) > 1:
            kept = sorted(item.types)[1:] if item.types else []
            return replace(item, types=frozenset(kept)) if kept or item.licenses else item
        if what == "ends":
            soon = wall_clock() + 3 * DAY_US
            return replace(item, ends=soon if item.ends is None and item.begins < soon else item.ends)
        return replace(item, begins=item.begins - 1) if what == "wider" else item

    @precondition(lambda self: len(self.model.permissions) > 4)
    @rule(data=st.data())
    def withdraw(self, data: st.DataObject) -> None:
        item = data.draw(st.sampled_from(self.model.permissions))
        asked = authorization_commands.WithdrawAuthorization(
            actor=self.world.issuer, authorization_ref=item.ref
        )
        if item.is_withdrawn or item.holder in self.model.erased:
            with pytest.raises((errors.AuthorizationWithdrawnConflict, errors.HolderErasedConflict)):
                self.world.do(asked)
            return
        self.world.do(asked)
        item.is_withdrawn = True

    # --- coverage ---

    @rule(type_code=types, holds=st.sampled_from(["all", "all", "all", "some"]))
    def declare_coverage(self, type_code: str, holds: str) -> None:
        self.model.declared[self.world.cover(type_code, holds=holds)] = (type_code, holds)

    @precondition(lambda self: self.model.declared)
    @rule(data=st.data())
    def withdraw_coverage(self, data: st.DataObject) -> None:
        ref = data.draw(st.sampled_from(sorted(self.model.declared)))
        type_code, _ = self.model.declared.pop(ref)
        console = self.world.ledger.console
        self.world.do(
            coverage_commands.WithdrawCoverage(actor=console, type_code=type_code, coverage_ref=ref)
        )

    @rule(type_code=types)
    def turn_source(self, type_code: str) -> None:
        """The source goes down, or the ledger holds the licenses itself again."""
        is_down = type_code in self.model.sources_down
        console = self.world.ledger.console
        source = "ledger" if is_down else "down"
        self.world.do(coverage_commands.DeclareSource(actor=console, type_code=type_code, source=source))
        (self.model.sources_down.remove if is_down else self.model.sources_down.add)(type_code)

    # --- clients and erasure ---

    @rule(requester=requesters)
    def suspend_client(self, requester: str) -> None:
        actor = self.halls[requester]
        assert actor.client_id is not None
        suspended = client.ClientSuspended(client_id=actor.client_id)
        self.world.do(registry_commands.RecordInRegistry(actor=self.world.ledger.console, facts=(suspended,)))
        with pytest.raises(errors.ClientSuspended):
            self.world.use(actor=actor)
        self.halls[requester] = self.world.register(requester, "license:use")

    @precondition(lambda self: len(self.model.licenses) > 3)
    @rule(holder=st.sampled_from(HOLDERS[1:]))
    def erase(self, holder: identifiers.HolderCode) -> None:
        asked = registry_commands.EraseHolder(actor=self.world.ledger.console, holder=holder)
        name = self.model.knows(holder)
        if name is None:
            with pytest.raises(errors.NotFound):
                self.world.do(asked)
            return
        if name in self.model.contested:
            with pytest.raises(errors.HolderContestedConflict):
                self.world.do(asked)
            return
        self.world.do(asked)
        self.model.erase(name)
        del self.model.names[holder.code]


def span(first: int | None, last: int | None) -> tuple[str, str | None]:
    """First and last day, in days from today in Beijing; None: long ago, and without end."""
    today = days.of_instant(wall_clock())
    first_day = "2020-01-01" if first is None else days.text(today + first)
    return first_day, None if last is None else days.text(today + last)


def changes_of(item: Permission) -> dict[str, Any]:
    return {
        "license_refs": tuple(sorted(item.licenses)),
        "type_codes": tuple(sorted(item.types)),
        "field_names": None if item.fields is None else tuple(sorted(item.fields)),
        "service_items": None if item.items is None else tuple(sorted(item.items)),
        "valid_from": item.begins,
        "valid_until": item.ends,
        "uses_max": item.count,
        "uses_per_day": item.a_day,
        "case_numbers": None if item.cases is None else tuple(sorted(item.cases)),
    }
