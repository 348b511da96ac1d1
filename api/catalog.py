"""The catalog over HTTP: list and show license types; register, revise, retire and map them.

A definition is refused with all its faults at once. Names stand both ways: this product's and
GB/T 36903's.
"""

from __future__ import annotations

import json
from typing import Annotated, Any

from fastapi import Query
from starlette.requests import Request
from starlette.responses import Response

from api import acts, answers, examples, examples_catalog, models, models_catalog, routes, service
from ledger import catalog, catalog_names, days, errors, fact
from projections import catalog as views

router = routes.router()
LOCAL_TYPES_SHOWN = 100
_REFUSALS = (errors.CaseNumberUnfit, errors.NotTheIssuer, errors.NotFound, errors.LicenseTypeRetiredConflict)
Limit = Annotated[int, Query(ge=1, le=models.PAGE_MAX, description="Rows on a page")]
Cursor = Annotated[str | None, Query(pattern=r"^[a-z2-7]{1,400}$", description="As the page before gave it")]
On = Annotated[str | None, Query(description="A civil day, YYYY-MM-DD: what held on it")]


@router.get(
    "/v1/license-types",
    summary="The catalog of license types 证照目录",
    **routes.listed(model=models_catalog.Types),
)
async def list_license_types(
    request: Request,
    limit: Limit = 20,
    cursor: Cursor = None,
    on: On = None,
    at_least: acts.AtLeast = None,
) -> Response:
    """License types in the order of their registration, retired ones too."""
    served, asking = service.of(request), routes.asking(request)
    wanted, day = acts.at_least(at_least), day_of(on)

    def look() -> answers.Json:
        served.require_current(asking)
        served.views.wait_for(wanted, name="catalog")
        page = served.views.types.page(limit=limit, cursor=cursor)
        at = days.of_instant(served.moment()) if day is None else day
        shown = [summary(row, on=at) for row in page.rows]
        return {"types": shown, "through": page.through, "cursor": page.cursor}

    return routes.answer(await served.read(look))


@router.get(
    "/v1/license-types/{type_code}",
    summary="A license type",
    **routes.secured(
        model=models_catalog.TypeNow,
        refusals=(errors.NotFound, errors.Invalid, errors.BehindIndex),
        appends=False,
        **{"x-examples": {"type_code": examples.LICENSE_TYPE}},
    ),
)
async def get_license_type(
    request: Request, type_code: str, on: On = None, at_least: acts.AtLeast = None
) -> Response:
    """The definition in force, its names both ways, and which types stand for it."""
    served, asking = service.of(request), routes.asking(request)
    wanted, day, type_code = acts.at_least(at_least), day_of(on), known_form(type_code)

    def look() -> answers.Json:
        served.require_current(asking)
        served.views.wait_for(wanted, name="catalog")
        at = days.of_instant(served.moment()) if day is None else day
        return shown(served.views.types, type_code, on=at)

    return routes.answer(await served.read(look))


@router.post(
    "/v1/license-types",
    summary="Register a license type",
    **routes.secured(
        "catalog:write",
        model=models_catalog.TypeChanged,
        refusals=(*_REFUSALS, errors.AlreadyExists),
        **examples_catalog.LINKS,
    ),
)
async def register_license_type(
    request: Request, body: examples_catalog.RegisterBody, key: acts.IdempotencyKey = None
) -> Response:
    """A type enters the catalog: one of the client's own organization, or any for the operator's."""
    members = definition(body.definition, type_code=body.type_code)
    made = catalog.LicenseTypeRegistered(**members)
    return await _record(request, body, key, made, operation="register type")


@router.post(
    "/v1/license-types/{type_code}/revise",
    summary="Revise a license type",
    **routes.secured("catalog:write", model=models_catalog.TypeChanged, refusals=_REFUSALS),
)
async def revise_license_type(
    request: Request, type_code: str, body: examples_catalog.ReviseBody, key: acts.IdempotencyKey = None
) -> Response:
    """The whole definition as it is from now on; licenses issued before it stand as they are."""
    members = definition(body.definition, type_code=known_form(type_code))
    made = catalog.LicenseTypeRevised(**members)
    return await _record(request, body, key, made, operation=f"revise type {type_code}")


@router.post(
    "/v1/license-types/{type_code}/retire",
    summary="Retire a license type",
    **routes.secured(
        "catalog:write",
        model=models_catalog.TypeChanged,
        refusals=(*_REFUSALS, errors.LicenseTypeUnknown),
    ),
)
async def retire_license_type(
    request: Request, type_code: str, body: examples_catalog.RetireBody, key: acts.IdempotencyKey = None
) -> Response:
    """Nothing new is issued under the type; what there is stays, is amended and used."""
    made = catalog.LicenseTypeRetired(type_code=known_form(type_code), successor=body.successor)
    return await _record(request, body, key, made, operation=f"retire type {type_code}")


@router.post(
    "/v1/license-types/{type_code}/map",
    summary="Map a local type to a national one",
    **routes.secured("catalog:write", model=models_catalog.TypeChanged, refusals=_REFUSALS),
)
async def map_license_type(
    request: Request, type_code: str, body: examples_catalog.MapBody, key: acts.IdempotencyKey = None
) -> Response:
    """Between two days the type stands for a national one, field by field: uses of that find its licenses."""
    made = catalog.LicenseTypeMapped(
        type_code=known_form(type_code),
        national_type=body.national_type,
        since=days.parse(body.since),
        until=None if body.until is None else days.parse(body.until),
        fields=tuple((pair.local, pair.national) for pair in body.fields),
        in_uses=True,
    )
    return await _record(request, body, key, made, operation=f"map type {type_code}")


async def _record(
    request: Request, body: models.Act, key: str | None, made: fact.Fact, *, operation: str
) -> Response:
    item = await acts.in_registry(request, body, key, made, operation=operation)
    return routes.answer({**answers.proven(item), "type_code": item.event.fact["type_code"]})


def definition(said: models_catalog.Definition, *, type_code: str) -> dict[str, Any]:
    """The members of a definition, as the facts have them."""
    level, endorsement = said.issuer_level, said.endorsement
    return {
        "type_code": type_code,
        "name_zh": said.name_zh,
        "name_en": said.name_en,
        "names": tuple((days.parse(name.since), name.name_zh, name.name_en) for name in said.later_names),
        "defining_authority": said.defining_authority,
        "area": said.area,
        "issuer_level": None if level is None else level.code,
        "issuer_level_text": None if level is None else level.text,
        "holder_kind": said.holder_kind,
        "multi_holder": said.multi_holder,
        "validity_rule": said.validity_rule,
        "validity_check": said.validity_check,
        "sharing_class": said.sharing_class,
        "fields": tuple((field.name, field.label) for field in said.fields),
        "public_fields": tuple(sorted({field.name for field in said.fields if field.is_public})),
        "short_names": tuple(
            (field.name, field.short_name) for field in said.fields if field.short_name is not None
        ),
        "field_schema": said.field_schema,
        "number_scope": said.number_scope,
        "parties": tuple((rule.role, rule.file, rule.key, rule.consent) for rule in said.parties),
        "holder_end": said.holder_end,
        "renewal_window_days": said.renewal_window_days,
        "is_household_page": said.is_household_page,
    } | (
        {}
        if endorsement is None
        else {
            "endorsement_cycle": endorsement.cycle,
            "endorsement_grace": endorsement.grace,
            "endorsement_past_due": endorsement.past_due,
        }
    )


def summary(row: views.TypeRow, *, on: int) -> answers.Json:
    """A type in a list, under the name registered on day `on`."""
    made = row.defined()
    name_zh, name_en = catalog.name_on(made, on)
    return {
        "type_code": row.type_code,
        "name_zh": name_zh,
        "name_en": name_en,
        "holder_kind": made.holder_kind,
        "sharing_class": made.sharing_class,
        "is_retired": row.is_retired,
        "registered_index": row.registered_index,
        "changed_index": row.changed_index,
    }


def shown(types: views.Types, type_code: str, *, on: int) -> answers.Json:
    """A type with everything about it; raises NotFound."""
    through, row = types.entry(type_code)
    if row is None:
        raise errors.NotFound("no such license type")
    made, mapping = row.defined(), types.mapping(type_code)
    names = (*catalog_names.CORE, *catalog_names.surface(made.fields, made.short_names))
    local_types = types.local_types(type_code, limit=LOCAL_TYPES_SHOWN).rows
    return {
        **summary(row, on=on),
        "definition": told(made),
        "retired_at": None if row.retired_at is None else days.instant_text(row.retired_at),
        "successor": row.successor,
        "names": [name._asdict() for name in names],
        "mapping": None if mapping is None else _mapping(mapping),
        "local_types": [_mapping(one) for one in local_types],
        "through": through,
    }


def told(made: catalog.LicenseTypeRegistered) -> answers.Json:
    """A definition as requests say it: what was shown can be sent again."""
    shorts, level = dict(made.short_names), made.issuer_level
    return {
        "name_zh": made.name_zh,
        "name_en": made.name_en,
        "later_names": [
            {"since": days.text(day), "name_zh": name_zh, "name_en": name_en}
            for day, name_zh, name_en in made.names
        ],
        "defining_authority": made.defining_authority,
        "area": made.area,
        "issuer_level": None if level is None else {"code": level, "text": made.issuer_level_text},
        "holder_kind": made.holder_kind,
        "multi_holder": made.multi_holder,
        "validity_rule": made.validity_rule,
        "validity_check": made.validity_check,
        "sharing_class": made.sharing_class,
        "fields": [
            {
                "name": name,
                "label": label,
                "short_name": shorts.get(name),
                "is_public": name in made.public_fields,
            }
            for name, label in made.fields
        ],
        "field_schema": None if made.field_schema is None else json.loads(made.field_schema),
        "number_scope": made.number_scope,
        "parties": [
            dict(zip(("role", "file", "key", "consent"), rule, strict=True)) for rule in made.parties
        ],
        "endorsement": None
        if made.endorsement_cycle is None
        else {
            "cycle": made.endorsement_cycle,
            "grace": made.endorsement_grace,
            "past_due": made.endorsement_past_due,
        },
        "holder_end": made.holder_end,
        "renewal_window_days": made.renewal_window_days,
        "is_household_page": made.is_household_page,
    }


def _mapping(row: views.MappingRow) -> answers.Json:
    return {
        "type_code": row.type_code,
        "national_type": row.national_type,
        "since": days.text(row.since),
        "until": None if row.until is None else days.text(row.until),
        "fields": [{"local": local, "national": national} for local, national in row.pairs()],
    }


def known_form(type_code: str) -> str:
    """The type in a path, when a type can be called so; raises NotFound."""
    return acts.type_code(type_code, absent=errors.NotFound("no such license type"))


def day_of(text: str | None) -> int | None:
    """The day asked for; raises Invalid."""
    try:
        return None if text is None else days.parse(text)
    except ValueError as error:
        raise errors.Invalid("a civil day is written YYYY-MM-DD", field="query.on") from error
