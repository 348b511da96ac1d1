"""Comparisons over HTTP 在线比对: claimed values in, verdicts out; no value of the license leaves.

The license is opened only after the ledger has said, under its lock, that the requester may compare
with that version; then the verdicts are recorded, unless it was amended in between.
"""

from __future__ import annotations

from dataclasses import replace

from starlette.requests import Request
from starlette.responses import Response

from api import acts, answers, examples, models, models_comparison, routes, service
from api import use as uses
from ledger import comparison as comparisons
from ledger import comparison_commands, errors, identifiers, number_commands, refusal, use_commands
from ledger import use as ledger_uses
from signing import ids, spelling

router = routes.router()
TRIES = 4
"""How often a license may be amended while it is compared with."""


@router.post(
    "/v1/comparisons",
    summary="Compare claimed values 在线比对",
    **routes.secured(
        "license:use",
        model=models_comparison.Compared,
        refusals=(
            errors.InvalidHolderCode,
            errors.CaseNumberUnfit,
            errors.LicenseTypeUnknown,
            errors.FieldUnknown,
            errors.RefusalQuota,
            errors.ComparisonLimit,
            errors.VersionMoved,
        ),
    ),
)
async def compare(request: Request, body: examples.CompareBody, key: acts.IdempotencyKey = None) -> Response:
    """One license under an authorization, field by field; the answer is recorded and proven."""
    served, asking = service.of(request), routes.asking(request)
    if any(identifiers.contains_citizen_id(name) for name in body.claims):
        # Names of claimed fields stand in clear in the log.
        raise errors.FieldUnknown(field="claims")
    repeat = acts.repeat_of(served, asking, operation="comparison", key=key, body=await request.json())
    found = await uses.filed(served, body.number, body.license_type)
    asked = _command(uses.command(asking, _as_use(body), repeat, found=found), body)
    async with uses.counted(served, asking) as seen:
        item = await _recorded(served, asked)
        seen.append(item)
    return routes.answer(_answer(item))


def _as_use(body: models_comparison.Compare) -> models.Use:
    """The use that would disclose what is claimed: a comparison needs the same authorization."""
    said = {name: getattr(body, name) for name in models.Use.model_fields if name != "fields"}
    return models.Use(fields=sorted(body.claims), **said)


def _command(
    asked: use_commands.UseLicense, body: models_comparison.Compare
) -> comparison_commands.CompareLicense:
    if isinstance(asked, number_commands.UseByNumber):
        return number_commands.CompareByNumber(**vars(asked), claims=body.claims)
    return comparison_commands.CompareLicense(**vars(asked), claims=body.claims)


async def _recorded(served: service.Service, asked: comparison_commands.CompareLicense) -> service.Recorded:
    for _ in range(TRIES):
        try:
            (item,) = await served.record(asked)
        except errors.VersionMoved as moved:
            asked = replace(asked, known=await served.read(_verdicts, served, asked, moved))
            continue
        return item
    raise errors.VersionMoved


def _verdicts(
    served: service.Service, asked: comparison_commands.CompareLicense, moved: errors.VersionMoved
) -> dict[int, comparison_commands.Verdicts]:
    """The verdicts on the version that the ledger asked for; none when it opens no more."""
    index: int = moved.extra["version_index"]
    version = served.disclosure.version(index)
    if version is None:
        return {}
    values = {name: value for name, (_, value) in version.salted.items()}
    pairs = moved.extra["named_as"]
    if pairs is not None:
        # Claimed in the words of the national type for which the license's own type stands.
        reserved = {name: value for name, value in values.items() if name.startswith("@")}
        values = reserved | {national: values[own] for own, national in pairs if own in values}
    names = served.disclosure.names(version.about.stream_id)
    return {index: comparison_commands.verdicts(values, asked.claims, names=names)}


def _answer(item: service.Recorded) -> answers.Json:
    """Derived from the event, so that a repeat is told the same."""
    made = item.fact
    proof = {"event": spelling.to_base64(item.data), "receipt": item.receipt}
    if isinstance(made, refusal.UseRefused):
        return {**answers.refused(item.index, made, proof), "license_ref": None, "verdicts": None}
    assert isinstance(made, comparisons.LicenseCompared), "compared or refused"
    return {
        "index": item.index,
        "decision": "granted",
        "code": ledger_uses.GRANTED_CODE,
        "reason": None,
        "license": None,
        "license_ref": ids.text(made.license_ref),
        "verdicts": dict(made.verdicts),
        "proof": proof,
        "help": None,
    }
