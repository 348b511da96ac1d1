"""The demonstration's household 户口簿: two parents and a child, whose pages a school's office uses by name.

The head consents for the own page and, as guardian, for the child's; the spouse has not consented, so that
the spouse's page is refused as one that is not there would be.
"""

from __future__ import annotations

from typing import Any

from api import demo, demo_people
from ledger import catalog

HALL = 3
_FIRST = ("家庭户", "福州市示例路1号", "H00000001")
_EVIDENCE = "5a" * 32


def play(world: demo.World) -> list[dict[str, Any]]:
    """The uses of its pages, granted and refused."""
    head, spouse = demo_people.people(len(world.holders) + 2, seed=demo.SEED)[-2:]
    child = demo_people.Person(code_type="414", code="E00000051", name="示例小朋友")
    world.holders += [head, spouse, child]
    (entry,) = [one for one in catalog.national_catalog(demo.OPERATOR) if one.is_household_page]
    first, own, *others = (
        _issue(world, entry.type_code, person, is_first=number == 0)
        for number, person in enumerate((head, head, spouse, child))
    )
    said = {**demo.act("zhao03", "赵户籍"), "reason": "立户"}
    world.issuer.post("/v1/households", {**said, "head": own, "first_page": first, "pages": others})
    _consent(world, entry.type_code, head)
    guardian = {"guardian": _coded(head), "kind": "minor", "basis": "parent", "born_on": "2024-12-31"}
    registered = {**demo.act("zhao03", "赵户籍"), "reason": "监护登记", "evidence": _EVIDENCE}
    mandate = world.issuer.post("/v1/guardianships", {**registered, "holder": _coded(child), **guardian})
    _consent(world, entry.type_code, child, acting={**_coded(head), "mandate_ref": mandate["mandate_ref"]})
    members = ({"page": "member", "holder": _coded(person)} for person in (child, spouse))
    asked = {
        "holder": _coded(head),
        "license_type": entry.type_code,
        "pages": [{"page": "first"}, {"page": "own"}, *members],
        "purpose": demo.purpose(1, demo.ITEMS[1]),
        "operator": {"account": "clerk22", "name": "陈受理"},
    }
    answer = world.halls[HALL].post("/v1/households/uses", asked)
    return [use for page in answer["pages"] for use in page["answer"]["uses"]]


def _issue(world: demo.World, type_code: str, person: demo_people.Person, *, is_first: bool) -> str:
    """The reference of a page, or of the first page."""
    kind, address, number = _FIRST
    told = {"household_kind": kind, "address": address, "household_number": number}
    said = {
        **demo.act("zhao03", "赵户籍"),
        "license_type": type_code,
        "holder": {**_coded(person), "name": person.name},
        "number": number if is_first else f"{number}-{len(world.licenses)}",
        "fields": told if is_first else {"name": person.name},
        "valid_from": "2025-01-01",
        "valid_to": None,
        "issued_on": "2025-01-01",
    }
    answer = world.issuer.post("/v1/licenses", said)
    world.licenses.append({"person": person, "type": type_code, **answer})
    ref: str = answer["license_ref"]
    return ref


def _consent(world: demo.World, type_code: str, person: demo_people.Person, **members: Any) -> None:
    said = {
        **demo.act("li02", "李窗口"),
        "mode": "holder",
        "requester": world.hall_codes[HALL],
        "holder": _coded(person),
        "evidence": _EVIDENCE,
        "scope": {"license_types": [type_code]},
        **members,
    }
    world.issuer.post("/v1/authorizations", said)
    world.authorizations += 1


def _coded(person: demo_people.Person) -> dict[str, str]:
    return {"code_type": person.code_type, "code": person.code}
