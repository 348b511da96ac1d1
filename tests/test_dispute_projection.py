"""The projection of disputes: the same rows, whatever the batches in which the facts came."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ledger import days, dispute_commands, license_commands
from projections import dispute
from tests.projecting import Projected, projected, require_one_equal_to_a_replay
from tests.world import ENTERPRISE, World


@pytest.fixture
def here(world: World) -> Iterator[Projected]:
    with projected(world) as made:
        yield made


def test_a_dispute_lies_where_its_license_does_whatever_the_batches(here: Projected) -> None:
    world = here.world
    ref = world.issue()
    disputed = world.dispute(ref, kind="stale", field_names=())
    elsewhere = license_commands.Content(
        serial=license_commands.draw_serial(),
        number="NO-1",
        holder_name="合成持证主体",
        values={"name": "合成持证主体"},
        valid_from=days.parse("2021-01-01"),
        valid_to=None,
        issued_on=days.parse("2021-01-01"),
        area_code="350200",
    )
    moved = license_commands.AmendLicense(
        actor=world.issuer,
        license_ref=ref,
        holder=ENTERPRISE,
        type_and_issuer=world.kind(ref),
        content=elsewhere,
    )
    world.do(moved)
    decided = dispute_commands.DecideDispute(
        actor=world.issuer, dispute_ref=disputed, outcome="upheld", feedback="已核实"
    )
    world.do(decided)
    here.follow(batch_max=1)
    require_one_equal_to_a_replay(here, dispute.Disputes())
