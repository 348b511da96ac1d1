"""Races: two service processes on one ledger, and a second session that changes state under the lock."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import psycopg
import pytest

from ledger import authorization_commands, errors, use_commands
from ledger.pen import Result
from signing import note, receipt
from tests.service_process import Service, services
from tests.test_appender import lock_held
from tests.world import BUSINESS_LICENSE, ENTERPRISE, HALL, World


def proven(world: World, outcomes: list[dict[str, Any]]) -> None:
    """Every answer's receipt verifies, whichever process gave it."""
    name = f"{world.ledger.vault.ring.origin}/0"
    key = note.VerifierKey(name=name, public=world.ledger.vault.log_key.public)
    for item in outcomes:
        verified = receipt.verify(item["receipt"], event=bytes.fromhex(item["data"]), trusted=[key])
        assert verified.index == item["index"]


@pytest.mark.parametrize(("mode", "batch_max"), [("holder", 3), ("statutory", 256)])
def test_sixty_four_uses_of_ten_left_from_two_processes_grant_exactly_ten(
    world: World, mode: str, batch_max: int
) -> None:
    world.issue()
    ref = world.grant(mode=mode, uses_max=12)
    world.use()
    world.use()
    with services(world.ledger.config, batch_max=batch_max) as pair:
        with lock_held(world.ledger):
            for service in pair:
                service.send(world.hall, "use", times=32)
        outcomes = [item for service in pair for item in service.told()]
    granted = [item for item in outcomes if item["topic"] == "LicenseUsed"]
    assert len(granted) == 10
    refused = {item["reason"] for item in outcomes if item["topic"] == "UseRefused"}
    assert refused == {"authorization-exhausted"}
    assert len({item["index"] for item in outcomes}) == 64
    assert max(item["index"] for item in granted) < min(
        item["index"] for item in outcomes if item["topic"] == "UseRefused"
    )
    assert uses_of(world, ref) == 12
    proven(world, outcomes)


def uses_of(world: World, ref: bytes) -> int:
    with psycopg.connect(str(world.ledger.ways.owner)) as conn:
        found = conn.execute(
            "SELECT uses FROM authorizations WHERE authorization_ref = %s", (ref,)
        ).fetchone()
    assert found is not None
    uses: int = found[0]
    return uses


Forbids = Callable[[World, Service, bytes, bytes], dict[str, Any]]

FORBIDS: dict[str, tuple[Forbids, dict[str, str]]] = {
    "a withdrawal": (
        lambda world, service, grant, _: service.ask(world.issuer, "withdraw", ref=grant.hex()),
        {"reason": "authorization-withdrawn"},
    ),
    "a suspension": (
        lambda world, service, _, license_: service.ask(world.issuer, "suspend", ref=license_.hex()),
        {"reason": "license-suspended"},
    ),
    "an annulment": (
        lambda world, service, _, license_: service.ask(world.issuer, "annul", ref=license_.hex()),
        {"reason": "license-annulled"},
    ),
    "a client's suspension": (
        lambda world, service, *_: service.ask(world.ledger.console, "suspend-client", ref=client_of(world)),
        {"error": "client-suspended"},
    ),
    "a client's key change": (
        lambda world, service, *_: service.ask(world.ledger.console, "change-key", ref=client_of(world)),
        {"error": "client-suspended"},
    ),
}


def client_of(world: World) -> str:
    assert world.hall.client_id is not None
    return world.hall.client_id.hex()


def test_a_use_that_starts_after_the_answer_to_what_forbids_it_is_refused(world: World) -> None:
    with services(world.ledger.config) as (one, other):
        for day, (forbidding, (forbid, told)) in enumerate(FORBIDS.items(), start=1):
            license_ = world.issue(valid_from=f"2020-01-{day:02}")
            grant = world.grant(mode="holder")
            for service in (one, other):
                assert service.ask(world.hall, "use")["topic"] == "LicenseUsed", forbidding
            assert "index" in forbid(world, one, grant, license_), forbidding
            for service in (other, one):
                assert service.ask(world.hall, "use").items() >= told.items(), forbidding
            if forbidding != "a withdrawal":
                withdraw(world, grant)
            if forbidding not in ("a suspension", "an annulment"):
                world.status(license_, "cancel")
            world.hall = world.register(HALL, "license:use")


def test_of_a_storm_of_uses_none_is_granted_behind_the_withdrawal(world: World) -> None:
    world.issue()
    grant = world.grant()
    with services(world.ledger.config, batch_max=8) as (one, other):
        with lock_held(world.ledger):
            for service in (one, other):
                service.send(world.hall, "use", times=200)
        withdrawn = withdraw(world, grant)
        outcomes = [*one.told(), *other.told()]
    for item in outcomes:
        is_granted = item["topic"] == "LicenseUsed"
        assert is_granted == (item["index"] < withdrawn)
    assert len(outcomes) == 400


def withdraw(world: World, grant: bytes) -> int:
    asked = authorization_commands.WithdrawAuthorization(actor=world.issuer, authorization_ref=grant)
    return world.do(asked).indexes[0]


CHANGES = {
    "withdrawn": ("UPDATE authorizations SET is_withdrawn = true", "authorization-withdrawn"),
    "used up": ("UPDATE authorizations SET uses = uses_max", "authorization-exhausted"),
    "annulled": ("UPDATE licenses SET status = 'annulled'", "license-annulled"),
    "ended": ("UPDATE authorizations SET valid_until = 1", "authorization-ended"),
}


@pytest.mark.tampers
@pytest.mark.parametrize("change", CHANGES)
def test_a_batch_that_waited_for_the_lock_sees_what_changed_meanwhile(world: World, change: str) -> None:
    """Lock and state in one statement would see the state from before the wait: it is two."""
    world.issue()
    world.grant(uses_max=5)
    statement, reason = CHANGES[change]
    (recorded,) = while_it_waits(world, statement).result(60).recorded
    assert (recorded.event.topic, recorded.event.fact["reason"]) == ("UseRefused", reason)


@pytest.mark.tampers
def test_a_batch_that_waited_for_the_lock_sees_that_its_client_was_suspended(world: World) -> None:
    world.issue()
    world.grant()
    told = while_it_waits(world, "UPDATE clients SET is_suspended = true")
    with pytest.raises(errors.ClientSuspended):
        told.result(60)


def while_it_waits(world: World, statement: str) -> Future[Result]:
    """A use whose batch waits for the lock while a second session changes a row, and commits."""
    world.use()
    use = use_commands.UseLicense(actor=world.hall, holder=ENTERPRISE, type_code=BUSINESS_LICENSE)
    with lock_held(world.ledger) as conn:
        told = world.appender.submit(use)
        with psycopg.connect(str(world.ledger.ways.owner), autocommit=True) as watching:
            while not is_waiting(watching):
                pass
        conn.execute(statement)  # type: ignore[arg-type]
        conn.commit()
    return told


def is_waiting(watching: psycopg.Connection[Any]) -> bool:
    """Whether a session waits for a lock in this database."""
    found = watching.execute(
        "SELECT EXISTS (SELECT FROM pg_stat_activity"
        " WHERE datname = current_database() AND wait_event_type = 'Lock')"
    ).fetchone()
    return found is not None and bool(found[0])
