"""Who outside the ledger attests its checkpoints, and how long they may be silent: part of the configuration.

Witnesses cosign, a time-stamp authority says when. Silence is warned of after one limit and stops
appending after another where one is set; without it, a ledger goes on (docs/decisions/0035).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ledger import errors, fetching
from signing import cosignature, note, timestamp

WITNESSES_MAX = 8
ROOTS_BYTES_MAX = 1 << 20
_SECONDS_MAX = 366 * 86_400


@dataclass(frozen=True, kw_only=True)
class Witness:
    """A witness, and where it answers."""

    url: str
    key: cosignature.CosignerKey


@dataclass(frozen=True, kw_only=True)
class Limits:
    """How long is too long without a word, in seconds."""

    warn_s: int
    stop_s: int | None = None
    """None: appending is never stopped."""


@dataclass(frozen=True, kw_only=True)
class Outsiders:
    """Everyone who attests, and when they are asked."""

    witnesses: tuple[Witness, ...] = ()
    """LEDGER_WITNESSES: URL and verifier key of each, with blanks between."""
    quorum: int = 0
    """LEDGER_WITNESS_QUORUM: how many make a checkpoint cosigned; without it, more than half."""
    every_s: int = 10
    """LEDGER_WITNESS_EVERY_S: from one round of questions to the next."""
    witness_limits: Limits = field(default_factory=lambda: Limits(warn_s=900))
    """LEDGER_WITNESS_WARN_S, LEDGER_WITNESS_STOP_S."""
    stamp_url: str | None = None
    """LEDGER_TIMESTAMP_URL: of the RFC 3161 authority."""
    stamp_roots: Path | None = None
    """LEDGER_TIMESTAMP_ROOTS: PEM file of what stands above it; without it, checkpoints are not stamped."""
    stamp_policy: str | None = None
    """LEDGER_TIMESTAMP_POLICY: the policy to ask for, dotted numbers."""
    stamp_every_s: int = 3600
    """LEDGER_TIMESTAMP_EVERY_S."""
    stamp_limits: Limits = field(default_factory=lambda: Limits(warn_s=3 * 3600))
    """LEDGER_TIMESTAMP_WARN_S, LEDGER_TIMESTAMP_STOP_S."""

    @property
    def keys(self) -> tuple[cosignature.CosignerKey, ...]:
        """The witnesses' keys."""
        return tuple(one.key for one in self.witnesses)

    @property
    def is_stamped(self) -> bool:
        """Whether checkpoints are time-stamped."""
        return self.stamp_url is not None and self.stamp_roots is not None

    def authority(self) -> timestamp.Authority:
        """Whom the time is believed; raises Invalid when the roots cannot be read."""
        assert self.stamp_roots is not None, "checkpoints are stamped"
        try:
            with self.stamp_roots.open("rb") as file:
                roots = timestamp.parse_roots(file.read(ROOTS_BYTES_MAX))
        except (OSError, timestamp.TimeStampInvalid) as error:
            raise errors.Invalid(str(error), field="LEDGER_TIMESTAMP_ROOTS") from error
        return timestamp.Authority(roots=roots, policy=self.stamp_policy)


def from_environment(environ: Mapping[str, str]) -> Outsiders:
    """The outsiders that the environment names; raises Invalid."""
    witnesses = _witnesses(environ.get("LEDGER_WITNESSES", ""))
    quorum = _number(environ, "LEDGER_WITNESS_QUORUM", len(witnesses) // 2 + 1 if witnesses else 0)
    if not min(1, len(witnesses)) <= quorum <= len(witnesses):
        raise errors.Invalid("the quorum is from 1 to the number of witnesses", field="LEDGER_WITNESS_QUORUM")
    url, roots = environ.get("LEDGER_TIMESTAMP_URL", ""), environ.get("LEDGER_TIMESTAMP_ROOTS", "")
    policy = environ.get("LEDGER_TIMESTAMP_POLICY", "") or None
    if policy is not None and not all(part.isascii() and part.isdigit() for part in policy.split(".")):
        raise errors.Invalid("a policy is dotted numbers", field="LEDGER_TIMESTAMP_POLICY")
    return Outsiders(
        witnesses=witnesses,
        quorum=quorum,
        every_s=_number(environ, "LEDGER_WITNESS_EVERY_S", Outsiders.every_s),
        witness_limits=_limits(environ, "LEDGER_WITNESS", 900),
        stamp_url=fetching.check_url(url, field="LEDGER_TIMESTAMP_URL") if url else None,
        stamp_roots=Path(roots) if roots else None,
        stamp_policy=policy,
        stamp_every_s=_number(environ, "LEDGER_TIMESTAMP_EVERY_S", Outsiders.stamp_every_s),
        stamp_limits=_limits(environ, "LEDGER_TIMESTAMP", 3 * 3600),
    )


def _witnesses(text: str) -> tuple[Witness, ...]:
    words = text.split()
    if len(words) % 2 or len(words) > 2 * WITNESSES_MAX:
        raise errors.Invalid(
            f"at most {WITNESSES_MAX} pairs of a URL and a verifier key, with blanks between",
            field="LEDGER_WITNESSES",
        )
    try:
        found = tuple(
            Witness(
                url=fetching.check_url(url, field="LEDGER_WITNESSES"),
                key=cosignature.CosignerKey.parse(key),
            )
            for url, key in zip(words[::2], words[1::2], strict=True)
        )
        cosignature.Policy(witnesses=tuple(one.key for one in found))
    except note.NoteInvalid as error:
        raise errors.Invalid(str(error), field="LEDGER_WITNESSES") from error
    return found


def _limits(environ: Mapping[str, str], name: str, warn_s: int) -> Limits:
    warn = _number(environ, f"{name}_WARN_S", warn_s)
    stop = _number(environ, f"{name}_STOP_S", 0) or None
    if stop is not None and stop < warn:
        raise errors.Invalid("appending stops no sooner than it is warned of", field=f"{name}_STOP_S")
    return Limits(warn_s=warn, stop_s=stop)


def _number(environ: Mapping[str, str], name: str, otherwise: int) -> int:
    text = environ.get(name, "")
    if not text:
        return otherwise
    if not (text.isascii() and text.isdigit() and len(text) <= 9 and 0 < int(text) <= _SECONDS_MAX):
        raise errors.Invalid("a whole number from 1, at most a year in seconds", field=name)
    return int(text)
