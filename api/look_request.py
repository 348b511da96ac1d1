"""What somebody who opens a code asks for: a page or JSON, in which language, and what was typed."""

from __future__ import annotations

import re
import urllib.parse
from dataclasses import dataclass
from typing import Literal

from starlette.requests import Request

from api import edge, service
from ledger import errors, opening, paper

Language = Literal["zh", "en"]
FORM_TYPE = "application/x-www-form-urlencoded"
FORM_BYTES_MAX = 8_192
_QUALITY = re.compile(r";\s*q=([01](?:\.[0-9]{0,3})?)\s*(?:;|$)")
_RANGES_MAX = 20


@dataclass(frozen=True, kw_only=True)
class View:
    """How a page is to be shown."""

    language: Language = "zh"
    host: str
    """Where the codes of this ledger lead."""
    is_demonstration: bool = False


@dataclass(frozen=True, kw_only=True)
class Typed:
    """What somebody found printed."""

    number: str
    name: str

    def __repr__(self) -> str:
        return "Typed()"


def wants_page(request: Request) -> bool:
    """Whether HTML is asked for by name, and not after JSON; what takes anything is a program."""
    wanted = _weights(request.headers.get("accept", ""))
    page = wanted.get("text/html", 0.0)
    return page > 0 and page >= wanted.get("application/json", 0.0)


def view(request: Request, served: service.Service) -> View:
    """How the page is shown: `?lang=` before `Accept-Language`, and Chinese before English."""
    config = served.ledger.config
    return View(
        language=language(request.query_params.get("lang"), request.headers.get("accept-language", "")),
        host=config.qr_host,
        is_demonstration=opening.is_demonstration(served.ledger.vault.ring.origin),
    )


def language(chosen: str | None, accepted: str) -> Language:
    """The language of a page."""
    if chosen in ("zh", "en"):
        return "en" if chosen == "en" else "zh"
    weights: dict[str, float] = {}
    for tag, weight in _weights(accepted).items():
        main = tag.partition("-")[0]
        weights[main] = max(weight, weights.get(main, 0.0))
    return "en" if weights.get("en", 0.0) > weights.get("zh", 0.0) else "zh"


async def typed(request: Request) -> Typed:
    """The number and name of a form; raises Malformed, TooLarge or Invalid."""
    declared = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    body = await edge.read_body(request, limit=FORM_BYTES_MAX)
    if declared != FORM_TYPE:
        raise errors.Malformed(f"the body is sent as {FORM_TYPE}")
    try:
        pairs = urllib.parse.parse_qsl(
            body.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=4
        )
    except ValueError as error:
        raise errors.Malformed("the form cannot be read") from error
    said = dict(pairs)
    for field in ("number", "name"):
        text = said.get(field, "").strip()
        if not 0 < len(text) <= paper.TYPED_MAX or "\0" in text:
            raise errors.Invalid(f"1 to {paper.TYPED_MAX} characters", field=field)
    return Typed(number=said["number"], name=said["name"])


def _weights(header: str) -> dict[str, float]:
    """The ranges of an Accept header and their quality (RFC 9110 §12.4.2)."""
    found: dict[str, float] = {}
    for item in header[:2_000].split(",")[:_RANGES_MAX]:
        name, _, rest = item.strip().lower().partition(";")
        quality = _QUALITY.search(f";{rest}") if rest else None
        found[name.strip()] = 1.0 if quality is None else float(quality[1])
    return found
