"""Anchoring: a committed tree head becomes the anchor's, along one history, before anybody signs it.

Every service writes to a lane of its own, so that one that is stopped amid it holds nobody up. What
the other lanes have is looked at before and again after: of two histories at most one gets through.
"""

from __future__ import annotations

import json
from collections.abc import Callable

from ledger import errors, log
from ledger.anchor import Anchor, Lane, Mark
from ledger.store import Identity, Session
from ledger.vault import Vault
from ledger.writing import Head
from signing import note, receipt

RootAt = Callable[[int], bytes | None]
"""root_at(size): the root that our history has at a size, as committed."""


class Anchoring:
    """The anchor as one appender moves it."""

    def __init__(self, anchor: Anchor) -> None:
        self._anchor = anchor
        self._lane: Lane | None = None
        self._ours: set[tuple[int, str]] = set()
        """Marks of all lanes that are known to be of our history."""
        self.is_behind = False
        """A committed head may not be in the anchor: it could not be written."""

    def close(self) -> None:
        """Give the lane back."""
        if self._lane is not None:
            self._lane.close()
            self._lane = None

    def advance(self, mark: Mark, *, before: Head, root_at: RootAt) -> None:
        """The anchor has `mark`, or a later one of its history, when this returns.

        `before` is a head of our history. Raises HistoryBehindAnchor when the anchor has another
        history, and OSError when it cannot be written.
        """
        was_behind, self.is_behind = self.is_behind, True
        self._ours |= {(0, ""), (before.size, before.root.hex())}
        if self._is_newest(mark, root_at) or was_behind:
            self.write(mark)
            # Whoever wrote at the same time is seen here, or sees us.
            self._is_newest(mark, root_at)
        self.is_behind = False

    def write(self, mark: Mark) -> None:
        """`mark` in our lane, synced, whatever the other lanes have."""
        self._lane = self._lane or self._anchor.lane()
        self._lane.write(mark)

    def _is_newest(self, mark: Mark, root_at: RootAt) -> bool:
        """Whether no lane has `mark` or a later one; raises HistoryBehindAnchor on another history."""
        is_newest = True
        marks = [found for found in self._anchor.marks() if found.generation >= mark.generation]
        for found in marks:
            if found.origin != mark.origin:
                raise errors.HistoryBehindAnchor("the anchor belongs to another origin")
            if found.size == mark.size and found.root != mark.root:
                raise errors.HistoryBehindAnchor("two histories of one size")
            if found.size != mark.size and (found.size, found.root) not in self._ours:
                root = root_at(found.size)
                if root is None or root.hex() != found.root:
                    raise errors.HistoryBehindAnchor("the anchored history is another one than this batch's")
            is_newest = is_newest and found.size < mark.size
        self._ours = {(0, "")} | {(found.size, found.root) for found in marks}
        return is_newest


def kept_checkpoint(text: str) -> str:
    """The signed checkpoint in what was kept: itself, a receipt, a backup's manifest; raises NoteInvalid."""
    try:
        if text.startswith(receipt.HEADER):
            return receipt.parse(text).checkpoint
        return str(json.loads(text)["checkpoint"]) if text.lstrip().startswith("{") else text
    except receipt.ReceiptInvalid as error:
        raise note.NoteInvalid(f"the receipt: {error}") from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise note.NoteInvalid("not the manifest of a backup") from error


def signed(vault: Vault, head: Head) -> str:
    """The signed checkpoint of an anchored head; deterministic, so a lost one can be made again."""
    origin = log.origin_line(vault.ring.origin, partition=0, generation=head.generation)
    checkpoint = note.Checkpoint(origin=origin, size=head.size, root=head.root)
    return note.sign(checkpoint.text, name=origin, key=vault.log_key, suite=vault.suite)


def root(session: Session, size: int) -> bytes | None:
    """The committed root at a size."""
    look = session.begin(anchor_size=size)
    session.rollback()
    return look.anchored_root


def confirmed_root(session: Session, size: int, *, ended: Identity) -> bytes | None:
    """The committed root at a size once the session `ended` can change nothing any more.

    A plain read could come too early: the old backend is ended and its lock waited for first. The COMMIT
    of the empty transaction waits for a replica that the batch's own COMMIT may not have waited for.
    """
    session.end_backend(ended)
    look = session.begin(anchor_size=size)
    session.commit()
    return look.anchored_root
