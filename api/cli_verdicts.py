"""Judging files offline: proof bundle, receipt with event, QR text; one `Verdict` for all.

Which kind a file is follows from its first bytes. Nothing is believed but what the trust file's keys
signed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from ledger import bundle, days, errors
from signing import event as events
from signing import ids, receipt, token, trust

FILE_BYTES_MAX = 16 * 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What was judged."""

    is_good: bool
    word: str
    """`proven`, `refused`, `valid token, paper not compared`, …."""
    lines: tuple[str, ...] = ()
    details: dict[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """The verdict for programs."""
        return {"good": self.is_good, "verdict": self.word, "lines": list(self.lines), **self.details}


def judge(data: bytes, *, trusted: bytes, event: bytes | None, at: str | None, now: datetime) -> Verdict:
    """The verdict on a file; raises Invalid when the trust file itself cannot be used."""
    try:
        keys = trust.parse(trusted)
    except trust.TrustInvalid as error:
        raise errors.Invalid(f"the trust file: {error}", field="trust") from error
    if data.lstrip()[:1] == b"{":
        return _bundle(data, keys)
    if data.startswith(receipt.HEADER.encode()):
        if event is None:
            raise errors.Invalid("a receipt is verified with the event's stored bytes", field="--event")
        return _receipt(data, event, keys)
    return _token(data, keys, days.parse(at) if at is not None else _today(now))


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
            lines.append("This is a DEMONSTRATION ledger: nothing here has force in law.")
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


def _receipt(data: bytes, event: bytes, keys: trust.TrustFile) -> Verdict:
    try:
        about = events.parse_strictly(event)
        ledger = next((one for one in keys.ledgers if one.ledger_id == about.ledger_id), None)
        if ledger is None:
            return Verdict(is_good=False, word="refused", lines=("the event is of a ledger not trusted",))
        proven = trust.prove(ledger, data.decode(), event=event)
    except trust.KeyCompromised as doubt:
        return Verdict(is_good=False, word="needs a fresh receipt", lines=(str(doubt),))
    except (events.EventInvalid, receipt.ReceiptInvalid, UnicodeDecodeError) as error:
        return Verdict(is_good=False, word="refused", lines=(str(error),))
    lines = [
        f"{about.topic} at index {proven.index} of {proven.checkpoint.origin}",
        f"recorded {days.instant_text(about.recorded_at)}, in a tree of {proven.checkpoint.size} events",
    ]
    if ledger.is_demonstration:
        lines.append("This is a DEMONSTRATION ledger: nothing here has force in law.")
    details = {
        "index": proven.index,
        "origin": proven.checkpoint.origin,
        "size": proven.checkpoint.size,
        "topic": about.topic,
        "is_demonstration": ledger.is_demonstration,
    }
    return Verdict(is_good=True, word="proven", lines=tuple(lines), details=details)


def _token(data: bytes, keys: trust.TrustFile, today: int) -> Verdict:
    """A QR token: what its signature says; status and paper are for others to compare."""
    refusal = "no ledger is trusted"
    for ledger in keys.ledgers:
        try:
            said = token.parse(data.decode(), trusted=trust.token_keys(ledger), suite=ledger.suite)
        except (token.TokenInvalid, UnicodeDecodeError) as error:
            refusal = str(error)
            if _is_doubted(data, ledger):
                return _CHECK_ONLINE
            continue
        return _token_verdict(said, ledger, today)
    return Verdict(
        is_good=False, word="refused", lines=(refusal if keys.ledgers else "no ledger is trusted",)
    )


def _is_doubted(data: bytes, ledger: trust.Ledger) -> bool:
    """Whether a compromised key of the ledger signed the token: so could whoever has the key."""
    try:
        token.parse(data.decode(), trusted=trust.doubted_token_keys(ledger), suite=ledger.suite)
    except (token.TokenInvalid, UnicodeDecodeError):
        return False
    return True


_CHECK_ONLINE = Verdict(
    is_good=False,
    word="check online",
    lines=("its key was compromised: only the ledger can say whether this piece is its own",),
)


def _token_verdict(said: token.Token, ledger: trust.Ledger, today: int) -> Verdict:
    word = "valid token, paper not compared"
    if today < said.valid_from:
        word = "valid token, license not yet effective"
    elif said.valid_to is not None and today > said.valid_to:
        word = "valid token, license expired"
    is_good = today >= said.valid_from and (said.valid_to is None or today <= said.valid_to)
    until = "long-term" if said.valid_to is None else f"to {days.text(said.valid_to)}"
    lines = [
        f"license {ids.text(said.license_ref)}, version {said.version}, piece {said.piece}",
        f"valid from {days.text(said.valid_from)} {until}, made {days.text(said.issued_on)}",
        "status is not known offline: ask the ledger",
    ]
    if ledger.is_demonstration:
        lines.append("This is a DEMONSTRATION ledger: nothing here has force in law.")
    details = {
        "license_ref": ids.text(said.license_ref),
        "version": said.version,
        "piece": said.piece,
        "valid_from": days.text(said.valid_from),
        "valid_to": None if said.valid_to is None else days.text(said.valid_to),
        "is_demonstration": ledger.is_demonstration,
    }
    return Verdict(is_good=is_good, word=word, lines=tuple(lines), details=details)


def _today(now: datetime) -> int:
    return days.of_instant(int(now.timestamp() * 1_000_000))
