"""Pages of a list: limits, the page itself, and opaque cursors that go on where it ended.

A cursor holds the next bound and the index at which the listing was begun, sealed together with the
list it belongs to: it cannot be read, changed, or used for another list.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

from ledger import errors
from signing import cbor, keys, spelling

LIMIT_MAX = 1000
INDEX_MAX = 2**62

R = TypeVar("R")


@dataclass(frozen=True, kw_only=True)
class Page(Generic[R]):
    """Some rows of a list."""

    rows: tuple[R, ...]
    through: int
    """The index that the projection had come to."""
    cursor: str | None
    """Asks for the next page; None: this is the last one."""
    rest: Bounds | None = None
    """Where the next page begins, for who goes on without a cursor; None: there is none."""


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """Between which indexes, both included, a page lies, and from which end it is read."""

    since: int
    until: int
    is_newest_first: bool = False

    def after(self, index: int) -> Bounds:
        """What remains after the row at `index`."""
        if self.is_newest_first:
            return replace(self, until=index - 1)
        return replace(self, since=index + 1)


@dataclass(frozen=True, kw_only=True)
class Fetched(Generic[R]):
    """What a search within bounds found."""

    through: int
    """The index that the projection had come to."""
    rows: list[tuple[int, R]]
    """With their indexes, in the order of the page."""
    rest: Bounds | None = None
    """Where the search gave up before it had as many rows as it was asked for."""


class Cursors:
    """Writes and reads cursors under one key."""

    def __init__(self, key: bytes) -> None:
        self._key = keys.derive(key, info=cbor.encode(["cursor", 1]))

    def bounds(self, cursor: str | None, *, of: Sequence[Any], first: Bounds) -> Bounds:
        """Where the page asked for lies in the list `of`; raises Invalid."""
        if not 0 <= first.since <= INDEX_MAX or not -1 <= first.until <= INDEX_MAX:
            raise errors.Invalid("an index is a whole number from 0", field="since_index")
        if cursor is None:
            return first
        since, until = self._read(cursor, self._context(of, first))
        return replace(first, since=since, until=until)

    def write(self, rest: Bounds, *, of: Sequence[Any], first: Bounds) -> str:
        """The cursor that asks for `rest`."""
        nonce = secrets.token_bytes(keys.NONCE_BYTES)
        plaintext = cbor.encode([rest.since, rest.until])
        sealed = keys.seal(self._key, nonce=nonce, plaintext=plaintext, context=self._context(of, first))
        return spelling.to_base32(nonce + sealed).lower()

    def _read(self, cursor: str, context: bytes) -> tuple[int, int]:
        try:
            if not cursor.isascii() or cursor != cursor.lower():
                raise spelling.SpellingInvalid("a cursor is lower-case base32")
            data = spelling.from_base32(cursor.upper())
            nonce, sealed = data[: keys.NONCE_BYTES], data[keys.NONCE_BYTES :]
            since, until = cbor.decode(
                keys.unseal(self._key, nonce=nonce, ciphertext=sealed, context=context)
            )
        except (spelling.SpellingInvalid, keys.SealBroken) as error:
            raise errors.Invalid("not a cursor of this list", field="cursor") from error
        return since, until

    def _context(self, of: Sequence[Any], first: Bounds) -> bytes:
        return cbor.encode([list(of), first.since, first.until, first.is_newest_first])


def page(
    cursors: Cursors,
    cursor: str | None,
    *,
    of: Sequence[Any],
    first: Bounds,
    limit: int,
    fetch: Callable[[Bounds, int], Fetched[R]],
) -> Page[R]:
    """One page of the list `of`; raises Invalid.

    `fetch` searches within bounds for a number of rows. Where it gives up early, the page is short and
    has a cursor all the same. A listing shows what there was when it began: its later pages end where
    its first one would have.
    """
    if not 1 <= limit <= LIMIT_MAX:
        raise errors.Invalid(f"a limit is 1 to {LIMIT_MAX}", field="limit")
    bounds = cursors.bounds(cursor, of=of, first=first)
    found = fetch(bounds, limit + 1)
    rest = found.rest
    if len(found.rows) > limit:
        rest = bounds.after(found.rows[limit - 1][0])
    following = None
    if rest is not None:
        following = cursors.write(replace(rest, until=min(rest.until, found.through)), of=of, first=first)
    rows = tuple(row for _, row in found.rows[:limit])
    return Page(rows=rows, through=found.through, cursor=following, rest=rest)
