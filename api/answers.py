"""Answers, derived from events: so that a repeated request is told the same, from what is stored.

Nothing here decides. What a fact no longer lets us open, because its holder was erased, is null.
"""

from __future__ import annotations

from typing import Any

from api import service
from ledger import (
    advice,
    authorization,
    catalog_rules,
    consent,
    days,
    disclosure,
    draft,
    endorsement,
    license,
    mapping,
    mark,
    piece,
    place,
    refusal,
    retroactive,
    state,
    use,
    verification,
)
from signing import event, ids, spelling, token

Json = dict[str, Any]
_TOLD_MAX = 8
"""Choices of fields for which a version's answer is remembered."""


async def used(served: service.Service, recorded: list[service.Recorded]) -> Json:
    """The answer to a use, which kept as a file is a proof bundle (`docs/formats/proof-bundle.md`)."""
    uses = [await _use(served, item) for item in recorded]
    return {"index": recorded[-1].index, "uses": uses}


async def _use(served: service.Service, item: service.Recorded) -> Json:
    made = item.fact
    proof: Json = {"event": spelling.to_base64(item.data), "receipt": item.receipt}
    if isinstance(made, refusal.UseRefused):
        return refused(item.index, made, proof)
    assert isinstance(made, use.LicenseUsed), "a use is granted or refused"
    granted: Json = {"decision": "granted", "code": use.GRANTED_CODE, "reason": None}
    version = served.disclosure.known(made.license_index)
    if item.is_repeat:
        version = await served.read(_version_again, served, item, made)
    elif version is None:
        version = await served.versions.get(made.license_index)
    if version is None:
        return {"index": item.index, **granted, "license": None, "proof": proof}
    shown, proven_by = _told(made, version)
    told = {"license": shown | mapping.asked_as(made.asked_type, made.named_as), "proof": proof | proven_by}
    return {"index": item.index, **granted, **told}


def _told(made: use.LicenseUsed, version: disclosure.Version) -> tuple[Json, Json]:
    """What a use is shown of a version, and what proves it: the same for every use of the same fields."""
    known: tuple[Json, Json] | None = version.told.get(made.fields)
    if known is None:
        proof = {
            "license_event": version.text,
            "license_receipt": version.receipt,
            "field_siblings": version.siblings(made.fields),
        }
        known = _disclosed(made, version), proof
        if len(version.told) < _TOLD_MAX:
            version.told[made.fields] = known
    return known


def refused(index: int, made: refusal.UseRefused, proof: Json) -> Json:
    """A refusal, all of it from its event."""
    decided: Json = {"decision": "refused", "code": made.code, "reason": made.reason}
    told = {"license": _named(made), "proof": proof, "help": advice.help_of(made)}
    return {"index": index, **decided, **told}


def _named(made: refusal.UseRefused) -> Json | None:
    """What a refusal names: the license whose status forbids it, or those to choose from."""
    if made.license_ref is None and not made.choices:
        return None
    return {
        "license_ref": None if made.license_ref is None else ids.text(made.license_ref),
        "type_code": made.type_code,
        "choices": [ids.text(ref) for ref in made.choices],
    }


def _version_again(
    served: service.Service, item: service.Recorded, made: use.LicenseUsed
) -> disclosure.Version | None:
    """The used version when it is asked for again; None when its holder was erased in between."""
    if served.disclosure.forget_erased(item.event.stream_id):
        return None
    return served.disclosure.version(made.license_index)


def _disclosed(made: use.LicenseUsed, version: disclosure.Version) -> Json:
    dates = version.valid_days()
    return {
        "license_ref": ids.text(made.license_ref),
        # Of what is public the identifier is no part: it can hold the holder's code.
        "license_id": version.license_id if "@license_id" in made.fields else None,
        "type_code": version.fact.type_code,
        "version": made.version,
        "status": made.status,
        "valid_from": dates["valid_from"],
        "valid_to": dates["valid_to"],
        "issuer": version.about.issuer,
        # What was sealed under an erased party's key opens no more.
        "fields": version.fields(name for name in made.fields if name in version.salted),
    }


def proven(item: service.Recorded) -> Json:
    """What every answer to a command says."""
    return {**witnessed(item), "event": spelling.to_base64(item.data)}


def witnessed(item: service.Recorded) -> Json:
    """As `proven`, without the event's bytes: they would tell more than the caller may know."""
    return {
        "index": item.index,
        "recorded_at": days.instant_text(item.event.recorded_at),
        "effective_at": days.instant_text(item.event.effective_at),
        "receipt": item.receipt,
    }


def issued(served: service.Service, item: service.Recorded) -> Json:
    """The answer to a version of a license, with what the printed piece shows."""
    made = item.fact
    assert isinstance(made, license.VersionFact), "a version"
    version = served.disclosure.open_version(item.index, item.data, item.event)
    printed = _printed(served, version, made.pieces)
    return {
        **proven(item),
        "license_ref": ids.text(made.license_ref),
        "license_id": None if version is None else version.license_id,
        "version": made.version,
        "qr": printed[0]["qr"],
        "counterparts": printed[1:],
        "warnings": _warnings(served, made),
        "uses_between": _uses_between(served, item, made.license_ref),
    }


def counterparts_issued(served: service.Service, item: service.Recorded) -> Json:
    """The answer to further counterparts."""
    made = item.fact
    assert isinstance(made, piece.CounterpartIssued), "counterparts"
    version = served.disclosure.version(made.version_index)
    return {
        **proven(item),
        "license_ref": ids.text(made.license_ref),
        "version": made.version,
        "counterparts": _printed(served, version, made.pieces),
    }


def counterpart_cancelled(item: service.Recorded) -> Json:
    """The answer to the end of a counterpart."""
    made = item.fact
    assert isinstance(made, piece.CounterpartCancelled), "the end of a counterpart"
    return {**proven(item), "license_ref": ids.text(made.license_ref), "piece": made.piece}


def _printed(
    served: service.Service, version: disclosure.Version | None, pieces: tuple[tuple[int, int, int], ...]
) -> list[Json]:
    """Each piece with the text of its QR code."""
    vault, host = served.ledger.vault, served.ledger.config.qr_host
    shown = [place.Piece(*item) for item in pieces]
    return [
        {
            "piece": one.piece,
            "qr": None if version is None else disclosure.qr_url(version, vault, host=host, piece=one),
        }
        for one in shown
    ]


def _warnings(served: service.Service, made: license.VersionFact) -> list[dict[str, str]]:
    """How the dates do not fit the validity rule of a type that only warns."""
    rules = served.reader.row(state.TypeRulesRow, made.type_code)
    found = catalog_rules.validity_findings(rules, valid_from=made.valid_from, valid_to=made.valid_to)
    return [{"field": "valid_to", "code": item.code, "message": item.message} for item in found]


def changed(served: service.Service, item: service.Recorded) -> Json:
    """The answer to a change of a status or a mark."""
    made = item.fact
    assert isinstance(made, license.StatusChange | mark.MarkChange), "a change of a status or a mark"
    told: Json = {**proven(item), "license_ref": ids.text(made.license_ref)}
    if isinstance(made, mark.MarkChange):
        told |= {"mark": made.mark, "stands": made.is_set}
    else:
        told["status"] = made.after
    return {**told, "uses_between": _uses_between(served, item, made.license_ref)}


def _uses_between(served: service.Service, item: service.Recorded, license_ref: bytes) -> Json:
    """The uses that were made between the effect of a fact and its recording."""
    found = retroactive.uses_between(served.reader, item.event, license_ref=license_ref, index=item.index)
    return {
        "through": found.through,
        "count": found.count,
        "is_complete": found.is_complete,
        "uses": [
            {
                "index": index,
                "recorded_at": days.instant_text(about.recorded_at),
                "requester": about.organization,
                "case_number": about.case_number,
                "authorization_ref": ids.text(about.fact["authorization_ref"]),
            }
            for index, about in found.uses
        ],
    }


def drafted(item: service.Recorded) -> Json:
    """The answer to a draft or its review."""
    made = item.fact
    assert isinstance(made, draft.LicenseDrafted | draft.DraftReviewed), "a draft or its review"
    status = "drafted" if isinstance(made, draft.LicenseDrafted) else draft.DECISIONS[made.decision]
    return {**proven(item), "draft_ref": ids.text(made.draft_ref), "status": status}


def endorsed(item: service.Recorded) -> Json:
    """The answer to an endorsement."""
    made = item.fact
    assert isinstance(made, endorsement.LicenseEndorsed), "an endorsement"
    return {
        **proven(item),
        "license_ref": ids.text(made.license_ref),
        "result": made.result,
        "endorsement_due": None if made.next_due is None else days.text(made.next_due),
    }


def registered(item: service.Recorded) -> Json:
    """The answer to what a registering organ said of a holder; no code, no stream."""
    return {**proven(item), "topic": item.event.topic}


def granted(served: service.Service, item: service.Recorded) -> Json:
    """The answer to a grant; the use code is given again while it can be opened."""
    made = item.fact
    assert isinstance(made, authorization.AuthorizationGranted), "a grant"
    return {
        **proven(item),
        "authorization_ref": ids.text(made.authorization_ref),
        "use_code": served.disclosure.part(item.event, "use-code"),
    }


def authorization_changed(item: service.Recorded) -> Json:
    """The answer to narrowing, withdrawal or a further party's consent."""
    made = item.fact
    changes = (
        authorization.AuthorizationNarrowed | authorization.AuthorizationWithdrawn | consent.ConsentJoined
    )
    assert isinstance(made, changes), "a change of an authorization"
    return {**proven(item), "authorization_ref": ids.text(made.authorization_ref)}


def verified(item: service.Recorded) -> Json:
    """The answer to a verification; nothing sealed."""
    made = item.fact
    assert isinstance(made, verification.LicenseVerified), "a verification"
    return {
        **proven(item),
        "result": made.result,
        "verdict": verification.VERDICTS[made.result],
        "national_result": verification.NATIONAL_RESULTS[made.result],
        "license_ref": None if made.license_ref is None else ids.text(made.license_ref),
        "version": made.version,
        "piece": made.piece,
    }


def license_now(served: service.Service, row: state.LicenseRow, *, at: int) -> Json:
    """A license as decision state has it at `at`: nothing sealed."""
    return {
        "license_ref": ids.text(row.license_ref),
        "license_type": row.type_code,
        "issuer": row.issuer,
        "status": license.status(row, at),
        "recorded_status": row.status,
        "status_since": days.instant_text(row.status_since),
        "status_index": row.status_index,
        "version": row.version,
        "version_index": row.version_index,
        "valid_from": days.text(row.valid_from),
        "valid_to": None if row.valid_to is None else days.text(row.valid_to),
        "endorsement_due": None if row.endorsement_due is None else days.text(row.endorsement_due),
        "is_endorsement_overdue": endorsement.is_overdue(row, at),
        "is_disputed": row.open_disputes > 0,
        "marks": [_mark(served, name, index) for name, index in mark.standing(row).items()],
        "at": days.instant_text(at),
    }


def _mark(served: service.Service, name: str, index: int) -> Json:
    (data,) = served.reader.events([index])
    since = days.instant_text(event.parse(data).effective_at)
    return {"mark": name, "since": since, "index": index}


def authorization_now(row: state.AuthorizationRow, *, at: int) -> Json:
    """An authorization as decision state has it: nothing sealed, no use code."""
    return {
        "authorization_ref": ids.text(row.authorization_ref),
        "mode": row.mode,
        "requester": row.requester,
        "grantor": row.grantor,
        "entrusted_by": row.entrusted_by,
        "is_withdrawn": row.is_withdrawn,
        "uses": row.uses,
        "uses_today": None if row.uses_per_day is None else use.uses_on(row, days.of_instant(at)),
        "scope": {
            "license_types": list(row.type_codes),
            "license_refs": list(row.license_refs),
            "fields": None if row.field_names is None else list(row.field_names),
            "service_items": None if row.service_items is None else list(row.service_items),
            "valid_from": days.instant_text(row.valid_from) if row.valid_from else None,
            "valid_until": None if row.valid_until is None else days.instant_text(row.valid_until),
            "uses_max": row.uses_max,
            "uses_per_day": row.uses_per_day,
            "case_numbers": None if row.case_numbers is None else list(row.case_numbers),
        },
        "at": days.instant_text(at),
    }


def looked_at(said: token.Token, *, result: str, row: state.LicenseRow, at: int) -> Json:
    """What a QR code says and what is true of it now; the page behind it says no more."""
    return {
        "result": result,
        "verdict": verification.VERDICTS[result],
        "national_result": verification.NATIONAL_RESULTS[result],
        "license_ref": ids.text(said.license_ref),
        "license_type": row.type_code,
        "issuer": row.issuer,
        "version": said.version,
        "piece": said.piece,
        "valid_from": days.text(said.valid_from),
        "valid_to": None if said.valid_to is None else days.text(said.valid_to),
        "issued_on": days.text(said.issued_on),
        "paper_digest": said.paper_digest.hex(),
        "paper_salt": said.paper_salt.hex(),
        "at": days.instant_text(at),
    }
