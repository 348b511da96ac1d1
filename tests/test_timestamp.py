"""Time-stamps of checkpoints: what is believed, every flaw, and what openssl says of what we keep."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import given, settings
from hypothesis import strategies as st

from signing import keys, note, timestamp
from tests import judges, tsa_world

ORIGIN = "ledger.example/log/0"
TEXT = f"{ORIGIN}\n3\n{'A' * 43}=\n"
SIGNED = note.sign(TEXT, name=ORIGIN, key=keys.SigningKey(bytes([1]) * 32))
TSA = tsa_world.made()
NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
NONCE = 0x1234567890ABCDEF


def asked(text: str = TEXT, **more: str) -> timestamp.Asked:
    return timestamp.Asked(text, nonce=NONCE, **more)


def judged(
    response: bytes, *, by: timestamp.Asked | None = None, authority: timestamp.Authority = TSA.authority
) -> tuple[bytes, timestamp.TimeStamp]:
    return (by or asked()).judge(
        response, authority=authority, asked_at=NOW, answered_at=NOW + timedelta(seconds=1)
    )


def stamped() -> timestamp.Stamped:
    kept, _ = judged(TSA.answer(asked().body, at=NOW))
    return timestamp.Stamped(checkpoint=SIGNED, response=kept)


@pytest.mark.parametrize("embed", [True, False])
def test_an_authoritys_answer_proves_when_it_saw_the_checkpoint(embed: bool) -> None:
    kept, found = judged(TSA.answer(asked().body, at=NOW, embed=embed))
    assert (found.at, found.policy) == (NOW, tsa_world.POLICY)
    later = timestamp.verify(timestamp.Stamped(checkpoint=SIGNED, response=kept), authority=TSA.authority)
    assert later == found


def test_a_policy_is_asked_for_and_must_be_theirs() -> None:
    policy = tsa_world.POLICY
    assert judged(TSA.answer(asked(policy=policy).body, at=NOW), by=asked(policy=policy))[1].policy == policy
    with pytest.raises(timestamp.TimeStampInvalid, match="another policy"):
        judged(TSA.answer(asked().body, at=NOW), by=asked(policy="1.2.3.4"))
    strict = timestamp.Authority(roots=TSA.authority.roots, policy="1.2.3.4")
    with pytest.raises(timestamp.TimeStampInvalid):
        timestamp.verify(stamped(), authority=strict)


OTHER = tsa_world.made()
EXPIRED = tsa_world.made(until=NOW - timedelta(days=1))
SERVER = tsa_world.made(usage=ExtendedKeyUsageOID.SERVER_AUTH)
LAX = tsa_world.made(is_critical=False)
ENDED = tsa_world.made(until=NOW + timedelta(days=1))


def other_nonce() -> bytes:
    return TSA.answer(timestamp.Asked(TEXT, nonce=NONCE + 1).body, at=NOW)


BAD = {
    "another checkpoint": lambda: TSA.answer(asked(TEXT.replace("\n3\n", "\n4\n")).body, at=NOW),
    "another nonce": other_nonce,
    "a clock that is behind": lambda: TSA.answer(asked().body, at=NOW - timedelta(seconds=301)),
    "a clock that is ahead": lambda: TSA.answer(asked().body, at=NOW + timedelta(seconds=302)),
    "a stranger's": lambda: OTHER.answer(asked().body, at=NOW),
    "nothing": lambda: b"",
    "a page": lambda: b"<html>busy</html>",
    "cut short": lambda: TSA.answer(asked().body, at=NOW)[:-1],
    "something behind": lambda: TSA.answer(asked().body, at=NOW) + b"\0",
    "a refusal": lambda: bytes.fromhex("30053003020102"),
    "too long": lambda: b"\x30" * (timestamp.RESPONSE_BYTES_MAX + 1),
}


@pytest.mark.parametrize("flaw", BAD)
def test_every_other_answer_is_refused(flaw: str) -> None:
    with pytest.raises(timestamp.TimeStampInvalid):
        judged(BAD[flaw]())


@pytest.mark.parametrize("tsa", [EXPIRED, SERVER, LAX], ids=["expired", "for servers", "not critical"])
def test_a_certificate_that_is_not_for_stamping_at_that_time_proves_nothing(tsa: tsa_world.Tsa) -> None:
    with pytest.raises(timestamp.TimeStampInvalid):
        judged(tsa.answer(asked().body, at=NOW), authority=tsa.authority)


def test_a_certificate_that_has_ended_since_proves_what_it_stamped() -> None:
    assert judged(ENDED.answer(asked().body, at=NOW), authority=ENDED.authority)[1].at == NOW


def test_a_stamped_checkpoint_is_read_back_and_has_one_spelling() -> None:
    made = stamped()
    text = timestamp.write(made)
    assert timestamp.parse(text) == made
    for flaw in ("", timestamp.HEADER, text.replace("v1", "v2"), text.replace("\n\n", "\n"), "x" * 200_000):
        with pytest.raises(timestamp.TimeStampInvalid):
            timestamp.parse(flaw)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 1 << 20), st.integers(1, 255))
def test_no_changed_byte_is_believed_to_say_another_time_or_checkpoint(place: int, change: int) -> None:
    made = stamped()
    data = bytearray(made.response)
    data[place % len(data)] ^= change
    try:
        found = timestamp.verify(
            timestamp.Stamped(checkpoint=SIGNED, response=bytes(data)), authority=TSA.authority
        )
    except timestamp.TimeStampInvalid:
        return
    # Bytes outside the signature: status texts, the root that was sent along.
    assert (found.at, found.policy) == (NOW, tsa_world.POLICY)


def test_roots_are_read_from_pem_alone() -> None:
    assert timestamp.parse_roots(TSA.roots_pem + OTHER.roots_pem) == (
        *TSA.authority.roots,
        *OTHER.authority.roots,
    )
    with pytest.raises(timestamp.TimeStampInvalid):
        timestamp.parse_roots(b"nothing")


# --- openssl, both ways ---


def openssl(*arguments: str | Path, status: int = 0) -> str:
    said = subprocess.run([judges.need("openssl"), *arguments], capture_output=True, text=True, check=False)
    assert said.returncode == status, said.stdout + said.stderr
    return said.stdout + said.stderr


def test_openssl_verifies_what_we_keep(tmp_path: Path) -> None:
    made = stamped()
    files = {"text": TEXT.encode(), "other": b"x", "response": made.response, "root": TSA.roots_pem}
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    known = ("-in", tmp_path / "response", "-CAfile", tmp_path / "root")
    when = ("-attime", str(int(NOW.timestamp())))
    said = openssl("ts", "-verify", "-data", tmp_path / "text", *known, *when)
    assert "Verification: OK" in said
    openssl("ts", "-verify", "-data", tmp_path / "other", *known, *when, status=1)


CONFIG = """
[tsa]
default_tsa = one
[one]
serial = {folder}/serial
crypto_device = builtin
signer_cert = {folder}/signer.pem
signer_key = {folder}/key.pem
{certs}
signer_digest = sha256
default_policy = 1.2.3.4
digests = sha256
ess_cert_id_chain = no
ess_cert_id_alg = sha256
"""


@pytest.mark.parametrize("is_chain_sent", [False, True])
def test_what_openssl_stamps_is_verified_here(tmp_path: Path, is_chain_sent: bool) -> None:
    """Its certificates come in whatever order they have in a file."""
    pem = serialization.Encoding.PEM
    files = {
        "signer.pem": TSA.signer.public_bytes(pem),
        "chain.pem": b"".join(one.roots_pem for one in sorted((TSA, OTHER, LAX), key=by_der, reverse=True)),
        "key.pem": TSA.key.private_bytes(
            pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ),
        "serial": b"01\n",
        "request": asked().body,
        "config": CONFIG.format(
            folder=tmp_path, certs=f"certs = {tmp_path}/chain.pem" if is_chain_sent else ""
        ).encode(),
    }
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    response = tmp_path / "response"
    given = ("-config", tmp_path / "config", "-queryfile", tmp_path / "request", "-out", response)
    openssl("ts", "-reply", *given)
    now = datetime.now(UTC)
    kept, found = asked().judge(response.read_bytes(), authority=TSA.authority, asked_at=now, answered_at=now)
    assert found.policy == "1.2.3.4"
    response.write_bytes(kept)
    (tmp_path / "text").write_text(TEXT)
    (tmp_path / "root").write_bytes(TSA.roots_pem)
    known = ("-in", response, "-CAfile", tmp_path / "root")
    assert "Verification: OK" in openssl("ts", "-verify", "-data", tmp_path / "text", *known)


def by_der(tsa: tsa_world.Tsa) -> bytes:
    return tsa.root.public_bytes(serialization.Encoding.DER)
