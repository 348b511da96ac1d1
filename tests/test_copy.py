"""Copies 加注件: the use that asks for one, and until when its link opens."""

from __future__ import annotations

from typing import Any

import pytest

from ledger import copy, copy_commands, errors, organization, registry_commands
from ledger.pen import Recorded
from ledger.state import AuthorizationRow, LicenseRow
from ledger.state_document import CopyRow
from tests.history import HALL, ISSUER, NOON, OTHER, REF, REGISTRY, STREAMS, History, granted
from tests.test_issuer_seal import FINGERPRINT, registered, revoke, sealed
from tests.world import BUSINESS_LICENSE, ENTERPRISE, World
from tests.world import ISSUER as WORLD_ISSUER

LINK = b"l" * 32
LASTS, REPEAT = copy.LASTS_US, copy.REPEAT_US


def copied(history: History, **members: Any) -> copy.LicenseCopied:
    values: dict[str, Any] = {
        "license_ref": REF,
        "version": 1,
        "license_index": history.row(LicenseRow, REF).version_index,
        "authorization_ref": REF,
        "mode": "statutory",
        "fields": ("@license_id", "name"),
        "status": "effective",
        "link_digest": LINK,
        "expires_at": NOON + LASTS,
    }
    return copy.LicenseCopied(**values | members)


def asked() -> History:
    """A history in which the hall asked for a copy."""
    history = sealed()
    history.record(granted("statutory", uses_max=2), stream=STREAMS[HALL])
    history.record(copied(history), by=HALL)
    return history


def download(history: History, *, at: int, **members: Any) -> None:
    values: dict[str, Any] = {
        "link_digest": LINK,
        "license_ref": REF,
        "signer": ISSUER,
        "fingerprint": FINGERPRINT,
    }
    history.record(copy.CopyDownloaded(**values | members), by=None, at=at)


def test_a_copy_is_a_use_under_the_same_rule_and_is_counted() -> None:
    history = asked()
    assert history.row(AuthorizationRow, REF).uses == 1
    history.record(copied(history, link_digest=b"2" * 32), by=HALL)
    with pytest.raises(errors.Forbidden, match="authorization-exhausted"):
        history.record(copied(history, link_digest=b"3" * 32), by=HALL)


def test_a_copy_lasts_ten_minutes_and_its_link_is_its_own() -> None:
    history = asked()
    for expires_at in (NOON, NOON + LASTS + 1):
        with pytest.raises(errors.Forbidden):
            history.record(copied(history, link_digest=b"2" * 32, expires_at=expires_at), by=HALL)
    with pytest.raises(errors.AlreadyExists):
        history.record(copied(history), by=HALL)


def test_a_copy_is_downloaded_once_before_it_expires() -> None:
    history = asked()
    with pytest.raises(errors.CopyOver):
        download(history, at=NOON + LASTS)
    download(history, at=NOON + LASTS - 1)
    assert history.row(CopyRow, LINK).downloaded_at == NOON + LASTS - 1
    with pytest.raises(errors.Conflict):
        download(history, at=NOON + LASTS)


def test_only_the_ledger_itself_records_a_download() -> None:
    history = asked()
    made = copy.CopyDownloaded(link_digest=LINK, license_ref=REF, signer=ISSUER, fingerprint=FINGERPRINT)
    with pytest.raises(errors.ScopeMissing):
        history.record(made, by=HALL)


@pytest.mark.parametrize(
    ("members", "refused"),
    [
        ({"link_digest": b"x" * 32}, errors.NotFound),
        ({"license_ref": b"x" * 16}, errors.LicenseNotFound),
        ({"signer": HALL}, errors.SealUnfit),
        ({"fingerprint": b"x" * 32}, errors.SealUnfit),
    ],
)
def test_a_download_is_of_what_was_asked_for(
    members: dict[str, Any], refused: type[errors.LedgerError]
) -> None:
    with pytest.raises(refused):
        download(asked(), at=NOON, **members)


@pytest.mark.parametrize(
    ("downloaded_at", "at", "reason"),
    [
        (None, NOON + LASTS - 1, None),
        (None, NOON + LASTS, "expired"),
        (NOON, NOON + REPEAT - 1, None),
        (NOON, NOON + REPEAT, "downloaded"),
        (NOON + LASTS - 1, NOON + LASTS + 5, None),
    ],
)
def test_a_broken_download_is_repeated_for_a_minute(
    downloaded_at: int | None, at: int, reason: str | None
) -> None:
    row = CopyRow(
        link_digest=LINK,
        license_ref=REF,
        use_index=1,
        expires_at=NOON + LASTS,
        downloaded_at=downloaded_at,
    )
    if reason is None:
        assert copy.require_open(row, at=at) is row
        return
    with pytest.raises(errors.CopyOver) as caught:
        copy.require_open(row, at=at)
    assert caught.value.extra == {"reason": reason}


def succeeded(history: History) -> None:
    """The other organization takes over from the issuer."""
    passed = organization.OrganizationSucceeded(
        predecessor=ISSUER, successor=OTHER, type_codes=(), since=0, authorizations="keep"
    )
    history.record(passed, stream=REGISTRY, by=None)


SIGNED = {"signer": ISSUER, "fingerprint": FINGERPRINT}


def test_a_copy_is_asked_for_while_a_seal_signs_it_or_not_at_all() -> None:
    history = sealed()
    history.record(granted("statutory"), stream=STREAMS[HALL])
    history.record(copied(history, **SIGNED), by=HALL)
    apart: list[dict[str, Any]] = [{"signer": HALL}, {"fingerprint": b"x" * 32}]
    for changes in apart:
        with pytest.raises(errors.SealUnfit):
            history.record(copied(history, link_digest=b"2" * 32, **SIGNED | changes), by=HALL)
    for lone in ("signer", "fingerprint"):
        with pytest.raises(errors.Forbidden):
            history.record(copied(history, link_digest=b"2" * 32, **{lone: SIGNED[lone]}), by=HALL)
    revoke(history)
    with pytest.raises(errors.SealUnfit):
        history.record(copied(history, link_digest=b"2" * 32, **SIGNED), by=HALL)
    assert history.row(AuthorizationRow, REF).uses == 1


def test_who_handed_the_type_on_signs_no_copy_any_more() -> None:
    history = asked()
    succeeded(history)
    with pytest.raises(errors.NotTheIssuer):
        download(history, at=NOON)
    with pytest.raises(errors.NotTheIssuer):
        history.record(copied(history, link_digest=b"2" * 32, **SIGNED), by=HALL)


def test_every_license_that_is_used_gets_a_copy_and_what_is_refused_none(world: World) -> None:
    refs = [world.issue() for _ in range(2)]
    refused = world.do(copy_commands.CopyLicense(actor=world.hall, **_ENTERPRISE)).recorded
    assert [item.event.topic for item in refused] == ["UseRefused"]
    world.grant()
    before = world.ledger.recorder.newest_index()
    with pytest.raises(copy_commands.SignersUnread) as caught:
        world.do(copy_commands.CopyLicense(actor=world.hall, **_ENTERPRISE))
    assert {one.license_ref for one in caught.value.wanted} == {*refs}
    signers = tuple(copy_commands.Signer(ref, WORLD_ISSUER, FINGERPRINT) for ref in refs)
    with pytest.raises(errors.SealUnfit):
        world.do(copy_commands.CopyLicense(actor=world.hall, signers=signers, **_ENTERPRISE))
    assert world.ledger.recorder.newest_index() == before, "nothing is recorded of what cannot be signed"
    made = registered(organization=WORLD_ISSUER, valid_from=0, valid_until=1 << 52)
    world.do(registry_commands.RecordInRegistry(actor=world.ledger.console, facts=(made,)))
    recorded = world.do(copy_commands.CopyLicense(actor=world.hall, signers=signers, **_ENTERPRISE)).recorded
    assert [item.event.topic for item in recorded] == ["LicenseCopied"] * 2
    assert len({_link(item) for item in recorded}) == 2
    assert all(item.event.organization == HALL for item in recorded)


_ENTERPRISE: dict[str, Any] = {"holder": ENTERPRISE, "type_code": BUSINESS_LICENSE}


def _link(item: Recorded) -> bytes:
    digest: bytes = item.event.fact["link_digest"]
    assert "copy-link" in item.event.sealed
    return digest
