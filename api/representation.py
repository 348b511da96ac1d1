"""Representatives of a license's holder over HTTP 法定代表人: who it was in which period; no name, no code.

A representative is told by a reference that stays the same for one person: the issuer knows whose it is from
its own versions, and an auditor finds the person's events by it.
"""

from __future__ import annotations

from itertools import zip_longest

from starlette.requests import Request
from starlette.responses import Response

from api import acts, answers, models_license, routes, service, standing
from ledger import days, errors, representation
from signing import ids

router = routes.router()


@router.get(
    "/v1/licenses/{license_ref}/representatives",
    summary="Who represented a license's holder, by period",
    **routes.secured(
        "license:issue",
        "audit:read",
        model=models_license.Representatives,
        refusals=(errors.ScopeMissing, errors.LicenseNotFound, errors.BehindIndex),
        appends=False,
    ),
)
async def get_representatives(request: Request, license_ref: str, at_least: acts.AtLeast = None) -> Response:
    """As the license's versions say, the first period first; to its issuer and auditors."""
    served, asking = service.of(request), routes.asking(request)
    ref, wanted = acts.ref(license_ref, absent=errors.LicenseNotFound), acts.at_least(at_least)

    def look() -> answers.Json:
        served.require_current(asking)
        served.views.wait_for(wanted, name="trail")
        row = standing.visible(served, asking, ref, at=served.moment())
        if "audit:read" not in asking.scopes and not standing.issues(served, asking, row):
            raise errors.LicenseNotFound
        through, changes = served.views.trail.changes(ref)
        found = [
            (item, item.fact)
            for item in changes
            if isinstance(item.fact, representation.RepresentationChanged)
        ]
        periods = [
            {
                "since": days.instant_text(item.about.effective_at),
                "until": None if after is None else days.instant_text(after[0].about.effective_at),
                "version": made.version,
                "index": item.index,
                "representatives": [ids.text(one) for one in made.present],
                "ended_authorizations": len(made.ended),
            }
            for (item, made), after in zip_longest(found, found[1:])
        ]
        return {"license_ref": license_ref, "through": through, "periods": periods}

    return routes.answer(await served.read(look))
