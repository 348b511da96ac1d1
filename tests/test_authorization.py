"""Authorizations and what is used under them: given facts, when one more, then row or error; no database."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ledger import authorization, errors, holder, license, refusal, use
from ledger.state import AuthorizationRow, LicenseRow, OrganizationRow, StreamRow
from signing import ids
from tests.history import (
    CONDITIONAL,
    FREE,
    HALL,
    HOLDER,
    ISSUER,
    NOON,
    OTHER,
    OTHER_REF,
    REF,
    STRANGER,
    STREAMS,
    UNSHARED,
    History,
    begun,
    granted,
    version,
)

NEW = "91350100MA0000007A"
WIDE: dict[str, Any] = {
    "license_refs": (),
    "type_codes": (FREE, CONDITIONAL),
    "field_names": ("domicile", "name"),
    "service_items": ("item-1", "item-2"),
    "valid_from": NOON,
    "valid_until": NOON + 100,
    "uses_max": 10,
}


def stands_in(mode: str) -> bytes:
    return HOLDER if mode == "holder" else STREAMS[HALL]


def with_grant(mode: str = "holder", **members: Any) -> History:
    history = begun()
    history.record(version())
    history.record(granted(mode, **members), stream=stands_in(mode))
    return history


def narrowed(**changes: Any) -> authorization.AuthorizationNarrowed:
    return authorization.AuthorizationNarrowed(authorization_ref=REF, **WIDE | changes)


WITHDRAWN = authorization.AuthorizationWithdrawn(authorization_ref=REF)


# --- granting ---


@pytest.mark.parametrize("mode", authorization.MODES)
def test_a_grant_stands_unused_in_its_stream(mode: str) -> None:
    row = with_grant(mode, uses_max=3).row(AuthorizationRow, REF)
    assert (row.mode, row.stream_id, row.uses, row.uses_max) == (mode, stands_in(mode), 0, 3)
    assert (row.requester, row.grantor, row.is_withdrawn) == (HALL, ISSUER, False)


def test_a_client_never_attests_consent_for_its_own_organization() -> None:
    with pytest.raises(errors.OwnOrganization) as refused:
        begun().record(granted(), by=HALL)
    assert refused.value.field == "requester"


def test_attested_consent_names_its_evidence_and_its_operator() -> None:
    with pytest.raises(errors.Invalid) as refused:
        begun().record(granted(evidence_digest=None))
    assert refused.value.field == "evidence"
    with pytest.raises(errors.Invalid) as refused:
        begun().record(granted(), operator_ref=None)
    assert refused.value.field == "operator"


@pytest.mark.parametrize(
    ("mode", "type_code", "is_allowed"),
    [
        ("unconditional", FREE, True),
        ("unconditional", CONDITIONAL, False),
        ("unconditional", UNSHARED, False),
        ("statutory", FREE, True),
        ("statutory", CONDITIONAL, True),
        ("statutory", UNSHARED, False),
        ("holder", FREE, True),
        ("holder", CONDITIONAL, True),
        ("holder", UNSHARED, True),
    ],
)
def test_the_sharing_class_of_a_type_rules_the_mode(mode: str, type_code: str, is_allowed: bool) -> None:
    made = granted(mode, type_codes=(type_code,))
    if is_allowed:
        begun().record(made, stream=stands_in(mode))
    else:
        with pytest.raises(errors.SharingClassForbids):
            begun().record(made, stream=stands_in(mode))


def test_each_mode_needs_its_client_scope() -> None:
    with pytest.raises(errors.ScopeMissing) as refused:
        begun().record(granted(requester=ISSUER, requester_stream=STREAMS[ISSUER]), by=OTHER)
    assert refused.value.extra == {"needed_scope": "consent:attest"}
    with pytest.raises(errors.ScopeMissing) as refused:
        begun().record(granted("statutory"), by=HALL, stream=STREAMS[HALL])
    assert refused.value.extra == {"needed_scope": "authorization:grant"}


def test_a_consent_names_licenses_of_its_holder_only() -> None:
    history = begun()
    history.record(version())
    history.record(granted(license_refs=(ids.text(REF),), type_codes=()))
    for stream, ref in ((STRANGER, REF), (HOLDER, OTHER_REF)):
        made = granted(authorization_ref=OTHER_REF, license_refs=(ids.text(ref),), type_codes=())
        with pytest.raises(errors.LicenseNotFound):
            history.record(made, stream=stream)


@pytest.mark.parametrize("mode", ["statutory", "unconditional"])
def test_a_standing_authorization_names_types_in_its_requesters_stream_and_has_no_use_code(mode: str) -> None:
    history = begun()
    history.record(version())
    with pytest.raises(errors.Invalid):
        history.record(granted(mode, license_refs=(ids.text(REF),)), stream=STREAMS[HALL])
    with pytest.raises(errors.Conflict):
        history.record(granted(mode), stream=HOLDER)
    with pytest.raises(errors.Invalid):
        history.record(granted(mode, use_code_digest=bytes(32)), stream=STREAMS[HALL])


def test_a_consent_stands_in_a_holders_stream_only() -> None:
    for stream in (STREAMS[HALL], STREAMS[OTHER]):
        with pytest.raises(errors.Conflict):
            begun().record(granted(), stream=stream)


def test_a_requester_is_an_organization_with_one_stream() -> None:
    citizen = "350102190001010015"
    with pytest.raises(errors.Invalid) as refused:
        begun().record(granted(requester=citizen, requester_stream=b"n" * 16))
    assert refused.value.field == "requester"
    with pytest.raises(errors.Conflict):
        begun().record(granted(requester_stream=b"n" * 16))
    with pytest.raises(errors.Conflict):
        begun().record(granted(requester=NEW, requester_stream=STREAMS[OTHER]))
    history = begun()
    history.record(granted(requester=NEW, requester_stream=b"n" * 16))
    assert history.row(OrganizationRow, NEW).stream_id == b"n" * 16
    assert history.row(StreamRow, b"n" * 16).kind == "organization"


@pytest.mark.parametrize(
    ("members", "field"),
    [
        ({"type_codes": ()}, "scope"),
        ({"type_codes": (CONDITIONAL, FREE)}, "scope.type_codes"),
        ({"field_names": ("name", "domicile")}, "scope.field_names"),
        ({"field_names": ("姓名",)}, "scope.field_names"),
        ({"service_items": tuple(f"item-{number:03}" for number in range(101))}, "scope.service_items"),
        ({"service_items": ("",)}, "scope.service_items"),
        ({"service_items": ("item-350102190001010015",)}, "scope.service_items"),
        ({"valid_from": 5, "valid_until": 5}, "scope.valid_until"),
        ({"uses_max": 0}, "scope.uses_max"),
        ({"mode": "public"}, "mode"),
    ],
)
def test_a_bad_scope_is_refused_and_the_member_is_named(members: dict[str, Any], field: str) -> None:
    members = dict(members)
    mode = members.pop("mode", None)
    made = replace(granted(**members), mode=mode) if mode else granted(**members)
    with pytest.raises(errors.Invalid) as refused:
        begun().record(made)
    assert refused.value.field == field


def test_a_reference_is_granted_once() -> None:
    with pytest.raises(errors.AlreadyExists):
        with_grant().record(granted())


# --- narrowing and withdrawing ---


@pytest.mark.parametrize(
    "changes",
    [
        {"type_codes": (FREE,)},
        {"field_names": ("name",)},
        {"field_names": ()},
        {"service_items": ("item-2",)},
        {"valid_from": NOON + 1},
        {"valid_until": NOON + 99},
        {"uses_max": 9},
    ],
)
def test_a_smaller_scope_replaces_the_one_before(changes: dict[str, Any]) -> None:
    history = with_grant(**WIDE)
    history.record(narrowed(**changes))
    scope = authorization.scope_of(history.row(AuthorizationRow, REF))
    assert vars(scope) == WIDE | {"uses_per_day": None, "case_numbers": None} | changes


@pytest.mark.parametrize(
    "changes",
    [
        {"type_codes": (FREE, CONDITIONAL, UNSHARED)},
        {"license_refs": (ids.text(REF),)},
        {"field_names": None},
        {"field_names": ("domicile", "name", "other")},
        {"service_items": None},
        {"service_items": ("item-3",)},
        {"valid_from": NOON - 1},
        {"valid_until": None},
        {"valid_until": NOON + 101},
        {"uses_max": None},
        {"uses_max": 11},
        {"uses_max": 1, "valid_until": NOON + 101},
    ],
)
def test_narrowing_never_widens(changes: dict[str, Any]) -> None:
    history = with_grant(**WIDE)
    before = history.row(AuthorizationRow, REF)
    with pytest.raises(errors.ScopeWidened):
        history.record(narrowed(**changes))
    assert history.row(AuthorizationRow, REF) == before


def test_a_scope_that_stays_as_it_was_is_not_told_again() -> None:
    history = with_grant(**WIDE)
    with pytest.raises(errors.Conflict):
        history.record(narrowed())


def test_narrowing_keeps_the_count_of_uses() -> None:
    history = with_grant(**WIDE | {"valid_from": 0})
    history.record(used(history), by=HALL)
    history.record(narrowed(uses_max=1))
    assert history.row(AuthorizationRow, REF).uses == 1
    with pytest.raises(errors.Forbidden, match="exhausted"):
        history.record(used(history), by=HALL)


def test_a_withdrawn_authorization_changes_no_more() -> None:
    history = with_grant(**WIDE)
    history.record(WITHDRAWN)
    assert history.row(AuthorizationRow, REF).is_withdrawn
    for made in (WITHDRAWN, narrowed()):
        with pytest.raises(errors.AuthorizationWithdrawnConflict):
            history.record(made)


def test_a_standing_authorization_is_changed_by_its_grantor_alone() -> None:
    history = with_grant("statutory")
    with pytest.raises(errors.AuthorizationNotFound):
        history.record(WITHDRAWN, by=OTHER, stream=STREAMS[HALL])
    with pytest.raises(errors.Conflict):
        history.record(WITHDRAWN, stream=HOLDER)
    history.record(WITHDRAWN, stream=STREAMS[HALL])


def test_a_consent_is_taken_back_at_any_counter_that_attests() -> None:
    with_grant().record(WITHDRAWN, by=HALL)
    with pytest.raises(errors.ScopeMissing):
        with_grant().record(WITHDRAWN, by=OTHER)
    with pytest.raises(errors.AuthorizationNotFound):
        begun().record(WITHDRAWN)


# --- uses that `check` would have to name ---


def used(history: History, **members: Any) -> use.LicenseUsed:
    row = history.row(LicenseRow, REF)
    values: dict[str, Any] = {
        "license_ref": REF,
        "version": row.version,
        "license_index": row.version_index,
        "authorization_ref": REF,
        "mode": history.row(AuthorizationRow, REF).mode,
        "fields": ("name",),
        "status": "effective",
    }
    return use.LicenseUsed(**values | members)


@pytest.mark.parametrize("mode", authorization.MODES)
def test_a_use_spends_one_and_the_last_one_is_the_last(mode: str) -> None:
    history = with_grant(mode, uses_max=2)
    for spent in (1, 2):
        history.record(used(history), by=HALL)
        assert history.row(AuthorizationRow, REF).uses == spent
    with pytest.raises(errors.Forbidden, match="authorization-exhausted"):
        history.record(used(history), by=HALL)


@pytest.mark.parametrize(
    "members",
    [
        {"version": 2},
        {"license_index": 0},
        {"status": "expired"},
        {"mode": "statutory"},
        {"fields": ("domicile", "name", "other")},
        {"license_ref": OTHER_REF},
        {"authorization_ref": OTHER_REF},
    ],
)
def test_a_use_that_does_not_fit_the_state_is_forbidden(members: dict[str, Any]) -> None:
    history = with_grant()
    with pytest.raises(errors.Forbidden):
        history.record(used(history, **members), by=HALL)


def test_a_use_is_forbidden_after_what_forbids_it() -> None:
    for forbidding, stream in (
        (WITHDRAWN, HOLDER),
        (license.LicenseSuspended(license_ref=REF), HOLDER),
        (license.LicenseAnnulled(license_ref=REF), HOLDER),
    ):
        history = with_grant()
        history.record(used(history), by=HALL)
        history.record(forbidding, stream=stream)
        with pytest.raises(errors.Forbidden):
            history.record(used(history), by=HALL)


def test_a_use_is_for_the_requester_and_the_item_and_the_fields_and_the_time() -> None:
    history = with_grant(field_names=("name",), service_items=("item-1",), valid_from=5, valid_until=NOON)
    last = NOON - 1
    history.record(used(history), by=HALL, at=last)
    for members in ({"by": OTHER}, {"service_item": "item-2"}, {"at": NOON}, {"at": 4}, {"stream": STRANGER}):
        with pytest.raises(errors.Forbidden):
            history.record(used(history), **{"by": HALL, "at": last} | members)
    with pytest.raises(errors.Forbidden, match="fields-not-covered"):
        history.record(used(history, fields=("domicile", "name")), by=HALL, at=last)
    history.record(used(history, fields=("@license_id", "name")), by=HALL, at=last)


def test_a_consent_of_one_holder_opens_nothing_of_another() -> None:
    history = with_grant()
    history.record(version(license_ref=OTHER_REF, parties=(("holder", STRANGER),)), stream=STRANGER)
    row = history.row(LicenseRow, OTHER_REF)
    made = used(history, license_ref=OTHER_REF, license_index=row.version_index)
    with pytest.raises(errors.Forbidden, match="does not cover"):
        history.record(made, by=HALL, stream=STRANGER)


def refused(**members: Any) -> refusal.UseRefused:
    values: dict[str, Any] = {
        "reason": "not-authorized",
        "code": "100",
        "type_code": None,
        "license_ref": None,
        "authorization_ref": None,
        "choices": (),
    }
    return refusal.UseRefused(**values | members)


def test_a_refusal_without_an_authorization_names_nobody() -> None:
    history = with_grant()
    history.record(refused(), by=HALL, stream=STREAMS[HALL])
    for made, stream in (
        (refused(), HOLDER),
        (refused(license_ref=REF), STREAMS[HALL]),
        (refused(choices=(REF,)), STREAMS[HALL]),
        (refused(code="10"), STREAMS[HALL]),
        (refused(reason="not-held", code="10"), STREAMS[HALL]),
        (refused(reason="unheard-of", code=None), STREAMS[HALL]),
    ):
        with pytest.raises(errors.Forbidden):
            history.record(made, by=HALL, stream=stream)


def test_a_refusal_names_a_license_only_where_its_status_forbids_the_use() -> None:
    history = with_grant()
    suspended = refused(
        reason="license-suspended", code="23", license_ref=REF, type_code=FREE, authorization_ref=REF
    )
    with pytest.raises(errors.Forbidden):
        history.record(suspended, by=HALL)
    history.record(license.LicenseSuspended(license_ref=REF))
    history.record(suspended, by=HALL)
    for made, by, stream in (
        (replace(suspended, authorization_ref=OTHER_REF), HALL, HOLDER),
        (replace(suspended, license_ref=None), HALL, HOLDER),
        (replace(suspended, reason="license-revoked", code="21"), HALL, HOLDER),
        (replace(suspended, reason="authorization-ended", code="100"), HALL, HOLDER),
        (suspended, OTHER, HOLDER),
        (suspended, HALL, STREAMS[HALL]),
    ):
        with pytest.raises(errors.Forbidden):
            history.record(made, by=by, stream=stream)
    ended = refused(reason="authorization-ended", code="100", authorization_ref=REF)
    history.record(ended, by=HALL)
    with pytest.raises(errors.Forbidden):
        history.record(ended, by=HALL, stream=STREAMS[HALL])


def test_an_ambiguous_refusal_lists_effective_licenses() -> None:
    history = with_grant()
    made = refused(reason="ambiguous", code=None, choices=(REF,), authorization_ref=REF)
    history.record(made, by=HALL)
    with pytest.raises(errors.Forbidden):
        history.record(replace(made, choices=()), by=HALL)
    history.record(license.LicenseSuspended(license_ref=REF))
    with pytest.raises(errors.Forbidden):
        history.record(made, by=HALL)


def test_nothing_is_granted_in_an_erased_holders_stream() -> None:
    history = with_grant()
    history.record(holder.HolderErased(), by=None)
    with pytest.raises(errors.HolderErasedConflict):
        history.record(used(history), by=HALL)
    with pytest.raises(errors.HolderErasedConflict):
        history.record(WITHDRAWN)
