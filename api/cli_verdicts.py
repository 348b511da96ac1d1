"""Judging files offline: what kind a file is, and proof bundles and receipts.

Which kind a file is follows from its first bytes; codes, pictures, lists and trust files are judged in
`verdicts_offline`, documents in `verdicts_document`, exports of the trail in `verdicts_export`. Nothing is
believed but what the keys in the trust file signed.
"""

from __future__ import annotations

import importlib
import io
import re
from datetime import UTC, datetime, timedelta
from typing import BinaryIO

from api import verdicts_log, verdicts_offline
from api.verdicts import DEMONSTRATION, Verdict, refused
from ledger import audit_export, bundle, days, errors, offline
from signing import event as events
from signing import picture, receipt, trust

__all__ = ["FILE_BYTES_MAX", "Verdict", "judge", "judge_export", "time_asked"]

FILE_BYTES_MAX = 20 * 1024 * 1024
_TRUST_FILE = re.compile(rb'\s*\{\s*"(?:format|ledgers)"')
_PDF = b"%PDF-"
_LIST_TAG = b"\xd2"


def judge(
    data: bytes,
    *,
    trusted: bytes,
    event: bytes | None = None,
    at: str | None = None,
    now: datetime,
    paper: offline.Paper | None = None,
    is_witnessed: bool = False,
) -> Verdict:
    """The verdict on a file; raises Invalid when the trust file itself cannot be used.

    `is_witnessed`: a receipt or an export too needs the trust file's witnesses.
    """
    if data.startswith(audit_export.BEGINNING):
        return judge_export(io.BytesIO(data), trusted=trusted, now=now, is_witnessed=is_witnessed)
    file, verifier = _trusting(trusted, now=now)
    asked = time_asked(at, now=now)
    if data.startswith(_PDF):
        # Documents bring libraries for which nothing else waits.
        said: Verdict = importlib.import_module("api.verdicts_document").of_pdf(
            data, file, verifier, at=asked
        )
        return said
    if _TRUST_FILE.match(data):
        return verdicts_offline.of_trust_file(data, file, now=now)
    if data.lstrip()[:1] == b"{":
        return _bundle(data, file)
    if data.startswith(receipt.HEADER.encode()):
        if event is None:
            raise errors.Invalid("a receipt is verified with the event's stored bytes", field="--event")
        return _receipt(data, event, file, is_witnessed=is_witnessed)
    if verdicts_log.is_stamped(data):
        return verdicts_log.of_stamped(data, file)
    if data.startswith(_LIST_TAG):
        return verdicts_offline.of_list(data, verifier, at=asked)
    if picture.is_picture(data):
        return verdicts_offline.of_picture(data, verifier, at=asked, paper=paper)
    if verdicts_log.is_checkpoint(data):
        return verdicts_log.of_checkpoint(data, file)
    return verdicts_offline.of_text(data, verifier, at=asked, paper=paper)


def judge_export(
    stream: BinaryIO,
    *,
    first: bytes = b"",
    trusted: bytes,
    now: datetime,
    is_witnessed: bool = False,
    against: bytes | None = None,
) -> Verdict:
    """The verdict on an export, read line by line; `first` was read already. Raises Invalid as `judge`, and
    when `against`, another file that the export is held against, does not hold itself."""
    file, _ = _trusting(trusted, now=now)
    # What events say of a query is the projections' to know, for which nothing else waits.
    judging = importlib.import_module("api.verdicts_export")
    lines = judging.lines_of(stream, first=first or stream.readline(audit_export.LINE_BYTES_MAX + 1))
    said: Verdict = judging.of_export(lines, file, is_witnessed=is_witnessed, against=against)
    return said


def _trusting(trusted: bytes, *, now: datetime) -> tuple[trust.TrustFile, offline.Verifier]:
    try:
        file = trust.parse(trusted)
        return file, offline.Verifier(file, now=now)
    except (trust.TrustInvalid, offline.TrustUnfit) as error:
        raise errors.Invalid(f"the trust file: {error}", field="trust") from error


def time_asked(text: str | None, *, now: datetime) -> datetime:
    """The time that `--at` names; of a day its end, or now when it is today; raises Invalid."""
    if text is None:
        return now
    try:
        if "T" in text:
            return _instant(days.parse_instant(text))
        day = days.parse(text)
    except (ValueError, OverflowError) as error:
        raise errors.Invalid("a day YYYY-MM-DD, or a time like 2026-02-01T00:00:00Z", field="--at") from error
    is_today = day == days.of_instant(int(now.timestamp() * 1_000_000))
    return now if is_today else _instant(days.start(day + 1) - 1)


def _instant(at: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=at)


def _bundle(data: bytes, keys: trust.TrustFile) -> Verdict:
    try:
        proven = bundle.judge(data, trusted=keys)
    except bundle.BundleInvalid as error:
        is_doubt = isinstance(error.__cause__, trust.KeyCompromised)
        word = "needs a fresh receipt" if is_doubt else "refused"
        return Verdict(is_good=False, word=word, lines=(str(error),))
    lines = []
    for one in proven:
        when = days.instant_text(one.recorded_at)
        reason = f" ({one.reason})" if one.reason else ""
        lines.append(f"use at index {one.index} of {one.origin}: {one.decision}{reason}, recorded {when}")
        lines.append(f"requester {one.requester}, license {one.license_ref or 'not named'}")
        lines += [f"{name} = {value}" for name, value in sorted(one.values.items())]
        if one.is_demonstration:
            lines.append(DEMONSTRATION)
    uses = [
        {
            "index": one.index,
            "origin": one.origin,
            "decision": one.decision,
            "reason": one.reason,
            "requester": one.requester,
            "recorded_at": days.instant_text(one.recorded_at),
            "license_ref": one.license_ref,
            "values": dict(one.values),
            "is_demonstration": one.is_demonstration,
        }
        for one in proven
    ]
    return Verdict(is_good=True, word="proven", lines=tuple(lines), details={"uses": uses})


def _receipt(data: bytes, event: bytes, keys: trust.TrustFile, *, is_witnessed: bool) -> Verdict:
    try:
        about = events.parse_strictly(event)
        ledger = next((one for one in keys.ledgers if one.ledger_id == about.ledger_id), None)
        if ledger is None:
            return refused("the event is of a ledger not trusted")
        proven = trust.prove(ledger, data.decode(), event=event)
    except trust.KeyCompromised as doubt:
        return Verdict(is_good=False, word="needs a fresh receipt", lines=(str(doubt),))
    except (events.EventInvalid, receipt.ReceiptInvalid, UnicodeDecodeError) as error:
        return refused(str(error))
    lines = [
        f"{about.topic} at index {proven.index} of {proven.checkpoint.origin}",
        f"recorded {days.instant_text(about.recorded_at)}, in a tree of {proven.checkpoint.size} events",
    ]
    if ledger.is_demonstration:
        lines.append(DEMONSTRATION)
    details = {
        "index": proven.index,
        "origin": proven.checkpoint.origin,
        "size": proven.checkpoint.size,
        "topic": about.topic,
        "is_demonstration": ledger.is_demonstration,
    }
    verdict = Verdict(is_good=True, word="proven", lines=tuple(lines), details=details)
    checkpoint = receipt.parse(data.decode()).checkpoint
    return verdicts_log.with_witnesses(verdict, ledger, checkpoint, is_asked=is_witnessed)
