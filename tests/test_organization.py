"""Succession of organizations: powers pass, printed identifiers stand, authorizations are settled."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ledger import (
    authorization,
    authorization_commands,
    catalog,
    days,
    errors,
    license,
    license_commands,
    organization,
    organization_commands,
    power,
    refusal,
    status_commands,
    use,
)
from ledger.pen import Result
from ledger.state import AuthorizationRow, LicenseRow, OrganizationRow, StreamRow
from ledger.store import wall_clock
from signing import note, receipt
from tests import world as worlds
from tests.history import (
    CLIENTS,
    CONDITIONAL,
    FREE,
    HALL,
    HOLDER,
    ISSUER,
    NOON,
    OTHER,
    REF,
    REGISTRY,
    STREAMS,
    History,
    begun,
    granted,
    registered_client,
    registered_type,
    version,
)
from tests.test_catalog_life import queued
from tests.world import BUSINESS_LICENSE, CITIZEN_CARD, World

TODAY = days.of_instant(NOON)
SUSPENDED = license.LicenseSuspended(license_ref=REF)


def succeeded(**members: Any) -> organization.OrganizationSucceeded:
    values: dict[str, Any] = {
        "predecessor": ISSUER,
        "successor": OTHER,
        "type_codes": (),
        "since": TODAY,
        "authorizations": "keep",
    }
    return organization.OrganizationSucceeded(**values | members)


def after(**members: Any) -> History:
    """A history in which the issuer had a license and was succeeded."""
    history = begun()
    history.record(version())
    history.record(succeeded(**members), stream=REGISTRY, by=None)
    return history


def test_the_successor_amends_and_changes_and_the_predecessor_no_more() -> None:
    history = after()
    for made in (SUSPENDED, version(license_ref=b"n" * 16), version(license.LicenseAmended, version=2)):
        with pytest.raises(errors.NotTheIssuer):
            history.record(made)
    history.record(version(license.LicenseAmended, version=2), by=OTHER)
    history.record(SUSPENDED, by=OTHER)
    assert history.row(LicenseRow, REF).issuer == ISSUER


def test_the_successor_issues_in_its_own_name() -> None:
    history = after()
    history.record(version(license_ref=b"n" * 16), by=OTHER)
    assert history.row(LicenseRow, b"n" * 16).issuer == OTHER
    with pytest.raises(errors.NotTheIssuer):
        history.record(version(license_ref=b"m" * 16), by=OTHER, issuer=ISSUER)


def test_a_succession_for_one_type_leaves_the_others() -> None:
    history = after(type_codes=(CONDITIONAL,))
    history.record(SUSPENDED)
    with pytest.raises(errors.NotTheIssuer):
        history.record(license.LicenseReinstated(license_ref=REF), by=OTHER)
    with pytest.raises(errors.NotTheIssuer):
        history.record(version(license_ref=b"n" * 16, type_code=CONDITIONAL))


def test_who_succeeds_a_successor_has_the_powers_of_both() -> None:
    history = begun()
    history.record(version())
    history.record(succeeded(successor=HALL), stream=REGISTRY, by=None)
    history.record(succeeded(predecessor=HALL, successor=OTHER, type_codes=(FREE,)), stream=REGISTRY, by=None)
    taken = {(one.organization, one.type_codes) for one in handovers(history, OTHER)}
    assert taken == {(HALL, (FREE,)), (ISSUER, (FREE,))}
    history.record(SUSPENDED, by=OTHER)


def handovers(history: History, code: str) -> list[power.Handover]:
    return list(power.handovers(history.row(OrganizationRow, code).took_over))


def test_nobody_hands_over_twice_or_in_a_circle() -> None:
    history = after()
    for made in (succeeded(successor=HALL), succeeded(predecessor=OTHER, successor=ISSUER)):
        with pytest.raises(errors.Conflict):
            history.record(made, stream=REGISTRY, by=None)
    parted = after(type_codes=(CONDITIONAL,))
    parted.record(succeeded(successor=HALL, type_codes=(FREE,)), stream=REGISTRY, by=None)
    with pytest.raises(errors.Conflict):
        parted.record(succeeded(successor=HALL, type_codes=(CONDITIONAL,)), stream=REGISTRY, by=None)


@pytest.mark.parametrize(
    ("members", "field"),
    [
        ({"successor": ISSUER}, "successor"),
        ({"predecessor": "11350000000000019X"}, "predecessor"),
        ({"type_codes": (CONDITIONAL, FREE)}, "license_types"),
        ({"type_codes": ("11100000MB0143028R999",)}, "license_types"),
        ({"since": TODAY + 1}, "since"),
        ({"authorizations": "drop"}, "authorizations"),
        ({"areas": ("350102",), "authorizations": "pass"}, "authorizations"),
        ({"areas": ("350102",), "authorizations": "end"}, "authorizations"),
        ({"areas": ("350102", "350102")}, "areas"),
        ({"areas": ("3501",)}, "areas"),
    ],
)
def test_a_bad_succession_is_refused_and_the_member_is_named(members: dict[str, Any], field: str) -> None:
    with pytest.raises(errors.Invalid) as refused:
        begun().record(succeeded(**members), stream=REGISTRY, by=None)
    assert refused.value.field == field


def test_only_the_console_says_who_succeeds_whom_and_both_are_known() -> None:
    history = begun()
    with pytest.raises(errors.ScopeMissing):
        history.record(succeeded(), stream=REGISTRY, by=ISSUER)
    with pytest.raises(errors.NotFound):
        history.record(succeeded(successor="91350100MA0000007A"), stream=REGISTRY, by=None)


def test_the_successor_writes_the_types_and_changes_the_grants_of_its_predecessor() -> None:
    history = begun()
    for organization_code, client_id in ((HALL, b"h" * 16), (OTHER, b"o" * 16)):
        writer = registered_client(
            organization_code, "catalog:write", "authorization:grant", client_id=client_id
        )
        history.record(writer, stream=REGISTRY, by=None)
    acting = {"by": OTHER, "client": b"o" * 16}
    local = registered_type(f"{HALL}901", "conditional")
    history.record(local, stream=REGISTRY, by=HALL, client=b"h" * 16)
    free = granted("unconditional", requester=ISSUER, requester_stream=STREAMS[ISSUER])
    history.record(free, stream=STREAMS[ISSUER], by=HALL, client=b"h" * 16)
    revised = catalog.LicenseTypeRevised(**vars(local))
    withdrawn = authorization.AuthorizationWithdrawn(authorization_ref=REF)
    with pytest.raises(errors.NotTheIssuer):
        history.record(revised, stream=REGISTRY, **acting)
    with pytest.raises(errors.AuthorizationNotFound):
        history.record(withdrawn, stream=STREAMS[ISSUER], **acting)
    history.record(succeeded(predecessor=HALL), stream=REGISTRY, by=None)
    history.record(revised, stream=REGISTRY, **acting)
    history.record(withdrawn, stream=STREAMS[ISSUER], **acting)


def writers() -> History:
    """A history in which everyone writes types and grants, and the issuer has a type of its own."""
    history = begun()
    for code in (ISSUER, HALL, OTHER):
        scopes = ("authorization:grant", "catalog:write")
        writer = registered_client(code, *scopes, client_id=CLIENTS[code][:1].lower() * 16)
        history.record(writer, stream=REGISTRY, by=None)
    history.record(registered_type(f"{HALL}901", "conditional"), stream=REGISTRY, by=None)
    return history


def writes(history: History, made: Any, *, by: str, stream: bytes = REGISTRY) -> None:
    history.record(made, by=by, stream=stream, client=CLIENTS[by][:1].lower() * 16)


def test_a_predecessor_writes_no_type_that_it_has_handed_over() -> None:
    history = writers()
    revised = catalog.LicenseTypeRevised(**vars(registered_type(f"{HALL}901", "unconditional")))
    retired = catalog.LicenseTypeRetired(type_code=f"{HALL}901", successor=None)
    writes(history, revised, by=HALL)
    history.record(
        succeeded(predecessor=HALL, type_codes=(f"{HALL}901",)),
        stream=REGISTRY,
        by=None,
    )
    for made in (revised, retired):
        with pytest.raises(errors.NotTheIssuer):
            writes(history, made, by=HALL)
    writes(history, registered_type(f"{HALL}902", "none"), by=HALL)
    writes(history, revised, by=OTHER)


def test_an_heir_that_has_handed_on_writes_no_type_of_its_predecessor() -> None:
    history = writers()
    revised = catalog.LicenseTypeRevised(**vars(registered_type(f"{HALL}901", "unconditional")))
    for former, heir in ((HALL, OTHER), (OTHER, ISSUER)):
        history.record(succeeded(predecessor=former, successor=heir), stream=REGISTRY, by=None)
    for code in (HALL, OTHER):
        with pytest.raises(errors.NotTheIssuer):
            writes(history, revised, by=code)
    writes(history, revised, by=ISSUER)


def entrusted(**members: Any) -> authorization.AuthorizationGranted:
    return granted("entrusted", **{"entrusted_by": ISSUER, "authorization_ref": b"e" * 16} | members)


def test_the_successor_entrusts_the_licenses_of_its_predecessor_and_the_predecessor_no_more() -> None:
    history = writers()
    history.record(version())
    with pytest.raises(errors.NotTheIssuer):
        writes(history, entrusted(), by=OTHER, stream=STREAMS[HALL])
    history.record(succeeded(type_codes=(FREE,)), stream=REGISTRY, by=None)
    for code, made in (
        (ISSUER, entrusted()),
        (ISSUER, entrusted(type_codes=(FREE, CONDITIONAL))),
        (OTHER, entrusted(type_codes=(CONDITIONAL,))),
        (OTHER, entrusted(type_codes=(FREE, CONDITIONAL))),
    ):
        with pytest.raises(errors.NotTheIssuer) as refused:
            writes(history, made, by=code, stream=STREAMS[HALL])
        assert refused.value.field == "entrusted_by"
    own = entrusted(requester=OTHER, requester_stream=STREAMS[OTHER])
    with pytest.raises(errors.Invalid, match="another"):
        writes(history, own, by=OTHER, stream=STREAMS[OTHER])
    writes(history, entrusted(), by=OTHER, stream=STREAMS[HALL])
    row, home = history.row(AuthorizationRow, b"e" * 16), history.row(StreamRow, HOLDER)
    assert authorization.covers(row, history.row(LicenseRow, REF), home)
    writes(
        history, entrusted(authorization_ref=REF, type_codes=(CONDITIONAL,)), by=ISSUER, stream=STREAMS[HALL]
    )


def test_an_heir_that_has_handed_on_entrusts_no_more() -> None:
    history = writers()
    for former, heir in ((ISSUER, OTHER), (OTHER, HALL)):
        history.record(succeeded(predecessor=former, successor=heir), stream=REGISTRY, by=None)
    third = {"requester": "91350100MA0000007A", "requester_stream": b"third".ljust(16)}
    for code in (ISSUER, OTHER):
        with pytest.raises(errors.NotTheIssuer):
            writes(history, entrusted(**third), by=code, stream=b"third".ljust(16))
    writes(history, entrusted(**third), by=HALL, stream=b"third".ljust(16))


def test_who_has_handed_over_every_type_of_a_grant_changes_it_no_more() -> None:
    history = writers()
    given = granted("statutory", type_codes=(FREE, CONDITIONAL))
    writes(history, given, by=ISSUER, stream=STREAMS[HALL])
    scope = vars(authorization.scope_of(given))
    narrowed = authorization.AuthorizationNarrowed(authorization_ref=REF, **scope | {"uses_max": 5})
    withdrawn = authorization.AuthorizationWithdrawn(authorization_ref=REF)
    history.record(succeeded(type_codes=(FREE,)), stream=REGISTRY, by=None)
    writes(history, narrowed, by=ISSUER, stream=STREAMS[HALL])
    history.record(succeeded(type_codes=(CONDITIONAL,)), stream=REGISTRY, by=None)
    for made in (replace(narrowed, uses_max=4), withdrawn):
        with pytest.raises(errors.AuthorizationNotFound):
            writes(history, made, by=ISSUER, stream=STREAMS[HALL])
    writes(history, withdrawn, by=OTHER, stream=STREAMS[HALL])


def passed(**members: Any) -> organization.AuthorizationPassedOn:
    values: dict[str, Any] = {"authorization_ref": REF, "former": HALL, "requester": OTHER}
    return organization.AuthorizationPassedOn(**values | members)


def test_a_standing_authorization_passes_on_with_its_count_and_its_grantor() -> None:
    history = begun()
    history.record(version())
    history.record(granted("statutory", uses_max=3), stream=STREAMS[HALL])
    with pytest.raises(errors.Conflict):
        history.record(passed(), stream=STREAMS[OTHER], by=None)
    history.record(succeeded(predecessor=HALL, authorizations="pass"), stream=REGISTRY, by=None)
    for made, stream, error in (
        (passed(), STREAMS[HALL], errors.Conflict),
        (passed(former=ISSUER), STREAMS[OTHER], errors.AuthorizationNotFound),
        (passed(requester=ISSUER), STREAMS[ISSUER], errors.Conflict),
    ):
        with pytest.raises(error):
            history.record(made, stream=stream, by=None)
    history.record(passed(), stream=STREAMS[OTHER], by=None)
    row = history.row(AuthorizationRow, REF)
    assert (row.requester, row.stream_id, row.uses_max, row.grantor) == (OTHER, STREAMS[OTHER], 3, ISSUER)
    history.record(authorization.AuthorizationWithdrawn(authorization_ref=REF), stream=STREAMS[OTHER])


def test_a_holders_consent_never_passes() -> None:
    history = begun()
    history.record(version())
    history.record(granted())
    history.record(succeeded(predecessor=HALL), stream=REGISTRY, by=None)
    with pytest.raises(errors.AuthorizationNotFound):
        history.record(passed(), stream=STREAMS[OTHER], by=None)


# --- on a real ledger ---


def succession(world: World, **members: Any) -> organization_commands.SucceedOrganization:
    values: dict[str, Any] = {
        "predecessor": worlds.HALL,
        "successor": worlds.AUDITOR,
        "authorizations": "pass",
        "type_codes": (),
        "since": days.of_instant(wall_clock()),
    }
    return organization_commands.SucceedOrganization(actor=world.ledger.console, **values | members)


def test_what_the_predecessor_used_the_successor_uses_from_the_commit_on(world: World) -> None:
    world.issue()
    heir = world.register(worlds.AUDITOR, "license:use")
    world.grant(uses_max=5)
    world.use()
    assert [one.event.topic for one in world.use(actor=heir)] == ["UseRefused"]
    result = world.do(succession(world))
    assert [one.event.topic for one in result.recorded] == ["OrganizationSucceeded", "AuthorizationPassedOn"]
    assert [one.event.topic for one in world.use(actor=heir)] == ["LicenseUsed"]
    assert [one.event.topic for one in world.use()] == ["UseRefused"]
    rest = organization_commands.SettleAuthorizations(
        actor=world.ledger.console,
        predecessor=worlds.HALL,
        successor=worlds.AUDITOR,
        authorizations="pass",
    )
    assert world.do(rest).indexes == ()


def test_what_ends_with_the_predecessor_is_granted_to_nobody(world: World) -> None:
    world.issue()
    heir = world.register(worlds.AUDITOR, "license:use")
    world.grant()
    world.grant(mode="unconditional")
    result = world.do(succession(world, authorizations="end"))
    assert [one.event.topic for one in result.recorded][1:] == ["AuthorizationWithdrawn"] * 2
    for actor in (world.hall, heir):
        assert [one.event.topic for one in world.use(actor=actor)] == ["UseRefused"]


def test_a_use_that_waits_behind_the_end_of_its_authorization_is_refused(world: World) -> None:
    from ledger import use_commands

    world.issue()
    world.grant()
    asked = use_commands.UseLicense(actor=world.hall, holder=worlds.ENTERPRISE, type_code=BUSINESS_LICENSE)
    before, ended, later = queued(world, asked, succession(world, authorizations="end"), asked)
    assert isinstance(before, Result)
    assert isinstance(ended, Result)
    assert isinstance(later, Result)
    topics = [result.recorded[0].event.topic for result in (before, later)]
    assert topics == [use.LicenseUsed.__name__, refusal.UseRefused.__name__]


def test_a_change_that_waits_behind_the_succession_is_the_successors(world: World) -> None:
    heir = world.register(worlds.AUDITOR, "license:issue")
    ref = world.issue()
    first = world.ledger.recorder.newest_index()
    suspend = status_commands.ChangeStatus(actor=world.issuer, license_ref=ref, verb="suspend")
    outcomes = queued(
        world,
        succession(world, predecessor=worlds.ISSUER, authorizations="keep"),
        suspend,
        replace(suspend, actor=heir),
    )
    assert [isinstance(outcome, Result) for outcome in outcomes] == [True, False, True]
    assert isinstance(outcomes[1], errors.NotTheIssuer)
    content = license_commands.Content(
        serial=license_commands.draw_serial(),
        number="NO-2",
        holder_name="合成持证主体",
        values={"name": "新名"},
        valid_from=0,
        valid_to=None,
        issued_on=0,
    )
    amended = license_commands.AmendLicense(
        actor=heir,
        license_ref=ref,
        holder=worlds.ENTERPRISE,
        type_and_issuer=world.kind(ref),
        content=content,
    )
    (recorded,) = world.do(amended).recorded
    assert recorded.event.issuer == worlds.AUDITOR
    # The license lies where it did, and not where the code of its new issuer does.
    assert recorded.event.fact["area_code"] == worlds.ISSUER[2:8]
    assert issued_receipt_verifies(world, first)


def issued_receipt_verifies(world: World, index: int) -> bool:
    """A receipt for what the predecessor issued, made now, verifies; the event says the predecessor."""
    import contextlib

    from ledger import reading
    from signing import event

    with contextlib.closing(reading.Reader(world.ledger.ways.service, world.ledger.vault)) as reader:
        (data,), text = reader.events([index]), reader.receipt(index)
    key = note.VerifierKey(
        name=f"{world.ledger.vault.ring.origin}/0", public=world.ledger.vault.log_key.public
    )
    verified = receipt.verify(text, event=data, trusted=[key])
    return verified.index == index and event.parse(data).issuer == worlds.ISSUER


def test_grants_of_the_predecessor_are_narrowed_by_the_successor(world: World) -> None:
    heir = world.register(worlds.AUDITOR, "authorization:grant")
    ref = world.grant(type_codes=(CITIZEN_CARD, BUSINESS_LICENSE))
    narrowed = authorization_commands.NarrowAuthorization(
        actor=heir, authorization_ref=ref, changes={"type_codes": (BUSINESS_LICENSE,)}
    )
    with pytest.raises(errors.AuthorizationNotFound):
        world.do(narrowed)
    world.do(
        succession(world, predecessor=worlds.ISSUER, authorizations="keep", type_codes=(BUSINESS_LICENSE,))
    )
    with pytest.raises(errors.AuthorizationNotFound):
        world.do(narrowed)
    whole = world.grant()
    world.do(authorization_commands.WithdrawAuthorization(actor=heir, authorization_ref=whole))
