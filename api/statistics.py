"""Statistics over HTTP 统计: sums by day, type, issuer, region, item, channel; small ones only for auditors.

Nothing of a holder is in them, and nothing is recorded when they are read.
"""

from __future__ import annotations

from typing import Annotated, Any, get_args

from fastapi import Query
from starlette.requests import Request
from starlette.responses import Response

from api import acts, answers, models, models_answers, routes, service
from ledger import days, errors
from projections import statistics

router = routes.router()
_DAYS = 30
_DAY = {"pattern": "^(19|20|21)[0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])$"}
_GROUPS = "|".join(get_args(statistics.Group))
_TYPE, _CODE, _REGION = "[0-9A-Z]{18}[0-9]{3}", "[0-9A-Z]{18}", "[0-9]{2}([0-9]{2}){0,2}"
_ITEM, _CHANNEL = "[0-9A-Za-z._:-]{1,64}", "|".join(get_args(models.Channel))
From = Annotated[
    str | None,
    Query(alias="from", description="First Beijing day; 29 days before the last", json_schema_extra={**_DAY}),
]
Until = Annotated[str | None, Query(description="Last Beijing day; today", json_schema_extra={**_DAY})]
GroupBy = Annotated[
    str | None,
    Query(
        description="Some of day, type, issuer, region, item, channel, by commas; nothing: one line",
        json_schema_extra={"pattern": f"^({_GROUPS})(,({_GROUPS}))*$"},
    ),
]
Type = Annotated[
    str | None, Query(description="Only of this type", json_schema_extra={"pattern": f"^{_TYPE}$"})
]
Issuer = Annotated[
    str | None, Query(description="Only of this issuer", json_schema_extra={"pattern": f"^{_CODE}$"})
]
Region = Annotated[
    str | None,
    Query(
        description="Only where the issuer's credit code names this division: 2, 4 or 6 digits",
        json_schema_extra={"pattern": f"^{_REGION}$"},
    ),
]
Item = Annotated[
    str | None,
    Query(description="Only of this service item 事项编码", json_schema_extra={"pattern": f"^{_ITEM}$"}),
]
Channel = Annotated[
    str | None,
    Query(description="Only through this channel", json_schema_extra={"pattern": f"^({_CHANNEL})$"}),
]


@router.get(
    "/v1/statistics",
    summary="Statistics 统计",
    **routes.secured(
        "statistics:read",
        "audit:read",
        model=models_answers.Statistics,
        refusals=(errors.ScopeMissing, errors.ClientSuspended, errors.Invalid, errors.BehindIndex),
        appends=False,
    ),
)
async def read_statistics(
    request: Request,
    from_: From = None,
    until: Until = None,
    group_by: GroupBy = None,
    license_type: Type = None,
    issuer: Issuer = None,
    region: Region = None,
    service_item_code: Item = None,
    channel: Channel = None,
    at_least: acts.AtLeast = None,
) -> Response:
    """What was issued, changed, used, compared, refused, verified and looked at, by Beijing day. Unless the
    caller may read the trail, each part from 1 to 4 counts as 0 or 5, and a figure of 0 so made is null."""
    served, asking = service.of(request), routes.asking(request)
    wanted = acts.at_least(at_least)
    groups = _groups(group_by)
    masks = "audit:read" not in asking.scopes
    last_day = acts.asked_day(until, field="until")
    first_day = acts.asked_day(from_, field="from")
    where = {
        "type_code": acts.asked_text(license_type, field="license_type", pattern=_TYPE),
        "issuer": acts.asked_text(issuer, field="issuer", pattern=_CODE),
        "region": acts.asked_text(region, field="region", pattern=_REGION),
        "item": acts.asked_text(service_item_code, field="service_item_code", pattern=_ITEM),
        "channel": acts.asked_text(channel, field="channel", pattern=_CHANNEL),
    }

    def look() -> answers.Json:
        served.require_current(asking)
        served.views.wait_for(wanted, name="statistics")
        last = days.of_instant(served.moment()) if last_day is None else last_day
        first = last - _DAYS + 1 if first_day is None else first_day
        seed = served.ledger.vault.seed("statistics")
        asked = statistics.Query(first=first, last=last, groups=groups, seed=seed, **where)
        through, lines = served.views.statistics.lines(asked)
        return {
            "through": through,
            "from": days.text(first),
            "until": days.text(last),
            "lines": [shown(line, masks=masks) for line in lines],
        }

    return routes.answer(await served.read(look))


def _groups(said: str | None) -> tuple[statistics.Group, ...]:
    named = () if said is None else tuple(said.split(","))
    if len(set(named)) != len(named) or not set(named) <= set(get_args(statistics.Group)):
        raise errors.Invalid(f"some of {_GROUPS}, each once", field="query.group_by")
    return tuple(group for group in get_args(statistics.Group) if group in named)


def shown(line: statistics.Line, *, masks: bool) -> answers.Json:
    """The sums of one group; what is not there did not happen."""

    def told(figure: statistics.Figure) -> int | None:
        return figure.masked if masks else figure.count

    def mean_delay(figure: statistics.Figure) -> int | None:
        is_told = figure.is_exact or not masks
        return figure.delay_s // figure.count if is_told else None

    counted = line.measures
    plain = {name: told(counted[name]) if name in counted else 0 for name in _PLAIN}
    refused = {
        name.removeprefix(statistics.REFUSED): told(figure)
        for name, figure in sorted(counted.items())
        if name.startswith(statistics.REFUSED)
    }
    delays = {f"{name}_delay_s": mean_delay(counted[name]) if name in counted else None for name in _DELAYED}
    return {**_group(line), **plain, "refused": refused, **delays}


_PLAIN = ("issued", "imported", "changed", "used", "compared", "verified", "looked")
_DELAYED = ("issued", "changed")


def _group(line: statistics.Line) -> dict[str, Any]:
    """Which group a line is about; an empty text is what the events did not say."""
    return {
        "day": None if line.day is None else days.text(line.day),
        "license_type": line.type_code,
        "issuer": line.issuer,
        "region": line.region,
        "service_item_code": line.item,
        "channel": line.channel,
    }
