"""Parties: given facts, when a version names several, then who holds, consents and is erased; no database."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ledger import authorization, consent, errors, holder, license, party, refusal, use
from ledger.state import AuthorizationRow, LicenseRow, PartyRow, StreamRow
from signing import ids
from tests.history import (
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
    registered_client,
    version,
)

BOTH = (("holder", HOLDER), ("co-owner", STRANGER))
OWN = ((1, "@party_1_name"), (1, "name"))
NAMES = ("@license_id", "@party_1_name", "domicile", "name")


def couple(**members: Any) -> History:
    history = begun()
    history.record(married(**members))
    return history


def married(cls: type[Any] = license.LicenseIssued, **members: Any) -> Any:
    values = {"parties": BOTH, "party_fields": OWN, "field_names": NAMES}
    return version(cls, **values | members)


def row(history: History) -> LicenseRow:
    return history.row(LicenseRow, REF)


def used(history: History, *names: str, consents: tuple[bytes, ...] | None = None) -> use.LicenseUsed:
    allowed = history.row(AuthorizationRow, REF)
    if consents is None:
        home = history.row(StreamRow, row(history).stream_id)
        consents = authorization.consenting(allowed, row(history), home, at=NOON)
    return use.LicenseUsed(
        consents=consents,
        license_ref=REF,
        version=row(history).version,
        license_index=row(history).version_index,
        authorization_ref=REF,
        mode=allowed.mode,
        fields=names,
        status="effective",
    )


def joined() -> consent.ConsentJoined:
    return consent.ConsentJoined(authorization_ref=REF, evidence_digest=bytes(32))


@pytest.mark.parametrize("acted_for", [ISSUER, OTHER])
def test_a_client_attests_consent_for_no_organization_that_it_serves(acted_for: str) -> None:
    history = couple()
    both = registered_client(
        ISSUER,
        "consent:attest",
        client_id=b"2" * 16,
        further=((OTHER, STREAMS[OTHER]), (HALL, STREAMS[HALL])),
    )
    history.record(both, stream=REGISTRY, by=None)
    acting = {"by": ISSUER, "client": b"2" * 16, "organization": acted_for, "issuer": acted_for}
    for requester in (ISSUER, OTHER, HALL):
        with pytest.raises(errors.OwnOrganization) as refused:
            history.record(granted(requester=requester, requester_stream=STREAMS[requester]), **acting)
        assert refused.value.field == "requester"
    history.record(granted())
    with pytest.raises(errors.OwnOrganization) as refused:
        history.record(joined(), stream=STRANGER, **acting)
    assert refused.value.field == "requester"
    history.record(joined(), stream=STRANGER)


def test_a_further_party_has_a_stream_and_is_found_by_it() -> None:
    history = couple()
    assert history.row(StreamRow, STRANGER).kind == "holder"
    assert history.row(PartyRow, REF + STRANGER).is_current
    assert party.of(row(history)) == [
        party.Party(HOLDER, "all", ()),
        party.Party(STRANGER, "all", ("@party_1_name", "name")),
    ]
    assert party.holds(row(history), STRANGER)


def test_a_party_that_is_left_out_holds_the_license_no_more() -> None:
    history = couple()
    history.record(version(license.LicenseAmended, version=2))
    assert not history.row(PartyRow, REF + STRANGER).is_current
    assert row(history).parties == ()
    assert not party.holds(row(history), STRANGER)
    history.record(married(license.LicenseAmended, version=3))
    assert history.row(PartyRow, REF + STRANGER).is_current


@pytest.mark.parametrize(
    ("members", "field"),
    [
        ({"parties": (*BOTH, ("co-owner", STRANGER))}, "parties"),
        ({"parties": (("holder", HOLDER), ("friend", STRANGER))}, "parties[1].role"),
        ({"parties": (("holder", HOLDER), ("co-owner", STREAMS[HALL]))}, "parties[1]"),
        ({"party_fields": ((0, "name"),)}, "parties"),
        ({"party_fields": ((2, "name"),)}, "parties"),
        ({"party_fields": ((1, "name"), (1, "domicile"))}, "parties"),
        ({"party_fields": ((1, "unheard_of"),)}, "parties"),
        ({"parties": (("holder", HOLDER), ("co-owner", HOLDER))}, "parties"),
        ({"unfiled": (1,)}, "parties"),
        ({"parties": (("holder", HOLDER),), "party_fields": ()}, "fields"),
    ],
)
def test_bad_parties_are_refused_and_the_member_is_named(members: dict[str, Any], field: str) -> None:
    history = begun()
    with pytest.raises(errors.Invalid) as refused:
        history.record(married(**members))
    assert refused.value.field == field
    assert (LicenseRow, REF) not in history.rows


def test_what_a_type_does_not_show_in_a_file_is_said() -> None:
    parties = (*BOTH, ("guardian", b"guardian".ljust(16)))
    with pytest.raises(errors.Invalid):
        couple(parties=parties)
    history = couple(parties=parties, unfiled=(2,))
    assert party.of(row(history))[2].consent == "none"


def test_an_erased_party_takes_its_fields_and_its_consent_along() -> None:
    history = couple()
    history.record(holder.HolderErased(shared=(REF,)), by=None, stream=STRANGER)
    assert row(history).field_names == ("@license_id", "domicile")
    history.record(granted())
    history.record(used(history, "@license_id", "domicile"), by=HALL)
    with pytest.raises(errors.Forbidden):
        history.record(used(history, "@license_id", "name"), by=HALL)


def test_the_first_partys_erasure_ends_the_use_for_all() -> None:
    history = couple()
    history.record(holder.HolderErased(shared=(REF,)), by=None)
    assert row(history).is_orphaned
    assert not party.holds(row(history), STRANGER)
    history.record(granted("statutory"), stream=STREAMS[HALL])
    with pytest.raises(errors.HolderErasedConflict):
        history.record(used(history, "@license_id"), by=HALL)


def test_an_erasure_names_no_strangers_license() -> None:
    history = couple()
    history.record(version(license.LicenseAmended, version=2))
    with pytest.raises(errors.LicenseNotFound):
        history.record(holder.HolderErased(shared=(REF,)), by=None, stream=STRANGER)


@pytest.mark.parametrize(("first", "second"), [(HOLDER, STRANGER), (STRANGER, HOLDER)])
def test_both_owners_consent_before_a_use_and_it_is_counted_once(first: bytes, second: bytes) -> None:
    history = couple()
    history.record(granted(uses_max=1), stream=first)
    with pytest.raises(errors.Forbidden, match="consent-missing"):
        history.record(used(history, "@license_id"), by=HALL)
    history.record(joined(), stream=second)
    assert history.row(AuthorizationRow, REF).joined == (ids.text(second),)
    history.record(used(history, "@license_id"), by=HALL)
    assert history.row(AuthorizationRow, REF).uses == 1


def test_a_refusal_for_want_of_consent_is_told_only_while_it_is_true() -> None:
    def refused() -> refusal.UseRefused:
        return refusal.UseRefused(
            reason="consent-missing",
            code="100",
            type_code=FREE,
            license_ref=REF,
            authorization_ref=REF,
            choices=(),
            consents=authorization.consenting(
                history.row(AuthorizationRow, REF), row(history), history.row(StreamRow, HOLDER), at=NOON
            ),
        )

    history = couple()
    history.record(granted())
    history.record(refused(), by=HALL)
    history.record(joined(), stream=STRANGER)
    with pytest.raises(errors.Forbidden):
        history.record(refused(), by=HALL)
    end_of(history, STRANGER)
    history.record(refused(), by=HALL)


def end_of(history: History, stream: bytes) -> None:
    """The holder of a stream has died."""
    died = replace(history.row(StreamRow, stream), ended_at=NOON)
    history.rows[StreamRow, stream] = died


def test_the_consent_of_a_party_who_has_ended_does_not_count() -> None:
    history = couple()
    history.record(granted())
    history.record(joined(), stream=STRANGER)
    history.record(used(history, "@license_id"), by=HALL)
    with pytest.raises(errors.Forbidden, match="consented"):
        history.record(used(history, "@license_id", consents=(HOLDER,)), by=HALL)
    end_of(history, STRANGER)
    with pytest.raises(errors.Forbidden, match="consent-missing"):
        history.record(used(history, "@license_id"), by=HALL)


def test_an_authorization_of_a_party_who_has_ended_carries_nobody_elses_consent() -> None:
    history = couple()
    any_of_both = tuple(party.Party(one, "any", ()).text for one in (HOLDER, STRANGER))
    history.rows[LicenseRow, REF] = replace(row(history), parties=any_of_both)
    history.record(granted(), stream=STRANGER)
    history.record(joined(), stream=HOLDER)
    history.record(used(history, "@license_id"), by=HALL)
    end_of(history, STRANGER)
    with pytest.raises(errors.Forbidden, match="consent-missing"):
        history.record(used(history, "@license_id"), by=HALL)


def test_who_has_ended_or_is_contested_joins_no_more() -> None:
    history = couple()
    history.record(granted())
    alive = history.row(StreamRow, STRANGER)
    end_of(history, STRANGER)
    with pytest.raises(errors.HolderEndedConflict):
        history.record(joined(), stream=STRANGER)
    history.rows[StreamRow, STRANGER] = replace(alive, is_contested=True)
    with pytest.raises(errors.HolderContestedConflict):
        history.record(joined(), stream=STRANGER)


def test_who_consents_already_or_not_at_all_does_not_join() -> None:
    history = couple()
    with pytest.raises(errors.AuthorizationNotFound):
        history.record(joined(), stream=STRANGER)
    history.record(granted())
    with pytest.raises(errors.Conflict):
        history.record(joined())
    with pytest.raises(errors.OwnOrganization):
        history.record(joined(), stream=STRANGER, by=HALL)
    with pytest.raises(errors.NotFound):
        history.record(joined(), stream=b"nobody".ljust(16))
    with pytest.raises(errors.Invalid):
        history.record(joined(), stream=STRANGER, operator_ref=None)
    history.record(joined(), stream=STRANGER)
    with pytest.raises(errors.Conflict):
        history.record(joined(), stream=STRANGER)


def test_a_license_is_found_by_its_own_holders_alone() -> None:
    history = couple()
    assert party.may_consent(row(history), HOLDER)
    assert not party.may_consent(row(history), b"nobody".ljust(16))
    assert license.status(row(history), NOON) == "effective"
