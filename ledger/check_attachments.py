"""Attachments held against the facts that name them: are the sealed bytes there, and have they their digest.

What was collected may be absent: that of erased holders, and of drafts that are not issued any more. Decision
state was compared with the events before. Opens nothing.
"""

from __future__ import annotations

from ledger import check_source
from ledger.check_report import Findings
from ledger.check_source import Source
from signing import attachment, ids, suites


def compare(source: Source, findings: Findings, *, suite: suites.Suite) -> None:
    """Name all sealed bytes that are missing or are not what was named; raises Unreadable."""
    after: bytes | None = None
    while True:
        page = source.attachments(after)
        for digest, license_ref, sealed in page:
            whose = _owner(license_ref)
            if sealed is None:
                findings.add("attachment", f"attachment {digest.hex()} of {whose} is missing")
            elif attachment.name(sealed, suite=suite) != digest:
                findings.add("attachment", f"attachment {digest.hex()} of {whose} has other bytes")
        if len(page) < check_source.ATTACHMENTS_MAX:
            return
        after = page[-1][0]


def _owner(license_ref: bytes | None) -> str:
    """Whose it is, as a row says that may have been changed."""
    if license_ref is None:
        return "a draft"
    is_ref = len(license_ref) == ids.ID_BYTES
    return f"license {ids.text(license_ref) if is_ref else license_ref.hex()}"
