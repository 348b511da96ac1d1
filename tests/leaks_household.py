"""A household in the leak test's day: its number and every value of its pages are markers."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from tests import world

if TYPE_CHECKING:
    from tests.leaks_run import Day

SERIALS = itertools.count(1)


def house(day: Day, holder: dict[str, str]) -> None:
    """A household of the holder, looked for by its number and by the holder, and read by an auditor."""
    number, pages = day.markers.text("household number"), []
    for printed in (number, day.markers.text("printed number")):
        asked = day.version(holder, world.BOOKLET, printed, f"D{next(SERIALS)}")
        made = day.issuer.done("/v1/licenses", {"license_type": world.BOOKLET, **asked})
        pages.append(made["license_ref"])
    day.issuer.done("/v1/households", {**day.act(), "first_page": pages[0], "head": pages[1]})
    for asked in ({"license_type": world.BOOKLET, "number": number}, {"holder": holder}):
        (found,) = day.issuer.done("/v1/households/search", asked)["households"]
    named = [{"page": "first"}, {"page": "own"}, {"page": "member", "holder": holder}]
    asked = {"holder": holder, "license_type": world.BOOKLET, "pages": named, "fields": ["address"]}
    day.hall.done("/v1/households/uses", day.use_body(**asked))
    shown = day.auditor.get(f"/v1/households/{found['household_ref']}").json()
    assert shown["pages"] == found["pages"]
