"""The worked example of `docs/formats/document.md`: the keywords of the example license's page."""

from __future__ import annotations

from datetime import UTC, date, datetime

from signing import document_page

DATA = b'{"number":"913500000000000274"}'


def blocks(*, qr: str, receipt: str, number: str, name: str, identifier: str) -> dict[str, str]:
    """The named block of the document."""
    page = document_page.Page(
        type_zh="营业执照",
        type_en="Business License",
        issuer="榕城示例局",
        number=number,
        identifier=identifier,
        holders=(name,),
        fields=(("名称", name),),
        issued_on=date(2026, 1, 1),
        valid_from=date(2026, 1, 1),
        valid_to=None,
        piece=0,
        qr=qr,
        license_data=DATA,
        receipt=receipt.encode(),
        made_at=datetime(2026, 1, 1, tzinfo=UTC),
    )
    return {"keywords": "\n".join(document_page.keywords(page))}
