"""What hinders one of several parties, as docs/rules.md says it and as the ledger decides it; no database."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.rules_table import Request
from tests.test_rules import ASKED, HALL, agree, held, permission, shared
from tests.test_rules import HOLDER as OWN
from tests.test_rules import STRANGER as OTHERS


def test_the_consent_of_a_party_who_is_gone_carries_nobody_elses() -> None:
    """One party's consent is enough and the other's stands, but under the authorization of the one gone."""
    consent = permission(1, "holder", joined={OTHERS.hex()})
    left = shared(1, "any", "any", home=OTHERS)
    assert agree([consent], [left], ASKED["everything"]) == "granted"
    left.gone = {OWN.hex()}
    assert agree([consent], [left], ASKED["everything"]) == "consent-missing"


@pytest.mark.parametrize("standing", ["holder-ended", "holder-contested"])
def test_what_hinders_the_first_party_is_not_told_under_the_consent_of_another(standing: str) -> None:
    consent = permission(1, "holder", joined={OTHERS.hex()})
    hindered = shared(1, "any", "any", home=OTHERS, status=standing)
    assert agree([consent], [hindered], Request(HALL, None, "item-1")) == "not-authorized"
    assert agree([consent], [hindered], ASKED["everything"]) == "not-held"
    law = permission(2, "statutory")
    assert agree([law, consent], [], Request(HALL, None, "item-1")) == "not-authorized"


@pytest.mark.parametrize("home", [OWN, OTHERS])
def test_under_a_code_that_two_persons_share_no_license_is_used_whosever_home_it_has(home: bytes) -> None:
    asked = replace(ASKED["everything"], is_contested=True)
    owned = shared(1, "any", "any", home=home)
    law = permission(2, "statutory", count=1)
    for licenses in ([owned], [owned, held(2)]):
        assert agree([law], licenses, asked) == "holder-contested"
    assert agree([law], [], asked) == "not-held"
    assert agree([law], [owned], ASKED["everything"]) == "granted"
