"""Uses through the real append path."""

from __future__ import annotations

from signing import note, receipt
from tests.world import World


def test_a_use_is_granted_recorded_and_proven(world: World) -> None:
    ref = world.issue()
    world.grant()
    (used,) = world.use()
    assert used.event.topic == "LicenseUsed"
    assert used.event.fact["license_ref"] == ref
    key = note.VerifierKey(
        name=f"{world.ledger.vault.ring.origin}/0", public=world.ledger.vault.log_key.public
    )
    proven = receipt.verify(used.receipt, event=used.data, trusted=[key])
    assert proven.index == used.index


def test_without_an_authorization_every_refusal_looks_alike(world: World) -> None:
    ref = world.issue()
    known = world.use()
    unknown = world.use(license_ref=bytes(16))
    by_ref = world.use(license_ref=ref)
    facts = [dict(item.event.fact) | {"type_code": None} for (item,) in (known, unknown, by_ref)]
    assert facts[0] == facts[1] == facts[2]
    assert {item.event.stream_id for (item,) in (known, unknown, by_ref)} == {known[0].event.stream_id}


def test_a_withdrawn_status_is_told_where_the_requester_may_know(world: World) -> None:
    ref = world.issue()
    world.grant()
    world.status(ref, "suspend")
    (refused,) = world.use()
    assert (refused.event.topic, refused.event.fact["reason"]) == ("UseRefused", "license-suspended")
    world.status(ref, "reinstate")
    (used,) = world.use()
    assert used.event.topic == "LicenseUsed"
