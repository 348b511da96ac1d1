"""Paper: the number and name that a reader finds printed, against the digest that the QR token has of them.

Nothing is disclosed and nothing is looked up: whoever holds token and paper could do the same alone.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator

from ledger import comparison
from signing import suites, token

TYPED_MAX = 200
"""Characters of a number or a name that somebody types."""


def matches(said: token.Token, *, number: str, name: str, suite: suites.Suite) -> bool:
    """Whether number and name are those on the paper that the token was made for.

    The digest is over what was printed, to the character; what is typed on a phone may differ in width,
    case, blanks and the separator of names, so that their normal forms (docs/comparison.md) are tried too.
    """
    return any(
        token.paper_digest(salt=said.paper_salt, number=one, names=[other], suite=suite) == said.paper_digest
        for one in dict.fromkeys(_readings(number, comparison.code(number)))
        for other in dict.fromkeys(_readings(name, comparison.name(name)))
    )


def _readings(typed: str, normal: str) -> Iterator[str]:
    yield typed
    yield unicodedata.normalize("NFC", typed.strip())
    yield comparison.text(typed)
    yield normal
