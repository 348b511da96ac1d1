"""Authorizations over HTTP: grant, look at, narrow, withdraw."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from api import access, acts, answers, examples, models, models_authorization, routes, service, tasks
from ledger import authorization as authorizations
from ledger import authorization_commands, days, errors, identifiers, state
from projections import authorization as lists
from projections import holder as files
from signing import ids

router = routes.router()
_NO_PLAIN_BODY = (errors.JsonInvalid, errors.TooLarge, errors.UnsupportedMediaType)
_SCOPES = ("authorization:grant", "consent:attest")
_REFUSALS = (
    errors.InvalidHolderCode,
    errors.CaseNumberUnfit,
    errors.LicenseTypeUnknown,
    errors.SharingClassForbids,
    errors.OwnOrganization,
    errors.LicenseNotFound,
    errors.HolderErasedConflict,
    errors.NotTheRepresentative,
    errors.NoMandate,
    errors.GuardianNeeded,
)
_CHANGES = (
    errors.AuthorizationNotFound,
    errors.AuthorizationWithdrawnConflict,
    errors.ScopeWidened,
    errors.CaseNumberUnfit,
)


@router.post(
    "/v1/authorizations",
    summary="Grant an authorization 授权",
    **routes.secured(
        *_SCOPES, model=models_authorization.Granted, refusals=_REFUSALS, **examples.AUTHORIZATION_LINKS
    ),
)
async def grant(request: Request, body: examples.GrantBody, key: acts.IdempotencyKey = None) -> Response:
    """One requester may use what the scope names: by attested consent, by law, or unconditionally."""
    served, asking = service.of(request), routes.asking(request)
    routes.require_any(asking, (authorizations.scope_for(body.mode),))
    asked = authorization_commands.GrantAuthorization(
        actor=acts.actor(asking, body),
        repeat=await acts.repeat(request, asking, operation="grant", key=key),
        mode=body.mode,
        requester=acts.organization(body.requester, field="requester"),
        holder=None if body.holder is None else acts.holder(body.holder),
        evidence=body.evidence,
        representative=representative(body.representative),
        acting=acting(body.acting),
        entrusted_by=None
        if body.entrusted_by is None
        else acts.organization(body.entrusted_by, field="entrusted_by"),
        lasts_s=None if body.show_minutes is None else body.show_minutes * 60,
        scope=acts.shown_scope(body) if body.show_minutes is not None else acts.scope(body.scope),
    )
    (item,) = await served.record(asked)
    return routes.answer(await served.read(answers.granted, served, item))


@router.get(
    "/v1/authorizations/{authorization_ref}",
    summary="An authorization now",
    **routes.secured(
        model=models_authorization.AuthorizationNow, refusals=(errors.AuthorizationNotFound,), appends=False
    ),
)
async def get_authorization(request: Request, authorization_ref: str) -> Response:
    """Its scope and count, for its requester, its grantor and, unless a holder consented, who succeeded that;
    no use code."""
    served, asking = service.of(request), routes.asking(request)

    def look() -> answers.Json:
        served.require_current(asking)
        row, at = _row(served, authorization_ref), served.moment()
        if not _may_know(served, asking.organization, row, at=at) or served.is_erased(row.stream_id):
            raise errors.AuthorizationNotFound
        return answers.authorization_now(row, at=at)

    return routes.answer(await served.read(look))


def _may_know(served: service.Service, organization: str, row: state.AuthorizationRow, *, at: int) -> bool:
    """Whether an organization may use it, recorded it, or has the powers of who granted it.

    The powers over types that pass to a successor are none over what holders consented to.
    """
    if organization in (row.requester, row.grantor):
        return True
    own = served.reader.row(state.OrganizationRow, organization)
    day = days.of_instant(at)
    return row.mode != "holder" and authorizations.is_grantor(row, own, organization, day=day)


@router.post(
    "/v1/authorizations/search",
    summary="Authorizations of a holder or a requester",
    **routes.secured(
        model=models_authorization.Authorizations,
        refusals=(errors.InvalidHolderCode, errors.Invalid, errors.BehindIndex, *_NO_PLAIN_BODY),
        appends=False,
    ),
)
async def search_authorizations(
    request: Request, body: examples.SearchAuthorizationsBody, at_least: acts.AtLeast = None
) -> Response:
    """Those that the client's organization may use or granted, or whose grantor it succeeded; with the scope
    `audit:read`, all."""
    served, asking = service.of(request), routes.asking(request)
    if (body.holder is None) == (body.requester is None):
        raise errors.Invalid("name a holder or a requester", field="body")
    code = None if body.holder is None else acts.holder(body.holder)
    requester = None if body.requester is None else acts.organization(body.requester, field="requester")
    wanted = acts.at_least(at_least)

    def look() -> answers.Json:
        served.require_current(asking)
        served.views.wait_for(wanted, name="holder")
        at = served.moment()
        found = None if code is None else served.reader.find("holder", code.code_type, code.code)
        about = lists.About(
            # Of an unknown holder the list is as empty as of one who consented to nobody.
            streams=() if found is None else tuple(served.streams(found.stream_id)),
            requester=requester,
            seen_by=None if "audit:read" in asking.scopes else asking.organization,
            reach=tasks.reach(served, asking, at),
        )
        page = served.views.authorizations.page(about, limit=body.limit, cursor=body.cursor)
        shown = [_listed(row, at) for row in page.rows if not served.is_erased(row.stream_id)]
        return {"authorizations": shown, "through": page.through, "cursor": page.cursor}

    return routes.answer(await served.read(look))


@router.post(
    "/v1/authorizations/{authorization_ref}/narrow",
    summary="Narrow an authorization 缩小授权",
    **routes.secured(*_SCOPES, model=models_authorization.AuthorizationChanged, refusals=_CHANGES),
)
async def narrow(
    request: Request, authorization_ref: str, body: examples.NarrowBody, key: acts.IdempotencyKey = None
) -> Response:
    """Members of the scope that are given replace those that stood; nothing is ever widened."""
    asking = routes.asking(request)
    asked = authorization_commands.NarrowAuthorization(
        actor=acts.actor(asking, body),
        repeat=await acts.repeat(request, asking, operation=f"narrow {authorization_ref}", key=key),
        authorization_ref=acts.ref(authorization_ref, absent=errors.AuthorizationNotFound),
        changes=acts.scope_members(body.scope),
    )
    return await _record(request, asked, authorization_ref)


@router.post(
    "/v1/authorizations/{authorization_ref}/withdraw",
    summary="Withdraw an authorization 撤回授权",
    **routes.secured(*_SCOPES, model=models_authorization.AuthorizationChanged, refusals=_CHANGES),
)
async def withdraw(
    request: Request, authorization_ref: str, body: examples.WithdrawBody, key: acts.IdempotencyKey = None
) -> Response:
    """Nothing is granted under it once this is answered."""
    asking = routes.asking(request)
    asked = authorization_commands.WithdrawAuthorization(
        actor=acts.actor(asking, body),
        repeat=await acts.repeat(request, asking, operation=f"withdraw {authorization_ref}", key=key),
        authorization_ref=acts.ref(authorization_ref, absent=errors.AuthorizationNotFound),
    )
    return await _record(request, asked, authorization_ref)


async def _record(
    request: Request,
    asked: authorization_commands.NarrowAuthorization | authorization_commands.WithdrawAuthorization,
    ref: str,
) -> Response:
    """Record a change, when the token has the scope that the authorization's mode asks for."""
    served = service.of(request)
    await served.read(_require_scope, served, routes.asking(request), ref)
    (item,) = await served.record(asked)
    return routes.answer(answers.authorization_changed(item))


def _require_scope(served: service.Service, asking: access.Access, ref: str) -> None:
    # The mode never changes, so that this holds under the lock too.
    routes.require_any(asking, (authorizations.scope_for(_row(served, ref).mode),))


def _row(served: service.Service, ref: str) -> state.AuthorizationRow:
    """The authorization as committed now; raises AuthorizationNotFound."""
    row = served.reader.row(state.AuthorizationRow, acts.ref(ref, absent=errors.AuthorizationNotFound))
    if row is None:
        raise errors.AuthorizationNotFound
    return row


def _listed(row: files.AuthorizationRow, at: int) -> answers.Json:
    """An authorization of a list; what is spent of a cap a day is told of one alone."""
    members = state.AuthorizationRow.columns()
    known = {name: getattr(row, name) for name in members if hasattr(row, name)}
    made = state.AuthorizationRow(**known, use_code_digest=None)
    return {**answers.authorization_now(made, at=at), "uses_today": None}


def representative(said: models.Representative | None) -> tuple[bytes, identifiers.HolderCode] | None:
    """By which license somebody represents the holder, and who it is."""
    if said is None:
        return None
    person = acts.holder(said, field="representative")
    return ids.parse(said.license_ref), person


def acting(said: models.Acting | None) -> tuple[bytes, identifiers.HolderCode] | None:
    """By which mandate somebody acts for the holder, and who it is."""
    return None if said is None else (ids.parse(said.mandate_ref), acts.holder(said, field="acting"))
