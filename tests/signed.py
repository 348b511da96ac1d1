"""What a reader of documents finds in one: who signed it, whether it holds, what is attached, what it shows.

Rests on pyHanko's own validation and on poppler, and on nothing of ours but the roots that are trusted.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from asn1crypto import x509
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.validation import validate_pdf_signature
from pyhanko_certvalidator import ValidationContext

from signing import certificate
from tests import documents


@dataclass(frozen=True, kw_only=True)
class Signed:
    """A signed document as it was read."""

    holds: bool
    signer: certificate.Described
    attachments: Mapping[str, bytes]
    keywords: str


def read(
    made: bytes, *, roots: Sequence[bytes], at: datetime, time_stamp_roots: Sequence[bytes] = ()
) -> Signed:
    """The one signature of a document, judged at a moment, and what is attached."""
    reader = PdfFileReader(io.BytesIO(made))
    (signature,) = reader.embedded_regular_signatures
    trusted, stamping = (
        ValidationContext(
            trust_roots=[x509.Certificate.load(one) for one in known], moment=at, allow_fetching=False
        )
        for known in (roots, time_stamp_roots)
    )
    status = validate_pdf_signature(signature, trusted, stamping)
    signer = certificate.describe(signature.signer_cert.dump())
    return Signed(
        holds=status.bottom_line,
        signer=signer,
        attachments=_attachments(reader),
        keywords=str(reader.trailer["/Info"]["/Keywords"]) if "/Info" in reader.trailer else "",
    )


def _attachments(reader: PdfFileReader) -> dict[str, bytes]:
    listed = list(reader.root["/Names"]["/EmbeddedFiles"]["/Names"])
    pairs = zip(listed[::2], listed[1::2], strict=True)
    return {str(name): file.get_object()["/EF"]["/F"].data for name, file in pairs}


def text(made: bytes, folder: Path) -> str:
    """What a reader of documents shows, without blanks."""
    file = folder / "document.pdf"
    file.write_bytes(made)
    return "".join(documents.asked("pdftotext", "-raw", file, "-").split())
