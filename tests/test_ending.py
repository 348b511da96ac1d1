"""The end of a holder: what grants no more, what law still permits, and that a reversal restores it all."""

from __future__ import annotations

from typing import Any

import pytest

from ledger import (
    authorization_commands,
    catalog,
    ending,
    ending_commands,
    errors,
    license,
    use,
    use_commands,
    verification,
)
from ledger.state import LicenseRow, StreamRow
from tests.history import (
    CONDITIONAL,
    FREE,
    HALL,
    HOLDER,
    ISSUER,
    NOON,
    OTHER,
    REF,
    REGISTRY,
    STRANGER,
    STREAMS,
    History,
    begun,
    granted,
    registered_type,
    version,
)
from tests.world import AUDITOR, BUSINESS_LICENSE, ENTERPRISE, World, citizen

EVIDENCE = bytes(32)
KEPT = "11100000MB0143028R009"


def ended(kind: str = "death") -> ending.HolderEnded:
    return ending.HolderEnded(kind=kind, evidence_digest=EVIDENCE)


def reversed_() -> ending.HolderEndReversed:
    return ending.HolderEndReversed(evidence_digest=EVIDENCE)


def issued(type_code: str = FREE) -> History:
    history = begun()
    kept = registered_type(KEPT, "unconditional")
    history.record(
        catalog.LicenseTypeRegistered(**{**vars(kept), "holder_end": "keep"}), stream=REGISTRY, by=None
    )
    history.record(version(type_code=type_code), by=None)
    for number, mode in enumerate(("holder", "statutory", "unconditional"), start=1):
        if mode == "unconditional" and type_code == CONDITIONAL:
            continue
        history.record(
            granted(mode, authorization_ref=bytes([number]) * 16, type_codes=(type_code,)),
            stream=HOLDER if mode == "holder" else STREAMS[HALL],
        )
    return history


def used(history: History, mode: str = "holder", **members: Any) -> use.LicenseUsed:
    number = 1 + ("holder", "statutory", "unconditional").index(mode)
    values: dict[str, Any] = {
        "license_ref": REF,
        "version": 1,
        "license_index": history.row(LicenseRow, REF).version_index,
        "authorization_ref": bytes([number]) * 16,
        "mode": mode,
        "fields": ("name",),
        "status": "effective",
    }
    return use.LicenseUsed(**values | members)


@pytest.mark.parametrize("kind", ending.KINDS)
def test_nothing_of_a_holder_who_has_ended_is_used_and_a_reversal_restores_it(kind: str) -> None:
    history = issued()
    before = history.row(StreamRow, HOLDER)
    history.record(ended(kind), by=OTHER, effective_at=NOON - 7)
    assert history.row(StreamRow, HOLDER).ended_at == NOON - 7
    for mode in ("holder", "statutory", "unconditional"):
        with pytest.raises(errors.Forbidden, match="holder-ended"):
            history.record(used(history, mode), by=HALL)
    with pytest.raises(errors.HolderEndedConflict):
        history.record(granted(authorization_ref=b"9" * 16))
    with pytest.raises(errors.HolderEndedConflict):
        history.record(ended(), by=OTHER)
    history.record(reversed_(), by=OTHER)
    assert history.row(StreamRow, HOLDER) == before
    history.record(used(history), by=HALL)
    with pytest.raises(errors.Conflict):
        history.record(reversed_(), by=OTHER)


def test_a_license_that_outlives_its_holder_is_used_by_law_alone() -> None:
    history = issued(KEPT)
    with pytest.raises(errors.Forbidden):
        history.record(used(history, "statutory", kept_type=KEPT), by=HALL)
    history.record(ended(), by=OTHER)
    history.record(used(history, "statutory", kept_type=KEPT), by=HALL)
    for mode, kept in (("holder", KEPT), ("unconditional", KEPT), ("statutory", None), ("statutory", FREE)):
        with pytest.raises(errors.Forbidden):
            history.record(used(history, mode, kept_type=kept), by=HALL)


def test_a_verification_says_that_the_holder_has_ended_unless_the_type_is_kept() -> None:
    for type_code, told in ((FREE, "holder-ended"), (KEPT, "effective")):
        history = issued(type_code)
        history.record(verified("effective", type_code), by=HALL)
        history.record(ended(), by=OTHER)
        history.record(verified(told, type_code), by=HALL)
        for result, named in (
            ("holder-ended", None),
            ("effective" if told != "effective" else "expired", FREE),
        ):
            with pytest.raises(errors.Conflict):
                history.record(verified(result, named), by=HALL)
        # What was recorded before verifications looked at the holder stays as it is.
        history.record(verified("effective", None), by=HALL)
    suspended = issued()
    suspended.record(license.LicenseSuspended(license_ref=REF), by=ISSUER)
    suspended.record(ended(), by=OTHER)
    suspended.record(verified("suspended", FREE), by=HALL)


def verified(result: str, type_code: str | None) -> verification.LicenseVerified:
    return verification.LicenseVerified(
        license_ref=REF, version=1, piece=None, result=result, type_code=type_code
    )


def test_a_type_that_does_not_outlive_its_holders_is_used_by_nobody() -> None:
    history = issued(CONDITIONAL)
    history.record(ended(), by=OTHER)
    with pytest.raises(errors.Forbidden, match="holder-ended"):
        history.record(used(history, "statutory", kept_type=CONDITIONAL), by=HALL)


def test_only_a_registering_organ_ends_a_holder_that_is_there_now() -> None:
    history = issued()
    for organization in (ISSUER, HALL):
        with pytest.raises(errors.ScopeMissing):
            history.record(ended(), by=organization)
    with pytest.raises(errors.NotFound):
        history.record(ended(), by=OTHER, stream=STRANGER)
    for made, members, field in (
        (ended("sleep"), {}, "kind"),
        (ended(), {"operator_ref": None}, "operator"),
        (ended(), {"effective_at": NOON + 1}, "effective_at"),
    ):
        with pytest.raises(errors.Invalid) as refused:
            history.record(made, by=OTHER, **members)
        assert refused.value.field == field
    with pytest.raises(errors.NotFound):
        history.record(ended(), by=OTHER, stream=STREAMS[HALL])


# --- through the append path ---


@pytest.fixture
def registrar(world: World) -> Any:
    return world.register(AUDITOR, "holder:register")


def say(world: World, cls: Any, registrar: Any, **members: Any) -> Any:
    return world.do(cls(actor=registrar, evidence="00" * 32, **members)).recorded[0]


def reason(world: World, **asked: Any) -> str:
    (item,) = world.use(**asked)
    return "granted" if item.event.topic == "LicenseUsed" else item.event.fact["reason"]


def kept_type() -> str:
    """A type of the starting catalog that outlives its holders."""
    return next(
        made.type_code
        for made in catalog.national_catalog(ISSUER)
        if made.holder_end == "keep" and made.sharing_class != "none"
    )


def test_the_end_of_a_holder_stops_uses_by_code_reference_and_holder(world: World, registrar: Any) -> None:
    ref = world.issue()
    _, code = world.grant_with_code(mode="holder")
    ways: list[dict[str, Any]] = [
        {"use_code": code},
        {"license_ref": ref},
        {"holder": ENTERPRISE, "type_code": BUSINESS_LICENSE},
    ]
    assert {reason(world, **way) for way in ways} == {"granted"}
    made = say(world, ending_commands.EndHolder, registrar, holder=ENTERPRISE, kind="deregistration")
    assert (made.event.topic, made.event.fact["kind"]) == ("HolderEnded", "deregistration")
    for way in ways:
        (item,) = world.use(**way)
        assert item.event.fact["reason"] == "holder-ended"
        assert item.event.fact["license_ref"] is None
        assert item.event.stream_id == made.event.stream_id
    with pytest.raises(errors.HolderEndedConflict):
        world.grant(mode="holder")
    say(world, ending_commands.ReverseEnd, registrar, holder=ENTERPRISE)
    assert {reason(world, **way) for way in ways} == {"granted"}


def test_a_kept_license_is_used_by_law_whichever_way_it_is_named(world: World, registrar: Any) -> None:
    code = kept_type()
    ref = world.issue(citizen(1), type_code=code)
    law = world.grant(type_codes=(code,))
    consent, use_code = world.grant_with_code(mode="holder", holder=citizen(1), type_codes=(code,))
    say(world, ending_commands.EndHolder, registrar, holder=citizen(1), kind="death")
    for way in ({"license_ref": ref}, {"holder": citizen(1), "type_code": code}):
        (item,) = world.use(**way)
        assert (item.event.fact["authorization_ref"], item.event.fact["kept_type"]) == (law, code)
    assert reason(world, use_code=use_code) == "holder-ended"
    world.do(authorization_commands.WithdrawAuthorization(actor=world.issuer, authorization_ref=law))
    assert reason(world, license_ref=ref) == "holder-ended"
    assert consent


def test_who_does_not_know_the_holder_is_not_told_of_the_end(world: World, registrar: Any) -> None:
    world.issue(citizen(1))
    say(world, ending_commands.EndHolder, registrar, holder=citizen(1), kind="death")
    assert reason(world, holder=citizen(1), type_code=BUSINESS_LICENSE) == "not-authorized"
    world.grant(type_codes=(kept_type(),))
    assert reason(world, holder=citizen(1), type_code=kept_type()) == "not-covered"


def test_a_use_in_the_batch_of_an_end_is_decided_after_it(world: World, registrar: Any) -> None:
    code = kept_type()
    world.issue(citizen(1), type_code=code)
    world.grant(type_codes=(code,))
    use_it = use_commands.UseLicense(actor=world.hall, holder=citizen(1), type_code=code)
    members: dict[str, Any] = {"actor": registrar, "evidence": "00" * 32, "holder": citizen(1)}
    for _ in range(4):
        pending = [
            world.appender.submit(asked)
            for asked in (
                use_it,
                ending_commands.EndHolder(kind="death", **members),
                use_it,
                ending_commands.ReverseEnd(**members),
                use_it,
            )
        ]
        told = [future.result(timeout=60).recorded[0].event.topic for future in pending]
        assert [name for name in told if name != "LicenseUsed"] == ["HolderEnded", "HolderEndReversed"]


def test_an_unknown_holder_does_not_end(world: World, registrar: Any) -> None:
    with pytest.raises(errors.NotFound):
        say(world, ending_commands.EndHolder, registrar, holder=citizen(1), kind="death")
