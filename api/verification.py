"""Verifications over HTTP 核验: an authenticated check with a receipt.

What a QR code opens for anyone, without a record, is in `look.py`; both say the same of the same license.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from api import acts, answers, examples, models, models_answers, routes, service
from ledger import days, disclosure, errors, license, state, verification_commands
from ledger import place as places
from signing import event, ids, token

router = routes.router()


@router.post(
    "/v1/verifications",
    summary="Verify a license 核验",
    **routes.secured("license:verify", model=models_answers.Verified, refusals=(errors.CaseNumberUnfit,)),
)
async def verify(request: Request, body: examples.VerifyBody, key: acts.IdempotencyKey = None) -> Response:
    """Checks what a QR code says, or a license by reference; the check is recorded and proven.

    A code that is no token of this ledger is recorded too, with the result `unknown`.
    """
    served, asking = service.of(request), routes.asking(request)
    if (body.token is None) == (body.license_ref is None):
        raise errors.Invalid("name one of token and license_ref", field="body")
    if body.token is not None:
        # Another process may have introduced a token key.
        await served.read(served.moment)
    asked = verification_commands.VerifyLicense(
        actor=acts.actor(asking, body),
        repeat=await acts.repeat(request, asking, operation="verify", key=key),
        **await served.read(_named, served, body),
    )
    (item,) = await served.record(asked)
    told = answers.verified(item)
    on = await served.read(replaced_on, served, told["result"], *_shown(item.event.fact))
    return routes.answer({**told, "replaced_on": on})


def _shown(made: Mapping[str, Any]) -> tuple[bytes | None, int | None]:
    """Which version of which license was verified."""
    return made["license_ref"], made["version"]


def _named(served: service.Service, body: models.Verify) -> dict[str, Any]:
    """What the command is told; a token that nobody signed names a license that is not there."""
    if body.license_ref is not None:
        return {"license_ref": ids.parse(body.license_ref)}
    assert body.token is not None, "one of the two is named"
    vault = served.ledger.vault
    try:
        said = token.parse(body.token, trusted=disclosure.token_keys(vault), suite=vault.suite)
    except token.TokenInvalid:
        return {"license_ref": secrets.token_bytes(ids.ID_BYTES)}
    signs = vault.ring.active(token.PURPOSE).key_id
    if token.key_id(body.token, suite=vault.suite) != signs and not _is_printed(served, said):
        return {"license_ref": secrets.token_bytes(ids.ID_BYTES)}
    return {
        "license_ref": said.license_ref,
        "version": said.version,
        "piece": said.piece,
        "piece_key": places.Piece(said.piece, said.status_list, said.status_index).key,
    }


def _is_printed(served: service.Service, said: token.Token) -> bool:
    """Whether a token is what the ledger itself prints for its piece, as far as it could pass for valid.

    Asked of tokens under keys that sign no more: whoever has such a key can sign a token, but cannot make the
    ledger have recorded what it says.
    """
    row = served.reader.row(state.LicenseRow, said.license_ref)
    version = None if row is None else served.disclosure.version(row.version_index)
    if version is None or version.fact.version != said.version:
        return True  # unknown, erased or superseded, and answered so
    piece = places.Piece(said.piece, said.status_list, said.status_index)
    return disclosure.qr_content(version, served.ledger.vault, piece=piece) == said


def replaced_on(
    served: service.Service, result: str, license_ref: bytes | None, version: int | None
) -> str | None:
    """The Beijing day from which the version after the one shown holds; null unless it was superseded.

    Null too while the trail, which knows versions that were superseded themselves, is far behind.
    """
    if result != "superseded" or license_ref is None or version is None:
        return None
    row = served.reader.row(state.LicenseRow, license_ref)
    assert row is not None, "a superseded license is there"
    if row.version == version + 1:
        # The version that stands is in the log, also when no projection has come to it.
        (data,) = served.reader.events([row.version_index])
        return days.text(days.of_instant(event.parse(data).effective_at))
    try:
        served.views.wait_for(row.version_index, name="trail")
    except errors.BehindIndex:
        return None
    _, changes = served.views.trail.changes(license_ref)
    for item in changes:
        if isinstance(item.fact, license.VersionFact) and item.fact.version == version + 1:
            return days.text(days.of_instant(item.about.effective_at))
    return None
