"""The pen, where what it does between the lock and the answer can be told from outside."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ledger import use_commands
from ledger.appender import Appender
from ledger.pen import Pen
from ledger.store import Look
from tests.world import BUSINESS_LICENSE, ENTERPRISE, World


def test_look_ups_are_made_again_when_the_key_ring_changed_while_the_batch_waited(world: World) -> None:
    looked = []

    class Turning(Pen):
        def _look(self, *asked: Any) -> Look:
            look = super()._look(*asked)
            if not looked:
                self._vault.ring = replace(self._vault.ring)
            looked.append(look)
            return look

    world.issue()
    world.grant()
    appender = Appender(Turning(world.ledger.recorder, world.ledger.vault)).start()
    asked = use_commands.UseLicense(actor=world.hall, holder=ENTERPRISE, type_code=BUSINESS_LICENSE)
    (used,) = appender.submit(asked).result(60).recorded
    appender.stop()
    assert used.event.topic == "LicenseUsed"
    assert len(looked) == 2
