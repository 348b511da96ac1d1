"""What a projection is: a name, a version, tables, and how facts in their order change them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, NamedTuple, Protocol

from ledger import fact
from projections import db
from signing import event, ids


class Happened(NamedTuple):
    """One fact, at its place."""

    index: int  # type: ignore[assignment]  # hides a method of tuples that nobody asks for here
    about: event.Event
    fact: fact.Fact


class Projection(Protocol):
    """A read model that follows the facts."""

    name: ClassVar[str]
    """Also the name of its SQL file."""
    version: ClassVar[int]
    """Rises when its tables, or what stands in them, change: then it must be rebuilt."""
    tables: ClassVar[tuple[str, ...]]
    """In the order in which its pages read them: a rebuild locks them in this order."""

    def apply(self, work: db.Work, happened: Sequence[Happened]) -> None:
        """Change the tables by facts that follow those applied before, none left out; called again after a
        failure.
        """


def licenses_of(made: fact.Fact) -> list[bytes]:
    """The licenses that a fact names."""
    one = getattr(made, "license_ref", None)
    if one is not None:
        return [one]
    return [ref if isinstance(ref, bytes) else ids.parse(ref) for ref in getattr(made, "license_refs", ())]
