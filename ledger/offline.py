"""Verdicts without network: QR tokens and status lists judged by a trust file, as of a time.

`Verifier` holds a trust file and the lists that were asked so far; `code` judges what a QR code says,
`listed` a status list. Nothing is believed but what the trust file's keys signed, and no clock is read:
`now` is the verifier's, `at` the time asked for. What each outcome means: `docs/offline.md`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from ledger import days
from ledger import paper as papers
from signing import status_list, token, trust

SKEW = timedelta(minutes=5)
"""By how much clocks may differ before something is of the future."""


class Outcome(StrEnum):
    """What became of a token, for programs; `Judged.word` says it to people."""

    VALID = "valid"
    NOT_COMPARED = "paper-not-compared"
    STATUS_NOT_KNOWN = "status-not-known"
    PAPER_DIFFERS = "paper-differs"
    SUSPENDED = "suspended"
    REVOKED = "revoked"
    REPLACED = "replaced"
    NOT_YET_EFFECTIVE = "not-yet-effective"
    EXPIRED = "expired"
    UNKNOWN = "unknown"
    TOO_OLD = "trust-file-too-old"
    CHECK_ONLINE = "check-online"
    REFUSED = "refused"


GOOD = frozenset({Outcome.VALID, Outcome.NOT_COMPARED, Outcome.STATUS_NOT_KNOWN})
_WORDS = {
    Outcome.NOT_COMPARED: "valid token, paper not compared",
    Outcome.STATUS_NOT_KNOWN: "valid token, status not known",
    Outcome.PAPER_DIFFERS: "paper does not match",
    Outcome.SUSPENDED: "suspended",
    Outcome.REVOKED: "revoked",
    Outcome.REPLACED: "replaced",
    Outcome.NOT_YET_EFFECTIVE: "valid token, license not yet effective",
    Outcome.EXPIRED: "valid token, license expired",
    Outcome.UNKNOWN: "unknown",
    Outcome.TOO_OLD: "trust file too old",
    Outcome.CHECK_ONLINE: "check online",
    Outcome.REFUSED: "refused",
}
_WHY = {
    Outcome.SUSPENDED: "suspended, frozen, reported lost, restricted, not endorsed, or its holder has ended",
    Outcome.REVOKED: "its license ended: annulled, recalled, revoked, cancelled, void or transferred out",
    Outcome.REPLACED: "another paper was printed in its place; the license may live: ask for the new one",
    Outcome.NOT_COMPARED: "compare number and name with the paper",
    Outcome.PAPER_DIFFERS: "number or name are not those that the code was made for",
    Outcome.NOT_YET_EFFECTIVE: "its first day has not come",
    Outcome.EXPIRED: "its last day is over",
    Outcome.TOO_OLD: "it was good when it was signed; fetch a fresh trust file for its status",
}
_ENDED: dict[int | None, Outcome] = {
    status_list.INVALID: Outcome.REVOKED,
    status_list.REPLACED: Outcome.REPLACED,
}
_PAUSED: dict[int | None, Outcome] = {status_list.SUSPENDED: Outcome.SUSPENDED}


@dataclass(frozen=True, kw_only=True)
class Paper:
    """What a reader finds printed."""

    number: str
    name: str


@dataclass(frozen=True, kw_only=True)
class Judged:
    """The verdict on one token."""

    outcome: Outcome
    why: str
    """One sentence."""
    said: token.Token | None = None
    """What the token says; None where nobody trusted signed it."""
    ledger: trust.Ledger | None = None
    as_of: datetime | None = None
    """When its status list was issued."""

    @property
    def is_good(self) -> bool:
        """Whether nothing that was asked stands against it."""
        return self.outcome in GOOD

    @property
    def word(self) -> str:
        """The verdict in words: `valid as of 2026-02-01T00:00:00Z`, `revoked`, …."""
        if self.outcome is Outcome.VALID:
            assert self.as_of is not None, "a valid one has a status"
            return f"valid as of {time_text(self.as_of)}"
        return _WORDS[self.outcome]


class _Status(NamedTuple):
    """What a list says of a piece, why there is nothing, and as of when it is."""

    status: int | None
    why: str
    as_of: datetime | None


class TrustUnfit(ValueError):
    """A trust file that cannot be used now."""


class Verifier:
    """Judges by one trust file."""

    def __init__(self, trusted: trust.TrustFile, *, now: datetime) -> None:
        require_made(trusted, now=now)
        self._file = trusted
        self._now = now
        self._ledgers = {key.key_id: ledger for ledger in trusted.ledgers for key in ledger.token_keys}
        self._believed = _merged(trust.token_keys(ledger) for ledger in trusted.ledgers)
        self._doubted = _merged(trust.doubted_token_keys(ledger) for ledger in trusted.ledgers)
        self._lists: dict[tuple[bytes, int], status_list.StatusList | None] = {}

    def code(self, text: str, *, at: datetime, paper: Paper | None = None) -> Judged:
        """The verdict on the token in a QR code's text.

        1. The text is a token, and a key of the trust file signed it; a compromised one signs for anyone.
        2. What has ended or was replaced stays so, however old the list.
        3. Its dates hold at the time asked for.
        4. The trust file and its list are fresh then, and of before.
        5. The list says nothing against it.
        6. Number and name are those on the paper, where they are given.
        """
        try:
            key_id, said = token.read(text, trusted=self._believed)  # 1
        except token.TokenInvalid as error:
            return self._refused(text, str(error))
        ledger = self._ledgers[key_id]
        known = self._status(ledger, said, at)
        outcome = (
            _ENDED.get(known.status)  # 2
            or _out_of_date(said, at)  # 3
            or self._unknown(known, at)  # 4
            or _PAUSED.get(known.status)  # 5
            or _compared(said, paper, ledger)  # 6
            or (Outcome.STATUS_NOT_KNOWN if self._file.fresh_s is None else Outcome.VALID)
        )
        why = _WHY.get(outcome) or known.why or "nothing stands against it"
        return Judged(outcome=outcome, why=why, said=said, ledger=ledger, as_of=known.as_of)

    def listed(self, data: bytes, *, at: datetime) -> status_list.StatusList:
        """The status list in `data`, fresh at `at`; raises StatusListInvalid."""
        key_id = status_list.key_id(data)
        if key_id in self._doubted:
            raise status_list.StatusListInvalid("its key was compromised: whoever has it can sign any list")
        found = status_list.parse(data, trusted=self._believed)
        self._require_timely(found, at)
        found.at(0)  # opens it
        return found

    def _refused(self, text: str, why: str) -> Judged:
        try:
            key_id, said = token.read(text, trusted=self._doubted)
        except token.TokenInvalid:
            return Judged(outcome=Outcome.REFUSED, why=why)
        return Judged(
            outcome=Outcome.CHECK_ONLINE,
            why="its key was compromised: only the ledger can say whether this piece is its own",
            said=said,
            ledger=self._ledgers[key_id],
        )

    def _status(self, ledger: trust.Ledger, said: token.Token, at: datetime) -> _Status:
        if self._file.fresh_s is None:
            return _Status(None, "the trust file has no status lists: ask the ledger", None)
        try:
            found = self._list(ledger, said.status_list)
            if found is None:
                return _Status(None, "the trust file has no such status list: it may be older", None)
            as_of = time(found.issued_at)
            if as_of > self._now + SKEW:
                return _Status(None, f"its status list was issued in the future, at {time_text(as_of)}", None)
            if as_of > at + SKEW:
                return _Status(None, "the trust file is of a later time than the one asked for", None)
            if said.issued_on > days.of_instant(found.issued_at * 1_000_000):
                return _Status(None, "it was made after the status list", None)
            status = found.at(said.status_index)
            if time(found.expires_at) < at and status not in _ENDED:
                return _Status(None, "its status list has expired", None)
            return _Status(status, "", as_of)
        except status_list.StatusListInvalid as error:
            return _Status(None, f"its status list: {error}", None)

    def _list(self, ledger: trust.Ledger, number: int) -> status_list.StatusList | None:
        """The list of the trust file, verified and opened once; raises StatusListInvalid."""
        place = (ledger.ledger_id, number)
        if place not in self._lists:
            self._lists[place] = trust.listed(ledger, number)
        return self._lists[place]

    def _unknown(self, known: _Status, at: datetime) -> Outcome | None:
        fresh_until = self._file.fresh_until
        if fresh_until is None:
            return None
        if at > fresh_until:
            return Outcome.TOO_OLD
        return Outcome.UNKNOWN if known.status is None else None

    def _require_timely(self, found: status_list.StatusList, at: datetime) -> None:
        issued_at, expires_at = time(found.issued_at), time(found.expires_at)
        if issued_at > min(at, self._now) + SKEW:
            raise status_list.StatusListInvalid(f"it was issued at {time_text(issued_at)}, in the future")
        if expires_at < at:
            raise status_list.StatusListInvalid(f"it expired at {time_text(expires_at)}")


def require_made(trusted: trust.TrustFile, *, now: datetime) -> None:
    """Nothing when a trust file was made by `now`; raises TrustUnfit."""
    if trusted.made_at > now + SKEW:
        raise TrustUnfit(
            f"it was made in the future, at {time_text(trusted.made_at)}: is this machine's clock right?"
        )


def time(seconds: int) -> datetime:
    """The time so many seconds after 1970."""
    return datetime.fromtimestamp(seconds, UTC)


def time_text(when: datetime) -> str:
    """A time in whole seconds, like 2026-02-01T00:00:00Z."""
    return when.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _merged(maps: Iterable[Mapping[bytes, bytes]]) -> Mapping[bytes, bytes]:
    return {key_id: public for one in maps for key_id, public in one.items()}


def _out_of_date(said: token.Token, at: datetime) -> Outcome | None:
    day = days.of_instant(int(at.timestamp()) * 1_000_000)
    if day < said.valid_from:
        return Outcome.NOT_YET_EFFECTIVE
    return Outcome.EXPIRED if said.valid_to is not None and day > said.valid_to else None


def _compared(said: token.Token, paper: Paper | None, ledger: trust.Ledger) -> Outcome | None:
    """What comparing says; None where all is well."""
    if paper is None:
        return Outcome.NOT_COMPARED
    is_same = papers.matches(said, number=paper.number, name=paper.name, suite=ledger.suite)
    return None if is_same else Outcome.PAPER_DIFFERS
