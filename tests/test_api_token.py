"""The token endpoint: who gets a token, once for each assertion, and every refusal of a client alike."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from api import access, auth, limits, main, service
from ledger import client, config, registry_commands
from signing import ids
from tests import api_world, rings, world
from tests.api_world import Face, issue_body, problem
from tests.conftest import Cluster


@pytest.mark.parametrize("algorithm", ["Ed25519", "ES256", "PS256"])
def test_a_client_that_signs_for_itself_gets_a_short_lived_token(face: Face, algorithm: str) -> None:
    caller = face.register(world.HALL, "license:use", "license:verify", algorithm=algorithm)
    answer = caller.ask_token()
    said = answer.json()
    assert (said["token_type"], said["expires_in"]) == ("Bearer", 300)
    assert said["scope"] == "license:use license:verify"
    assert answer.headers["Cache-Control"] == "no-store"
    asking = face.served.tokens.verify(said["access_token"], now=int(time.time()))
    assert (asking.client_id, asking.organization, asking.generation) == (caller.client_id, world.HALL, 0)


def test_an_assertion_is_good_once_for_all_processes(face: Face, cluster: Cluster) -> None:
    caller = face.register()
    assertion = caller.assertion()
    with main.opened(face.served.ledger.config, service.Settings(), migrate=False) as other:
        digest = b"x" * 32
        stores = [api_world.client.Spent(served, 0) for served in (face.served, other)]
        assert [store.spend("c", digest, 2**40) for store in stores] == [True, False]
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: caller.ask_token(assertion), range(4)))
    assert sorted(answer.status_code for answer in answers) == [200, 401, 401, 401]
    assert {answer.json()["reason"] for answer in answers if answer.status_code == 401} == {"replayed"}


def test_spent_assertions_are_forgotten_once_they_have_expired(face: Face) -> None:
    store = api_world.client.Spent(face.served, 0)
    assert store.spend("c", b"y" * 32, 100)
    later = api_world.client.Spent(face.served, 101)
    assert later.spend("c", b"z" * 32, 200)
    assert store.spend("c", b"y" * 32, 300)


def test_the_audience_is_exact(face: Face) -> None:
    caller = face.register()
    for audience in (f"{caller.public_url}/oauth/token/", caller.public_url, "http://localhost/oauth/token"):
        refused = caller.ask_token(caller.assertion(audience=audience))
        assert (problem(refused)[:2], refused.json()["reason"]) == ((401, "invalid-client"), "audience")
        assert refused.json()["error"] == "invalid_client"


def test_an_unknown_and_a_suspended_client_are_refused_alike(face: Face) -> None:
    known, stranger = face.register(), face.register()
    ledger = face.served.ledger
    suspended = client.ClientSuspended(client_id=known.client_id)
    face.console(registry_commands.RecordInRegistry(actor=ledger.console, facts=(suspended,)))
    unknown = stranger.assertion(client_id=ids.text(bytes(16)))
    wrong_key = replace(stranger, private=auth.generate_client_key("Ed25519")[0]).assertion()
    answers = [known.ask_token(), stranger.ask_token(unknown), stranger.ask_token(wrong_key)]
    assert len({answer.content for answer in answers}) == 1
    assert {answer.status_code for answer in answers} == {401}


def test_a_changed_key_ends_the_tokens_made_before(face: Face) -> None:
    caller = face.register()
    private, public = auth.generate_client_key("ES256")
    changed = client.ClientKeyChanged(
        client_id=caller.client_id, algorithm="ES256", keys=(api_world.dumps(public).decode(),)
    )
    face.console(registry_commands.RecordInRegistry(actor=face.served.ledger.console, facts=(changed,)))
    assert problem(caller.post("/v1/licenses", issue_body(1)))[:2] == (403, "client-suspended")
    assert caller.ask_token().status_code == 401
    replace(caller, private=private).sign_in().done("/v1/licenses", issue_body(1))


def test_a_token_may_have_fewer_scopes_and_never_more(face: Face) -> None:
    caller = face.register(world.HALL, "license:use", "license:verify")
    narrow = replace(caller).sign_in(scope="license:verify")
    refused = narrow.post("/v1/uses", api_world.example("UseBody"))
    assert problem(refused)[:2] == (403, "scope-missing")
    more = caller.ask_token(scope="license:use license:issue")
    assert (more.status_code, more.json()["error"]) == (400, "invalid_scope")


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (b"", "invalid_request"),
        (b"grant_type=password", "unsupported_grant_type"),
        (b"grant_type=client_credentials", "invalid_request"),
        (b"grant_type=client_credentials&grant_type=client_credentials", "invalid_request"),
        (b"a=%ff", "invalid_request"),
        ("a=一".encode(), "invalid_request"),
        (b"&".join(b"f%d=1" % number for number in range(20)), "invalid_request"),
    ],
)
def test_a_form_that_is_none_is_refused(face: Face, content: bytes, error: str) -> None:
    sent = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = face.http.post("/oauth/token", content=content, headers=sent)
    assert (answer.status_code, answer.json()["error"]) == (400, error)


def test_a_form_too_large_or_in_json_is_refused(face: Face) -> None:
    sent = {"Content-Type": "application/x-www-form-urlencoded"}
    large = face.http.post("/oauth/token", content=b"a=" + b"b" * 40_000, headers=sent)
    assert problem(large)[:2] == (413, "too-large")
    assert problem(face.http.post("/oauth/token", json={}))[:2] == (400, "malformed-request")


def test_a_client_that_asks_for_too_many_tokens_waits(cluster: Cluster) -> None:
    slow = limits.Rate(burst=2, per_s=0.01)
    settings = replace(api_world.GENEROUS, client_rate=slow)
    with api_world.fresh(cluster, settings) as face:
        caller = face.register()
        assert caller.ask_token(caught := caller.assertion()).status_code == 200
        refused = caller.ask_token()
        assert problem(refused)[:2] == (429, "too-many-requests")
        # What was caught on its way uses nothing up: it is refused before the client's tokens are counted.
        assert caller.ask_token(caught).json()["reason"] == "replayed"
        assert int(refused.headers["Retry-After"]) > 1
        face.register()


def test_without_a_good_token_nothing_is_read_or_done(face: Face) -> None:
    caller = face.register()
    good = caller.headers["Authorization"]
    forged = good[:-20] + ("B" if good[-20] == "A" else "A") + good[-19:]
    tokens = ["", "Bearer", "Bearer x", "Basic eDp5", forged]
    before = face.events()
    for text in tokens:
        answer = caller.http.post("/v1/uses", content=b"not json", headers={"Authorization": text})
        assert problem(answer)[:2] == (401, "unauthenticated")
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert face.events() == before


def test_a_token_ends(face: Face) -> None:
    caller = face.register()
    clock = face.served.clock
    face.served.clock = lambda: clock() + 301_000_000
    try:
        answer = caller.post("/v1/uses", api_world.example("UseBody"))
    finally:
        face.served.clock = clock
    assert (answer.status_code, answer.json()["reason"]) == (401, "expired")


def test_a_key_introduced_by_another_process_is_found(configured: config.Config) -> None:
    with api_world.running(configured) as face:
        vault = face.served.ledger.vault
        ring = rings.introduced(vault.ring, "access")
        stranger = access.AccessTokens(
            ring.signing_key("access"),
            key_id=ring.active("access").key_id.hex(),
            issuer=configured.public_url,
            audience=configured.public_url,
        )
        caller = face.register()
        text = stranger.issue(
            client_id=caller.client_id,
            organization=api_world.examples.ORGANIZATION,
            scopes=api_world.ALL_SCOPES,
            generation=0,
            now=int(time.time()),
        )
        caller.headers = {"Authorization": f"Bearer {text}"}
        assert caller.get("/v1/receipts/0/0").json()["reason"] == "unknown-key"
        old = vault.ring
        vault.save_ring(ring)
        introduced = registry_commands.introduced(ring.active("access"))
        face.console(
            registry_commands.RecordInRegistry(
                actor=face.served.ledger.console, facts=(introduced,), ring_version=ring.version
            )
        )
        vault.ring = old
        face.served._ring_looked_at = -1.0  # the look a second that strangers' key ids may cost is over
        assert caller.get("/v1/receipts/0/0").status_code == 200
