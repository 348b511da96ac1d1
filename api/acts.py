"""From what a request says to what commands take: actors, holders, scopes, days, idempotency.

Refuses what shapes cannot: codes whose check character is wrong, case numbers with a citizen ID
inside. Decides nothing about the ledger's state.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import replace
from typing import Annotated, Any

from fastapi import Header
from starlette.requests import Request

from api import access, edge, models, models_household, models_license, routes, service
from ledger import (
    account,
    authorization,
    command,
    coverage,
    days,
    errors,
    fact,
    identifiers,
    license,
    license_commands,
    license_id,
    registry_commands,
)
from signing import cbor, ids, receipt, spelling

IdempotencyKey = Annotated[str | None, Header(alias="Idempotency-Key")]
"""Checked by `repeat`, so that the refusal is the ledger's own."""
AtLeast = Annotated[
    str | None, Header(alias="Ledger-At-Least", description="Index that the answer must have come through")
]
_KEY = re.compile(r"[!-~]{1,255}")
_TYPE_CODE = re.compile(r"[0-9A-Z]{18}[0-9]{3}")


def actor(asking: access.Access, act: models.Act, *, service_item_name: str | None = None) -> command.Actor:
    """The actor of a request; raises CaseNumberUnfit or Invalid for a citizen ID in clear."""
    refuse_citizen_id(act.case_number, act.service_item_code)
    return command.Actor(
        client_id=asking.client_id,
        organization=asking.organization,
        generation=asking.generation,
        access_key=asking.key_id,
        operator=_operator(act.operator),
        case_number=act.case_number,
        service_item=act.service_item_code,
        channel=act.channel,
        service_item_name=service_item_name,
        reason=act.reason,
        legal_basis=act.legal_basis,
        issuer=_issuer(asking, act),
    )


def _issuer(asking: access.Access, act: models.Act) -> str | None:
    """The responsible issuer, where it is another than the organization acted for."""
    issuer = act.issuer if isinstance(act, models.IssuerAct) else None
    return None if issuer == asking.organization else issuer


def _operator(said: models.Operator) -> command.Operator:
    account.refuse_unfit(said.account, field="operator.account")
    return command.Operator(account=said.account, name=said.name, organization=said.organization)


def using(asking: access.Access, asked: models.Use | models_household.UsePages) -> command.Actor:
    """The actor of a use."""
    purpose = asked.purpose
    refuse_citizen_id(purpose.case_number, purpose.service_item_code, within="purpose.")
    return command.Actor(
        client_id=asking.client_id,
        organization=asking.organization,
        generation=asking.generation,
        access_key=asking.key_id,
        operator=_operator(asked.operator),
        case_number=purpose.case_number,
        service_item=purpose.service_item_code,
        channel=asked.channel,
        service_item_name=purpose.service_item_name,
        reason=purpose.reason,
    )


def expected(said: models.Expected | None) -> coverage.Expected:
    """What the requester knows of the license; raises Invalid for an issuer without a valid code."""
    if said is None:
        return coverage.NO_HINTS
    return coverage.Expected(
        issuer=None if said.issuer is None else organization(said.issuer, field="expected.issuer"),
        area=said.area,
        issued_on=None if said.issued_on is None else days.parse(said.issued_on),
    )


def refuse_citizen_id(case_number: str | None, item: str | None, *, within: str = "") -> None:
    """Nothing when neither text, both in clear in the log, contains a citizen ID."""
    if case_number is not None and identifiers.contains_citizen_id(case_number):
        raise errors.CaseNumberUnfit(field=f"{within}case_number")
    if item is not None and identifiers.contains_citizen_id(item):
        raise errors.Invalid("a service item code contains a citizen ID", field=f"{within}service_item_code")


def holder(said: models.Holder, *, field: str = "holder") -> identifiers.HolderCode:
    """The normalized holder code; raises InvalidHolderCode with its `fault`."""
    try:
        return identifiers.holder_code(said.code_type, said.code)
    except identifiers.IdentifierError as error:
        member = "code_type" if error.fault == "code-type-unknown" else "code"
        raise errors.InvalidHolderCode(field=f"{field}.{member}", fault=error.fault) from error


def organization(code: str, *, field: str) -> str:
    """`code` when it is a credit code; raises Invalid with its `fault`."""
    if identifiers.is_citizen_id(code):
        # One in 31 has a check character that is right for a credit code too; codes stand in clear.
        raise errors.Invalid("a citizen ID is no organization's code", field=field, fault="citizen-id")
    try:
        return identifiers.credit_code(code).code
    except identifiers.IdentifierError as error:
        raise errors.Invalid("not a valid credit code", field=field, fault=error.fault) from error


def content(
    said: models.Issue | models.Amend, *, serial: str, area_code: str | None = None
) -> license_commands.Content:
    """What an issuer says of a version; raises FieldUnknown for a reserved or telling field name.

    `area_code` is the division of the version before, which stays where none is said.
    """
    values = dict(said.fields)
    for number, one in enumerate(said.parties):
        if values.keys() & one.fields.keys():
            raise errors.Invalid("a field is of one party", field=f"parties[{number}].fields")
        values |= one.fields
    check_names(values)
    return license_commands.Content(
        serial=serial,
        number=said.number,
        holder_name=said.holder.name,
        values=values,
        valid_from=days.parse(said.valid_from),
        valid_to=day(said.valid_to),
        issued_on=days.parse(said.issued_on),
        area_code=said.area_code or area_code,
    )


def parties(said: models.Issue | models.Amend) -> tuple[license_commands.Party, ...]:
    """The further parties of a version."""
    made = []
    for number, one in enumerate(said.parties):
        code = holder(one, field=f"parties[{number}]")
        made.append(
            license_commands.Party(
                role=one.role,
                code_type=code.code_type,
                code=code.code,
                name=one.name,
                field_names=tuple(one.fields),
                holder=code,
            )
        )
    return tuple(made)


def check_names(names: Iterable[str]) -> None:
    """Nothing unless a field's name is reserved or telling; raises FieldUnknown."""
    for name in names:
        if name.startswith("@") or identifiers.contains_citizen_id(name):
            raise errors.FieldUnknown(field="fields")


def counterparts(count: int) -> dict[str, Any]:
    """What a command needs to print so many with the original."""
    return {"counterparts": count, "places": license_commands.draw_places(count)}


def day(text: str | None) -> int | None:
    """A Beijing day, or None."""
    return None if text is None else days.parse(text)


def origin(said: models_license.Origin) -> license_commands.Origin:
    """What a license was elsewhere; raises Invalid for what no ledger or issuer could have given."""
    if license_id.classify(said.license_id).verdict is license_id.Verdict.BAD:
        raise errors.Invalid("not a license identifier", field="origin.license_id")
    if (said.event is None) != (said.receipt is None):
        raise errors.Invalid("an event comes with its receipt", field="origin.receipt")
    if said.event is not None and said.receipt is not None:
        try:
            spelling.from_base64(said.event)
        except ValueError as error:
            raise errors.Invalid("not base64", field="origin.event") from error
        try:
            receipt.parse(said.receipt)
        except receipt.ReceiptInvalid as error:
            raise errors.Invalid("not a receipt", field="origin.receipt") from error
    return license_commands.Origin(
        license_id=said.license_id, number=said.number, event=said.event, receipt=said.receipt
    )


def instant(text: str | None) -> int | None:
    """Microseconds UTC, or None."""
    return None if text is None else days.parse_instant(text)


def scope(said: models.Scope) -> authorization.Scope:
    """A whole scope; it begins with its recording unless it says when."""
    return authorization.Scope(**{**_DEFAULTS, **scope_members(said)})


def shown_scope(said: models.Grant) -> authorization.Scope:
    """The scope of a code that is shown once, for some minutes; raises Invalid."""
    if said.mode != "holder":
        raise errors.Invalid("only a holder's code is shown", field="show_minutes")
    limits = {"uses_max", "valid_from", "valid_until", "uses_per_day"} & said.scope.model_fields_set
    if limits:
        raise errors.Invalid("a code that is shown has its own limits", field=f"scope.{min(limits)}")
    return replace(scope(said.scope), uses_max=1)


_DEFAULTS: dict[str, Any] = {
    "license_refs": (),
    "type_codes": (),
    "field_names": None,
    "service_items": None,
    # No use is recorded before its authorization, so that the earliest instant is "at once".
    "valid_from": 0,
    "valid_until": None,
    "uses_max": None,
}
_MEMBERS = {"license_types": "type_codes", "fields": "field_names"}


def scope_members(said: models.Scope) -> dict[str, Any]:
    """The members that were said, as the ledger names them; lists sorted, each item once."""
    members: dict[str, Any] = {}
    for name in said.model_fields_set:
        value = getattr(said, name)
        if isinstance(value, list):
            value = _once(value)
        elif name in ("valid_from", "valid_until"):
            value = instant(value)
        members[_MEMBERS.get(name, name)] = value
    if members.get("valid_from", 0) is None:
        del members["valid_from"]
    for name in ("service_items", "fields", "case_numbers"):
        for item in getattr(said, name) or ():
            # Both stand in clear in the log.
            if identifiers.contains_citizen_id(item):
                raise errors.Invalid("contains a citizen ID", field=f"scope.{name}")
    return members


def _once(items: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(set(items)))


def type_code(text: str, *, absent: errors.LedgerError | None = None) -> str:
    """The license type in a path; raises `absent` or LicenseTypeUnknown, since no other text can be one."""
    if not _TYPE_CODE.fullmatch(text):
        raise absent or errors.LicenseTypeUnknown(field="path.type_code")
    return text


def ref(text: str, *, absent: type[errors.NotFound]) -> bytes:
    """The id in a path; raises `absent`, since nothing can be there."""
    try:
        return ids.parse(text)
    except ids.IdInvalid as error:
        raise absent from error


def asked_day(text: str | None, *, field: str) -> int | None:
    """The Beijing day in a query parameter, or None; raises Invalid."""
    if text is None:
        return None
    try:
        day = days.parse(text)
    except ValueError as error:
        raise errors.Invalid("a day is written YYYY-MM-DD", field=f"query.{field}") from error
    if not license.DAY_MIN <= day <= license.DAY_MAX:
        raise errors.Invalid("a day lies between 1900 and 2200", field=f"query.{field}")
    return day


def asked_text(text: str | None, *, field: str, pattern: str) -> str | None:
    """A query parameter of a certain shape, or None; raises Invalid."""
    if text is not None and not re.fullmatch(pattern, text):
        raise errors.Invalid("not of this shape", field=f"query.{field}")
    return text


async def repeat(
    request: Request, asking: access.Access, *, operation: str, key: str | None
) -> command.Repeat:
    """What makes this request recognizable; raises IdempotencyKeyMissing.

    `operation` is the route with its references: the same key on another license is another request.
    """
    return repeat_of(service.of(request), asking, operation=operation, key=key, body=await request.json())


async def in_registry(
    request: Request, body: models.Act, key: str | None, made: fact.Fact, *, operation: str
) -> service.Recorded:
    """The fact `made`, recorded in the registry's stream as who asks says it."""
    served, asking = service.of(request), routes.asking(request)
    asked = registry_commands.RecordInRegistry(
        actor=actor(asking, body),
        repeat=await repeat(request, asking, operation=operation, key=key),
        facts=(made,),
    )
    (item,) = await served.record(asked)
    return item


def repeat_of(
    served: service.Service, asking: access.Access, *, operation: str, key: str | None, body: Any
) -> command.Repeat:
    """As `repeat`, for a body that is at hand."""
    if key is None or not _KEY.fullmatch(key):
        raise errors.IdempotencyKeyMissing
    # Under a client's own organization as ever; what it does for others are other requests.
    whom = [asking.client_id, asking.organization] if asking.is_further else [asking.client_id]
    digest = hashlib.sha256(cbor.encode_ordered([*whom, operation, key])).digest()
    body_digest = served.ledger.vault.body_digest(body, other=edge.number_text)
    return command.Repeat(key=digest[: command.REPEAT_BYTES], body_digest=body_digest[: command.REPEAT_BYTES])


def at_least(text: str | None) -> int | None:
    """The index in Ledger-At-Least; raises Invalid."""
    if text is None:
        return None
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise errors.Invalid("an index is a whole number from 0", field="header.Ledger-At-Least")
    return int(text)
