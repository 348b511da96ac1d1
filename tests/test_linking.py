"""Codes of one holder: linked, unlinked, contested, settled; licenses given to their right holder."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from ledger import (
    correction,
    correction_commands,
    days,
    errors,
    holder,
    identifiers,
    keeping,
    license,
    license_commands,
    linking,
    linking_commands,
    refusal,
    registry_commands,
    use,
)
from ledger.state import LicenseRow, LinkRow, StreamRow
from tests.history import (
    FREE,
    HALL,
    HOLDER,
    ISSUER,
    NOON,
    OTHER,
    REF,
    STRANGER,
    History,
    begun,
    granted,
    version,
)
from tests.world import AUDITOR, BUSINESS_LICENSE, CITIZEN_CARD, ENTERPRISE, World, citizen

EVIDENCE = bytes(32)
INTERIM = identifiers.holder_code("099", identifiers.make_interim_code("350102", "000000001"))


def issued() -> History:
    history = begun()
    history.record(version())
    return history


def linked(link_ref: bytes = b"L" * 16) -> linking.HolderCodeLinked:
    return linking.HolderCodeLinked(link_ref=link_ref, evidence_digest=EVIDENCE)


def unlinked(link_ref: bytes = b"L" * 16) -> linking.HolderCodeUnlinked:
    return linking.HolderCodeUnlinked(link_ref=link_ref, evidence_digest=EVIDENCE)


def contested() -> linking.HolderCodeContested:
    return linking.HolderCodeContested(evidence_digest=EVIDENCE)


def settled() -> linking.HolderCodeSettled:
    return linking.HolderCodeSettled(evidence_digest=EVIDENCE)


def used(index: int) -> use.LicenseUsed:
    return use.LicenseUsed(
        license_ref=REF,
        version=1,
        license_index=index,
        authorization_ref=REF,
        mode="holder",
        fields=("name",),
        status="effective",
    )


# --- rules ---


def test_a_link_is_recorded_once_and_reversed_once() -> None:
    history = issued()
    history.record(linked(), by=OTHER)
    assert history.row(LinkRow, b"L" * 16) == LinkRow(link_ref=b"L" * 16, stream_id=HOLDER, is_reversed=False)
    with pytest.raises(errors.AlreadyExists):
        history.record(linked(), by=OTHER)
    history.record(unlinked(), by=OTHER)
    assert history.row(LinkRow, b"L" * 16).is_reversed
    with pytest.raises(errors.Conflict):
        history.record(unlinked(), by=OTHER)


def test_a_link_that_is_not_there_or_is_another_holders_cannot_be_reversed() -> None:
    history = issued()
    with pytest.raises(errors.NotFound):
        history.record(unlinked(), by=OTHER)
    history.record(linked(), by=OTHER)
    history.record(version(license_ref=b"2" * 16, parties=(("holder", STRANGER),)), stream=STRANGER)
    with pytest.raises(errors.NotFound):
        history.record(unlinked(), by=OTHER, stream=STRANGER)


@pytest.mark.parametrize("made", [linked(), contested()])
def test_only_a_registering_organ_speaks_of_a_holders_codes(made: holder.Registered) -> None:
    history = issued()
    for organization in (ISSUER, HALL):
        with pytest.raises(errors.ScopeMissing):
            history.record(made, by=organization)
    with pytest.raises(errors.NotFound):
        history.record(made, by=OTHER, stream=STRANGER)
    with pytest.raises(errors.Invalid) as refused:
        history.record(made, by=OTHER, operator_ref=None)
    assert refused.value.field == "operator"
    with pytest.raises(errors.Invalid) as refused:
        history.record(made, by=OTHER, effective_at=NOON + 1)
    assert refused.value.field == "effective_at"


def test_under_a_contested_code_nothing_is_used_shown_consented_or_erased_until_it_is_settled() -> None:
    history = issued()
    history.record(granted())
    history.record(contested(), by=OTHER)
    assert history.row(StreamRow, HOLDER).is_contested
    index = history.row(LicenseRow, REF).version_index
    with pytest.raises(errors.Forbidden, match="holder-contested"):
        history.record(used(index), by=HALL)
    read = holder.HolderFileRead(license_refs=(REF,), evidence_digest=EVIDENCE)
    for made, by in ((read, HALL), (granted(authorization_ref=b"9" * 16), ISSUER), (contested(), OTHER)):
        with pytest.raises(errors.HolderContestedConflict):
            history.record(made, by=by)
    with pytest.raises(errors.HolderContestedConflict):
        history.record(holder.HolderErased(), by=None)
    history.record(settled(), by=OTHER)
    history.record(used(index), by=HALL)
    with pytest.raises(errors.Conflict):
        history.record(settled(), by=OTHER)


def refused_for_the_holder(**members: Any) -> refusal.UseRefused:
    values: dict[str, Any] = {
        "reason": "holder-contested",
        "code": "23",
        "type_code": FREE,
        "license_ref": None,
        "authorization_ref": REF,
        "choices": (),
    }
    return refusal.UseRefused(**values | members)


def test_a_refusal_for_a_contested_code_must_be_true_and_names_no_license() -> None:
    history = issued()
    history.record(granted())
    with pytest.raises(errors.Forbidden):
        history.record(refused_for_the_holder(), by=HALL)
    history.record(contested(), by=OTHER)
    history.record(refused_for_the_holder(), by=HALL)
    with pytest.raises(errors.Forbidden):
        history.record(refused_for_the_holder(license_ref=REF), by=HALL)
    with pytest.raises(errors.Forbidden):
        history.record(refused_for_the_holder(code=None), by=HALL)
    history.record(version(license_ref=b"2" * 16, parties=(("holder", STRANGER),)), stream=STRANGER)
    history.record(contested(), by=OTHER, stream=STRANGER)
    with pytest.raises(errors.Forbidden):
        history.record(refused_for_the_holder(), by=HALL, stream=STRANGER)


def corrected(**members: Any) -> Any:
    return version(
        correction.LicenseHolderCorrected,
        **{"version": 2, "parties": (("holder", STRANGER),), "former_stream": HOLDER} | members,
    )


@pytest.mark.parametrize("verb", [None, "suspend", "annul", "cancel"])
def test_a_license_goes_to_its_right_holder_whatever_its_status(verb: str | None) -> None:
    history = issued()
    if verb is not None:
        history.record(license.STATUS_CHANGES[verb](license_ref=REF))
    before = history.row(LicenseRow, REF)
    history.record(corrected(), stream=STRANGER)
    row = history.row(LicenseRow, REF)
    assert (row.stream_id, row.version, row.version_index) == (STRANGER, 2, history.size - 1)
    assert (row.status, row.status_index) == (before.status, before.status_index)
    assert history.row(StreamRow, STRANGER).kind == "holder"


def test_a_correction_keeps_type_issuer_and_the_count_of_versions() -> None:
    history = issued()
    for members in ({"version": 1}, {"version": 3}, {"former_stream": STRANGER}):
        with pytest.raises(errors.Conflict):
            history.record(corrected(**members), stream=STRANGER)
    with pytest.raises(errors.Conflict):
        history.record(corrected(parties=(("holder", HOLDER),)), stream=HOLDER)
    with pytest.raises(errors.NotTheIssuer):
        history.record(corrected(), stream=STRANGER, by=OTHER)
    with pytest.raises(errors.LicenseNotFound):
        history.record(corrected(license_ref=b"7" * 16), stream=STRANGER)
    with pytest.raises(errors.Invalid) as refused:
        history.record(corrected(), stream=STRANGER, operator_ref=None)
    assert refused.value.field == "operator"


def test_the_wrong_holders_consent_does_not_follow_a_license_to_its_right_holder() -> None:
    history = issued()
    history.record(granted())
    history.record(corrected(), stream=STRANGER)
    row = history.row(LicenseRow, REF)
    with pytest.raises(errors.Forbidden, match="does not cover"):
        history.record(used(row.version_index), by=HALL, stream=STRANGER)


# --- through the append path ---


@pytest.fixture
def registrar(world: World) -> Any:
    return world.register(AUDITOR, "holder:register")


def say(world: World, cls: Any, registrar: Any, **members: Any) -> Any:
    return world.do(cls(actor=registrar, evidence="00" * 32, **members)).recorded[0]


def reason(world: World, **asked: Any) -> str:
    (item,) = world.use(**asked)
    return "granted" if item.event.topic == "LicenseUsed" else item.event.fact["reason"]


def content(serial: str) -> license_commands.Content:
    return license_commands.Content(
        serial=serial,
        number="NO-1",
        holder_name="合成持证主体",
        values={"name": "合成持证主体"},
        valid_from=days.parse("2020-01-01"),
        valid_to=None,
        issued_on=days.parse("2020-01-01"),
    )


@pytest.mark.parametrize("is_known_first", [True, False])
def test_a_new_code_leads_to_the_known_file_until_the_link_is_reversed(
    world: World, registrar: Any, is_known_first: bool
) -> None:
    world.issue(ENTERPRISE)
    world.grant()
    pair = (
        {"holder": ENTERPRISE, "linked": INTERIM}
        if is_known_first
        else {"holder": INTERIM, "linked": ENTERPRISE}
    )
    assert reason(world, holder=INTERIM, type_code=BUSINESS_LICENSE) == "not-covered"
    say(world, linking_commands.LinkHolderCodes, registrar, **pair)
    for code in (ENTERPRISE, INTERIM):
        assert reason(world, holder=code, type_code=BUSINESS_LICENSE) == "granted"
    say(world, linking_commands.UnlinkHolderCodes, registrar, **pair)
    assert reason(world, holder=INTERIM, type_code=BUSINESS_LICENSE) == "not-covered"
    assert reason(world, holder=ENTERPRISE, type_code=BUSINESS_LICENSE) == "granted"
    say(world, linking_commands.LinkHolderCodes, registrar, **pair)
    assert reason(world, holder=INTERIM, type_code=BUSINESS_LICENSE) == "granted"


def test_the_printed_form_of_a_linked_code_is_kept_sealed_and_stands_nowhere_in_clear(
    world: World, registrar: Any
) -> None:
    world.issue(ENTERPRISE)
    pair = {"holder": ENTERPRISE, "linked": INTERIM}
    for cls in (linking_commands.LinkHolderCodes, linking_commands.UnlinkHolderCodes):
        made = say(world, cls, registrar, **pair)
        assert INTERIM.code.encode() not in made.data
        assert {"linked", "evidence", "request"} == set(made.event.sealed)


def test_what_is_not_to_be_linked_or_unlinked_is_refused(world: World, registrar: Any) -> None:
    world.issue(ENTERPRISE)
    link, unlink = linking_commands.LinkHolderCodes, linking_commands.UnlinkHolderCodes
    with pytest.raises(errors.NotFound):
        say(world, link, registrar, holder=INTERIM, linked=citizen(1))
    with pytest.raises(errors.Invalid):
        say(world, link, registrar, holder=ENTERPRISE, linked=ENTERPRISE)
    with pytest.raises(errors.NotFound):
        say(world, unlink, registrar, holder=ENTERPRISE, linked=INTERIM)
    with pytest.raises(errors.NotFound):
        say(world, unlink, registrar, holder=ENTERPRISE, linked=ENTERPRISE)
    say(world, link, registrar, holder=ENTERPRISE, linked=INTERIM)
    with pytest.raises(errors.AlreadyExists):
        say(world, link, registrar, holder=INTERIM, linked=ENTERPRISE)
    say(world, linking_commands.ContestHolderCode, registrar, holder=INTERIM)
    assert world.grant() is not None
    assert reason(world) == "holder-contested"


def test_erasure_takes_every_code_of_the_holder(world: World, registrar: Any) -> None:
    world.issue(ENTERPRISE)
    say(world, linking_commands.LinkHolderCodes, registrar, holder=ENTERPRISE, linked=INTERIM)
    keeping.erase_holder(world.ledger, world.appender, INTERIM, world.ledger.console)
    for code in (ENTERPRISE, INTERIM):
        with pytest.raises(errors.NotFound):
            world.do(registry_commands.EraseHolder(actor=world.ledger.console, holder=code))


def test_a_new_pepper_keeps_every_code_and_a_link_can_still_be_reversed(world: World, registrar: Any) -> None:
    world.issue(ENTERPRISE)
    world.grant()
    pair = {"holder": ENTERPRISE, "linked": INTERIM}
    say(world, linking_commands.LinkHolderCodes, registrar, **pair)
    keeping.rotate_pepper(world.ledger)
    for code in (ENTERPRISE, INTERIM):
        assert reason(world, holder=code, type_code=BUSINESS_LICENSE) == "granted"
    say(world, linking_commands.UnlinkHolderCodes, registrar, **pair)
    assert reason(world, holder=INTERIM, type_code=BUSINESS_LICENSE) == "not-covered"


def test_either_form_of_a_citizen_id_leads_to_one_file(world: World) -> None:
    long = citizen(1)
    printed = long.code[:6] + long.code[8:17]
    short = identifiers.holder_code("111", printed)
    assert (short.code, short.printed) == (long.code, printed)
    world.issue(short, type_code=CITIZEN_CARD)
    world.grant(type_codes=(CITIZEN_CARD,))
    for code in (short, long):
        assert reason(world, holder=code, type_code=CITIZEN_CARD) == "granted"


def test_two_persons_with_one_number_get_their_own_files(world: World, registrar: Any) -> None:
    """重号: contested, the other's license corrected, settled; the serial stays taken all the while."""
    shared, other = citizen(1), citizen(2)
    mine = world.issue(shared, type_code=CITIZEN_CARD)
    asked = license_commands.IssueLicense(
        actor=world.issuer, type_code=CITIZEN_CARD, holder=shared, content=content("SERIAL1")
    )
    world.do(asked)
    consent = world.grant(mode="holder", holder=shared, type_codes=(CITIZEN_CARD,))
    assert len(world.use(holder=shared, type_code=CITIZEN_CARD)) == 2
    say(world, linking_commands.ContestHolderCode, registrar, holder=shared)
    assert reason(world, holder=shared, type_code=CITIZEN_CARD) == "holder-contested"
    correct = correction_commands.CorrectHolder(
        actor=world.issuer,
        license_ref=asked.license_ref,
        holder=other,
        content=content("SERIAL1"),
        type_and_issuer=(CITIZEN_CARD, ISSUER),
        serial_version=1,
    )
    with pytest.raises(errors.Invalid):
        world.do(dataclasses.replace(correct, content=content("SERIAL2")))
    (made,) = world.do(correct).recorded
    assert (made.event.topic, made.event.fact["version"]) == ("LicenseHolderCorrected", 2)
    say(world, linking_commands.SettleHolderCode, registrar, holder=shared)
    (mine_used,) = world.use(holder=shared, type_code=CITIZEN_CARD)
    assert mine_used.event.fact["license_ref"] == mine
    assert mine_used.event.fact["authorization_ref"] == consent
    assert reason(world, license_ref=asked.license_ref) == "not-authorized"
    world.grant(mode="holder", holder=other, type_codes=(CITIZEN_CARD,))
    assert reason(world, holder=other, type_code=CITIZEN_CARD) == "granted"
    keeping.erase_holder(world.ledger, world.appender, shared, world.ledger.console)
    with pytest.raises(errors.AlreadyExists):
        world.do(
            license_commands.IssueLicense(
                actor=world.issuer, type_code=CITIZEN_CARD, holder=other, content=content("SERIAL1")
            )
        )


def test_commands_of_one_batch_see_the_links_of_those_before_them(world: World, registrar: Any) -> None:
    world.issue(ENTERPRISE)
    world.grant()
    members = {"actor": registrar, "evidence": "00" * 32, "holder": ENTERPRISE, "linked": INTERIM}
    link, unlink = linking_commands.LinkHolderCodes, linking_commands.UnlinkHolderCodes
    for _ in range(3):
        pending = [world.appender.submit(cls(**members)) for cls in (link, unlink, link, unlink, link)]
        for future in pending:
            future.result(timeout=60)
        assert reason(world, holder=INTERIM, type_code=BUSINESS_LICENSE) == "granted"
        say(world, unlink, registrar, holder=ENTERPRISE, linked=INTERIM)
        assert reason(world, holder=INTERIM, type_code=BUSINESS_LICENSE) == "not-covered"
