"""The part of a day that is about documents: the issuer's, and a copy whose link is followed twice."""

from __future__ import annotations

import urllib.parse
from typing import TYPE_CHECKING

import httpx

from tests import console, world

if TYPE_CHECKING:
    from tests.leaks_run import Day


def leave(day: Day, holder: dict[str, str], license_ref: str) -> None:
    """Both leave, from a service that has what it made last in memory."""
    console.call("seals", "demonstration", world.ISSUER, "--name", "示例审批局", "--data", day.data)
    made = day.issuer.get(f"/v1/licenses/{license_ref}/document")
    assert made.content.startswith(b"%PDF"), made.text
    day.refused(day.hall.get(f"/v1/licenses/{license_ref}/document"))
    asked = day.use_body(holder=holder, license_type=world.CITIZEN_CARD)
    (copy, *_) = day.hall.done("/v1/copies", asked)["copies"]
    link = day.url + urllib.parse.urlsplit(copy["url"]).path
    assert "下载" in httpx.get(link, headers={"Accept": "text/html"}, timeout=60).text
    assert all(httpx.post(link, timeout=60).content.startswith(b"%PDF") for _ in range(2))
    day.refused(httpx.get(f"{day.url}/C/{day.markers.account()}", timeout=60))
