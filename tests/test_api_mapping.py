"""A use of a national type over HTTP: the answer has both names of each field, and is proven."""

from __future__ import annotations

import json

import pytest

from api import examples
from ledger import bundle, catalog, registry_commands
from tests import api_world
from tests.api_world import Face
from tests.conftest import Cluster
from tests.history import registered_type
from tests.test_api_catalog import act
from tests.test_mapping import LOCAL, PAIRS, VALUES
from tests.world import BUSINESS_LICENSE, OPERATOR


def test_the_answer_says_both_names_and_is_proven(cluster: Cluster) -> None:
    with api_world.fresh(cluster) as face:
        caller = face.register(OPERATOR)
        _map_over_http(face, caller)
        issued = caller.done(
            "/v1/licenses",
            {**api_world.issue_body(1), "license_type": LOCAL, "fields": VALUES},
        )
        caller.done("/v1/authorizations", api_world.grant_body(license_types=[BUSINESS_LICENSE]))
        hall = face.register()
        answer = hall.post("/v1/uses", api_world.use_body(1, license_type=BUSINESS_LICENSE, fields=["name"]))
        (shown,) = answer.json()["uses"]
        assert shown["license"]["type_code"] == LOCAL
        assert shown["license"]["asked_as"] == {
            "license_type": BUSINESS_LICENSE,
            "fields": {"name": "shop_name"},
        }
        assert shown["license"]["fields"]["shop_name"]["value"] == VALUES["shop_name"]
        (proven,) = bundle.judge(answer.content, trusted=api_world.trust_of(face))
        assert proven.license_ref == issued["license_ref"]
        by_own_type = api_world.use_body(1, license_type=LOCAL, fields=["shop_name"])
        (own,) = hall.done("/v1/uses", by_own_type)["uses"]
        assert own["license"]["fields"] == shown["license"]["fields"]
        assert "asked_as" not in own["license"]
        forged = answer.json()
        forged["uses"][0]["license"]["asked_as"]["fields"] = {"domicile": "shop_name"}
        with pytest.raises(bundle.BundleInvalid):
            bundle.judge(json.dumps(forged).encode(), trusted=api_world.trust_of(face))
        claims = {"name": VALUES["shop_name"], "domicile": "厦门市", "business_scope": "零售"}
        compared = hall.done(
            "/v1/comparisons",
            {**api_world.use_body(1, license_type=BUSINESS_LICENSE), "claims": claims},
        )
        assert compared["verdicts"] == {
            "business_scope": "not-held",
            "domicile": "mismatch",
            "name": "match",
        }
        looker = face.register(examples.ORGANIZATION, "license:use")
        assert looker.get(f"/v1/licenses/{issued['license_ref']}").status_code == 200


def _map_over_http(face: Face, caller: api_world.Caller) -> None:
    defined = catalog.LicenseTypeRevised(
        **{
            **vars(registered_type(LOCAL, "unconditional")),
            "fields": tuple((name, name) for name in sorted(VALUES)),
        }
    )
    face.console(registry_commands.RecordInRegistry(actor=face.served.ledger.console, facts=(defined,)))
    said = {
        **act(),
        "national_type": BUSINESS_LICENSE,
        "since": "2026-01-01",
        "fields": [{"local": own, "national": national} for own, national in PAIRS],
    }
    caller.done(f"/v1/license-types/{LOCAL}/map", said)
