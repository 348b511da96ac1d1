"""Keys change under services in use: nobody is turned away, and what was stolen opens nothing at once."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from joserfc import jwk, jws

from api import access, service
from ledger import config, disclosure, errors, keeping, key_commands, opening, use_commands
from ledger.pen import Result
from signing import ids, keyring, keys, note, spelling, token
from tests import api_world, world
from tests.api_world import Caller, Face, grant_body, issue_body, problem, use_body
from tests.conftest import Cluster


@pytest.fixture(scope="module")
def faces(cluster: Cluster) -> Iterator[tuple[Face, Face]]:
    """Two services on one ledger, each in its own vault, that look again for keys soon."""
    with contextlib.ExitStack() as stack:
        stack.enter_context(pytest.MonkeyPatch.context()).setattr(service, "RING_LOOKS_EVERY_S", 0.1)
        first = stack.enter_context(api_world.fresh(cluster))
        issuer = first.register()
        issuer.done("/v1/licenses", issue_body(7))
        issuer.done("/v1/authorizations", grant_body())
        yield first, stack.enter_context(api_world.running(first.served.ledger.config))


@contextlib.contextmanager
def console(configured: config.Config) -> Iterator[Any]:
    """A third process, from which the operator changes keys: (ledger, appender)."""
    with opening.opened(configured, migrate=False) as ledger, ledger.appending() as appender:
        yield ledger, appender


def rotate(face: Face, *purposes: str) -> list[bytes]:
    """New keys; the services are told nothing."""
    with console(face.served.ledger.config) as (ledger, appender):
        return [keeping.rotate_signing_key(ledger, appender, purpose) for purpose in purposes]


def compromise(face: Face, purpose: str) -> bytes:
    with console(face.served.ledger.config) as (ledger, appender):
        key_id: bytes = ledger.vault.ring.active(purpose).key_id
        keeping.compromise_signing_key(ledger, appender, key_id, since=None, actor=ledger.console)
    return key_id


def elsewhere(caller: Caller, face: Face) -> Caller:
    """The same client with the same access token, at another service."""
    there = Caller(
        http=face.http, public_url=caller.public_url, client_id=caller.client_id, private=caller.private
    )
    there.headers = dict(caller.headers)
    return there


def key_of(caller: Caller) -> str:
    """The id of the key that signed the caller's access token."""
    token = caller.headers["Authorization"].removeprefix("Bearer ")
    return str(jws.extract_compact(token.encode()).headers()["kid"])


def ready(face: Face) -> Caller:
    """A client whose uses are granted."""
    return face.register()


def test_a_token_of_before_a_rotation_is_taken_everywhere_and_the_next_is_under_the_new_key(
    faces: tuple[Face, Face],
) -> None:
    here, there = faces
    caller = ready(here)
    for _ in range(2):
        before = key_of(caller)
        (fresh,) = rotate(here, "access")
        for one in (caller, elsewhere(caller, there)):
            assert one.done("/v1/uses", use_body(7))["uses"][0]["decision"] == "granted"
            assert one.get("/v1/receipts/0/1").status_code == 200
        second = elsewhere(caller, there).sign_in()
        assert (key_of(caller), key_of(second)) == (before, fresh.hex())
        assert elsewhere(second, here).done("/v1/uses", use_body(7))["uses"]
        published = {one["kid"]: one for one in there.http.get("/oauth/jwks").json()["keys"]}
        assert {before, fresh.hex()} <= published.keys()
        token = second.headers["Authorization"].removeprefix("Bearer ")
        assert jws.deserialize_compact(token, jwk.import_key(published[fresh.hex()]), algorithms=["Ed25519"])
        caller = second


def test_a_token_under_a_key_that_is_news_is_taken_however_many_strangers_ask(
    faces: tuple[Face, Face],
) -> None:
    here, there = faces
    caller = ready(here)
    stranger = access.AccessTokens(
        keys.SigningKey(bytes(32)), key_id="00000000", issuer=caller.public_url, audience=caller.public_url
    ).issue(client_id=bytes(16), organization=world.HALL, scopes=(), generation=0, now=int(time.time()))
    for _ in range(2):
        refused = there.http.get("/v1/receipts/0/1", headers={"Authorization": f"Bearer {stranger}"})
        assert refused.json()["reason"] == "unknown-key"
        rotate(here, "access")
        caller.sign_in()
        assert elsewhere(caller, there).get("/v1/receipts/0/1").status_code == 200


def test_a_key_that_a_crash_left_in_the_ring_alone_is_taken_by_every_service(
    faces: tuple[Face, Face],
) -> None:
    here, there = faces
    caller = ready(here)
    vault = here.served.ledger.vault
    fresh = keyring.new_key(vault.suite, "access")
    vault.save_ring(key_commands.with_key(vault.ring, fresh, at=there.served.moment()))
    caller.sign_in()
    assert key_of(caller) == fresh.key_id.hex()
    assert elsewhere(caller, there).get("/v1/receipts/0/1").status_code == 200


def test_the_key_that_a_crash_left_retired_in_the_ring_alone_signs_no_access_token(
    faces: tuple[Face, Face],
) -> None:
    """Else its tokens would be from after its retirement once everybody knows of that."""
    here, there = faces
    caller = ready(here)
    vault = here.served.ledger.vault
    fresh = keyring.new_key(vault.suite, "access")
    vault.save_ring(key_commands.with_key(vault.ring, fresh, at=there.served.moment()))
    assert key_of(elsewhere(caller, there).sign_in()) == fresh.key_id.hex()


def test_every_token_of_a_compromised_access_key_is_refused_at_once_by_every_service(
    faces: tuple[Face, Face],
) -> None:
    here, there = faces
    caller = ready(here)
    callers = [caller, elsewhere(caller, there)]
    for one in callers:
        one.done("/v1/uses", use_body(7))
    stolen = there.served.ledger.vault.ring.active("access")
    assert key_of(caller) == compromise(here, "access").hex()
    size = here.events()
    forged = access.AccessTokens(
        keys.SigningKey(stolen.seed),
        key_id=stolen.key_id.hex(),
        issuer=caller.public_url,
        audience=caller.public_url,
        life_s=10**9,
    ).issue(
        client_id=caller.client_id,
        organization=world.HALL,
        scopes=api_world.ALL_SCOPES,
        generation=0,
        now=int(time.time()) - 3600,
    )
    for one in callers:
        for headers in (one.headers, {"Authorization": f"Bearer {forged}"}):
            one.headers = dict(headers)
            for answer in (one.get("/v1/receipts/0/1"), one.post("/v1/uses", use_body(7))):
                assert problem(answer)[:2] == (401, "unauthenticated")
                assert answer.json()["reason"] == "unknown-key"
        one.sign_in()
        assert one.done("/v1/uses", use_body(7))["uses"][0]["decision"] == "granted"
    assert here.events() == size + 2
    assert stolen.key_id.hex() not in {one["kid"] for one in here.http.get("/oauth/jwks").json()["keys"]}


def test_a_command_let_in_before_the_key_was_known_to_be_compromised_is_refused_under_the_lock(
    faces: tuple[Face, Face],
) -> None:
    """Also when it is decided in the very batch that says so."""
    here, _ = faces
    caller = ready(here)
    asking = here.served.tokens.verify(
        caller.headers["Authorization"].removeprefix("Bearer "), now=int(time.time())
    )
    asked = use_commands.UseLicense(
        actor=world.command.Actor(
            client_id=asking.client_id,
            organization=asking.organization,
            generation=asking.generation,
            access_key=asking.key_id,
            operator=world.command.Operator(account="a", name="经办人"),
        ),
        holder=world.citizen(7),
        type_code=world.CITIZEN_CARD,
    )
    assert isinstance(here.served.appender.submit(asked).result(30), Result)
    compromise(here, "access")
    with pytest.raises(errors.Unauthenticated):
        here.served.appender.submit(asked).result(30)


def signer(text: str, face: Face, key_id: str) -> note.Checkpoint:
    """The checkpoint in a receipt or a note, which the key called `key_id` must have signed."""
    shown = face.http.get("/v1/keys").json()["keys"]
    (public,) = [spelling.from_base64(one["public"]) for one in shown if one["key_id"] == key_id]
    origin = f"{world.ORIGIN}/0"
    trusted = [note.VerifierKey(name=origin, public=public)]
    return note.parse_checkpoint(note.verify(text[text.index(origin) :], trusted=trusted)[0])


def test_whoever_acts_for_a_client_says_under_which_key_its_token_was() -> None:
    """Else a command under a compromised key would be decided as if nothing were."""
    folder = Path(access.__file__).parent
    for path in sorted(folder.glob("*.py")):
        if path.name == "stock.py":
            continue  # a job outlives its token by far; whoever began one is told by its rows
        text = path.read_text("utf-8")
        actors = text.count("generation=asking.generation")
        assert text.count("access_key=asking.key_id") == actors, path.name


def test_a_service_that_only_reads_signs_nothing_with_a_key_that_another_retired(
    faces: tuple[Face, Face],
) -> None:
    here, there = faces
    caller = elsewhere(ready(here), there)
    for change in (rotate, compromise):
        change(here, "log")
        with console(here.served.ledger.config) as (ledger, _):
            signs = ledger.vault.ring.active("log").key_id.hex()
        for text in (there.http.get("/log/0/checkpoint").text, caller.get("/v1/receipts/0/1").text):
            assert signer(text, there, signs).size == here.events()


def test_a_token_under_a_key_that_signs_no_more_is_believed_where_the_ledger_prints_the_same(
    faces: tuple[Face, Face],
) -> None:
    here, _ = faces
    caller = here.register()
    genuine = caller.done("/v1/licenses", issue_body(8))["qr"]
    stolen = here.served.ledger.vault.token_key
    suite = here.served.ledger.vault.suite
    said = token.parse(genuine, trusted=disclosure.token_keys(here.served.ledger.vault), suite=suite)
    forged = [
        token.url(token.sign(replace(said, **changes), key=stolen, suite=suite), host="ledger.example")
        for changes in ({"paper_digest": bytes(12)}, {"valid_to": 99_999}, {"paper_salt": bytes(8)})
    ]

    def results(face: Face) -> list[str]:
        one, asked = elsewhere(caller, face), api_world.example("VerifyBody", "by_token")
        return [
            one.done("/v1/verifications", {**asked, "token": text})["result"] for text in (genuine, *forged)
        ]

    for change in (rotate, compromise):
        change(here, "token")
        for face in faces:
            assert results(face) == ["effective", "unknown", "unknown", "unknown"]


def test_the_history_of_every_key_is_public(faces: tuple[Face, Face]) -> None:
    here, there = faces
    old = compromise(here, "token").hex()
    with console(here.served.ledger.config) as (ledger, appender):
        prepared = keeping.prepare_signing_key(ledger, appender, "access").hex()
    shown = {one["key_id"]: one for one in there.http.get("/v1/keys").json()["keys"]}
    assert (shown[old]["status"], shown[prepared]["status"]) == ("compromised", "prepared")
    assert shown[old]["last_size"] is not None
    assert prepared in {one["kid"] for one in there.http.get("/oauth/jwks").json()["keys"]}
    assert ids.text(here.served.ledger.vault.ring.ledger_id) not in str(shown)
