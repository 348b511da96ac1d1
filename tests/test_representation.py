"""Representatives: who consents for a body, until somebody else represents it; and never after."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from ledger import (
    authorization,
    authorization_commands,
    consent_commands,
    days,
    endorsement_commands,
    errors,
    identifiers,
    license,
    license_commands,
    representation,
    use,
    use_commands,
)
from ledger import consent as consent_
from ledger.state import AuthorizationRow, RepresentationRow
from ledger.store import wall_clock
from projections import rebuild, registry, trail_pages
from signing import event, ids
from tests.history import HALL, HOLDER, NOON, OTHER_REF, REF, History, begun, granted, version
from tests.projecting import Projected, projected, seed
from tests.world import BUSINESS_LICENSE, CITIZEN_CARD, ENTERPRISE, World, citizen

FIRST, SECOND = b"first".ljust(16), b"second".ljust(16)
CONSENT, OTHER_CONSENT = b"3" * 16, b"4" * 16


def says(*persons: bytes, number: int = 1) -> Any:
    """A version of the license that names these representatives."""
    named = (("holder", HOLDER), *((representation.ROLE, one) for one in persons))
    cls = license.LicenseIssued if number == 1 else license.LicenseAmended
    return version(cls, version=number, parties=named, unfiled=tuple(range(1, len(named))))


def changed(former: tuple[bytes, ...], present: tuple[bytes, ...], **members: Any) -> Any:
    values: dict[str, Any] = {"license_ref": REF, "version": 1, "former": former, "present": present}
    return representation.RepresentationChanged(**{"ended": ()} | values | members)


def represented(by: bytes = FIRST) -> History:
    """A body whose license says who represents it."""
    history = begun()
    history.record(says(by))
    history.record(changed((), (by,)))
    return history


def consent(ref: bytes = CONSENT, by: bytes = FIRST, **members: Any) -> authorization.AuthorizationGranted:
    return granted(authorization_ref=ref, representative=by, represents_by=REF, **members)


def is_over(history: History, ref: bytes = CONSENT) -> bool:
    return history.row(AuthorizationRow, ref).is_withdrawn


def test_a_consent_of_a_representative_is_over_when_somebody_else_represents_the_body() -> None:
    history = represented()
    history.record(consent())
    history.record(granted(authorization_ref=OTHER_CONSENT))
    history.record(says(SECOND, number=2))
    history.record(changed((FIRST,), (SECOND,), version=2, ended=(CONSENT,)))
    assert is_over(history)
    assert not is_over(history, OTHER_CONSENT)
    row = history.row(RepresentationRow, REF)
    assert representation.representatives(row) == (SECOND,)
    assert row.rooted == ()
    with pytest.raises(errors.NotTheRepresentative):
        history.record(consent(OTHER_REF))
    history.record(consent(OTHER_REF, SECOND))


def test_what_a_change_ends_is_told_so_unless_it_was_withdrawn_before() -> None:
    for is_reason, is_withdrawn, told in (
        (True, False, "representative-changed"),
        (False, False, "authorization-withdrawn"),
        (True, True, "authorization-withdrawn"),
    ):
        history = represented()
        history.record(consent())
        if is_withdrawn:
            history.record(authorization.AuthorizationWithdrawn(authorization_ref=CONSENT))
        history.record(says(SECOND, number=2))
        history.record(changed((FIRST,), (SECOND,), version=2, ended=(CONSENT,), is_reason=is_reason))
        asked = use.Asked(requester=HALL, service_item="item-1", field_names=None)
        assert use.judge_authorization(history.row(AuthorizationRow, CONSENT), asked, at=NOON) == told


BODY, OWN_LICENSE = b"body".ljust(16), b"9" * 16


def of_the_body(*persons: bytes, number: int = 1) -> Any:
    """A version of a license of a second body, which names these representatives."""
    named = (("holder", BODY), *((representation.ROLE, one) for one in persons))
    cls = license.LicenseIssued if number == 1 else license.LicenseAmended
    unfiled = tuple(range(1, len(named)))
    return version(cls, license_ref=OWN_LICENSE, version=number, parties=named, unfiled=unfiled)


def joining(by: bytes = FIRST, **members: Any) -> consent_.ConsentJoined:
    values: dict[str, Any] = {"authorization_ref": CONSENT, "evidence_digest": bytes(32)}
    return consent_.ConsentJoined(**values | {"representative": by, "represents_by": OWN_LICENSE} | members)


def test_what_a_representative_joined_for_a_body_is_over_when_another_represents_it() -> None:
    history = begun()
    history.record(version(parties=(("holder", HOLDER), ("co-owner", BODY))))
    history.record(granted(authorization_ref=CONSENT))
    history.record(of_the_body(FIRST), stream=BODY)
    history.record(changed((), (FIRST,), license_ref=OWN_LICENSE), stream=BODY)
    for wrong in (joining(SECOND), joining(represents_by=REF), joining(represents_by=None)):
        with pytest.raises(errors.LedgerError) as refused:
            history.record(wrong, stream=BODY)
        assert str(refused.value.field).startswith("representative")
    history.record(joining(), stream=BODY)
    assert history.row(AuthorizationRow, CONSENT).joined == (ids.text(BODY),)
    history.record(of_the_body(SECOND, number=2), stream=BODY)
    change = changed((FIRST,), (SECOND,), license_ref=OWN_LICENSE, version=2, is_reason=True)
    with pytest.raises(errors.Conflict):
        history.record(change, stream=BODY)
    history.record(replace(change, parted=((CONSENT, BODY),)), stream=BODY)
    row = history.row(AuthorizationRow, CONSENT)
    assert (row.joined, row.is_withdrawn) == ((), False)
    assert history.row(RepresentationRow, OWN_LICENSE).rooted == ()
    history.record(joining(SECOND), stream=BODY)
    assert history.row(AuthorizationRow, CONSENT).joined == (ids.text(BODY),)


def test_of_several_representatives_only_who_leaves_ends_what_rests_on_his_word() -> None:
    history = begun()
    history.record(says(FIRST, SECOND))
    history.record(changed((), (FIRST, SECOND)))
    history.record(consent())
    history.record(consent(OTHER_CONSENT, SECOND))
    history.record(says(SECOND, number=2))
    history.record(changed((FIRST, SECOND), (SECOND,), version=2, ended=(CONSENT,)))
    assert is_over(history)
    assert not is_over(history, OTHER_CONSENT)
    history.record(says(number=3))
    history.record(changed((SECOND,), (), version=3, ended=(OTHER_CONSENT,)))
    assert is_over(history, OTHER_CONSENT)


def test_what_is_over_by_the_clock_is_not_ended_again() -> None:
    history = represented()
    history.record(consent(valid_until=NOON + 10))
    history.record(says(SECOND, number=2), at=NOON + 10)
    history.record(changed((FIRST,), (SECOND,), version=2), at=NOON + 10)
    assert not is_over(history)


@pytest.mark.parametrize(
    "made",
    [
        changed((FIRST,), (SECOND,), version=2),
        changed((FIRST,), (SECOND,), version=2, ended=(CONSENT, OTHER_CONSENT)),
        changed((FIRST,), (SECOND,), version=1, ended=(CONSENT,)),
        changed((), (SECOND,), version=2, ended=(CONSENT,)),
        changed((FIRST,), (FIRST,), version=2),
        changed((FIRST,), (b"nobody".ljust(16),), version=2, ended=(CONSENT,)),
        changed((FIRST,), (SECOND, SECOND), version=2, ended=(CONSENT,)),
    ],
)
def test_a_change_says_exactly_what_the_versions_and_the_consents_say(made: Any) -> None:
    history = represented()
    history.record(consent())
    history.record(granted(authorization_ref=OTHER_CONSENT))
    history.record(says(SECOND, number=2))
    rows = dict(history.rows)
    with pytest.raises(errors.LedgerError):
        history.record(made)
    assert history.rows == rows


@pytest.mark.parametrize(
    "made",
    [
        consent(by=SECOND),
        granted(authorization_ref=CONSENT, representative=FIRST),
        granted(authorization_ref=CONSENT, represents_by=REF),
        granted(authorization_ref=CONSENT, representative=FIRST, represents_by=OTHER_REF),
    ],
)
def test_nobody_else_consents_for_a_body_as_its_representative(made: Any) -> None:
    history = represented()
    with pytest.raises(errors.LedgerError) as refused:
        history.record(made)
    assert str(refused.value.field).startswith("representative")


def test_by_a_license_that_has_ended_nobody_represents_its_holder() -> None:
    history = represented()
    history.record(license.LicenseRevoked(license_ref=REF))
    with pytest.raises(errors.NotTheRepresentative):
        history.record(consent())


def test_so_many_consents_of_representatives_stand_at_one_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(representation, "ROOTED_MAX", 1)
    history = represented()
    history.record(consent(valid_until=NOON + 10))
    with pytest.raises(errors.Conflict):
        history.record(consent(OTHER_CONSENT))
    history.record(consent(OTHER_CONSENT), at=NOON + 10)


@pytest.fixture
def here(world: World) -> Iterator[Projected]:
    with projected(world) as made:
        yield made


def person(number: int) -> license_commands.Party:
    code = citizen(number)
    return license_commands.Party(
        role=representation.ROLE,
        code_type=code.code_type,
        code=code.code,
        name="合成代表人",
        field_names=(),
        holder=code,
    )


def content(name: str = "合成代表人") -> license_commands.Content:
    return license_commands.Content(
        serial=license_commands.draw_serial(),
        number="NO-1",
        holder_name="合成企业",
        values={"name": "合成企业", "legal_representative": name},
        valid_from=days.parse("2020-01-01"),
        valid_to=None,
        issued_on=days.parse("2020-01-01"),
    )


def issue(world: World, *numbers: int) -> bytes:
    asked = license_commands.IssueLicense(
        actor=world.issuer,
        type_code=BUSINESS_LICENSE,
        holder=ENTERPRISE,
        content=content(),
        parties=tuple(person(number) for number in numbers),
    )
    world.do(asked)
    return asked.license_ref


def amend(world: World, ref: bytes, *numbers: int) -> list[event.Event]:
    asked = license_commands.AmendLicense(
        actor=world.issuer,
        license_ref=ref,
        holder=ENTERPRISE,
        type_and_issuer=world.kind(ref),
        content=content(),
        parties=tuple(person(number) for number in numbers),
    )
    return [item.event for item in world.do(asked).recorded]


def consented(world: World, ref: bytes, person: identifiers.HolderCode) -> str:
    """The use code of a consent that a representative of the enterprise gave."""
    scope = authorization.Scope(
        license_refs=(),
        type_codes=(BUSINESS_LICENSE,),
        field_names=None,
        service_items=None,
        valid_from=0,
        valid_until=None,
        uses_max=None,
    )
    asked = authorization_commands.GrantAuthorization(
        actor=world.issuer,
        mode="holder",
        requester=world.hall.organization,
        holder=ENTERPRISE,
        evidence="00" * 32,
        scope=scope,
        representative=(ref, person),
    )
    world.do(asked)
    return asked.use_code


def test_a_body_that_joined_by_its_representative_consents_anew_by_the_next(here: Projected) -> None:
    world = here.world
    own = issue(world, 1)
    ref = world.issue(citizen(5), type_code=CITIZEN_CARD, co_owner=ENTERPRISE)
    granted_ref = world.grant(mode="holder", holder=citizen(5), type_codes=(CITIZEN_CARD,))

    def join(number: int) -> None:
        asked = consent_commands.JoinConsent(
            actor=world.issuer,
            authorization_ref=granted_ref,
            holder=ENTERPRISE,
            evidence="00" * 32,
            representative=(own, citizen(number)),
        )
        world.do(asked)

    def outcome() -> str:
        (told,) = world.use(license_ref=ref)
        return str(told.event.fact.get("reason", told.event.topic))

    assert outcome() == "consent-missing"
    join(1)
    assert outcome() == "LicenseUsed"
    (_, change) = amend(world, own, 2)
    assert len(change.fact["parted"]) == 1
    assert outcome() == "consent-missing"
    with pytest.raises(errors.NotTheRepresentative):
        join(1)
    join(2)
    assert outcome() == "LicenseUsed"


def test_a_use_is_never_granted_on_the_word_of_a_representative_who_has_changed(here: Projected) -> None:
    world = here.world
    ref = issue(world, 1)
    code = consented(world, ref, citizen(1))
    (used,) = world.use(use_code=code)
    assert used.event.topic == "LicenseUsed"
    assert [one.topic for one in amend(world, ref, 1)] == ["LicenseAmended"]
    (used,) = world.use(use_code=code)
    assert used.event.topic == "LicenseUsed"
    version_, change = amend(world, ref, 2)
    assert (version_.topic, change.topic) == ("LicenseAmended", "RepresentationChanged")
    (refused,) = world.use(use_code=code)
    assert refused.event.fact["reason"] == "representative-changed"
    amend(world, ref, 1)
    (refused,) = world.use(use_code=code)
    assert refused.event.topic == "UseRefused"
    again = consented(world, ref, citizen(1))
    (used,) = world.use(use_code=again)
    assert used.event.topic == "LicenseUsed"
    here.follow()
    rows = here.files.authorizations(version_.stream_id).rows
    assert [row.is_withdrawn for row in rows] == [True, False]
    page = here.trail.page(trail_pages.Query(subjects={"license": (ref,)}))
    assert [row.about.topic for row in page.rows].count("RepresentationChanged") == 3


def test_a_change_and_a_use_race_and_the_use_is_granted_before_or_not_at_all(here: Projected) -> None:
    world = here.world
    ref = issue(world, 1)
    code = consented(world, ref, citizen(1))
    change = license_commands.AmendLicense(
        actor=world.issuer,
        license_ref=ref,
        holder=ENTERPRISE,
        type_and_issuer=world.kind(ref),
        content=content(),
        parties=(person(2),),
    )
    asked = [use_commands.UseLicense(actor=world.hall, use_code=code) for _ in range(20)]
    pending = [world.appender.submit(one) for one in asked[:10]]
    changing = world.appender.submit(change)
    pending += [world.appender.submit(one) for one in asked[10:]]
    at = changing.result(timeout=60).indexes[-1]
    for one in pending:
        (item,) = one.result(timeout=60).recorded
        assert (item.event.topic == "LicenseUsed") is (item.index < at)


def test_somebody_whom_the_ledger_does_not_know_represents_nobody(here: Projected) -> None:
    ref = issue(here.world, 1)
    for number in (2, 3):
        with pytest.raises(errors.NotTheRepresentative):
            consented(here.world, ref, citizen(number))
    other = here.world.issue(citizen(4))
    with pytest.raises(errors.NotTheRepresentative):
        consented(here.world, other, citizen(1))


def test_ids_and_days_of_a_root_read_as_they_were_written() -> None:
    for until in (None, 7):
        root = representation.Root(FIRST, CONSENT, until)
        row = RepresentationRow(license_ref=REF, representatives=(ids.text(FIRST),), rooted=(root.text,))
        assert representation.roots(row, at=6) == [root]
        assert representation.roots(replace(row, rooted=()), at=6) == []


def test_after_a_random_history_with_changes_files_and_tasks_equal_a_replay(here: Projected) -> None:
    world, rng = here.world, random.Random(seed())
    refs = [issue(world, 1), issue(world, 2), issue(world)]
    for _ in range(30):
        ref, number = rng.choice(refs), rng.randint(1, 3)
        with contextlib.suppress(errors.LedgerError):
            act = rng.choice(["amend", "consent", "endorse", "end"])
            if act == "amend":
                amend(world, ref, *rng.choice([(), (number,), (1, 2)]))
            elif act == "consent":
                consented(world, ref, citizen(number))
            elif act == "endorse":
                due = rng.choice([None, days.of_instant(wall_clock()) + 30])
                endorsed = endorsement_commands.EndorseLicense(
                    actor=world.issuer,
                    license_ref=ref,
                    kind="annual-review",
                    period="2026",
                    result=rng.choice(["passed", "failed"]),
                    next_due=due,
                )
                world.do(endorsed)
            else:
                world.status(ref, rng.choice(["suspend", "reinstate"]))
    here.follow(batch_max=rng.randint(1, 5))
    for name in ("holder", "tasks", "trail"):
        projection = registry.named(name)
        followed = here.tables(projection)
        rebuild.rebuild(here.owner, world.ledger.recorder, projection)
        assert here.tables(projection) == followed
