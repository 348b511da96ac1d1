"""Patterns of license fields: a subset of ECMA-262 expressions that is matched without backtracking.

`^…$`, with further `|^…$`; inside, characters, `.`, `[…]`, `\\d` and the quantifiers `? * + {n} {n,m}`, no
groups. A pattern becomes a row of states and a text is read once, so that no pattern and no text takes
longer than states × characters (RFC 9485 has the same aim). Pure.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

PATTERN_LENGTH_MAX = 200
STATES_MAX = 500
_QUANTIFIER = re.compile(r"[?*+]|\{([0-9]{1,3})(,([0-9]{0,3}))?\}")
_SPECIAL = "\\^$.*+?()[]{}|/-"
_LINE_ENDS = ((0x0A, 0x0A), (0x0D, 0x0D), (0x2028, 0x2029))
_QUANTIFIERS = {"?": (0, 1), "*": (0, None), "+": (1, None)}


class Characters(NamedTuple):
    """A set of characters as ranges of code points."""

    ranges: tuple[tuple[int, int], ...]
    is_negated: bool = False

    def has(self, character: str) -> bool:
        """Whether `character` is in the set."""
        code = ord(character)
        return any(low <= code <= high for low, high in self.ranges) is not self.is_negated


_DIGITS = Characters(((0x30, 0x39),))
_ANY = Characters(_LINE_ENDS, is_negated=True)


class State(NamedTuple):
    """One place in an alternative: what may stand there, whether it may be absent, and repeat."""

    characters: Characters
    is_optional: bool
    is_repeated: bool


@dataclass(frozen=True)
class Pattern:
    """A parsed pattern."""

    alternatives: tuple[tuple[State, ...], ...]

    @functools.cached_property
    def _machines(self) -> tuple[_Machine, ...]:
        return tuple(map(_Machine, self.alternatives))

    def matches(self, text: str) -> bool:
        """Whether the whole of `text` fits one of the alternatives."""
        return any(machine.fits(text) for machine in self._machines)


def parse(text: str) -> Pattern:
    """The pattern; raises ValueError for what is not in the subset."""
    if len(text) > PATTERN_LENGTH_MAX:
        raise ValueError(f"a pattern has at most {PATTERN_LENGTH_MAX} characters")
    reader = _Reader(text)
    alternatives = [reader.alternative()]
    while reader.take("|"):
        alternatives.append(reader.alternative())
    reader.require_end()
    if sum(map(len, alternatives)) > STATES_MAX:
        raise ValueError("a pattern repeats too much")
    return Pattern(tuple(alternatives))


class _Reader:
    """Reads a pattern from left to right."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def take(self, token: str) -> bool:
        found = self._text.startswith(token, self._at)
        self._at += len(token) if found else 0
        return found

    def require_end(self) -> None:
        if self._at != len(self._text):
            raise ValueError("a pattern ends with $")

    def alternative(self) -> tuple[State, ...]:
        """`^ item* $` as states."""
        if not self.take("^"):
            raise ValueError("each alternative of a pattern begins with ^ and ends with $")
        states: list[State] = []
        while not self.take("$"):
            characters = self._atom()
            low, high = self._quantifier()
            states += [State(characters, is_optional=False, is_repeated=False)] * low
            if high is None:
                states.append(State(characters, is_optional=True, is_repeated=True))
            else:
                states += [State(characters, is_optional=True, is_repeated=False)] * (high - low)
            if len(states) > STATES_MAX:
                raise ValueError("a pattern repeats too much")
        return tuple(states)

    def _next(self) -> str:
        if self._at >= len(self._text):
            raise ValueError("each alternative of a pattern begins with ^ and ends with $")
        self._at += 1
        return self._text[self._at - 1]

    def _atom(self) -> Characters:
        character = self._next()
        if character == "\\":
            return self._escaped()
        if character == "[":
            return self._class()
        if character == ".":
            return _ANY
        if character in _SPECIAL and character not in "-/":
            raise ValueError("a pattern has no groups and no bare special characters")
        return _single(character)

    def _escaped(self) -> Characters:
        character = self._next()
        if character == "d":
            return _DIGITS
        if character not in _SPECIAL:
            raise ValueError("a pattern escapes special characters and d only")
        return _single(character)

    def _class(self) -> Characters:
        is_negated = self.take("^")
        ranges: list[tuple[int, int]] = []
        while not self.take("]"):
            low = self._class_member()
            if self._text.startswith("-", self._at) and not self._text.startswith("-]", self._at):
                self._at += 1
                high = self._class_member()
                if len(low.ranges) != 1 or low == _DIGITS or high == _DIGITS or low.ranges > high.ranges:
                    raise ValueError("a range goes from a character to a later one")
                ranges.append((low.ranges[0][0], high.ranges[0][0]))
            else:
                ranges += low.ranges
        if not ranges:
            raise ValueError("a class has members")
        return Characters(tuple(ranges), is_negated)

    def _class_member(self) -> Characters:
        character = self._next()
        if character == "\\":
            return self._escaped()
        if character in "[^":
            raise ValueError("a class escapes [ and ^")
        return _single(character)

    def _quantifier(self) -> tuple[int, int | None]:
        found = _QUANTIFIER.match(self._text, self._at)
        if found is None:
            return 1, 1
        self._at = found.end()
        if found[0] in _QUANTIFIERS:
            return _QUANTIFIERS[found[0]]
        low = int(found[1])
        if found[2] is None:
            return low, low
        high = int(found[3]) if found[3] else None
        if high is not None and high < low:
            raise ValueError("a quantifier's end is not before its beginning")
        return low, high


def _single(character: str) -> Characters:
    code = ord(character)
    return Characters(((code, code),))


class _Machine:
    """The states of one alternative as bits of whole numbers: bit n is before state n."""

    def __init__(self, states: tuple[State, ...]) -> None:
        self._optional = _bits(state.is_optional for state in states)
        self._repeated = _bits(state.is_repeated for state in states)
        places: dict[Characters, int] = {}
        for place, state in enumerate(states):
            places[state.characters] = places.get(state.characters, 0) | 1 << place
        self._places = tuple(places.items())
        self._end = 1 << len(states)

    def fits(self, text: str) -> bool:
        """Whether the states lead through the whole of `text`; reads it once."""
        taking: dict[str, int] = {}
        reached = self._skipping(1)
        for character in text:
            takes = taking.get(character)
            if takes is None:
                takes = sum(bits for characters, bits in self._places if characters.has(character))
                taking[character] = takes
            taken = reached & takes
            if not taken:
                return False
            reached = self._skipping((taken & self._repeated) | (taken & ~self._repeated) << 1)
        return bool(reached & self._end)

    def _skipping(self, reached: int) -> int:
        """`reached`, and what lies behind states that may be absent.

        A carry runs through a row of optional states as far as the row goes.
        """
        carried = (reached & self._optional) + self._optional
        return reached | (carried ^ self._optional) & (self._optional | carried)


def _bits(marks: Iterable[bool]) -> int:
    return sum(1 << place for place, is_set in enumerate(marks) if is_set)
