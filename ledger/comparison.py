"""Comparison 在线比对: claimed values against a license's own, field by field; nothing is disclosed.

Gives `compare`, the verdict on one field, over the normal form of `docs/comparison.md`, and
`LicenseCompared`, the fact. Pure: what is stored is never normalized, and characters that machines
lose (生僻字) never make a mismatch.
"""

from __future__ import annotations

import decimal
import re
import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, ClassVar

from ledger import comparison_dates, days, errors, identifiers, joining, license, mapping, use
from ledger.fact import Fact, Touched
from ledger.state import AuthorizationRow, LicenseRow, MissRow, State, StreamRow, TypeRow, TypeRulesRow
from signing import event

VERDICTS = ("match", "matches-former-name", "needs-eyes", "mismatch", "not-held")
CLAIMS_MAX = 100
CLAIM_LENGTH_MAX = 500
MISSES_MAX = 10
"""Comparisons a Beijing day, of one holder by one requester, of which something did not match."""
SEPARATOR = "\u00b7"
_SEPARATORS = frozenset(
    "\u00b7\u0387\u2022\u2027\u2218\u2219\u22c5\u25cf\u26ab\u2024\u2981\u2e31\u2e33\u30fb\uff65"
    "\ufe52\uff0e\u3002\uff61\u318d\u119e\u1427\u16eb\ua78f\u25e6\u00b8"
)
"""What stands for the separator 间隔号 of a name in practice; the plain full stop only between letters."""
_INVISIBLE = re.compile("[\u00ad\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufe00-\ufe0f\ufeff]")
_SPACES = re.compile(r"\s+")
_FULL_WIDTH = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)} | {0x3000: 0x20}
_PLACEHOLDERS = frozenset("?\ufffd\u25a1\u25a0\u3013\u25cb\u25c7\u25c6*\u2588\u303f\u2370")
"""What systems write for a character that they do not have."""
_PRIVATE = (
    "\u2e81\U00020087\U00020089\U000200cc\u2e84\u3473\u3447\u2e88\u2e8b\u9fb4\u359e\u361a"
    "\u360e\u2e8c\u2e97\u396e\u3918\u9fb5\u39cf\u39df\u3a73\u39d0\u9fb6\u9fb7"
    "\u3b4e\u3c6e\u3ce0\u2ea7\U000215d7\u9fb8\u2eaa\u4056\u415f\u2eae\u4337\u2eb3"
    "\u2eb6\u2eb7\U0002298f\u43b1\u43ac\u2ebb\u43dd\u44d6\u4661\u464c\u9fb9\u4723"
    "\u4729\u477c\u478d\u2eca\u4947\u497a\u497d\u4982\u4983\u4985\u4986\u499f"
    "\u499b\u49b7\u49b6\u9fba\U000241fe\u4ca3\u4c9f\u4ca0\u4ca1\u4c77\u4ca2\u4d13"
    "\u4d14\u4d15\u4d16\u4d17\u4d18\u4d19\u4dae\u9fbb"
)
"""Characters that GB 18030-2000 kept at U+E815 to U+E864, by their code points of GB 18030-2022."""
_MAPPED = {0xE815 + place: character for place, character in enumerate(_PRIVATE)} | {0xE7C7: "\u1e3f"}
_RADICALS = range(0x2F00, 0x2FD6)
_WHOLE = re.compile("[0-9A-Za-z \u00b7\u4e00-\u9fa5]*")
"""Characters that no system loses, which most texts have alone."""
_DECIMAL = re.compile(r"[+-]?[0-9]{1,30}(\.[0-9]{1,30})?")
_NAME_FIELD = re.compile(r"@holder_name|name|([a-z0-9_]+_)?(name|legal_representative|representative)")
_CODE_FIELD = re.compile(r"@holder_code|@license_id|@license_number|([a-z0-9_]+_)?(id|code|number|no)")
_DATE_FIELD = re.compile(r"([a-z0-9_]+_)?(date|on|day|birthday|valid_from|valid_to|valid_until)")


def compare(field: str, *, claimed: str, held: Any, names: Iterable[str] = ()) -> str:
    """The verdict on one field that the license has; `names` are those that its holder has and had."""
    own = _written(held)
    if own is None:
        return "needs-eyes"
    form = form_of(field)
    wanted, value = form(claimed), form(own)
    if wanted == value:
        return "match"
    # A license is never rewritten: it may print the former name while the present one is claimed.
    if form is name and {wanted, value} <= {form(one) for one in names}:
        return "matches-former-name"
    if is_doubtful(wanted) or is_doubtful(value):
        return "needs-eyes"
    return "mismatch"


def form_of(field: str) -> Callable[[str], str]:
    """The normal form of a field, by its name: `name`, `code`, `date` or `text`."""
    if _DATE_FIELD.fullmatch(field):
        return date
    if _NAME_FIELD.fullmatch(field):
        return name
    return code if _CODE_FIELD.fullmatch(field) else text


def text(said: str) -> str:
    """Plain text: NFC, half width, known private code points mapped, blanks as one; numbers by value."""
    plain = _plain(said)
    return _number(plain) if _DECIMAL.fullmatch(plain) else plain


def name(said: str) -> str:
    """A name: text, Latin raised, the separator U+00B7, no blanks but between Latin words."""
    plain = _plain(said).upper()
    spelled = [
        SEPARATOR if _is_separator(plain, place) else character for place, character in enumerate(plain)
    ]
    # What is taken out may have stood between marks, whose order is then another.
    return unicodedata.normalize("NFC", _unspaced("".join(spelled)))


def code(said: str) -> str:
    """A code or number: half width, raised, without blanks; a 15-digit citizen ID in its 18 characters."""
    plain = _INVISIBLE.sub("", unicodedata.normalize("NFC", _mapped(said)).translate(_FULL_WIDTH))
    plain = unicodedata.normalize("NFC", _SPACES.sub("", plain).upper())
    if len(plain) != 15:
        return plain
    try:
        return identifiers.citizen_id_from_15(plain)
    except identifiers.IdentifierError:
        return plain


def date(said: str) -> str:
    """A day as YYYY-MM-DD, `long-term`, or the text itself when it is neither."""
    plain = text(said)
    return comparison_dates.normal(plain) or plain


def is_doubtful(normal: str) -> bool:
    """Whether a machine may have lost a character: rare ones, private ones, and what stands for them."""
    return has_lost(normal) or any(
        _is_han(character) and not _is_in_gb2312(character) for character in normal
    )


def has_lost(normal: str) -> bool:
    """Whether a normal form has private characters, or signs that stand for one."""
    return _WHOLE.fullmatch(normal) is None and any(
        character in _PLACEHOLDERS or unicodedata.category(character) in ("Co", "Cn", "Cs")
        for character in normal
    )


def _plain(said: str) -> str:
    plain = _INVISIBLE.sub("", unicodedata.normalize("NFC", _mapped(said)))
    plain = unicodedata.normalize("NFC", plain.translate(_FULL_WIDTH))
    return unicodedata.normalize("NFC", _SPACES.sub(" ", plain).strip())


def _written(held: Any) -> str | None:
    """A stored value as text; None when it is no single value."""
    if isinstance(held, bool):
        return "true" if held else "false"
    return held if isinstance(held, str) else None


def _mapped(said: str) -> str:
    return "".join(
        unicodedata.normalize("NFKC", character) if ord(character) in _RADICALS else character
        for character in said.translate(_MAPPED)
    )


def _number(plain: str) -> str:
    """A decimal number without what its value does not need; a code with zeros in front stays."""
    if len(plain.lstrip("+-")) > 1 and plain.lstrip("+-")[0] == "0" and plain.lstrip("+-")[1] != ".":
        return plain
    value = decimal.Decimal(plain)
    return format(value.normalize(decimal.Context(prec=80)), "f") if value else "0"


def _is_separator(plain: str, place: int) -> bool:
    character = plain[place]
    if character == ".":
        around = plain[place - 1 : place] + plain[place + 1 : place + 2]
        return len(around) == 2 and not any(one.isdigit() for one in around)
    return character in _SEPARATORS


def _unspaced(plain: str) -> str:
    """Without blanks, but for those between two Latin or other alphabetic words."""
    words = plain.split(" ")
    joined = words[0]
    for word in words[1:]:
        is_between_words = _is_alphabetic(joined[-1:]) and _is_alphabetic(word[:1])
        joined += f" {word}" if is_between_words else word
    return joined


def _is_alphabetic(character: str) -> bool:
    return character.isalnum() and not _is_han(character)


def _is_han(character: str) -> bool:
    at = ord(character)
    return (
        0x2E80 <= at <= 0x2FDF or 0x3400 <= at <= 0x9FFF or 0xF900 <= at <= 0xFAFF or 0x20000 <= at <= 0x3FFFF
    )


def _is_in_gb2312(character: str) -> bool:
    try:
        character.encode("gb2312")
    except UnicodeEncodeError:
        return False
    return True


def miss_key(stream_id: bytes, requester: str) -> bytes:
    """The key of what counts the misses of one holder by one requester."""
    return stream_id + requester.encode()


def counted_in(home: StreamRow) -> bytes:
    """The stream by which the misses of a holder are counted: of several files, the first."""
    return min(joining.streams(home)) if home.same_holder else home.stream_id


def requester_of(key: bytes) -> str:
    """Whose misses a key of `miss_key` counts."""
    return key[16:].decode()


def misses_left(row: MissRow | None, *, at: int) -> int:
    """How many comparisons may still miss on the Beijing day of `at`."""
    today = days.of_instant(at)
    return MISSES_MAX - (row.misses if row is not None and row.day == today else 0)


@dataclass(frozen=True, kw_only=True)
class LicenseCompared(Fact):
    """比对: what became of claimed values; the values themselves are sealed under the requester's key."""

    scope: ClassVar[str | None] = "license:use"
    stream_kind: ClassVar[str] = "holder"
    license_ref: bytes
    version: int
    license_index: int
    """Leaf index of the event that holds the compared version."""
    authorization_ref: bytes
    mode: str
    verdicts: tuple[tuple[str, str], ...]
    """(field, verdict), sorted by field."""
    kept_type: str | None = None
    """The license's type, where the holder has ended and the type outlives its holders."""
    consents: tuple[bytes, ...] = ()
    """Of a license with several parties in mode `holder`: streams of those who consented."""
    counted_in: bytes | None = None
    """The stream by which misses of a holder with several files are counted; None: the license's home."""
    own_type: str | None = None
    """The license's type, where it was compared as of the national type for which its type stands."""
    asked_type: str | None = None
    """That national type, where the license was asked for by it; the claims are then in its words."""
    named_as: tuple[tuple[str, str], ...] = ()
    """Then (own name, name in the claims) of what was claimed and has one."""

    def touches(self, about: event.Event) -> Touched:
        yield LicenseRow, self.license_ref
        yield AuthorizationRow, self.authorization_ref
        yield MissRow, self._miss_key(about)
        if self.kept_type is not None:
            yield TypeRulesRow, self.kept_type
        for stream_id in self.consents:
            yield StreamRow, stream_id
        if self.own_type is not None:
            yield TypeRow, self.own_type

    @property
    def is_miss(self) -> bool:
        """Whether something may have been claimed to try it out."""
        return any(verdict in ("mismatch", "needs-eyes") for _, verdict in self.verdicts)

    def allow(self, about: event.Event, state: State) -> None:
        row = state.get(AuthorizationRow, self.authorization_ref)
        license_row = state.get(LicenseRow, self.license_ref)
        mapped = mapping.require(self.own_type, self.asked_type, license_row, state, at=about.recorded_at)
        limits, names = self._permitted(row, license_row, mapped)
        use.require_permitted(
            row,
            license_row,
            about,
            state,
            mode=self.mode,
            fields=names,
            kept_type=self.kept_type,
            consents=self.consents,
            mapped=mapped,
            limits=limits,
        )
        assert license_row is not None, "it is permitted"
        if (self.version, self.license_index) != (license_row.version, license_row.version_index):
            raise errors.Forbidden("not the version that stood")
        self._allow_verdicts(license_row)
        home = state.need(StreamRow, about.stream_id)
        if (self.counted_in or about.stream_id) != counted_in(home):
            raise errors.Forbidden("misses are counted in another stream")
        if misses_left(state.get(MissRow, self._miss_key(about)), at=about.recorded_at) < 1:
            raise errors.ComparisonLimit

    def _permitted(
        self, row: AuthorizationRow | None, license_row: LicenseRow | None, mapped: mapping.Mapped | None
    ) -> tuple[AuthorizationRow | None, tuple[str, ...]]:
        """The authorization, and what was claimed, in the words of one type; raises Forbidden."""
        names = tuple(field for field, _ in self.verdicts)
        own = () if mapped is None or self.asked_type is None else mapped.own(names) or ()
        if self.named_as != (() if mapped is None else mapped.named_as(own)):
            raise errors.Forbidden("not what the mapping of the type says")
        if mapped is None or row is None or license_row is None:
            return None, names
        asked_type = self.asked_type or self.own_type
        if mapping.seen(row, license_row, names=names, asked_type=asked_type, mapped=mapped).mapped is None:
            raise errors.Forbidden("the comparison rests on no mapping")
        limits, wanted = mapping.in_one_language(
            row, license_row, names=names, asked_type=asked_type, mapped=mapped
        )
        return limits, wanted or ()

    def _miss_key(self, about: event.Event) -> bytes:
        return miss_key(self.counted_in or about.stream_id, about.organization)

    def _allow_verdicts(self, license_row: LicenseRow) -> None:
        names = tuple(field for field, _ in self.verdicts)
        if not 1 <= len(names) <= CLAIMS_MAX or list(names) != sorted(set(names)):
            raise errors.Forbidden("a comparison names one to 100 different fields, sorted")
        for field, verdict in self.verdicts:
            if field not in license.RESERVED_FIELDS and not license.FIELD_NAME.fullmatch(field):
                raise errors.Forbidden("not the name of a field")
            is_there = self._own_name(field) in license_row.field_names
            if verdict not in VERDICTS or (verdict == "not-held") is is_there:
                raise errors.Forbidden("not a verdict that this field can have")

    def _own_name(self, field: str) -> str | None:
        """The license's own name of a field that was claimed; None: it has none."""
        if self.asked_type is None or field.startswith("@"):
            return field
        return next((own for own, national in self.named_as if national == field), None)

    def evolve(self, about: event.Event, state: State, index: int) -> None:
        row = state.need(AuthorizationRow, self.authorization_ref)
        state.put(use.spent(row, at=about.recorded_at))
        if self.is_miss:
            key, today = self._miss_key(about), days.of_instant(about.recorded_at)
            before = state.get(MissRow, key)
            count = before.misses if before is not None and before.day == today else 0
            state.put(MissRow(miss_key=key, day=today, misses=count + 1))
