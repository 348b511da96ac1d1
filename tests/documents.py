"""Sample pages, seals and documents for the tests; everything synthetic, and made once a run.

`PAGE` is a short license, `LONG` one of several pages. Programs of others are asked through `asked`.
"""

from __future__ import annotations

import functools
import json
import subprocess
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import AuthorityInformationAccessOID, NameOID

from signing import certificate, demonstration, document, document_page, keys, suites, token
from tests import judges
from tests.test_token import TOKEN

AT = datetime(2026, 11, 26, 2, 3, 4, tzinfo=UTC)
ISSUER = "榕城市市场监督管理局"
CREDIT_CODE = "11350000000000019H"
QR = token.url(
    token.sign(TOKEN, key=keys.SigningKey(bytes([6]) * 32), suite=suites.INTL), host="ledger.example"
)
LICENSE = json.dumps(
    {"number": "91350100MA0000007A", "名称": "榕城示例有限公司"}, ensure_ascii=False
).encode()
RECEIPT = b"c2sp.org/tlog-proof@v1\nindex 3\n" + b"AAAA\n" * 8

PAGE = document_page.Page(
    type_zh="营业执照",
    type_en="Business License",
    issuer=ISSUER,
    number="91350100MA0000007A",
    identifier="1.2.156.3005.2.11100000MB0143028R001.11350000000000019H.91350100MA0000007A.001.H",
    holders=("榕城示例有限公司",),
    fields=(
        ("统一社会信用代码", "91350100MA0000007A"),
        ("名称", "榕城示例有限公司"),
        ("法定代表人", "𠮷示例·㐂𬭎"),
        (
            "经营范围",
            "软件开发；信息技术咨询服务；数据处理和存储支持服务；货物进出口。（依法须经批准的项目除外）",
        ),
        ("住所", "榕城市示例区示例路 1 号\n示例大厦 12 层"),
    ),
    issued_on=date(2026, 11, 26),
    valid_from=date(2026, 11, 26),
    valid_to=None,
    piece=0,
    qr=QR,
    license_data=LICENSE,
    receipt=RECEIPT,
    made_at=AT,
)
LONG = replace(
    PAGE,
    type_zh="建筑业企业资质证书",
    piece=2,
    valid_to=date(2031, 11, 25),
    fields=PAGE.fields
    + tuple((f"延续记录 {place}", "年度核验合格；核验机关：榕城市示例局" * 3) for place in range(60)),
)
COPY = document_page.Copy(
    reason="办理不动产登记及相关核验",
    requester="榕城市不动产登记中心",
    made_at=AT,
    expires_at=AT + timedelta(minutes=10),
)


@functools.cache
def rendered(page: document_page.Page = PAGE) -> bytes:
    return document_page.render(page)


@functools.cache
def authority() -> demonstration.Authority:
    return demonstration.authority(at=AT - timedelta(days=30))


@functools.cache
def seal() -> certificate.Seal:
    return authority().issue(name=ISSUER, credit_code=CREDIT_CODE, at=AT - timedelta(days=1))


@functools.cache
def signed() -> bytes:
    """The short license, B-B."""
    return document.sign(rendered(), seal=seal(), at=AT)


def flipped(pdf: bytes, at: int) -> bytes:
    """The bytes with one changed."""
    return pdf[:at] + bytes([pdf[at] ^ 1]) + pdf[at + 1 :]


def asked(judge: str, *arguments: str | Path, status: int = 0) -> str:
    """What a program of others says, on both of its outputs."""
    command = [judges.need(judge), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, check=False, timeout=60)
    said = (done.stdout + done.stderr).decode(errors="replace")
    assert done.returncode == status, said
    return said


# --- certificates that the demonstration authority would not make ---

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
USAGES = (
    "digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
    "key_cert_sign", "crl_sign", "encipher_only", "decipher_only",
)  # fmt: skip


@functools.cache
def key(name: str = "a") -> ec.EllipticCurvePrivateKey:
    """A key on P-256, the same for the same name within a run."""
    return ec.generate_private_key(ec.SECP256R1())


@functools.cache
def rsa_key(bits: int) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


def named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def made(
    name: str,
    own: Key | ec.EllipticCurvePrivateKey,
    *,
    issuer: str,
    by: Key,
    usages: tuple[str, ...] = ("digital_signature", "content_commitment"),
    extended: tuple[str, ...] = (),
    is_authority: bool = False,
    first: datetime = AT - timedelta(days=10),
    last: datetime = AT + timedelta(days=10),
    no_check: bool = False,
    naming: str | None = None,
) -> x509.Certificate:
    """A certificate with whatever it should not have; `naming` an address for all that could be fetched."""
    builder = (
        x509.CertificateBuilder()
        .subject_name(named(name))
        .issuer_name(named(issuer))
        .public_key(own.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(first)
        .not_valid_after(last)
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
    )
    if usages:
        said = x509.KeyUsage(**{usage: usage in usages for usage in USAGES})
        builder = builder.add_extension(said, critical=True)
    if extended:
        purposes = [x509.ObjectIdentifier(purpose) for purpose in extended]
        builder = builder.add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
    if no_check:
        builder = builder.add_extension(x509.OCSPNoCheck(), critical=False)
    if naming is not None:
        uri = x509.UniformResourceIdentifier(naming)
        ways = (AuthorityInformationAccessOID.OCSP, AuthorityInformationAccessOID.CA_ISSUERS)
        points = [x509.DistributionPoint([uri], None, None, None)]
        access = x509.AuthorityInformationAccess([x509.AccessDescription(way, uri) for way in ways])
        builder = builder.add_extension(access, critical=False)
        builder = builder.add_extension(x509.CRLDistributionPoints(points), critical=False)
    return builder.sign(by, hashes.SHA256())


def root(name: str = "示例根") -> x509.Certificate:
    return made(
        name, key(name), issuer=name, by=key(name), usages=("key_cert_sign", "crl_sign"), is_authority=True
    )


def der(found: x509.Certificate) -> bytes:
    return found.public_bytes(serialization.Encoding.DER)


def pem(data: bytes) -> bytes:
    return x509.load_der_x509_certificate(data).public_bytes(serialization.Encoding.PEM)


def private(own: Key) -> bytes:
    return own.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def sealed(leaf: x509.Certificate, own: Key, *chain: x509.Certificate) -> certificate.Seal:
    return certificate.Seal(private=private(own), certificate=der(leaf), chain=tuple(map(der, chain)))
