"""Mode public 公开: what the catalog publishes of a type is used by anyone, and nothing else is."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ledger import authorization, bundle, catalog, errors, registry_commands, use
from ledger.command import Actor
from ledger.pen import Recorded
from ledger.state import LicenseRow, TypeRow
from tests import api_world
from tests.conftest import Cluster
from tests.history import FREE, HALL, REF, History, begun, version
from tests.world import AUDITOR, BUSINESS_LICENSE, ENTERPRISE, ISSUER, OPERATOR, World, citizen


def publish(world: World, *names: str) -> None:
    """The business license's public fields, from here on."""
    world.do(revision(world.ledger.console, *names))


def revision(console: Actor, *names: str) -> registry_commands.RecordInRegistry:
    """The command that publishes them."""
    (shipped,) = (one for one in catalog.national_catalog(OPERATOR) if one.type_code == BUSINESS_LICENSE)
    fields = (("domicile", "住所"), ("name", "名称"))
    revised = vars(shipped) | {"fields": fields, "public_fields": names, "short_names": ()}
    made = catalog.LicenseTypeRevised(**revised)
    return registry_commands.RecordInRegistry(actor=console, facts=(made,))


def said(recorded: list[Recorded]) -> tuple[str, Any]:
    (one,) = recorded
    return one.event.topic, one.event.fact.get("mode") or one.event.fact["reason"]


def test_what_is_public_is_used_without_an_authorization_and_nothing_more(world: World) -> None:
    ref = world.issue(domicile="福州市", name="甲公司")
    assert said(world.use()) == ("UseRefused", "not-authorized")
    publish(world, "name")
    for asked in ({}, {"license_ref": ref}, {"holder": ENTERPRISE, "type_code": BUSINESS_LICENSE}):
        (used,) = world.use(**asked)
        assert said([used]) == ("LicenseUsed", "public")
        assert used.event.fact["fields"] == ["name"]
        assert used.event.fact["authorization_ref"] == authorization.PUBLIC_REF
    assert said(world.use(field_names=("name",))) == ("LicenseUsed", "public")
    for names in (("domicile", "name"), ("@license_id",), ("@holder_code",)):
        assert said(world.use(field_names=names)) == ("UseRefused", "not-authorized")
    assert said(world.use(holder=citizen(3), type_code=BUSINESS_LICENSE)) == ("UseRefused", "not-authorized")
    world.status(ref, "suspend")
    assert said(world.use()) == ("UseRefused", "not-authorized")


def test_an_authorization_comes_before_what_is_public(world: World) -> None:
    world.issue(domicile="福州市", name="甲公司")
    publish(world, "name")
    ref = world.grant(uses_max=1)
    (used,) = world.use()
    assert (used.event.fact["mode"], "domicile" in used.event.fact["fields"]) == ("statutory", True)
    assert said(world.use()) == ("LicenseUsed", "public")
    assert said(world.use(field_names=("domicile",))) == ("UseRefused", "authorization-exhausted")
    assert ref != authorization.PUBLIC_REF


def test_an_erased_holder_has_nothing_that_is_public(world: World) -> None:
    world.issue(name="甲公司")
    publish(world, "name")
    world.do(registry_commands.EraseHolder(actor=world.ledger.console, holder=ENTERPRISE))
    assert said(world.use()) == ("UseRefused", "not-authorized")


def published(*names: str) -> History:
    history = begun()
    history.record(version())
    history.rows[TypeRow, FREE] = replace(history.row(TypeRow, FREE), public_fields=names)
    return history


def used_publicly(history: History, **members: Any) -> use.LicenseUsed:
    row = history.row(LicenseRow, REF)
    values: dict[str, Any] = {
        "license_ref": REF,
        "version": row.version,
        "license_index": row.version_index,
        "authorization_ref": authorization.PUBLIC_REF,
        "mode": "public",
        "fields": ("name",),
        "status": "effective",
        "public_type": FREE,
    }
    return use.LicenseUsed(**values | members)


def test_a_stored_public_use_discloses_public_fields_of_its_own_type_alone() -> None:
    history = published("name")
    history.record(used_publicly(history), by=HALL)
    for members in (
        {"fields": ("domicile", "name")},
        {"fields": ("@license_id", "name")},
        {"fields": ()},
        {"public_type": None},
        {"public_type": "11100000MB0143028R999"},
        {"authorization_ref": REF},
        {"mode": "statutory"},
    ):
        with pytest.raises(errors.Forbidden):
            history.record(used_publicly(history, **members), by=HALL)
    private = published()
    with pytest.raises(errors.Forbidden):
        private.record(used_publicly(private), by=HALL)


def test_what_is_public_is_proven_without_the_identifier(cluster: Cluster) -> None:
    with api_world.fresh(cluster) as face:
        issuer = face.register(ISSUER, "license:issue")
        anyone = face.register(AUDITOR, "license:use")
        face.console(revision(face.served.ledger.console, "name"))
        body = {
            **api_world.example("IssueBody"),
            "fields": {"name": "榕城示例有限公司", "domicile": "福州市"},
        }
        issuer.done("/v1/licenses", body)
        answer = anyone.post("/v1/uses", api_world.example("UseBody"))
        (one,) = answer.json()["uses"]
        assert (one["license"]["license_id"], list(one["license"]["fields"])) == (None, ["name"])
        (proven,) = bundle.judge(answer.content, trusted=api_world.trust_of(face))
        assert dict(proven.values) == {"name": "榕城示例有限公司"}
        found = anyone.done(
            "/v1/authorizations/search",
            {"requester": AUDITOR},
            **{"Ledger-At-Least": str(answer.json()["index"])},
        )
        assert found["authorizations"] == []
