"""Documents: page and signature of unique licenses on one core, against the plain way.

The plain way is the same page, signed by pyHanko's `SimpleSigner` as it comes. Both take turns in each round;
what counts is processor time, so that what else the machine does matters little.
"""

from __future__ import annotations

import io
import json
import os
import random
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime

from asn1crypto import keys as asn1_keys
from asn1crypto import x509
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.sign import signers
from pyhanko.sign.fields import SigSeedSubFilter
from pyhanko_certvalidator.registry import SimpleCertificateStore

from benchmarks import result
from signing import certificate, demonstration, document, document_page, keys, suites, token

ISSUER, CREDIT_CODE = "榕城市市场监督管理局", "11350000000000019H"
AT = datetime(2026, 11, 26, tzinfo=UTC)
_SCOPE = "软件开发；信息技术咨询服务；数据处理和存储支持服务；货物进出口；技术进出口；信息系统集成服务；"
Sign = Callable[[bytes], bytes]


def main() -> int:
    """Run and tell."""
    parser = result.parser(__doc__, quick="fewer documents and rounds")
    arguments = parser.parse_args()
    rounds, documents = (3, 8) if arguments.quick else (9, 30)
    on_one_core()
    seal = demonstration.authority(at=AT).issue(name=ISSUER, credit_code=CREDIT_CODE, at=AT)
    ways: dict[str, Sign] = {"ours": lambda pdf: document.sign(pdf, seal=seal, at=AT), "plain": plain(seal)}
    made = pages()
    for sign in ways.values():  # fonts are read, templates encoded
        sign(document_page.render(next(made)))
    told = [{name: measured(sign, made, documents) for name, sign in ways.items()} for _ in range(rounds)]
    result.tell("document", figures(told, documents), arguments)
    return 0


def on_one_core() -> None:
    """This process has one core and one thread that lays out."""
    os.environ["RAYON_NUM_THREADS"] = "1"
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})


def plain(seal: certificate.Seal) -> Sign:
    """pyHanko's way, with a profile that readers take for the same."""
    registry = SimpleCertificateStore()  # type: ignore[no-untyped-call]
    registry.register_multiple([x509.Certificate.load(link) for link in seal.chain])
    signer = signers.SimpleSigner(
        signing_cert=x509.Certificate.load(seal.certificate),
        signing_key=asn1_keys.PrivateKeyInfo.load(seal.private),
        cert_registry=registry,
    )

    def sign(pdf: bytes) -> bytes:
        meta = signers.PdfSignatureMetadata(field_name=document.FIELD, subfilter=SigSeedSubFilter.PADES)
        out = signers.sign_pdf(IncrementalPdfFileWriter(io.BytesIO(pdf)), meta, signer)
        assert isinstance(out, io.BytesIO)
        return out.getvalue()

    return sign


def pages(seed: int = 1) -> Iterator[document_page.Page]:
    """Licenses without end, each with its own number, name, address, scope, code and data."""
    chance = random.Random(seed)
    key = keys.SigningKey(chance.randbytes(32))
    while True:
        number = f"9135{chance.randrange(10**14):014}"
        name = f"榕城{_words(chance, 4)}示例有限公司"
        values = (
            ("统一社会信用代码", number),
            ("名称", name),
            ("类型", "有限责任公司（自然人投资或控股）"),
            ("法定代表人", _words(chance, 3)),
            ("经营范围", "".join(chance.sample(_SCOPE.split("；"), 5)) + _words(chance, 20)),
            ("注册资本", "壹佰万元整"),
            ("住所", f"榕城市{_words(chance, 2)}区{_words(chance, 3)}路 {chance.randrange(900)} 号"),
        )
        yield document_page.Page(
            type_zh="营业执照",
            type_en="Business License",
            issuer=ISSUER,
            number=number,
            identifier=f"1.2.156.3005.2.11100000MB0143028R001.{CREDIT_CODE}.{number}.001.H",
            holders=(name,),
            fields=values,
            issued_on=date(2026, 11, 26),
            valid_from=date(2026, 11, 26),
            valid_to=None,
            piece=0,
            qr=token.url(_token(chance, key), host="ledger.example"),
            license_data=json.dumps(dict(values), ensure_ascii=False).encode(),
            receipt=b"c2sp.org/tlog-proof@v1\n" + chance.randbytes(400).hex().encode(),
            made_at=AT,
        )


def _words(chance: random.Random, count: int) -> str:
    """Invented names, of the characters that GB 2312 has in its first level."""
    return "".join(
        bytes([chance.randrange(0xB0, 0xD7), chance.randrange(0xA1, 0xFA)]).decode("gb2312", errors="replace")
        for _ in range(count)
    ).replace("\ufffd", "例")


def _token(chance: random.Random, key: keys.SigningKey) -> bytes:
    said = token.Token(
        license_ref=chance.randbytes(16),
        version=1,
        piece=0,
        valid_from=20_783,
        valid_to=None,
        issued_on=20_783,
        status_list=0,
        status_index=chance.randrange(1 << 20),
        paper_digest=chance.randbytes(token.PAPER_DIGEST_BYTES),
        paper_salt=chance.randbytes(token.PAPER_SALT_BYTES),
    )
    return token.sign(said, key=key, suite=suites.INTL)


Measured = dict[str, float]


def measured(sign: Sign, made: Iterator[document_page.Page], count: int) -> Measured:
    """Seconds of a core for the pages and for the signatures of some documents, and their bytes."""
    page_s = signature_s = size = 0.0
    for page in [next(made) for _ in range(count)]:
        begun = time.process_time()
        pdf = document_page.render(page)
        laid_out = time.process_time()
        size += len(sign(pdf))
        signature_s += time.process_time() - laid_out
        page_s += laid_out - begun
    return {"page": page_s, "signature": signature_s, "bytes": size / count}


def figures(told: list[dict[str, Measured]], count: int) -> result.Figures:
    """The ratio of the rounds, and where the time goes."""

    def total(one: Measured) -> float:
        return one["page"] + one["signature"]

    def milliseconds(way: str, part: str) -> float:
        return result.rounded(statistics.median(each[way][part] for each in told) / count * 1_000, 3)

    return {
        "ratios": {"plain": result.spread([total(each["plain"]) / total(each["ours"]) for each in told])},
        "documents_per_core_second": {
            way: result.spread([count / total(each[way]) for each in told]) for way in ("ours", "plain")
        },
        "milliseconds": {
            "page": milliseconds("ours", "page"),
            "signature": {way: milliseconds(way, "signature") for way in ("ours", "plain")},
        },
        "document_bytes": {way: round(told[0][way]["bytes"]) for way in ("ours", "plain")},
    }


if __name__ == "__main__":
    sys.exit(main())
