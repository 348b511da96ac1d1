"""The lane to outsiders: checkpoints are sent to witnesses and a time-stamp authority, off every other path.

One thread asks them one by one, at its own pace, and keeps what they attest; of several services one asks
at a time, and all of them look at how long who has been silent. Nothing waits for it: an outsider that
does not answer delays no append and no read, until a stop limit that an operator has set.
"""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from ledger import errors, fetching, store
from ledger.attestations import Attestations, Latest
from ledger.outsiders import Limits, Outsiders, Witness
from ledger.reading import Reader, SignedHead
from signing import cosignature, note, spelling, timestamp, witnessing

TIMEOUT_S = 5.0
"""For one answer."""
REFRESH_S = 300
"""A witness is asked again for the same tree after so long: its silence would not be seen otherwise."""
CLOCK_OFF_S = 300
SIZE_TYPE = "text/x.tlog.size"
_MEDIA_TYPE = "text/plain; charset=utf-8"
_log = logging.getLogger(__name__)
Kind = Literal["witness", "authority"]


@dataclass(frozen=True, kw_only=True)
class Standing:
    """How one outsider stands."""

    name: str
    kind: Kind
    silent_s: int
    """Since it attested last; where it never did, since this process began to ask."""
    is_silent: bool
    """Beyond the limit from which it is warned of."""
    problem: str
    """What came of asking last, where it was no attestation; empty otherwise."""


@dataclass(frozen=True, kw_only=True)
class Attested:
    """What was attested last, as of the last round; None: nothing, or nobody is asked."""

    cosigned_size: int | None = None
    cosigned_age_s: int | None = None
    stamped_size: int | None = None
    stamped_age_s: int | None = None


class Refused(Exception):
    """An outsider answered, and did not attest."""


class Attesting:
    """Asks outsiders, and tells an appender when they have been silent for too long."""

    def __init__(
        self,
        reader: Reader,
        outsiders: Outsiders,
        *,
        halt: Callable[[errors.LedgerError | None], None] = lambda error: None,
        now: Callable[[], int] = store.wall_clock,
    ) -> None:
        self._attestations = Attestations(reader=reader)
        self._reader = reader
        self._outsiders = outsiders
        self._authority = outsiders.authority() if outsiders.is_stamped else None
        self._halt = halt
        self._now = now
        self._begun_at = now()
        self._problems: dict[str, str] = {}
        self._standing: tuple[Standing, ...] = ()
        self._attested = Attested()
        self._warned: dict[str, int] = {}
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="attesting", daemon=True)

    @property
    def is_asking(self) -> bool:
        """Whether there is anyone to ask."""
        return bool(self._outsiders.witnesses) or self._authority is not None

    def start(self) -> Attesting:
        """Begin to ask, where there is anyone."""
        if self.is_asking:
            self._thread.start()
        return self

    def stop(self) -> None:
        """Ask nobody any more; waits for the answer that is awaited."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(2 * TIMEOUT_S)

    @property
    def standing(self) -> tuple[Standing, ...]:
        """How each outsider stood after the last round."""
        return self._standing

    @property
    def attested(self) -> Attested:
        """What was attested last, after the last round."""
        return self._attested

    def _run(self) -> None:
        while not self._stopping.is_set():
            begun = time.monotonic()
            try:
                self.round()
            except Exception as error:  # noqa: BLE001
                # The next round tries again; how long it has been is what the standing tells.
                _log.error("attesting failed", extra={"error_type": type(error).__name__}, exc_info=True)
            self._stopping.wait(max(0.1, self._outsiders.every_s - (time.monotonic() - begun)))

    def round(self) -> None:
        """Ask whoever is due, then look at who has been silent."""
        head = self._reader.head()
        try:
            with self._attestations.alone() as is_ours:
                if is_ours and head.size:
                    self._ask_witnesses(head)
                    self._ask_authority(head)
        finally:
            self._judge(head)

    # --- witnesses ---

    def _ask_witnesses(self, head: SignedHead) -> None:
        known = self._attestations.latest([key.text for key in self._outsiders.keys])
        lines, is_new = [], False
        for one in self._outsiders.witnesses:
            last = known.get(one.key.text)
            own = last if last is not None and _is_of(last, head) else None
            if own is not None and self._now() < own.stored_at + REFRESH_S * 1_000_000:
                lines.append(own.line)
                continue
            found = self._cosigned(one, head, last)
            if found is not None:
                self._attestations.save_cosignature(found)
                is_new = True
            lines += [one.line for one in (found or own,) if one is not None]
        if is_new and len(lines) >= self._outsiders.quorum:
            self._attestations.save_cosigned(
                generation=head.generation,
                size=head.size,
                root=head.root,
                note=cosignature.added(head.note, lines),
                at=self._now(),
            )

    def _cosigned(self, one: Witness, head: SignedHead, last: Latest | None) -> Latest | None:
        """What a witness says to a head; None, with the problem noted, when it does not cosign."""
        is_ours = last is not None and last.generation == head.generation and last.size <= head.size
        old_size = last.size if last is not None and is_ours else 0
        try:
            with fetching.Peer(one.url, timeout_s=TIMEOUT_S) as peer:
                line = self._asked(peer, one, head, old_size)
        except (fetching.Unanswered, Refused, note.NoteInvalid) as error:
            self._note_problem(one.key.name, str(error))
            return None
        self._note_problem(one.key.name, "")
        return Latest(one.key.text, head.generation, head.size, head.root, line, self._now())

    def _asked(self, peer: fetching.Peer, one: Witness, head: SignedHead, old_size: int) -> str:
        """The line of one witness; it is asked twice where it has seen another size than we thought."""
        answer = self._sent(peer, head, old_size)
        seen = _size(answer.body) if (answer.status, answer.media_type) == (409, SIZE_TYPE) else old_size
        if seen > head.size:
            raise Refused(f"it has seen {seen} events, and we have {head.size}")
        if seen != old_size:
            answer = self._sent(peer, head, seen)
        if answer.status == 200:
            return self._line(answer, one, head)
        contradicts = " as another history" if answer.status in (409, 422) else ""
        raise Refused(f"it refuses the checkpoint{contradicts}: status {answer.status}")

    def _sent(self, peer: fetching.Peer, head: SignedHead, old_size: int) -> fetching.Answer:
        proof = tuple(self._reader.consistency_proof(old_size, head.size)) if old_size < head.size else ()
        sent = witnessing.Submission(old_size=old_size, proof=proof, checkpoint=head.note)
        return peer.post("/add-checkpoint", witnessing.write(sent).encode(), media_type=_MEDIA_TYPE)

    def _line(self, answer: fetching.Answer, one: Witness, head: SignedHead) -> str:
        """The witness's own line of its answer, which verifies and is of now; raises Refused, NoteInvalid."""
        try:
            lines = note.parse_lines(answer.body.decode())
        except UnicodeDecodeError as error:
            raise Refused("no signature lines") from error
        own = [line for line in lines if (line.name, line.key_hash) == (one.key.name, one.key.hash)][:1]
        found = cosignature.verify_lines(note.taken_apart(head.note)[0], own, trusted=[one.key])
        if not found:
            raise Refused("no line of this witness")
        if abs(found[0].at_s - self._now() // 1_000_000) > CLOCK_OFF_S:
            raise Refused("the witness's clock is not ours")
        return note.signature_line(own[0])

    # --- the time-stamp authority ---

    def _ask_authority(self, head: SignedHead) -> None:
        """A stamp of this head, when the last is old enough; an unchanged tree is stamped once."""
        if self._authority is None or self._outsiders.stamp_url is None:
            return
        last = self._attestations.newest_stamp(head.generation)
        is_due = last is None or self._now() >= last.stored_at + self._outsiders.stamp_every_s * 1_000_000
        if not is_due or (last is not None and last.size == head.size):
            return
        text = note.taken_apart(head.note)[0]
        asked = timestamp.Asked(text, nonce=secrets.randbits(63), policy=self._outsiders.stamp_policy)
        begun = self._moment()
        try:
            with fetching.Peer(self._outsiders.stamp_url, timeout_s=2 * TIMEOUT_S) as peer:
                answer = peer.post("", asked.body, media_type="application/timestamp-query")
            if answer.status != 200:
                raise Refused(f"it refuses: status {answer.status}")
            response, found = asked.judge(
                answer.body, authority=self._authority, asked_at=begun, answered_at=self._moment()
            )
        except (fetching.Unanswered, Refused, timestamp.TimeStampInvalid) as error:
            self._note_problem(AUTHORITY, str(error))
            return
        self._note_problem(AUTHORITY, "")
        self._attestations.save_stamp(
            generation=head.generation,
            size=head.size,
            root=head.root,
            stamped=timestamp.Stamped(checkpoint=head.note, response=response),
            stamped_at=int(found.at.timestamp() * 1_000_000),
            at=self._now(),
        )

    # --- silence ---

    def _judge(self, head: SignedHead) -> None:
        """Warn of who has been silent, and stop appending when too many have been for too long."""
        outsiders, found = self._outsiders, []
        known = self._attestations.latest([key.text for key in outsiders.keys])
        for key in outsiders.keys:
            last = known.get(key.text)
            heard_at = 0 if last is None else last.stored_at
            found.append(self._stands(key.name, "witness", heard_at, outsiders.witness_limits))
        too_long = _beyond(
            sorted(one.silent_s for one in found)[: outsiders.quorum], outsiders.witness_limits
        )
        if self._authority is not None:
            stands = self._stands(AUTHORITY, "authority", self._stamped_at(head), outsiders.stamp_limits)
            found.append(stands)
            too_long = too_long or _beyond([stands.silent_s], outsiders.stamp_limits)
        self._standing = tuple(found)
        self._attested = self._newest(head)
        self._halt(errors.OutsidersSilent() if too_long else None)

    def _newest(self, head: SignedHead) -> Attested:
        """How old the newest cosigned checkpoint and the newest time-stamp are."""
        size, at = self._attestations.newest_cosigned(head.generation) or (None, None)
        stamp = self._attestations.newest_stamp(head.generation) if self._authority is not None else None
        return Attested(
            cosigned_size=size,
            cosigned_age_s=None if at is None else self._age_s(at),
            stamped_size=None if stamp is None else stamp.size,
            stamped_age_s=None if stamp is None else self._age_s(stamp.stored_at),
        )

    def _age_s(self, at: int) -> int:
        return max(0, (self._now() - at) // 1_000_000)

    def _stamped_at(self, head: SignedHead) -> int:
        """Until when nothing lacked a stamp: a tree that does not grow needs no other one; 0: never yet."""
        stamp = self._attestations.newest_stamp(head.generation)
        if stamp is None:
            return 0
        grown_at = None if stamp.size == head.size else self._attestations.grown_at(stamp.size)
        return self._now() if grown_at is None else max(grown_at, stamp.stored_at)

    def _stands(self, name: str, kind: Kind, heard_at: int, limits: Limits) -> Standing:
        silent_s = max(0, (self._now() - (heard_at or self._begun_at)) // 1_000_000)
        is_silent = silent_s > limits.warn_s
        if is_silent and self._now() >= self._warned.get(name, 0):
            _log.warning("an outsider is silent", extra={"outsider": name, "silent_s": silent_s})
            self._warned[name] = self._now() + limits.warn_s * 1_000_000
        elif not is_silent:
            self._warned.pop(name, None)
        return Standing(
            name=name,
            kind=kind,
            silent_s=silent_s,
            is_silent=is_silent,
            problem=self._problems.get(name, ""),
        )

    def _note_problem(self, name: str, problem: str) -> None:
        if problem and problem != self._problems.get(name, ""):
            _log.warning("an outsider did not attest", extra={"outsider": name, "reason": problem})
        self._problems[name] = problem

    def _moment(self) -> datetime:
        return datetime.fromtimestamp(self._now() / 1_000_000, UTC)


AUTHORITY = "time-stamp authority"


def _is_of(last: Latest, head: SignedHead) -> bool:
    return (last.generation, last.size, last.root) == (head.generation, head.size, head.root)


def _beyond(silences: list[int], limits: Limits) -> bool:
    """Whether one of those that are needed has been silent beyond the limit that stops appending."""
    return limits.stop_s is not None and bool(silences) and max(silences) > limits.stop_s


def _size(body: bytes) -> int:
    """The size that a witness's refusal names; raises Refused."""
    try:
        return spelling.from_decimal(body.decode().removesuffix("\n"))
    except ValueError as error:
        raise Refused("it refuses, and does not say which size it has seen") from error
