"""Check: everything a ledger says of itself, derived again from its events.

`check` streams the history once, in its order and in bounded memory, and holds against it what the
database keeps and what is known outside it: the anchor, and a signed checkpoint that somebody kept.
It changes nothing, stops at nothing it can pass, and works while the ledger appends. It rests on the
events' bytes and on what it is given; no other row of the database is believed.
"""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ledger import (
    anchoring,
    check_attachments,
    check_directory,
    check_facts,
    check_rules,
    check_stock,
    errors,
    log,
    scratch,
)
from ledger.anchor import Anchor
from ledger.check_facts import Walk, Watch
from ledger.check_report import Enough, Finding, Findings, Report
from ledger.check_source import Source, Unreadable
from ledger.vault import Vault
from signing import keyring, keys, note, suites

__all__ = ["Finding", "Identity", "Report", "check", "identity_of"]


@dataclass(frozen=True, kw_only=True)
class Identity:
    """Which ledger it must be; from its key ring, or from what its operator published."""

    ledger_id: bytes
    origin: str
    """HOST/PATH, as the ring has it."""
    log_keys: tuple[bytes, ...] = ()
    """Public keys that sign or signed checkpoints."""
    doubted_keys: tuple[bytes, ...] = ()
    """Those of them that were in other hands."""
    suite: suites.Suite = suites.INTL


def identity_of(ring: keyring.KeyRing) -> Identity:
    """The identity that a key ring gives, retired keys included."""
    held = [key for key in ring.signing if key.purpose == "log"]
    return Identity(
        ledger_id=ring.ledger_id,
        origin=ring.origin,
        log_keys=tuple(keys.SigningKey(key.seed).public for key in held),
        doubted_keys=tuple(
            keys.SigningKey(key.seed).public for key in held if key.compromised_since is not None
        ),
        suite=ring.suite,
    )


def check(
    conninfo: str,
    *,
    identity: Identity,
    anchor: Anchor | None = None,
    vault: Vault | None = None,
    since: str | None = None,
    facts_only: bool = False,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Report:
    """What holds and what does not, of the ledger that `conninfo` (service or owner) leads to.

    `since` is the text of a signed checkpoint, or of a receipt with one, that the history must contain.
    With `vault`, tree heads must be the ledger's own, and the directory is opened row by row, since only
    its seals bind it.
    `facts_only` leaves out rules and state. `progress` is told events done and in all. Raises
    Unavailable when the database cannot be read; whatever it holds becomes a finding.
    """
    started = time.monotonic()
    findings = Findings()
    checked = _Check(Source(conninfo), findings, identity=identity, progress=progress)
    is_complete = False
    with contextlib.closing(checked.source), contextlib.suppress(Enough):
        checked.run(anchor=anchor, vault=vault, since=since, facts_only=facts_only)
        is_complete = True
    return Report(
        events=checked.walk.size if checked.walk is not None else 0,
        checkpoints=checked.walk.checkpoints if checked.walk is not None else 0,
        seconds=time.monotonic() - started,
        findings=tuple(findings.found),
        is_complete=is_complete,
        unread=tuple(checked.unread),
    )


class _Check:
    """One run."""

    def __init__(
        self,
        source: Source,
        findings: Findings,
        *,
        identity: Identity,
        progress: Callable[[int, int], None],
    ) -> None:
        self.source = source
        self.walk: Walk | None = None
        self.unread: list[str] = []
        self._findings = findings
        self._identity = identity
        self._progress = progress

    def run(self, *, anchor: Anchor | None, vault: Vault | None, since: str | None, facts_only: bool) -> None:
        # The anchor is read before the database: whatever it has seen was committed by then.
        watches = self._anchored(anchor) + self._kept(since)
        if facts_only:
            self._facts(self._new_walk(watches, vault), watches)
            return
        with scratch.opened(cached_rows_max=scratch.CACHED_ROWS_MAX) as rows:
            sources = check_stock.Sources(self.source, self._findings)
            replay = check_rules.Replay(rows, self._findings, sources)
            walk = self._new_walk(watches, vault, visit=replay.visit)
            self._facts(walk, watches)
            check_rules.compare(self.source, rows, walk, self._findings)
            sources.compare()
            self.unread += [] if sources.is_readable else ["sourceless"]
            self.unread += check_rules.compare_keeping(self.source, self._findings)
        try:
            check_attachments.compare(self.source, self._findings, suite=self._identity.suite)
        except Unreadable as error:
            self.unread.append(str(error))
        if vault is not None:
            try:
                check_directory.compare(self.source, vault, self._findings)
            except Unreadable as error:
                self.unread.append(str(error))

    def _new_walk(
        self, watches: Sequence[Watch], vault: Vault | None, *, visit: check_facts.Visit | None = None
    ) -> Walk:
        identity = self._identity
        self.walk = Walk(
            self.source,
            self._findings,
            ledger_id=identity.ledger_id,
            origin=identity.origin,
            suite=identity.suite,
            watches=watches,
            vault=vault,
            visit=visit,
            progress=self._progress,
        )
        return self.walk

    def _facts(self, walk: Walk, watches: Sequence[Watch]) -> None:
        with self.source.snapshot() as ends:
            pass
        if ends.ledger_id != self._identity.ledger_id:
            self._findings.add("ledger", "the database says it is another ledger's")
        check_facts.check_watches_beyond(watches, ends, self._findings, self._identity.suite)
        walk.advance(ends)
        for level, number in self.source.tiles_beyond():
            self._findings.add("tile", f"tile {level}/{number} is of no event")

    def _anchored(self, anchor: Anchor | None) -> list[Watch]:
        if anchor is None:
            return []
        try:
            mark = anchor.read()
            root = bytes.fromhex(mark.root)
        except (errors.HistoryBehindAnchor, ValueError) as error:
            self._findings.add("anchor", f"the anchor cannot be used: {error}")
            return []
        if mark.size == 0:
            return []
        return [Watch(kind="anchor", name="the anchor", origin=mark.origin, size=mark.size, root=root)]

    def _kept(self, since: str | None) -> list[Watch]:
        """The checkpoint that somebody kept, when a key of this ledger signed it."""
        if since is None:
            return []
        try:
            since = anchoring.kept_checkpoint(since)
        except note.NoteInvalid as error:
            self._findings.add("since", f"the given checkpoint cannot be used: {error}")
            return []
        first = since.partition("\n")[0]
        own = re.escape(log.origin_line(self._identity.origin, partition=0, generation=0))
        if not re.fullmatch(own + r"(\.[1-9][0-9]{0,8})?", first):
            self._findings.add("since", "the given checkpoint is of another origin")
            return []
        suite = self._identity.suite
        trusted = [note.VerifierKey(name=first, public=key, suite=suite) for key in self._identity.log_keys]
        try:
            text, signer = note.verify(since, trusted=trusted)
            kept = note.parse_checkpoint(text)
        except note.NoteInvalid as error:
            self._findings.add("since", f"the given checkpoint cannot be used: {error}")
            return []
        name = "the given checkpoint"
        if signer.public in self._identity.doubted_keys:
            # Whoever kept it knows since when; the ledger's own history is evidence for it, not against.
            name += ", whose key was compromised, so that it may be forged"
        return [Watch(kind="since", name=name, origin=kept.origin, size=kept.size, root=kept.root)]
