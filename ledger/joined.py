"""Lines of those who joined another's authorization: a stream, and until when, by a mandate that ends."""

from __future__ import annotations

from collections.abc import Iterable

from signing import ids


def line(stream_id: bytes, until: int | None) -> str:
    """The line in decision state."""
    return ids.text(stream_id) if until is None else f"{ids.text(stream_id)} {until}"


def standing(lines: Iterable[str], *, at: int) -> set[bytes]:
    """The streams of those whose consent stands at an instant."""
    found = set()
    for text in lines:
        name, _, until = text.partition(" ")
        if not until or at < int(until):
            found.add(ids.parse(name))
    return found


def without(lines: Iterable[str], stream_id: bytes) -> tuple[str, ...]:
    """The lines of all others."""
    gone = ids.text(stream_id)
    return tuple(text for text in lines if text.partition(" ")[0] != gone)
