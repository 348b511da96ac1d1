"""Seals of issuers: whose certificate it is, when it signs, and what is refused; without a database."""

from __future__ import annotations

from typing import Any

import pytest

from ledger import document, errors, issuer_seal, organization
from ledger.state import LicenseRow
from ledger.state_document import SealRow
from tests.history import HALL, ISSUER, NOON, OTHER, REF, REGISTRY, History, begun, version

DAY_US = 86_400 * 1_000_000
CERTIFICATE = b"a certificate"
FINGERPRINT = issuer_seal.fingerprint(CERTIFICATE)


def registered(certificate: bytes = CERTIFICATE, **members: Any) -> issuer_seal.IssuerSealRegistered:
    values: dict[str, Any] = {
        "organization": ISSUER,
        "fingerprint": issuer_seal.fingerprint(certificate),
        "certificate": certificate,
        "chain": (b"an authority",),
        "valid_from": NOON - DAY_US,
        "valid_until": NOON + DAY_US,
        "is_demonstration": True,
    }
    return issuer_seal.IssuerSealRegistered(**values | members)


def sealed(**members: Any) -> History:
    """A history in which the issuer has a license and a seal."""
    history = begun()
    history.record(version())
    history.record(registered(**members), stream=REGISTRY, by=None)
    return history


def revoke(history: History, **members: Any) -> None:
    made = issuer_seal.IssuerSealRevoked(fingerprint=FINGERPRINT, reason="superseded")
    history.record(made, stream=REGISTRY, by=None, **members)


def given(**members: Any) -> document.DocumentGiven:
    values: dict[str, Any] = {
        "license_ref": REF,
        "version": 1,
        "license_index": 7,
        "piece": 0,
        "level": "b-b",
        "signer": ISSUER,
        "fingerprint": FINGERPRINT,
    }
    return document.DocumentGiven(**values | members)


def give(history: History, *, by: str = ISSUER, at: int = NOON, **members: Any) -> None:
    index = history.row(LicenseRow, REF).version_index
    history.record(given(license_index=index, **members), by=by, at=at)


def test_an_issuer_gets_documents_under_its_own_seal() -> None:
    give(sealed())


def test_nobody_else_does() -> None:
    with pytest.raises(errors.ScopeMissing):
        give(sealed(), by=HALL)
    with pytest.raises(errors.NotTheIssuer):
        give(sealed(), by=OTHER)


def test_no_document_is_under_anothers_seal() -> None:
    history = sealed(organization=OTHER)
    with pytest.raises(errors.SealUnfit):
        give(history)
    with pytest.raises(errors.NotTheIssuer):
        give(history, signer=OTHER)


def test_the_successor_signs_what_its_predecessor_issued() -> None:
    history = sealed(organization=OTHER)
    passed = organization.OrganizationSucceeded(
        predecessor=ISSUER, successor=OTHER, type_codes=(), since=0, authorizations="keep"
    )
    history.record(passed, stream=REGISTRY, by=None)
    give(history, by=OTHER, signer=OTHER)


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        ({"valid_from": NOON + 1}, "not-yet-valid"),
        ({"valid_until": NOON - 1}, "expired"),
    ],
)
def test_outside_its_certificates_days_a_seal_signs_nothing(members: dict[str, int], reason: str) -> None:
    history = begun()
    history.record(version())
    history.record(registered(**members), stream=REGISTRY, by=None, at=NOON - 2)
    with pytest.raises(errors.SealUnfit) as caught:
        give(history)
    assert caught.value.extra == {"reason": reason}


def test_a_revoked_seal_signs_nothing_and_keeps_its_history() -> None:
    history = sealed()
    revoke(history, effective_at=NOON - 5)
    with pytest.raises(errors.SealUnfit) as caught:
        give(history)
    assert caught.value.extra == {"reason": "revoked"}
    row = history.row(SealRow, FINGERPRINT)
    assert (row.revoked_at, row.revocation, row.certificate) == (NOON - 5, "superseded", CERTIFICATE)
    with pytest.raises(errors.Conflict):
        revoke(history)


@pytest.mark.parametrize("since", [NOON - 2 * DAY_US, NOON + 1])
def test_a_seal_is_revoked_since_a_moment_of_its_life(since: int) -> None:
    with pytest.raises(errors.Invalid):
        revoke(sealed(), effective_at=since)


@pytest.mark.parametrize(
    ("members", "refused"),
    [
        ({"fingerprint": bytes(32)}, errors.Invalid),
        ({"organization": "12350100000000027X"}, errors.Invalid),
        ({"chain": (b"one",) * 5}, errors.Invalid),
        ({"chain": (bytes(8_193),)}, errors.Invalid),
        ({"valid_from": NOON + 2 * DAY_US}, errors.Invalid),
        ({"valid_until": NOON - 1, "valid_from": 0}, errors.SealUnfit),
    ],
)
def test_what_is_no_seal_is_not_registered(
    members: dict[str, Any], refused: type[errors.LedgerError]
) -> None:
    with pytest.raises(refused):
        sealed(**members)


def test_only_the_console_registers_seals_and_each_once() -> None:
    history = sealed()
    with pytest.raises(errors.ScopeMissing):
        history.record(registered(b"another"), stream=REGISTRY)
    with pytest.raises(errors.AlreadyExists):
        history.record(registered(), stream=REGISTRY, by=None)


def test_the_newest_seal_that_is_fit_signs() -> None:
    history = sealed()
    later = registered(b"the next", valid_from=NOON + DAY_US, valid_until=NOON + 9 * DAY_US)
    history.record(later, stream=REGISTRY, by=None)
    rows = [history.row(SealRow, made.fingerprint) for made in (registered(), later)]
    assert issuer_seal.active(rows, at=NOON) is rows[0]
    assert issuer_seal.active(rows, at=NOON + DAY_US) is rows[1]
    for at, known, reason in (
        (NOON + 20 * DAY_US, rows, "expired"),
        (NOON, rows[1:], "not-yet-valid"),
        (NOON, [], "missing"),
    ):
        with pytest.raises(errors.SealUnfit) as caught:
            issuer_seal.active(known, at=at)
        assert caught.value.extra == {"reason": reason}


@pytest.mark.parametrize(
    ("origin", "is_demonstration"),
    [("demo.example/a", True), ("demo/a", True), ("ledger.example/demo", False)],
)
def test_an_origin_says_whether_its_ledger_is_a_demonstration(origin: str, is_demonstration: bool) -> None:
    assert issuer_seal.is_demonstration(origin) is is_demonstration
