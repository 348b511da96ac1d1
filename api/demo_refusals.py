"""The demonstration's refusals: a fourth hall that meets one of each kind, so that each is seen.

For each kind there is a resident of its own, whose consent or license is made such that the hall's request
is refused for this reason and no other. Everything goes over HTTP.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from api import demo, demo_people
from ledger import catalog

ITEM = demo.ITEMS[0]
HALL = 3
"""The fourth hall: it has no authorization but the consents made here."""
FIRST_RESIDENT = 40
OWNED_TOGETHER = "不动产权证书"
"""A type of which every co-owner is asked for consent."""
TOGETHER = 21
"""Licenses of one type, of which one request uses 20 at most."""
_EVIDENCE = "5a" * 32
_CHANGE = {"reason": "示范变更", "legal_basis": "行政许可法"}

Ask = Callable[[], list[dict[str, Any]]]


class Refusals:
    """Makes and meets them."""

    def __init__(self, world: demo.World) -> None:
        self._world = world
        self._hall = world.hall_codes[HALL]
        natural = [person for person in world.holders if person.code_type == "111"]
        self._residents = iter(natural[FIRST_RESIDENT:])
        self._numbers = iter(range(900_000, 999_999))

    def play(self) -> list[dict[str, Any]]:
        """The answers to the fourth hall, refused each for another reason."""
        now = datetime.now(UTC)
        later = (now + timedelta(days=3650)).isoformat(timespec="seconds")
        ends_at = now + timedelta(seconds=2)
        soon = ends_at.isoformat(timespec="milliseconds")
        asks: list[Ask] = [
            self._by_scope({"valid_until": soon}),
            self._by_scope({"valid_from": later}),
            self._by_scope({"case_numbers": ["DEMO-2026-000000"]}),
            self._by_scope({"fields": ["@holder_name"]}, fields=["@holder_name", "name"]),
            self._by_scope({"uses_per_day": 1}, times=2),
            *(self._by_change(verb, {}) for verb in ("report-lost", "restrict", "void")),
            self._by_change("freeze", {"document_number": "(2026)闽01执1号"}),
            self._by_change("transfer-out", {"area_code": "440300"}),
            self._by_registration("end", {"kind": "death"}),
            self._by_registration("contest", {}),
            self._ambiguous(),
            self._owned_together(),
            self._represented(),
            self._mandated(),
        ]
        ended, *others = asks
        answers = [answer for ask in others for answer in ask()]
        time.sleep(max(0.0, (ends_at - datetime.now(UTC)).total_seconds() + 0.1))
        return [use for answer in [*answers, *ended()] for use in answer["uses"]]

    def _consent(
        self, person: demo_people.Person, type_code: str, scope: dict[str, Any], **members: Any
    ) -> None:
        body = {
            **demo.act("li02", "李窗口"),
            "mode": "holder",
            "requester": self._hall,
            "holder": {"code_type": person.code_type, "code": person.code},
            "evidence": _EVIDENCE,
            "scope": {"license_types": [type_code], **scope},
            **members,
        }
        self._world.issuer.post("/v1/authorizations", body)
        self._world.authorizations += 1

    def _by_scope(self, scope: dict[str, Any], *, times: int = 1, **asked: Any) -> Ask:
        """A consent that does not reach as far as the request."""
        person = next(self._residents)
        held = self._held(person)
        self._consent(person, held["type"], scope)
        return lambda: [self._use({"license_ref": held["license_ref"]}, **asked) for _ in range(times)]

    def _by_change(self, verb: str, members: dict[str, Any]) -> Ask:
        """A license that something stands against."""
        person = next(self._residents)
        held = self._held(person)
        self._consent(person, held["type"], {})
        body = {**demo.act(), **_CHANGE, **members}
        self._world.issuer.post(f"/v1/licenses/{held['license_ref']}/{verb}", body)
        return lambda: [self._use({"license_ref": held["license_ref"]})]

    def _by_registration(self, verb: str, members: dict[str, Any]) -> Ask:
        """A holder of whom the registering organ says something."""
        person = next(self._residents)
        held = self._held(person)
        self._consent(person, held["type"], {})
        body = {
            **demo.act(),
            "reason": "登记机关通报",
            "holder": {"code_type": person.code_type, "code": person.code},
            "evidence": _EVIDENCE,
            **members,
        }
        self._world.issuer.post(f"/v1/holders/{verb}", body)
        return lambda: [self._use({"license_ref": held["license_ref"]})]

    def _ambiguous(self) -> Ask:
        """More licenses of one type than one request uses."""
        person = next(self._residents)
        held = self._held(person)
        for _ in range(TOGETHER):
            self._issue(person, held["type"], {"name": person.name})
        self._consent(person, held["type"], {})
        holder = {"code_type": person.code_type, "code": person.code}
        return lambda: [self._use({"holder": holder, "license_type": held["type"]})]

    def _owned_together(self) -> Ask:
        """A license of two owners, of whom one consents."""
        owner, other = next(self._residents), next(self._residents)
        (type_code,) = (
            entry.type_code
            for entry in catalog.national_catalog(demo.OPERATOR)
            if entry.name_zh == OWNED_TOGETHER
        )
        party = {"role": "co-owner", **_named(other), "fields": {}}
        fields = {"right_holder": f"{owner.name}、{other.name}", "co_ownership": "共同共有"}
        issued = self._issue(owner, type_code, fields, parties=[party])
        self._consent(owner, type_code, {})
        return lambda: [self._use({"license_ref": issued["license_ref"]})]

    def _mandated(self) -> Ask:
        """A license whose holder's agent consented, and was dismissed."""
        person, agent = next(self._residents), next(self._residents)
        held = self._held(person)
        post, act = self._world.issuer.post, {**demo.act("li02", "李窗口"), "evidence": _EVIDENCE}
        until = (datetime.now(UTC) + timedelta(days=365)).isoformat(timespec="seconds")
        said = {"holder": _coded(person), "agent": _coded(agent), "valid_until": until}
        mandate_ref = post("/v1/entrustments", {**act, **said})["mandate_ref"]
        self._consent(person, held["type"], {}, acting={**_coded(agent), "mandate_ref": mandate_ref})
        post(f"/v1/entrustments/{mandate_ref}/end", {**act, "reason": "委托解除"})
        return lambda: [self._use({"license_ref": held["license_ref"]})]

    def _represented(self) -> Ask:
        """A license of an enterprise, whose representative consented for it and was replaced."""
        body = next(person for person in self._world.holders if person.code_type == "001")
        former, present = next(self._residents), next(self._residents)
        type_code = list(catalog.national_catalog(demo.OPERATOR))[demo.LEGAL_TYPES[0]].type_code

        def said_by(person: demo_people.Person) -> dict[str, Any]:
            return {"parties": [{"role": "legal-representative", **_named(person), "fields": {}}]}

        issued = self._issue(body, type_code, {"name": body.name}, **said_by(former))
        ref = issued["license_ref"]
        speaker = {"code_type": former.code_type, "code": former.code, "license_ref": ref}
        self._consent(body, type_code, {}, representative=speaker)
        changed = self._said(body, {"name": body.name}, **said_by(present))
        self._world.issuer.post(f"/v1/licenses/{ref}/amend", {**changed, **_CHANGE})
        return lambda: [self._use({"license_ref": ref})]

    def _issue(
        self, person: demo_people.Person, type_code: str, fields: dict[str, str], **more: Any
    ) -> dict[str, Any]:
        body = {**self._said(person, fields, **more), "license_type": type_code}
        answer: dict[str, Any] = self._world.issuer.post("/v1/licenses", body)
        self._world.licenses.append({"person": person, "type": type_code, **answer})
        return answer

    def _said(self, person: demo_people.Person, fields: dict[str, str], **more: Any) -> dict[str, Any]:
        """What a version says."""
        return {
            **demo.act(),
            "holder": _named(person),
            "number": f"闽{next(self._numbers):08}",
            "fields": fields,
            "valid_from": "2020-01-01",
            "valid_to": "2099-12-31",
            "issued_on": "2020-01-01",
            **more,
        }

    def _held(self, person: demo_people.Person) -> dict[str, Any]:
        """A license that is good for years."""
        return next(
            one
            for number, one in enumerate(self._world.licenses)
            if one["person"] is person and number % 21 and number % 40 and "is_changed" not in one
        )

    def _use(self, what: dict[str, Any], **asked: Any) -> dict[str, Any]:
        number = next(self._numbers)
        body = {
            **what,
            **asked,
            "purpose": demo.purpose(number, ITEM),
            "operator": {"account": "clerk21", "name": "陈受理"},
        }
        answer: dict[str, Any] = self._world.halls[HALL].post("/v1/uses", body)
        return answer


def _named(person: demo_people.Person) -> dict[str, str]:
    return {"code_type": person.code_type, "code": person.code, "name": person.name}


def _coded(person: demo_people.Person) -> dict[str, str]:
    return {"code_type": person.code_type, "code": person.code}
