"""`license-ledger seals`, `documents`: seals taken, made, listed, renewed, revoked; each fault is named."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.serialization import pkcs12

from ledger import config, errors, issuer_seal_register, opening, store
from signing import certificate, demonstration
from tests import console, world
from tests.conftest import Cluster
from tests.world import HALL, OPERATOR

NOW = datetime.now(UTC)
PASSPHRASE = b"correct horse"


@pytest.fixture(scope="module")
def configured(cluster: Cluster) -> Iterator[config.Config]:
    """A ledger that commands find wherever they look."""
    cloned = cluster.clone()
    before = config.load
    config.load = lambda *, data=None: cloned  # type: ignore[assignment]
    try:
        yield cloned
    finally:
        config.load = before
        cluster.drop(cloned)


@pytest.fixture(scope="module")
def authority() -> demonstration.Authority:
    return demonstration.authority(at=NOW - timedelta(days=30))


def made(
    authority: demonstration.Authority, organization: str = OPERATOR, **members: Any
) -> certificate.Seal:
    values: dict[str, Any] = {"name": "示例市行政审批局", "at": NOW - timedelta(days=20), **members}
    return authority.issue(credit_code=organization, **values)


def file_of(
    folder: Path, seal: certificate.Seal, *, passphrase: bytes = PASSPHRASE, with_key: bool = True
) -> tuple[Path, Path]:
    """A PKCS#12 file and the file of its passphrase."""
    key = serialization.load_der_private_key(seal.private, None)
    data = pkcs12.serialize_key_and_certificates(
        None,
        key if with_key else None,  # type: ignore[arg-type]
        x509.load_der_x509_certificate(seal.certificate),
        [x509.load_der_x509_certificate(one) for one in seal.chain],
        serialization.BestAvailableEncryption(passphrase),
    )
    file, said = folder / "seal.p12", folder / "seal.pass"
    file.write_bytes(data)
    said.write_bytes(PASSPHRASE + b"\n")
    said.chmod(0o600)
    return file, said


def imported(folder: Path, seal: certificate.Seal, *, organization: str = OPERATOR, status: int = 0) -> str:
    file, said = file_of(folder, seal)
    return console.call("seals", "import", organization, file, "--passphrase-file", said, status=status)


def listed() -> list[dict[str, Any]]:
    return console.call_json("seals", "list")  # type: ignore[no-any-return]


def test_a_seal_is_imported_listed_renewed_and_revoked(
    configured: config.Config, authority: demonstration.Authority, tmp_path: Path
) -> None:
    first, second = made(authority), made(authority, at=NOW - timedelta(days=10))
    assert certificate.describe(first.certificate).fingerprint.hex() in imported(tmp_path, first)
    file, said = file_of(tmp_path, second)
    assert "DEMONSTRATION" in console.call("seals", "renew", OPERATOR, file, "--passphrase-file", said)
    assert [one["standing"] for one in listed()] == ["superseded", "signs"]
    folder = configured.data / "keys" / "seals"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    for path in folder.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert first.private not in path.read_bytes()
        assert second.private not in path.read_bytes()
    revoked = listed()[1]["fingerprint"]
    shown = console.call_json("seals", "revoke", revoked[:12], "--reason", "key-compromise")
    assert (shown["standing"], shown["revocation"]) == ("revoked", "key-compromise")
    assert [one["standing"] for one in listed()] == ["signs", "revoked"]
    assert not (folder / revoked).exists()
    again = console.call("seals", "revoke", revoked[:12], "--reason", "superseded", status=1)
    assert "revoked" in again
    for wrong in ("zz", revoked[:4], "0" * 16):
        assert "FINGERPRINT" in console.call("seals", "revoke", wrong, "--reason", "superseded", status=2)


def test_a_demonstration_seal_says_loudly_what_it_is(configured: config.Config) -> None:
    for verb in (("demonstration", HALL, "--name", "示例审批局"), ("renew", HALL)):
        said = console.call("seals", *verb)
        assert "DEMONSTRATION" in said
        assert "不具法律效力" in said
    mine = [one for one in listed() if one["organization"] == HALL]
    assert [one["is_demonstration"] for one in mine] == [True, True]
    assert len({one["issued_by"] for one in mine}) == 1
    with opening.opened(configured) as ledger:
        trust = issuer_seal_register.document_trust(ledger, at=store.wall_clock())
        roots = {one.chain[-1] for one in trust.seals}
        assert (len(trust.roots), len(trust.revocation_lists)) == (len(roots), 1)


def test_on_a_ledger_that_is_no_demonstration_there_is_none(configured: config.Config) -> None:
    with opening.opened(configured) as ledger, ledger.appending() as appender:
        ring = ledger.vault.ring
        ledger.vault.ring = type(ring)(**{**vars(ring), "origin": "ledger.example/real"})
        with pytest.raises(errors.Forbidden):
            issuer_seal_register.demonstrate(
                ledger, appender, organization=OPERATOR, name="某局", at=store.wall_clock()
            )
        assert issuer_seal_register.document_trust(ledger).roots == ()


def test_a_wrong_passphrase_a_missing_key_and_a_strangers_certificate_are_refused(
    configured: config.Config, authority: demonstration.Authority, tmp_path: Path
) -> None:
    seal, before = made(authority), listed()
    file, said = file_of(tmp_path, seal, passphrase=b"another")
    wrong = console.call("seals", "import", OPERATOR, file, "--passphrase-file", said, status=2)
    assert "(passphrase)" in wrong
    file, said = file_of(tmp_path, seal, with_key=False)
    keyless = console.call("seals", "import", OPERATOR, file, "--passphrase-file", said, status=2)
    assert "fault key-missing" in keyless
    assert "(organization)" in imported(tmp_path, seal, organization=HALL, status=2)
    old = made(authority, days=1)
    assert "fault expired" in imported(tmp_path, old, status=2)
    file.write_bytes(b"0no PKCS#12")
    unread = console.call("seals", "import", OPERATOR, file, "--passphrase-file", said, status=2)
    assert "(file)" in unread
    said.chmod(0o644)
    opened = console.call("seals", "import", OPERATOR, file, "--passphrase-file", said, status=2)
    assert "0600" in opened
    assert listed() == before


def test_a_refused_registration_leaves_no_key_and_a_second_one_keeps_the_first(
    configured: config.Config, authority: demonstration.Authority, tmp_path: Path
) -> None:
    seal = made(authority, organization="513500000000000353")
    imported(tmp_path, seal, organization="513500000000000353")
    assert "exists" in imported(tmp_path, seal, organization="513500000000000353", status=1)
    fingerprint = certificate.describe(seal.certificate).fingerprint
    with opening.opened(configured) as ledger:
        assert ledger.vault.seal_key(fingerprint) == seal.private


def test_renewing_asks_for_a_file_and_for_a_seal_before(configured: config.Config) -> None:
    assert "no seal" in console.call("seals", "renew", world.AUDITOR[::-1], status=1)


def test_upgrading_asks_for_an_authority(configured: config.Config, tmp_path: Path) -> None:
    (tmp_path / "a.pdf").write_bytes(b"%PDF-1.7")
    said = console.call("documents", "upgrade", tmp_path / "a.pdf", status=2)
    assert "LEDGER_TIMESTAMP_URL" in said
