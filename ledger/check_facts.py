"""The first half of a check: bytes, columns, order, tree, checkpoints and tiles, event by event.

`Walk` goes once through the history in its order, in bounded memory, and recomputes the tree of
RFC 6962 §2.1 leaf by leaf, apart from the code that built it. A checkpoint that does not hold is
named, and the walk goes on with what the database says, so that one change is one finding.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from ledger import check_source, log
from ledger.check_report import Findings
from ledger.check_source import CheckpointColumns, Ends, EventColumns, Source, TileKey
from ledger.vault import Vault
from signing import event, merkle, suites

Visit = Callable[[event.Event, int], None]
"""visit(event, index)."""
Leaf = bytes | None
"""A leaf's hash; None where the event is missing."""
StoredTiles = Callable[[Sequence[TileKey]], Mapping[TileKey, bytes]]
"""stored(keys): those that there are."""


@dataclass(frozen=True, kw_only=True)
class Watch:
    """A tree head known from outside the database, which the history must contain."""

    kind: str
    name: str
    origin: str
    size: int
    root: bytes


class Walk:
    """Goes through the events up to where a snapshot ends; can be asked to go on later."""

    def __init__(
        self,
        source: Source,
        findings: Findings,
        *,
        ledger_id: bytes,
        origin: str,
        suite: suites.Suite,
        watches: Sequence[Watch] = (),
        vault: Vault | None = None,
        visit: Visit | None = None,
        progress: Callable[[int, int], None] = lambda done, total: None,
    ) -> None:
        self._source = source
        self._findings = findings
        self._ledger_id = ledger_id
        self._origin = origin
        self._suite = suite
        self._watches = watches
        self._vault = vault
        self._anchored_size = max((watch.size for watch in watches if watch.kind == "anchor"), default=0)
        self._visit = visit
        self._progress = progress
        self.size = 0
        """Leaves gone through."""
        self.checkpoints = 0
        self._is_broken = False
        self._recorded_at = 0
        self._generations = [(0, 0)]
        """(first size, generation)."""
        self._frontiers: list[merkle.Frontier] = [()]
        """Of the tree: normally one; two after a checkpoint that differs; none after a missing event."""
        self._checked_size = 0
        self._tiles = Tiles(source.tiles, findings, suite)

    def advance(self, ends: Ends) -> None:
        """Go through the events up to the end of a snapshot."""
        if ends.size > ends.position:
            self._findings.add(
                "event", f"events end at {ends.position}, but a checkpoint of size {ends.size} stands"
            )
        while self.size < ends.position and not self._is_broken:
            self._go(min(self.size + check_source.ROWS_MAX, ends.position))
            self._progress(self.size, ends.position)
        if ends.size < ends.position:
            self._findings.event(ends.size, " is covered by no checkpoint")

    def _go(self, through: int) -> None:
        rows = self._source.events(self.size, through)
        if not rows:
            last = (self._source.next_position(self.size) or through + 1) - 2
            self._findings.add(
                "event",
                f"events at index {self.size} to {last} are missing; what follows is not checked",
                index=self.size,
            )
            self._is_broken = True
            return
        leaves, times = self._leaves(rows, through)
        heads: dict[int, CheckpointColumns] = {}
        for head in self._source.checkpoints(self.size, through):
            if heads.setdefault(head[0], head) is not head:
                self._findings.add("checkpoint", f"checkpoint of size {head[0]} is there twice")
        self._grow(leaves, times, heads)
        self._tiles.add(leaves)
        self.size = through

    def _leaves(self, rows: Sequence[EventColumns], through: int) -> tuple[list[Leaf], list[int]]:
        """Leaf hashes and times of the events, each compared with its columns."""
        leaves: list[Leaf] = []
        times: list[int] = []
        base, digest, ledger_id, suite = self.size, self._suite.digest, self._ledger_id, self._suite.name
        parse = event.parse if self._visit is None else event.parse_strictly
        for position, stream_id, version, topic, recorded_at, state in rows:
            if position != base + len(leaves) + 1 and not self._follows(leaves, times, position):
                continue
            leaves.append(digest(b"\x00" + state))
            times.append(recorded_at)
            try:
                about = parse(state)
            except event.EventInvalid as error:
                self._findings.event(position - 1, f": not an event: {error}")
                continue
            said = (about.stream_id, position, about.topic, about.recorded_at)
            if said != (stream_id, version, topic, recorded_at):
                self._differing(position, said, (stream_id, version, topic, recorded_at))
            if about.ledger_id != ledger_id or about.suite != suite:
                self._findings.event(position - 1, " is of another ledger or suite")
            if about.recorded_at < self._recorded_at:
                self._findings.event(position - 1, " was recorded before the event before it")
            self._recorded_at = about.recorded_at
            if about.topic == log.LossDeclared.__name__:
                self._declared(about, position)
            if self._visit is not None:
                self._visit(about, position - 1)
        while base + len(leaves) < through:
            self._missing(leaves, times)
        return leaves, times

    def _declared(self, about: event.Event, position: int) -> None:
        """A declared loss opens another generation, for every tree head that holds it."""
        opened, present = about.fact.get("generation"), self._generations[-1][1]
        if isinstance(opened, int) and opened > present:
            self._generations.append((position, opened))

    def _follows(self, leaves: list[Leaf], times: list[int], position: int) -> bool:
        """Whether the position comes later, so that only events before it are missing."""
        if position <= self.size + len(leaves):
            self._findings.event(position - 1, " is there twice")
            return False
        while self.size + len(leaves) + 1 < position:
            self._missing(leaves, times)
        return True

    def _missing(self, leaves: list[Leaf], times: list[int]) -> None:
        self._findings.event(self.size + len(leaves), " is missing")
        leaves.append(None)
        times.append(self._recorded_at)

    def _differing(self, position: int, said: tuple[object, ...], stored: tuple[object, ...]) -> None:
        for name, one, other in zip(
            ("stream_id", "version", "topic", "recorded_at"), said, stored, strict=True
        ):
            if one != other:
                rest = "is not its position" if name == "version" else "differs from its bytes"
                self._findings.event(position - 1, f": column {name} {rest}")

    def _grow(
        self, leaves: Sequence[Leaf], times: Sequence[int], heads: dict[int, CheckpointColumns]
    ) -> None:
        """Extend the tree by the leaves, stopping wherever something is known of its root."""
        base, end = self.size, self.size + len(leaves)
        watched = {watch.size for watch in self._watches if base < watch.size <= end}
        start = base
        for cut in sorted({*heads, *watched, end}):
            self._extend(start, leaves[start - base : cut - base])
            if cut in heads:
                self._check_head(heads[cut], recorded_at=times[cut - base - 1])
            if cut in watched:
                self._check_watches(cut)
            start = cut

    def _extend(self, size: int, leaves: Sequence[Leaf]) -> None:
        known = [leaf for leaf in leaves if leaf is not None]
        if len(known) < len(leaves):
            self._frontiers = []
        digest = self._suite.digest
        self._frontiers = [_extended(frontier, size, known, digest) for frontier in self._frontiers]

    def _check_head(self, head: CheckpointColumns, *, recorded_at: int) -> None:
        size, generation, root, frontier, at, _ = head
        digest, since = self._suite.digest, self._checked_size
        self.checkpoints += 1
        self._checked_size = size
        sound = [own for own in self._frontiers if merkle.frontier_root(own, digest=digest) == root]
        if sound:
            self._frontiers = sound[:1]
            if b"".join(sound[0]) != frontier:
                self._findings.add("checkpoint", f"checkpoint of size {size}: frontier differs")
        else:
            if self._frontiers:
                self._findings.add(
                    "checkpoint",
                    f"checkpoint of size {size}: root differs from that of the events"
                    f" (its batch is index {since} to {size - 1})",
                )
            stored = _peaks(frontier, self._suite.digest_bytes)
            if len(stored) == size.bit_count() and merkle.frontier_root(stored, digest=digest) == root:
                self._frontiers = [*self._frontiers[:1], stored]
        if generation != self._generation(size):
            self._findings.add("checkpoint", f"checkpoint of size {size}: generation differs")
        if at != recorded_at:
            self._findings.add(
                "checkpoint", f"checkpoint of size {size}: time differs from its newest event's"
            )
        elif sound and generation == self._generation(size):
            self._check_own(head)

    def _check_own(self, head: CheckpointColumns) -> None:
        """A head that fits the events is still not the ledger's unless its keys say so.

        Heads from before they had a mac are known by the anchor, which was beyond them.
        """
        size, generation, root, _, at, mac = head
        if self._vault is None or (mac is None and size <= self._anchored_size):
            return
        own = self._vault.head_mac(generation=generation, size=size, root=root, at=at)
        if mac is None or not hmac.compare_digest(mac, own):
            self._findings.add("checkpoint", f"checkpoint of size {size}: it was not written by this ledger")

    def _check_watches(self, size: int) -> None:
        digest = self._suite.digest
        roots = {merkle.frontier_root(frontier, digest=digest) for frontier in self._frontiers}
        for watch in self._watches:
            if watch.size != size:
                continue
            if watch.root not in roots:
                self._findings.add(
                    watch.kind, f"at size {size} the history has another root than {watch.name}"
                )
            if watch.origin != log.origin_line(self._origin, partition=0, generation=self._generation(size)):
                self._findings.add(
                    watch.kind, f"at size {size} the history has another origin than {watch.name}"
                )

    def _generation(self, size: int) -> int:
        return next(number for first, number in reversed(self._generations) if first <= size)


class Tiles:
    """Hash tiles as the leaves fill them, each compared with the stored one."""

    def __init__(self, stored: StoredTiles, findings: Findings, suite: suites.Suite) -> None:
        self._stored = stored
        self._findings = findings
        self._digest = suite.digest
        self._width = suite.digest_bytes
        self._rows: list[list[Leaf]] = [[]]
        """By level: the hashes of the tile that is not full yet."""
        self._numbers = [0]
        """By level: the number of that tile."""

    def add(self, leaves: Iterable[Leaf]) -> None:
        """Go on with some leaves."""
        self._rows[0].extend(leaves)
        for level in range(64):
            full = self._full(level)
            if not full:
                return
            stored = self._stored([(level, number) for number, _ in full])
            above = [self._root(level, number, row, stored.get((level, number))) for number, row in full]
            if level + 1 == len(self._rows):
                self._rows.append([])
                self._numbers.append(0)
            self._rows[level + 1].extend(above)

    def _full(self, level: int) -> list[tuple[int, list[Leaf]]]:
        row, first, width = self._rows[level], self._numbers[level], merkle.TILE_WIDTH
        count = len(row) // width
        self._rows[level] = row[count * width :]
        self._numbers[level] = first + count
        return [(first + i, row[i * width : (i + 1) * width]) for i in range(count)]

    def _root(self, level: int, number: int, row: Sequence[Leaf], stored: bytes | None) -> Leaf:
        """The node above a tile; None when it cannot be told or the tile differs."""
        if stored is None:
            self._findings.add("tile", f"tile {level}/{number} is missing")
        known = [leaf for leaf in row if leaf is not None]
        if stored is not None and (len(known) < len(row) or b"".join(known) != stored):
            self._name_differences(level, number, row, stored)
            return None
        return merkle.root(known, digest=self._digest) if len(known) == len(row) else None

    def _name_differences(self, level: int, number: int, row: Sequence[Leaf], stored: bytes) -> None:
        if len(stored) != merkle.TILE_WIDTH * self._width:
            self._findings.add("tile", f"tile {level}/{number} has the wrong length")
            return
        for offset, leaf in enumerate(row):
            if leaf is None or leaf == stored[offset * self._width : (offset + 1) * self._width]:
                continue
            index = number * merkle.TILE_WIDTH + offset
            if level == 0:
                text = f"tile 0/{number}: its hash of the event at index {index} differs from the event"
                self._findings.add("tile", text, index=index)
            else:
                self._findings.add(
                    "tile", f"tile {level}/{number}: entry {offset} differs from the tile below"
                )


def check_watches_beyond(
    watches: Iterable[Watch], ends: Ends, findings: Findings, suite: suites.Suite
) -> None:
    """Name the outside tree heads that are larger than the history, or of an empty tree with leaves."""
    for watch in watches:
        if watch.size > ends.position:
            seen = f"events end at {ends.position}, {watch.name} has seen {watch.size}"
            findings.add(watch.kind, f"{seen}: history behind {watch.name}")
        elif watch.size == 0 and watch.root != suite.digest(b""):
            findings.add(watch.kind, f"{watch.name} is not the head of an empty tree")


def _extended(
    frontier: merkle.Frontier, size: int, leaves: Iterable[bytes], digest: merkle.Hash
) -> merkle.Frontier:
    """The frontier after some more leaves, one at a time: a full subtree joins the one at its left."""
    peaks = list(frontier)
    for leaf in leaves:
        node, bits = leaf, size
        while bits & 1:
            node = digest(b"\x01" + peaks.pop() + node)
            bits >>= 1
        peaks.append(node)
        size += 1
    return tuple(peaks)


def _peaks(frontier: bytes, width: int) -> merkle.Frontier:
    return tuple(frontier[i : i + width] for i in range(0, len(frontier), width))
