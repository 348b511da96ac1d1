"""Everything the page behind a QR code can say, made without a ledger: synthetic codes and rows."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from api import look_page, look_state
from api.look_request import View
from ledger import days, errors, verification
from ledger.state import LicenseRow
from signing import token

AT = days.start(days.parse("2026-11-26")) + (10 * 3600 + 23 * 60 + 45) * 1_000_000
ISSUED = days.parse("2024-03-01")
SALT = bytes([9]) * 8
NUMBER, NAME = "913500000000000274", "榕城示例有限公司"
RESULTS = tuple(name for name in verification.NATIONAL_RESULTS if name != "unknown")
FAILURES: dict[str, errors.LedgerError] = {
    **{reason: errors.NotFound(reason=reason) for reason in look_state.REASONS},
    "cannot-tell": errors.Unavailable(),
    "wait": errors.TooManyRequests(retry_after_s=7),
    "unfit": errors.Malformed(),
}
ZH, EN = (View(language=language, host="qr.ledger.example") for language in ("zh", "en"))


def row(**members: Any) -> LicenseRow:
    """A business license."""
    values: dict[str, Any] = {
        "license_ref": bytes([7]) * 16,
        "stream_id": bytes([8]) * 16,
        "type_code": "11100000MB0143028R001",
        "issuer": "11350000000000019H",
        "status": "active",
        "status_since": days.start(ISSUED),
        "status_index": 5,
        "version": 1,
        "version_index": 5,
        "valid_from": ISSUED,
        "valid_to": None,
        "field_names": ("name",),
    }
    return LicenseRow(**values | members)


def seen(result: str = "effective", **members: Any) -> look_state.Seen:
    """What is seen of a license of which `result` is true."""
    status = "active" if verification.VERDICTS[result] != "not-valid" else result
    is_valid = result in ("effective", "endorsement-overdue")
    values: dict[str, Any] = {
        "said": token.Token(
            license_ref=bytes([7]) * 16,
            version=1,
            piece=0,
            valid_from=ISSUED,
            valid_to=days.parse("2044-02-29"),
            issued_on=ISSUED,
            status_list=0,
            status_index=4711,
            paper_digest=bytes(12),
            paper_salt=SALT,
        ),
        "row": row(status=status),
        "at": AT,
        "result": result,
        "issuer_name": None if result == "revoked" else "榕城示例市场监督管理局",
        "type_zh": "营业执照",
        "type_en": "Business License",
        "key_status": "active",
        "replaced_on": "2026-02-03" if result == "superseded" else None,
        "holder": None if result == "superseded" else "榕城****公司",
        "fields": (look_state.Field(name="domicile", label="住所", text="福州市鼓楼区示例路1号"),)
        if is_valid
        else (),
    }
    return look_state.Seen(**values | members)


def pages(view: View = ZH) -> dict[str, Response]:
    """Every page by its name."""
    found = {result: look_page.of(seen(result), view=view) for result in RESULTS}
    found |= {name: look_page.of_error(error, view=view) for name, error in FAILURES.items()}
    found["paper-matches"] = look_page.of(seen(), view=view, matches=True)
    found["paper-differs"] = look_page.of(seen(), view=view, matches=False)
    found["compromised"] = look_page.of(seen(key_status="compromised"), view=view)
    found["paper-unfit"] = look_page.of(seen(), view=view, is_unfit=True)
    demonstration = View(language=view.language, host=view.host, is_demonstration=True)
    found["demonstration"] = look_page.of(seen(key_status="retired"), view=demonstration)
    return found
