"""A mirror of a log, made from its checkpoint and hash tiles alone, in a folder of files.

Every hash of an upper tile is derived again from the tile below it, and the root of the whole from there;
the checkpoint is kept last, and only when it follows from the one that was kept before. The files lie at
the log's own paths, so that any web server can serve the folder.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ledger import fetching
from signing import keyring, merkle, note, split_view, tiles

CHECKPOINT = "checkpoint"
WAIT_S_MAX = 60
TRIES = 5


class MirrorError(Exception):
    """The log does not answer, or what it answers is not of one history."""


@dataclass(frozen=True, kw_only=True)
class Mirrored:
    """What a run brought."""

    origin: str
    size: int
    size_before: int
    tiles: int
    """That were fetched."""


class Mirror:
    """A folder, and the log that it mirrors."""

    def __init__(
        self,
        folder: Path,
        log: fetching.Peer,
        key: note.VerifierKey,
        *,
        wait: Callable[[float], None] = time.sleep,
    ) -> None:
        self._folder = folder
        self._log = log
        self._key = key
        self._wait = wait
        self._fetched = 0

    def run(self) -> Mirrored:
        """Bring the mirror up to the log's checkpoint; raises MirrorError, SplitView and NoteInvalid.

        1. The checkpoint is signed by the log's key. 2. Each tile that is new leads to its place in the tile
        above it. 3. The tiles lead to the checkpoint's root, and on the way to that of the kept one.
        """
        text = self._get(CHECKPOINT).decode(errors="replace")
        head = self._head(text)  # 1
        kept = self._kept()
        known = None if kept is None else self._head(kept)
        if known is not None and head.size < known.size:
            raise MirrorError(f"the log shows {head.size} events and has shown {known.size}")
        for tile in tiles.of_size(head.size):
            if not self._path(tile).exists():
                self._take(tile)  # 2
        tree = tiles.Tiles(head.size, self.read)
        if tree.root() != head.root:  # 3
            raise MirrorError("the tiles lead to another root than the checkpoint's")
        if kept is not None:
            split_view.compare(kept, text, trusted=[self._key], read=self.read)
        keyring.write_private(text.encode(), self._folder / CHECKPOINT)
        # From here the mirror has the new tree.
        self._forget_partial(head.size)
        before = 0 if known is None else known.size
        return Mirrored(origin=head.origin, size=head.size, size_before=before, tiles=self._fetched)

    def read(self, tile: tiles.Tile) -> bytes:
        """A tile that is kept, or the beginning of the full one."""
        path = self._path(tile)
        if not path.exists():
            path = self._path(tiles.Tile(tile.level, tile.number))
        return path.read_bytes()[: tile.width * tiles.HASH_BYTES]

    def _take(self, tile: tiles.Tile) -> None:
        data = self._tile(tile)
        hashes = tiles.hashes(tile, data)
        if tile.level:
            first = tile.number * merkle.TILE_WIDTH
            for place, found in enumerate(hashes):
                below = tiles.Tile(tile.level - 1, first + place)
                if merkle.root(tiles.hashes(below, self.read(below))) != found:
                    raise MirrorError(f"the tile {tile.path} does not follow from those below it")
        path = self._path(tile)
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.new")
        temporary.write_bytes(data)
        temporary.rename(path)
        self._fetched += 1

    def _get(self, path: str) -> bytes:
        answer = self._ask(path)
        if answer.status != 200:
            raise MirrorError(f"{path}: the log answers {answer.status}")
        return answer.body

    def _ask(self, path: str) -> fetching.Answer:
        """The log's answer, asked again as long as it says that it is asked too often."""
        for tries_left in reversed(range(TRIES)):
            try:
                answer = self._log.get(f"/{path}")
            except fetching.Unanswered as error:
                raise MirrorError(f"{path}: {error}") from error
            if answer.status != 429 or not tries_left:
                return answer
            self._wait(min(answer.retry_after_s or 1, WAIT_S_MAX))
        raise AssertionError("the last try is answered")

    def _tile(self, tile: tiles.Tile) -> bytes:
        """A tile from the log; of a partial one that it no longer has, the beginning of the full one."""
        if not tile.is_full:
            answer = self._ask(f"tile/{tile.path}")
            if answer.status == 200:
                return answer.body
            tile_full = tiles.Tile(tile.level, tile.number)
            return self._get(f"tile/{tile_full.path}")[: tile.width * tiles.HASH_BYTES]
        return self._get(f"tile/{tile.path}")

    def _head(self, text: str) -> note.Checkpoint:
        return split_view.head(text, trusted=(self._key,))

    def _kept(self) -> str | None:
        path = self._folder / CHECKPOINT
        return path.read_text(encoding="utf-8") if path.exists() else None

    def _path(self, tile: tiles.Tile) -> Path:
        return self._folder / "tile" / tile.path

    def _forget_partial(self, size: int) -> None:
        """Partial tiles of smaller trees are of no use once the checkpoint is kept."""
        needed = {self._path(tile) for tile in tiles.of_size(size)}
        for folder in (self._folder / "tile").rglob("*.p"):
            for path in folder.iterdir():
                if path not in needed:
                    path.unlink()
            if not any(folder.iterdir()):
                folder.rmdir()
