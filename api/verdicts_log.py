"""Verdicts on the log offline: checkpoints, with their witnesses, and time-stamped checkpoints."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from api.verdicts import DEMONSTRATION, Verdict, refused
from signing import cosignature, note, timestamp, trust, trust_witness

NEEDS_WITNESSES = "needs witnesses"
_SIGNATURE = "\n\n— ".encode()


def is_stamped(data: bytes) -> bool:
    """Whether a file says that it is a time-stamped checkpoint."""
    return data.startswith(timestamp.HEADER.encode() + b"\n")


def is_checkpoint(data: bytes) -> bool:
    """Whether a file looks like a signed note: text, and signature lines behind an empty line."""
    return len(data) <= note.NOTE_BYTES_MAX and _SIGNATURE in data


def of_checkpoint(data: bytes, file: trust.TrustFile) -> Verdict:
    """A signed tree head: proven when a believed key signed it and as many witnesses as are asked for."""
    try:
        text = data.decode()
        ledger = _ledger(file, text)
        head = trust_witness.head(ledger, text)
        policy = trust_witness.policy(ledger)
        found = cosignature.verified(text, trusted=policy.witnesses)
    except (note.NoteInvalid, trust.TrustInvalid, UnicodeDecodeError) as error:
        return refused(str(error))
    if (other := _contradiction(ledger, head)) is not None:
        return refused(other, origin=head.origin, size=head.size)
    lines = [f"{head.origin}: a tree of {head.size} events", *witness_lines(found, policy)]
    details = {"origin": head.origin, "size": head.size, **witness_details(found, policy)}
    if ledger.is_demonstration:
        lines.append(DEMONSTRATION)
    is_enough = len(found) >= policy.quorum
    word = "proven" if is_enough else NEEDS_WITNESSES
    return Verdict(is_good=is_enough, word=word, lines=tuple(lines), details=details)


def of_stamped(data: bytes, file: trust.TrustFile) -> Verdict:
    """A time-stamped tree head: what the stamp proves, of a checkpoint that the ledger stands for."""
    try:
        held = timestamp.parse(data.decode())
        ledger = _ledger(file, held.checkpoint)
        head = trust_witness.head(ledger, held.checkpoint)
        found = trust_witness.stamped(ledger, held)
    except (note.NoteInvalid, timestamp.TimeStampInvalid, trust.TrustInvalid, UnicodeDecodeError) as error:
        return refused(str(error))
    at = found.at.strftime("%Y-%m-%dT%H:%M:%SZ")
    lines = [f"{head.origin}: a tree of {head.size} events, there by {at}", f"under policy {found.policy}"]
    if ledger.is_demonstration:
        lines.append(DEMONSTRATION)
    details = {"origin": head.origin, "size": head.size, "stamped_at": at, "policy": found.policy}
    return Verdict(is_good=True, word="proven", lines=tuple(lines), details=details)


def with_witnesses(verdict: Verdict, ledger: trust.Ledger, signed: str, *, is_asked: bool) -> Verdict:
    """A verdict on what a checkpoint proves, with who cosigned it; not good without a quorum asked for.

    Unasked, an event that was recorded a moment ago is proven before witnesses have seen it.
    """
    try:
        policy = trust_witness.policy(ledger)
        found = cosignature.verified(signed, trusted=policy.witnesses)
    except (note.NoteInvalid, trust.TrustInvalid) as error:
        return refused(str(error), **verdict.details)
    lines = (*verdict.lines, *witness_lines(found, policy))
    details = {**verdict.details, **witness_details(found, policy)}
    is_enough = not is_asked or len(found) >= max(1, policy.quorum)
    word = verdict.word if is_enough else NEEDS_WITNESSES
    return Verdict(is_good=verdict.is_good and is_enough, word=word, lines=lines, details=details)


def witness_lines(found: tuple[cosignature.Cosignature, ...], policy: cosignature.Policy) -> tuple[str, ...]:
    """Who cosigned and when, and how many are asked for."""
    said = tuple(f"cosigned by {one.key.name}, {_instant(one.at_s)}" for one in found)
    asked = f"{len(found)} of {len(policy.witnesses)} witnesses, {policy.quorum} are asked for"
    return (*said, asked) if policy.witnesses else said


def witness_details(found: tuple[cosignature.Cosignature, ...], policy: cosignature.Policy) -> dict[str, Any]:
    """The same for programs."""
    return {
        "witnesses": [{"name": one.key.name, "at": _instant(one.at_s)} for one in found],
        "quorum": policy.quorum,
    }


def _instant(at_s: int) -> str:
    try:
        return datetime.fromtimestamp(at_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (OverflowError, OSError, ValueError):
        return "at no time that there is"


def _ledger(file: trust.TrustFile, text: str) -> trust.Ledger:
    """The ledger whose origin a note names; raises NoteInvalid."""
    first = text.partition("\n")[0]
    for ledger in file.ledgers:
        if any(origin.origin == first for origin in ledger.origins):
            return ledger
    raise note.NoteInvalid("the checkpoint is of a log not trusted")


def _contradiction(ledger: trust.Ledger, head: note.Checkpoint) -> str | None:
    """That the trust file's own checkpoint shows another tree of the same size: the log has two histories."""
    for origin in ledger.origins:
        if origin.origin != head.origin or origin.checkpoint is None:
            continue
        known = note.parse_checkpoint(note.taken_apart(origin.checkpoint)[0])
        if known.size == head.size and known.root != head.root:
            return f"split view: the trust file has another tree of {head.size} events"
    return None
