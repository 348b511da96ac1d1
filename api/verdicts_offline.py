"""Verdicts on what a counter without network is shown: QR texts, pictures of codes, lists, trust files.

What a token's outcome is comes from `ledger/offline.py`; here it is told.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from api.verdicts import DEMONSTRATION, Verdict, refused
from ledger import days, offline
from signing import ids, picture, qr_image, status_list, token, trust

TEXT_BYTES_MAX = 4 * token.URL_LENGTH_MAX
"""Of a file with a QR text: white space around it is let through."""


def of_text(data: bytes, verifier: offline.Verifier, *, at: datetime, paper: offline.Paper | None) -> Verdict:
    """The verdict on a QR code's text."""
    if len(data) > TEXT_BYTES_MAX:
        return refused(f"longer than a QR code of a license: at most {token.URL_LENGTH_MAX} characters")
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return refused("not a PDF, picture, receipt, bundle, list or text: nothing that is verified here")
    return _token(verifier.code(text, at=at, paper=paper))


def of_picture(
    data: bytes, verifier: offline.Verifier, *, at: datetime, paper: offline.Paper | None
) -> Verdict:
    """The verdict on the one license's QR code in a picture."""
    try:
        texts = qr_image.read(data)
    except picture.PictureInvalid as error:
        return refused(str(error))
    found = [text for text in texts if token.PATH in text.upper()] or list(texts)
    if len(found) > 1:
        return refused(f"{len(found)} QR codes are in the picture: show one")
    return _token(verifier.code(found[0], at=at, paper=paper))


def of_list(data: bytes, verifier: offline.Verifier, *, at: datetime) -> Verdict:
    """The verdict on a status list by itself."""
    try:
        found = verifier.listed(data, at=at)
    except status_list.StatusListInvalid as error:
        return refused(str(error))
    counts = [0, 0, 0, 0]
    for byte in found.array:
        if byte:
            for shift in (0, 2, 4, 6):
                counts[byte >> shift & 3] += 1
    _, invalid, suspended, replaced = counts
    issued_at, expires_at = (
        offline.time_text(offline.time(seconds)) for seconds in (found.issued_at, found.expires_at)
    )
    lines = (
        f"status list {found.number} of {found.uri}",
        f"issued {issued_at}, good until {expires_at}",
        f"{invalid} places invalid, {suspended} suspended, {replaced} replaced",
    )
    details = {
        "number": found.number,
        "uri": found.uri,
        "issued_at": issued_at,
        "expires_at": expires_at,
        "invalid": invalid,
        "suspended": suspended,
        "replaced": replaced,
    }
    return Verdict(is_good=True, word="proven", lines=lines, details=details)


def of_trust_file(data: bytes, by: trust.TrustFile, *, now: datetime) -> Verdict:
    """The verdict on a later trust file: whether the one at hand vouches for it."""
    try:
        file = trust.parse(data)
        offline.require_made(file, now=now)
        key = trust.vouched(file, by=by)
    except (trust.TrustInvalid, offline.TrustUnfit) as error:
        return refused(str(error))
    (ledger,) = file.ledgers
    made_at = offline.time_text(file.made_at)
    assert file.fresh_until is not None, "a file that is vouched for is signed"
    fresh_until = offline.time_text(file.fresh_until)
    lines = (
        f"trust file of ledger {ids.text(ledger.ledger_id)}, made {made_at}, fresh until {fresh_until}",
        f"signed by {key.name}, key {key.hash.hex()}, which the trust file at hand believes",
        f"{len(ledger.status_lists)} status lists",
        *((DEMONSTRATION,) if ledger.is_demonstration else ()),
    )
    details = {
        "ledger_id": ids.text(ledger.ledger_id),
        "made_at": made_at,
        "fresh_until": fresh_until,
        "signed_by": key.text,
        "status_lists": sorted(ledger.status_lists),
        "is_demonstration": ledger.is_demonstration,
    }
    return Verdict(is_good=True, word="vouched for", lines=lines, details=details)


def _token(judged: offline.Judged) -> Verdict:
    said, ledger = judged.said, judged.ledger
    as_of = None if judged.as_of is None else offline.time_text(judged.as_of)
    details: dict[str, Any] = {"outcome": judged.outcome.value, "why": judged.why, "as_of": as_of}
    if said is None or ledger is None:
        return Verdict(is_good=False, word=judged.word, lines=(judged.why,), details=details)
    until = "long-term" if said.valid_to is None else f"to {days.text(said.valid_to)}"
    lines = (
        judged.why,
        *(() if as_of is None else (f"status as of {as_of}",)),
        f"license {ids.text(said.license_ref)}, version {said.version}, piece {said.piece}",
        f"valid from {days.text(said.valid_from)} {until}, made {days.text(said.issued_on)}",
        *((DEMONSTRATION,) if ledger.is_demonstration else ()),
    )
    details |= {
        "license_ref": ids.text(said.license_ref),
        "version": said.version,
        "piece": said.piece,
        "valid_from": days.text(said.valid_from),
        "valid_to": None if said.valid_to is None else days.text(said.valid_to),
        "status_list": said.status_list,
        "status_index": said.status_index,
        "is_demonstration": ledger.is_demonstration,
    }
    return Verdict(is_good=judged.is_good, word=judged.word, lines=lines, details=details)
