"""The trust file and the status lists over HTTP: for everybody, cached, and true of the moment they name."""

from __future__ import annotations

import asyncio
import re
import threading
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from anyio import to_thread
from starlette.requests import Request

from api import limits
from api import trust as api_trust
from ledger import errors, issuer_seal_register, keeping, trust_shared
from ledger import trust as trusts
from signing import keyring, status_list, token, trust
from tests import api_world, test_status_list, world
from tests.api_world import Caller, Face, issue_body, problem

CHANGE = api_world.example("ChangeBody")
MADE = trusts.made


@pytest.fixture(scope="module")
def issuer(face: Face) -> Caller:
    return face.register(world.ISSUER, "license:issue")


def trusted(face: Face) -> trust.TrustFile:
    """The trust file as it is now."""
    face.served.publisher.refresh()
    return trust.parse(face.http.get("/v1/trust").content)


def alone(face: Face) -> None:
    """As if no process had published yet."""
    (face.served.ledger.config.data / trust_shared.FOLDER / trust_shared.NEWEST).unlink(missing_ok=True)


def current(publisher: trusts.Publisher, *, wait_s: float) -> trust_shared.Published:
    """What a reader is given who waits so long."""
    return asyncio.run(publisher.current(wait_s=wait_s))


def place(face: Face, qr: str) -> token.Token:
    return token.parse(qr, trusted=trust.token_keys(trusted(face).ledgers[0]))


def test_a_stranger_reads_the_statuses_of_pieces(face: Face, issuer: Caller) -> None:
    made = [issuer.done("/v1/licenses", issue_body(number)) for number in (1, 2, 3)]
    said = [place(face, one["qr"]) for one in made]
    issuer.done(f"/v1/licenses/{made[0]['license_ref']}/suspend", CHANGE)
    issuer.done(f"/v1/licenses/{made[1]['license_ref']}/revoke", CHANGE)
    face.served.publisher.refresh()
    answer = face.http.get("/v1/status-lists/0")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/statuslist+cwt"
    assert answer.headers["access-control-allow-origin"] == "*"
    uri = f"{face.served.ledger.config.public_url}/v1/status-lists/0"
    public = face.served.ledger.vault.token_key.public
    found = test_status_list.read_by_a_stranger(answer.content, public=public, uri=uri)
    assert [found[one.status_index] for one in said] == [2, 1, 0]
    assert face.http.get("/v1/status-lists").json() == {"status_lists": [uri]}
    (ledger,) = trusted(face).ledgers
    listed = trust.listed(ledger, 0)
    assert listed is not None
    assert [listed.at(one.status_index) for one in said] == [2, 1, 0]


def test_the_trust_file_names_keys_lists_checkpoint_and_its_limit(face: Face, issuer: Caller) -> None:
    issuer.done("/v1/licenses", issue_body(4))
    file = trusted(face)
    (ledger,) = file.ledgers
    assert ledger.ledger_id == face.served.ledger.vault.ring.ledger_id
    assert ledger.is_demonstration
    assert abs((file.made_at - datetime.now(UTC)).total_seconds()) < 600
    assert file.fresh_s == 86_400
    (origin,) = ledger.origins
    assert origin.checkpoint == face.http.get("/log/0/checkpoint").text
    listed = trust.listed(ledger, 0)
    assert listed is not None
    assert listed.issued_at == int(file.made_at.timestamp())
    assert listed.expires_at == listed.issued_at + file.fresh_s
    assert trust.vouched(file, by=file).public == face.served.ledger.vault.log_key.public


def test_who_has_it_is_told_so(face: Face) -> None:
    for path in ("/v1/trust", "/v1/status-lists", "/v1/status-lists/0"):
        first = face.http.get(path)
        assert first.headers["cache-control"].startswith("public, max-age=")
        for tag in (first.headers["etag"], f'"x", W/{first.headers["etag"]}', "*"):
            again = face.http.get(path, headers={"If-None-Match": tag})
            assert (again.status_code, again.content, again.headers["etag"]) == (
                304,
                b"",
                first.headers["etag"],
            )
        assert face.http.get(path, headers={"If-None-Match": '"other"'}).content == first.content


@pytest.mark.parametrize("number", ["1", "00", "-1", "x", "99999999999", "\u0660", "0?time=1700000000"])
def test_a_list_that_is_not_there_is_not_found(face: Face, number: str) -> None:
    assert problem(face.http.get(f"/v1/status-lists/{number}"))[:2] == (404, "not-found")


def test_nothing_is_recorded_and_what_has_not_changed_is_signed_again_alone(face: Face) -> None:
    before = face.events()
    first = face.served.publisher.refresh()
    again = face.served.publisher.refresh()
    assert face.events() == before
    assert (again.arrays is first.arrays) == (again.state == first.state)
    assert again.at > first.at
    (ledger,) = trust.parse(again.trust).ledgers
    assert ledger.status_lists == again.lists


def test_after_a_rotation_the_new_keys_sign(face: Face, issuer: Caller) -> None:
    before = trusted(face)
    ledger = face.served.ledger
    old = ledger.vault.token_key.public
    for purpose in ("log", "token"):
        keeping.rotate_signing_key(ledger, face.served.appender, purpose)
    (after,) = trusted(face).ledgers
    assert ledger.vault.token_key.public != old
    assert {key.status for key in after.token_keys} == {"active", "retired"}
    listed = trust.listed(after, 0)
    assert listed is not None
    made = issuer.done("/v1/licenses", issue_body(5))
    assert place(face, made["qr"]).status_list == 0
    assert {key.key_id for key in before.ledgers[0].token_keys} < {key.key_id for key in after.token_keys}


def test_seals_of_issuers_and_what_became_of_them_are_in_the_file(face: Face) -> None:
    served = face.served
    seal = issuer_seal_register.demonstrate(
        served.ledger, served.appender, organization=world.ISSUER, name="合成机关", at=served.moment()
    )
    documents = trusted(face).ledgers[0].documents
    assert [(one.issuer, one.certificate, one.revoked_at) for one in documents.certificates] == [
        (world.ISSUER, seal.certificate, None)
    ]
    assert len(documents.roots) == len(documents.revocation_lists) == 1
    issuer_seal_register.revoke(served.ledger, served.appender, seal.fingerprint, reason="superseded")
    file = trusted(face)
    (one,) = file.ledgers[0].documents.certificates
    assert one.revoked_at is not None
    assert one.revoked_at <= file.made_at


def test_one_address_may_fetch_so_many(face: Face) -> None:
    served, generous = face.served, face.served.trust_limits
    served.trust_limits = limits.Buckets(limits.Rate(burst=2, per_s=0.001))
    try:
        answers = [face.http.get("/v1/status-lists/0") for _ in range(3)]
        assert [one.status_code for one in answers] == [200, 200, 429]
        assert int(answers[2].headers["retry-after"]) >= 1
        assert face.http.get("/v1/trust").status_code == 429
    finally:
        served.trust_limits = generous


def test_who_asks_first_waits_for_the_first_and_nobody_works_before(face: Face) -> None:
    alone(face)
    served = face.served
    publisher = trusts.Publisher(served.ledger, served.reader, every_s=0.05)
    assert publisher._thread is None
    first = current(publisher, wait_s=30)
    with publisher._changed:
        assert publisher._changed.wait_for(lambda: publisher._published is not first, timeout=60)
    assert current(publisher, wait_s=0).at > first.at, "it is made anew beside the questions"
    publisher.stop()
    assert publisher._thread is None
    alone(face)
    idle: Any = trusts.Publisher(served.ledger, served.reader)
    idle.stop()
    with pytest.raises(errors.Unavailable):
        current(idle, wait_s=0)


def test_whatever_goes_wrong_is_told_by_its_type_and_the_file_is_made_again(
    face: Face, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    alone(face)
    failing: list[Exception] = [keyring.KeyRingError("a seal's key"), ValueError("an address")]

    def made(*args: Any, **kwargs: Any) -> trust_shared.Published:
        if failing:
            raise failing.pop(0)
        return MADE(*args, **kwargs)

    monkeypatch.setattr(trusts, "made", made)
    monkeypatch.setattr(trusts, "RETRY_S", 0.0)
    publisher = trusts.Publisher(face.served.ledger, face.served.reader)
    assert current(publisher, wait_s=30).trust
    publisher.stop()
    told = [one.__dict__["error_type"] for one in caplog.records if one.name == trusts.__name__]
    assert told == ["KeyRingError", "ValueError"]


def test_who_waits_for_the_first_holds_no_thread_that_others_need(
    face: Face, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone(face)
    served, may_go_on = face.served, threading.Event()

    def made(*args: Any, **kwargs: Any) -> trust_shared.Published:
        may_go_on.wait()
        return MADE(*args, **kwargs)

    async def scenario() -> None:
        to_thread.current_default_thread_limiter().total_tokens = 1
        request = Request({"type": "http", "app": SimpleNamespace(state=SimpleNamespace(service=served))})
        waiting = asyncio.create_task(api_trust._published(request))
        assert await asyncio.create_task(served.read(served.reader.checkpoint))
        assert not waiting.done(), "the other read was answered meanwhile"
        may_go_on.set()
        assert (await waiting).trust

    monkeypatch.setattr(trusts, "made", made)
    monkeypatch.setattr(api_trust, "_WAIT_S", 30.0)
    monkeypatch.setattr(served, "publisher", trusts.Publisher(served.ledger, served.reader))
    try:
        asyncio.run(scenario())
    finally:
        may_go_on.set()
        served.publisher.stop()


def test_only_so_many_wait_for_the_first_and_the_end_is_told_to_them(
    face: Face, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone(face)
    publisher = trusts.Publisher(face.served.ledger, face.served.reader)
    publisher._thread = threading.current_thread()  # alive, and makes nothing

    async def scenario() -> None:
        waiting = asyncio.create_task(publisher.current(wait_s=3_600))
        with pytest.raises(errors.Unavailable):
            await asyncio.create_task(publisher.current(wait_s=3_600))
        publisher._thread = None
        publisher.stop()
        with pytest.raises(errors.Unavailable):
            await waiting

    monkeypatch.setattr(trusts, "WAITING_MAX", 1)
    asyncio.run(scenario())
    assert not publisher._waiting


def test_a_thread_that_ended_is_begun_anew(face: Face) -> None:
    alone(face)
    publisher = trusts.Publisher(face.served.ledger, face.served.reader)
    ended = threading.Thread(target=int)
    ended.start()
    ended.join()
    publisher._thread = ended
    assert current(publisher, wait_s=30).trust
    publisher.stop()


def test_a_file_that_calls_itself_too_old_is_not_handed_out(face: Face) -> None:
    publisher = trusts.Publisher(face.served.ledger, face.served.reader, fresh_s=60)
    publisher._thread = threading.current_thread()  # alive, and makes nothing
    made = publisher.refresh()
    assert current(publisher, wait_s=0) is made
    publisher._made_s -= 60
    with pytest.raises(errors.Unavailable):
        current(publisher, wait_s=0)
    assert publisher.refresh() is current(publisher, wait_s=0)
    assert publisher._every_s <= 30, "while all goes well there is always a fresh one"


def test_all_processes_of_a_ledger_hand_out_the_same_file(
    face: Face, monkeypatch: pytest.MonkeyPatch
) -> None:
    def published() -> trusts.Publisher:
        publisher = trusts.Publisher(face.served.ledger, face.served.reader)
        publisher._thread = threading.current_thread()  # alive, and makes nothing
        return publisher

    one, other = published(), published()
    for maker in (one, other, one):
        made = maker.refresh()
        given = [current(reader, wait_s=0) for reader in (one, other)]
        assert [(each.trust, each.lists, each.state) for each in given] == [
            (made.trust, made.lists, made.state)
        ] * 2
    monkeypatch.setattr(trusts, "made", None)
    assert other._renew() > 0, "what another made is not made again"
    told_otherwise = trusts.Publisher(face.served.ledger, face.served.reader, fresh_s=60)
    told_otherwise._take()
    assert told_otherwise._published is None, "it is another file"


def test_a_process_that_is_stopped_amid_the_making_is_waited_for_and_then_passed_by(face: Face) -> None:
    publisher = trusts.Publisher(face.served.ledger, face.served.reader)
    stopped = trusts.Publisher(face.served.ledger, face.served.reader)
    alone(face)
    with stopped._shared.alone() as is_alone:
        assert is_alone
        assert publisher._renew() == trusts.YIELD_POLL_S
        assert publisher._published is None
        assert publisher._yielding_since is not None
        publisher._yielding_since -= trusts.YIELD_S
        assert publisher._renew() > trusts.YIELD_POLL_S
    assert publisher._published is not None


@pytest.mark.parametrize("damage", ["absent", "empty", "cut short", "a byte changed", "hours old"])
def test_what_lies_in_the_folder_is_taken_only_whole_and_while_it_is_new(face: Face, damage: str) -> None:
    made = face.served.publisher.refresh()
    path = face.served.ledger.config.data / trust_shared.FOLDER / trust_shared.NEWEST
    data = path.read_bytes()
    later_s = 7200 if damage == "hours old" else 0
    path.write_bytes(
        {"empty": b"", "cut short": data[:-1], "a byte changed": data[:-1] + bytes([data[-1] ^ 1])}.get(
            damage, data
        )
    )
    if damage == "absent":
        path.unlink()
    reader = trusts.Publisher(
        face.served.ledger, face.served.reader, now=lambda: made.at + later_s * 1_000_000
    )
    reader._take()
    assert reader._published is None
    if damage == "hours old":
        reader._fail(ValueError())
        assert reader._published is not None, "it is better than none"
        assert reader.standing.problem == "ValueError"
        assert reader.standing.age_s is not None
        assert reader.standing.age_s >= later_s


def test_a_folder_that_cannot_be_written_costs_nobody_the_file(
    face: Face, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(*args: Any) -> None:
        raise OSError

    publisher = trusts.Publisher(face.served.ledger, face.served.reader)
    monkeypatch.setattr(publisher._shared, "put", full)
    assert publisher.refresh() is publisher._published
    assert "trust file not shared" in caplog.messages


def test_how_old_the_file_is_and_that_it_cannot_be_made_is_told(
    face: Face, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*args: Any, **kwargs: Any) -> trust_shared.Published:
        raise ValueError

    publisher = trusts.Publisher(face.served.ledger, face.served.reader)
    monkeypatch.setattr(face.served, "publisher", publisher)
    assert face.http.get("/readyz").json()["trust_file"] == {"age_s": None, "failing_s": 0, "problem": ""}
    publisher.refresh()
    publisher._made_s -= 1_000
    publisher._failing = (publisher._made_s, "ValueError")
    publisher._fail(ValueError())
    (line,) = [one for one in caplog.records if one.name == trusts.__name__]
    assert (line.levelname, line.__dict__["age_s"] >= 1_000) == ("ERROR", True)
    ready = face.http.get("/readyz")
    assert ready.status_code == 200
    told = ready.json()["trust_file"]
    assert told["age_s"] >= 1_000
    assert told["failing_s"] >= 1_000
    assert told["problem"] == "ValueError"
    text = face.app.state.metrics.exposed(face.served).decode()
    for kind in ("age", "failing"):
        (value,) = re.findall(rf"^ledger_trust_file_{kind}_seconds (\S+)", text, re.MULTILINE)
        assert float(value) >= 1_000
    publisher.refresh()
    assert (publisher.standing.failing_s, publisher.standing.problem) == (0, "")


def test_statuses_are_told_by_the_standards_names() -> None:
    assert (status_list.VALID, status_list.INVALID, status_list.SUSPENDED) == (0, 1, 2)
