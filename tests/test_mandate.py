"""Mandates: guardians and agents consent for a holder, until the clock or a fact ends it; and never after."""

from __future__ import annotations

import dataclasses
from dataclasses import replace
from typing import Any

import pytest

from ledger import (
    authorization,
    authorization_commands,
    consent,
    consent_commands,
    days,
    errors,
    fact,
    identifiers,
    linking_commands,
    mandate,
    mandate_acting,
    mandate_commands,
    use,
    use_commands,
)
from ledger.state import AuthorizationRow, LicenseRow
from ledger.state_mandate import MandateRow
from signing import ids
from tests.history import (
    CONDITIONAL,
    FREE,
    HALL,
    HOLDER,
    NOON,
    OTHER,
    OTHER_REF,
    REF,
    STRANGER,
    History,
    begun,
    granted,
    version,
)
from tests.test_representation import BODY, FIRST, OWN_LICENSE, SECOND, changed, of_the_body
from tests.world import BUSINESS_LICENSE, CITIZEN_CARD, World, citizen
from tests.world import HALL as THE_HALL

GUARDIAN, AGENT = b"guardian".ljust(16), b"agent".ljust(16)
MANDATE, OTHER_MANDATE, CONSENT = b"5" * 16, b"6" * 16, b"7" * 16
TOMORROW = days.of_instant(NOON) + 1
MIDNIGHT = days.start(TOMORROW)
EVIDENCE = bytes(32)


def guardianship(**members: Any) -> mandate.GuardianshipRegistered:
    """A minor's guardianship that is over with the end of today."""
    values: dict[str, Any] = {
        "mandate_ref": MANDATE,
        "guardian": GUARDIAN,
        "kind": "minor",
        "basis": "parent",
        "ends_on": TOMORROW,
        "evidence_digest": EVIDENCE,
    }
    return mandate.GuardianshipRegistered(**values | members)


def agency(**members: Any) -> mandate.AgentAppointed:
    values: dict[str, Any] = {
        "mandate_ref": MANDATE,
        "agent": AGENT,
        "type_codes": (),
        "valid_until": MIDNIGHT,
        "evidence_digest": EVIDENCE,
    }
    return mandate.AgentAppointed(**values | members)


def ended(cls: type[Any] = mandate.GuardianshipEnded, **members: Any) -> Any:
    values = {"mandate_ref": MANDATE, "ended": (), "parted": (), "evidence_digest": EVIDENCE}
    return cls(**values | members)


def by_guardian(**members: Any) -> authorization.AuthorizationGranted:
    """Consent of the guardian for the ward."""
    values = {"authorization_ref": CONSENT, "acting": GUARDIAN, "acts_by": MANDATE, "valid_until": MIDNIGHT}
    return granted(**values | members)


def guarded(**members: Any) -> History:
    """A ward who has a license, and a guardian."""
    history = begun()
    history.record(version())
    history.record(guardianship(**members), by=OTHER)
    return history


def used(history: History, *, at: int, ref: bytes = CONSENT, consents: tuple[bytes, ...] = ()) -> None:
    """The hall uses the license under a consent, or is refused."""
    row = history.row(LicenseRow, REF)
    made = use.LicenseUsed(
        license_ref=REF,
        version=1,
        license_index=row.version_index,
        authorization_ref=ref,
        mode="holder",
        fields=("name",),
        status="effective",
        consents=consents,
    )
    history.record(made, stream=row.stream_id, by=HALL, at=at)


def reason(history: History, *, at: int) -> str | None:
    asked = use.Asked(requester=HALL, service_item="item-1", field_names=None)
    return use.judge_authorization(history.row(AuthorizationRow, CONSENT), asked, at=at)


def test_a_guardian_consents_until_the_ward_is_of_age_and_not_a_moment_longer() -> None:
    history = guarded()
    history.record(by_guardian())
    used(history, at=MIDNIGHT - 1)
    with pytest.raises(errors.Forbidden):
        used(history, at=MIDNIGHT)
    assert reason(history, at=MIDNIGHT - 1) is None
    assert reason(history, at=MIDNIGHT) == "authorization-ended"
    with pytest.raises(errors.NoMandate):
        history.record(by_guardian(authorization_ref=OTHER_REF, valid_until=MIDNIGHT + 1), at=MIDNIGHT)


@pytest.mark.parametrize(
    ("members", "refusal", "field"),
    [
        ({"valid_until": MIDNIGHT + 1}, errors.Invalid, "scope.valid_until"),
        ({"valid_until": None}, errors.Invalid, "scope.valid_until"),
        ({"acting": STRANGER}, errors.NoMandate, "acting"),
        ({"acts_by": OTHER_MANDATE}, errors.NoMandate, "acting.mandate_ref"),
        ({"acts_by": None}, errors.Invalid, "acting"),
        ({"acting": None}, errors.Invalid, "acting"),
        ({"representative": FIRST, "represents_by": REF}, errors.LedgerError, "representative"),
    ],
)
def test_nobody_consents_for_a_ward_without_a_mandate(
    members: dict[str, Any], refusal: type[errors.LedgerError], field: str
) -> None:
    history = guarded()
    with pytest.raises(refusal) as raised:
        history.record(by_guardian(**members))
    assert raised.value.field == field
    history.record(by_guardian())


def test_a_guardian_is_one_of_this_ward_alone() -> None:
    history = guarded()
    history.record(version(license_ref=OTHER_REF, parties=(("holder", STRANGER),)), stream=STRANGER)
    with pytest.raises(errors.NoMandate):
        history.record(by_guardian(), stream=STRANGER)


def test_what_a_guardian_consented_to_is_over_with_the_guardianship() -> None:
    history = guarded()
    history.record(by_guardian())
    history.record(granted(authorization_ref=OTHER_REF))
    for wrong in (ended(), ended(ended=(OTHER_REF,)), ended(ended=(CONSENT,), parted=((CONSENT, HOLDER),))):
        with pytest.raises(errors.Conflict):
            history.record(wrong, by=OTHER)
    with pytest.raises(errors.NotFound):
        history.record(ended(mandate.AgentDismissed, ended=(CONSENT,)))
    history.record(ended(ended=(CONSENT,)), by=OTHER)
    assert reason(history, at=NOON) == "mandate-ended"
    assert not history.row(AuthorizationRow, OTHER_REF).is_withdrawn
    with pytest.raises(errors.NoMandate):
        history.record(by_guardian(authorization_ref=b"8" * 16))
    with pytest.raises(errors.Conflict):
        history.record(ended(), by=OTHER)


def test_a_consent_that_was_withdrawn_before_is_told_as_withdrawn() -> None:
    history = guarded()
    history.record(by_guardian())
    history.record(authorization.AuthorizationWithdrawn(authorization_ref=CONSENT))
    history.record(ended(ended=(CONSENT,)), by=OTHER)
    assert reason(history, at=NOON) == "authorization-withdrawn"


def test_either_parent_consents_and_what_one_said_stands_when_the_other_is_guardian_no_more() -> None:
    history = guarded()
    history.record(guardianship(mandate_ref=OTHER_MANDATE, guardian=STRANGER), by=OTHER)
    history.record(by_guardian())
    history.record(by_guardian(authorization_ref=OTHER_REF, acting=STRANGER, acts_by=OTHER_MANDATE))
    history.record(ended(ended=(CONSENT,)), by=OTHER)
    assert not history.row(AuthorizationRow, OTHER_REF).is_withdrawn


@pytest.mark.parametrize(
    ("members", "field"),
    [
        ({"ends_on": None}, "born_on"),
        ({"ends_on": TOMORROW - 1}, "born_on"),
        ({"ends_on": TOMORROW + 7_000}, "born_on"),
        ({"kind": "child"}, "kind"),
        ({"basis": "friendship"}, "basis"),
        ({"guardian": HOLDER}, "guardian"),
        ({"kind": "adult", "ends_on": TOMORROW - 1}, "ends_on"),
    ],
)
def test_a_bad_guardianship_is_refused_and_the_member_is_named(members: dict[str, Any], field: str) -> None:
    history = begun()
    history.record(version())
    with pytest.raises(errors.Invalid) as raised:
        history.record(guardianship(**members), by=OTHER)
    assert raised.value.field == field
    history.record(guardianship(kind="adult", basis="court", ends_on=None), by=OTHER)


def test_only_a_registering_organ_says_who_is_a_guardian() -> None:
    history = begun()
    history.record(version())
    with pytest.raises(errors.ScopeMissing):
        history.record(guardianship())
    history.record(guardianship(), by=OTHER)
    with pytest.raises(errors.ScopeMissing):
        history.record(ended())


def joining(**members: Any) -> consent.ConsentJoined:
    """The guardian joins another's authorization for the ward, who is a further party."""
    values: dict[str, Any] = {"authorization_ref": REF, "evidence_digest": EVIDENCE}
    return consent.ConsentJoined(**values | {"acting": GUARDIAN, "acts_by": MANDATE} | members)


def test_what_a_guardian_joined_for_a_ward_counts_until_the_ward_is_of_age() -> None:
    history = begun()
    history.record(version(parties=(("holder", STRANGER), ("co-owner", HOLDER))), stream=STRANGER)
    history.record(guardianship(), by=OTHER)
    history.record(granted(), stream=STRANGER)
    history.record(joining())
    assert history.row(AuthorizationRow, REF).joined == (f"{ids.text(HOLDER)} {MIDNIGHT}",)
    with pytest.raises(errors.Conflict):
        history.record(joining())

    both = tuple(sorted((HOLDER, STRANGER)))
    used(history, at=MIDNIGHT - 1, ref=REF, consents=both)
    with pytest.raises(errors.Forbidden):
        used(history, at=MIDNIGHT, ref=REF, consents=both)
    # Of age, the former ward joins for itself.
    history.record(joining(acting=None, acts_by=None), at=MIDNIGHT)
    assert history.row(AuthorizationRow, REF).joined == (ids.text(HOLDER),)
    used(history, at=MIDNIGHT, ref=REF, consents=both)


def test_what_was_joined_is_parted_with_the_end_of_the_guardianship() -> None:
    history = begun()
    history.record(version(parties=(("holder", STRANGER), ("co-owner", HOLDER))), stream=STRANGER)
    history.record(guardianship(), by=OTHER)
    history.record(granted(), stream=STRANGER)
    history.record(joining())
    history.record(ended(parted=((REF, HOLDER),)), by=OTHER)
    row = history.row(AuthorizationRow, REF)
    assert (row.joined, row.is_withdrawn) == ((), False)


def test_an_agent_consents_for_the_types_of_the_agency_alone() -> None:
    history = begun()
    history.record(version())
    with pytest.raises(errors.Invalid, match="later"):
        history.record(agency(type_codes=(FREE,)), effective_at=NOON + 1)
    history.record(agency(type_codes=(FREE,)))
    said = {"acting": AGENT, "acts_by": MANDATE}
    for wrong in ({"type_codes": (FREE, CONDITIONAL)}, {"type_codes": (CONDITIONAL,)}):
        with pytest.raises(errors.NoMandate):
            history.record(by_guardian(**said, **wrong))
    history.record(by_guardian(**said, license_refs=(ids.text(REF),)))
    assert reason(history, at=NOON) is None
    history.record(ended(mandate.AgentDismissed, ended=(CONSENT,)))
    assert reason(history, at=NOON) == "mandate-ended"


def test_an_agent_whom_a_representative_appointed_is_none_when_another_represents_the_body() -> None:
    history = begun()
    history.record(of_the_body(FIRST), stream=BODY)
    history.record(changed((), (FIRST,), license_ref=OWN_LICENSE), stream=BODY)
    rooted = {"representative": FIRST, "represents_by": OWN_LICENSE}
    with pytest.raises(errors.NotTheRepresentative):
        history.record(agency(**rooted | {"representative": SECOND}), stream=BODY)
    history.record(agency(**rooted), stream=BODY)
    said = {"acting": AGENT, "acts_by": MANDATE}
    with pytest.raises(errors.Conflict):
        history.record(by_guardian(**said), stream=BODY)
    history.record(by_guardian(**said, **rooted), stream=BODY)
    history.record(of_the_body(SECOND, number=2), stream=BODY)
    change = changed(
        (FIRST,), (SECOND,), license_ref=OWN_LICENSE, version=2, ended=(CONSENT,), is_reason=True
    )
    with pytest.raises(errors.Conflict):
        history.record(change, stream=BODY)
    history.record(replace(change, dismissed=(MANDATE,)), stream=BODY, effective_at=MIDNIGHT)
    assert reason(history, at=NOON) == "representative-changed"
    assert history.row(MandateRow, MANDATE).over_at == NOON, "not from when the version holds"
    # Should the same person come back, it stays over.
    history.record(of_the_body(FIRST, number=3), stream=BODY)
    history.record(changed((SECOND,), (FIRST,), license_ref=OWN_LICENSE, version=3), stream=BODY)
    with pytest.raises(errors.NoMandate):
        history.record(by_guardian(**said, **rooted, authorization_ref=OTHER_REF), stream=BODY)


@pytest.mark.parametrize(
    ("born_on", "years", "day"),
    [
        ("2008-03-01", 18, "2026-03-01"),
        ("2008-02-29", 18, "2026-03-01"),
        ("2004-02-29", 20, "2024-02-29"),
        ("2012-12-31", 14, "2026-12-31"),
    ],
)
def test_a_birthday_is_a_day_also_of_who_was_born_on_a_leap_day(born_on: str, years: int, day: str) -> None:
    assert days.text(mandate.birthday(days.parse(born_on), years)) == day


def test_a_child_under_14_does_not_consent_for_itself() -> None:
    child = citizen(1)
    grown = days.start(days.parse("1914-01-01"))
    with pytest.raises(errors.GuardianNeeded):
        mandate_acting.require_old_enough(child, at=grown - 1)
    mandate_acting.require_old_enough(child, at=grown)
    mandate_acting.require_old_enough(identifiers.holder_code("414", "E00000019"), at=0)


def test_a_minor_is_no_adult_whose_guardianship_would_not_end() -> None:
    child = citizen(1)
    grown = days.start(days.parse("1918-01-01"))
    with pytest.raises(errors.Invalid) as raised:
        mandate_acting.require_of_age(child, at=grown - 1)
    assert raised.value.field == "kind"
    mandate_acting.require_of_age(child, at=grown)
    mandate_acting.require_of_age(identifiers.holder_code("414", "E00000019"), at=0)


def test_the_members_that_came_later_are_left_out_where_they_say_nothing() -> None:
    assert not {"acting", "acts_by"} & fact.to_map(granted()).keys()
    assert {"acting", "acts_by"} <= fact.to_map(by_guardian()).keys()
    assert all(one.default is None for one in dataclasses.fields(consent.ConsentJoined) if "act" in one.name)


# --- on a real ledger ---

SCOPE = authorization.Scope(
    license_refs=(),
    type_codes=(CITIZEN_CARD,),
    field_names=None,
    service_items=None,
    valid_from=0,
    valid_until=None,
    uses_max=None,
)
WARD = identifiers.holder_code("414", "E00000019")


def test_a_guardian_consents_for_a_ward_of_two_files_until_the_organ_ends_it(world: World) -> None:
    organ = world.register(THE_HALL, "holder:register")
    world.issue(WARD, type_code=CITIZEN_CARD)
    said = {"holder": WARD, "person": citizen(1), "evidence": "00" * 32, "kind": "minor", "basis": "parent"}
    asked = mandate_commands.RegisterGuardianship(actor=organ, **said)
    with pytest.raises(errors.Invalid, match="birth date"):
        world.do(asked)
    born = days.of_instant(NOON) - 3_000
    registered = replace(asked, born_on=born)
    (item,) = world.do(registered).recorded
    assert item.event.fact["ends_on"] == mandate.birthday(born, 18)
    of_age = replace(asked, mandate_ref=b"x" * 16, holder=citizen(3))
    with pytest.raises(errors.Invalid, match="of age"):
        world.do(of_age)
    world.issue(citizen(4), type_code=CITIZEN_CARD)
    link = linking_commands.LinkHolderCodes(actor=organ, holder=WARD, linked=citizen(4), evidence="00" * 32)
    world.do(link)
    grant = authorization_commands.GrantAuthorization(
        actor=world.issuer,
        mode="holder",
        requester=THE_HALL,
        holder=citizen(4),
        evidence="00" * 32,
        acting=(registered.mandate_ref, citizen(2)),
        scope=SCOPE,
    )
    with pytest.raises(errors.NoMandate):
        world.do(grant)
    (given,) = world.do(replace(grant, acting=(registered.mandate_ref, citizen(1)))).recorded
    assert given.event.fact["valid_until"] == days.start(mandate.birthday(born, 18))
    asked_for = use_commands.UseLicense(actor=world.hall, use_code=grant.use_code)
    assert [one.event.topic for one in world.do(asked_for).recorded] == ["LicenseUsed", "LicenseUsed"]
    end = mandate_commands.EndGuardianship(
        actor=organ, mandate_ref=registered.mandate_ref, evidence="00" * 32
    )
    (over,) = world.do(end).recorded
    assert over.event.fact["ended"] == [grant.authorization_ref]
    (refused,) = world.do(asked_for).recorded
    assert refused.event.fact["reason"] == "mandate-ended"


def test_an_agent_joins_for_a_co_owner_and_is_dismissed(world: World) -> None:
    owner, other = citizen(5), citizen(6)
    world.issue(owner, type_code=BUSINESS_LICENSE, co_owner=other)
    appointed = mandate_commands.AppointAgent(
        actor=world.issuer,
        holder=other,
        person=citizen(7),
        evidence="00" * 32,
        type_codes=(BUSINESS_LICENSE,),
        valid_until=days.start(days.parse("2099-01-01")),
    )
    world.do(appointed)
    grant = authorization_commands.GrantAuthorization(
        actor=world.issuer,
        mode="holder",
        requester=THE_HALL,
        holder=owner,
        evidence="00" * 32,
        scope=replace(SCOPE, type_codes=(BUSINESS_LICENSE,)),
    )
    world.do(grant)
    asked = use_commands.UseLicense(actor=world.hall, use_code=grant.use_code)
    reasons = [world.do(asked).recorded[0].event.fact.get("reason")]
    join = consent_commands.JoinConsent(
        actor=world.issuer,
        authorization_ref=grant.authorization_ref,
        holder=other,
        evidence="00" * 32,
        acting=(appointed.mandate_ref, citizen(7)),
    )
    world.do(join)
    reasons.append(world.do(asked).recorded[0].event.fact.get("reason"))
    dismissed = mandate_commands.DismissAgent(
        actor=world.issuer, mandate_ref=appointed.mandate_ref, evidence="00" * 32
    )
    world.do(dismissed)
    reasons.append(world.do(asked).recorded[0].event.fact.get("reason"))
    assert reasons == ["consent-missing", None, "consent-missing"]
