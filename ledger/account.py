"""Accounts of operators 经办人账号: which spellings are one account, and which client's operator it is.

`normal` is the form under which the directory finds a person of an organization, frozen with its keyed
lookups: another case or width, blanks and letters of other scripts that look alike make no second one. What
is stored is the account exactly as given. `operator_ref` is the person as an operator of one client. Rests on
NFKC and case folding (Unicode UAX #15, and §3.13 of the standard).
"""

from __future__ import annotations

import functools
import unicodedata

from ledger import errors
from signing import cbor, ids, suites

NAME_KIND = "operator-name"
"""Directory rows of the names of operators of an organization, in the same normal form as accounts."""
_ALIKE = str.maketrans(
    {
        **dict(zip("авекмнорстухіјѕԁɡһԛԝӏ", "abekmhopctyxijsdghqwl", strict=True)),
        **dict(zip("αβεηικνορτυχγω", "abenikvoptuxyw", strict=True)),
        "ı": "i",
    }
)
"""Small letters of Cyrillic, Greek and phonetic scripts to the Latin ones that they are taken for."""
_CATEGORIES = ("Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp")
_UNSEEN = {"\u034f", "\u115f", "\u1160", "\u17b4", "\u17b5", *map(chr, range(0xFE00, 0xFE10))}
"""With these categories what an account does not have: nobody would see it."""


@functools.lru_cache(maxsize=20_000)
def normal(account: str) -> str:
    """The account as the directory looks it up."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", account).casefold())
    return "".join(folded.translate(_ALIKE).split())


@functools.lru_cache(maxsize=20_000)
def operator_ref(person: bytes, client_id: bytes | None, *, suite: str) -> bytes:
    """The reference of a person as an operator of one client; at the console (None) it is the person's own.

    Anyone who knows the random reference of the person can compute it, and nobody else can: so that a replay
    sees two operators of different clients to be one person where an event says which.
    """
    if client_id is None:
        return person
    digest = suites.suite(suite).digest
    return digest(cbor.encode(["operator", person, client_id]))[: ids.ID_BYTES]


def refuse_unfit(account: str, *, field: str) -> None:
    """Nothing when the account can be told from others by eye; raises Invalid."""
    if not _is_visible(account):
        raise errors.Invalid("an account has visible characters only", field=field, fault="unseen")


@functools.lru_cache(maxsize=20_000)
def _is_visible(account: str) -> bool:
    composed = {*account, *unicodedata.normalize("NFKC", account)}
    hidden = (one in _UNSEEN or unicodedata.category(one) in _CATEGORIES for one in composed)
    return bool(normal(account)) and not any(hidden)
