"""License identifiers 证照标识: built, read and classified by GB/T 36904-2018.

An identifier is `1.2.156.3005.2` `.` type code `.` issuer code `.` serial `.` version `.`
check character. `build` and `parse` are strict and raise `IdentifierError`; `classify` judges
what others have printed and never rewrites it. Nothing here allots serials or remembers which
identifiers exist, and since a serial may embed a citizen ID, no `repr` shows one.
Rests on `ledger.identifiers` for credit codes.
"""

import functools
import re
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from ledger import identifiers

LICENSE_ID: Final = "license-id"
ROOT: Final = "1.2.156.3005.2"
"""OID root of electronic licenses, outside the check."""
LENGTH_MAX: Final = 128
SERIAL_LENGTH_MAX: Final = 64
VERSION_MAX: Final = 999

_ALPHABET: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_VALUES: Final = {character: value + (value > 9) for value, character in enumerate(_ALPHABET)}
"""What the wrong routine counts a character for: letters one too high."""
_PLAIN: Final = re.compile("[0-9A-Z.]+")
_BODY: Final = re.compile("[0-9A-Z]+")
_SERIAL: Final = re.compile(f"[0-9A-Z]{{1,{SERIAL_LENGTH_MAX}}}")
_DIGITS: Final = re.compile("[0-9]{3}")


class Verdict(StrEnum):
    """What an identifier made elsewhere is worth; the last two call for a quality finding."""

    OK = "ok"
    LEGACY_VARIANT = "legacy-variant"
    """Only the widely copied wrong routine explains the check character."""
    BAD = "bad"


@dataclass(frozen=True, kw_only=True)
class LicenseId:
    """The parts of one identifier; made by `build`, `parse` or `classify`."""

    type_code: str
    """Credit code of the defining body and three digits."""
    issuer_code: str
    """Credit code of the issuing body; shorter in some stocks that `classify` reads."""
    serial: str = field(repr=False)
    version: int
    """1 to 999, printed as three digits."""
    check: str

    @property
    def body(self) -> str:
        """What the check character covers: the parts before it, without root and separators."""
        return f"{self.type_code}{self.issuer_code}{self.serial}{self.version:03}"

    @property
    def text(self) -> str:
        """The identifier as printed."""
        parts = (ROOT, self.type_code, self.issuer_code, self.serial, f"{self.version:03}", self.check)
        return ".".join(parts)


@dataclass(frozen=True, kw_only=True)
class Classification:
    """The judgment on an identifier made elsewhere, beside its original text."""

    text: str = field(repr=False)
    """Exactly as given: it is printed in the signed file."""
    verdict: Verdict
    fault: str | None = None
    """Why it is not `ok`: a fault of `parse`, where `check-character` serves both verdicts."""
    license_id: LicenseId | None = None
    """The parts, when the structure holds, whatever the check character."""
    check_found: str | None = None
    check_standard: str | None = None
    check_legacy: str | None = None
    warnings: tuple[str, ...] = ()
    """`issuer-not-credit-code`, `issuer-subject-code-check`, `type-subject-code-check`."""


def build(*, type_code: str, issuer_code: str, serial: str, version: int) -> LicenseId:
    """A new identifier with the standard check character.

    Raises IdentifierError: type-code, issuer-code, serial, version.
    """
    _refuse_type_code(type_code)
    if not _is_credit_code(issuer_code):
        raise _error("issuer-code")
    _refuse_serial(serial)
    if not 1 <= version <= VERSION_MAX:
        raise _error("version")
    check = check_character(f"{type_code}{issuer_code}{serial}{version:03}")
    made = LicenseId(
        type_code=type_code, issuer_code=issuer_code, serial=serial, version=version, check=check
    )
    assert len(made.text) <= LENGTH_MAX
    return made


def parse(text: str) -> LicenseId:
    """The parts of an identifier that `build` could have made.

    Raises IdentifierError: the faults of `build`, and blank, length, root, charset, part-count,
    check-character.
    """
    read = _structure(text)
    if not _is_credit_code(read.issuer_code):
        raise _error("issuer-code")
    if check_character(read.body) != read.check:
        raise _error("check-character")
    return read


def classify(text: str) -> Classification:
    """The verdict on an identifier made elsewhere: the standard first, then the variant.

    An issuer code of up to 18 letters and digits that is no credit code is a warning, since
    division codes and organization codes are in circulation. One mistyped identifier in about
    36 passes for a legacy variant: that verdict is a finding to clear, not an acceptance.
    """
    try:
        read = _structure(text)
    except identifiers.IdentifierError as error:
        return Classification(text=text, verdict=Verdict.BAD, fault=error.fault)
    standard, legacy = check_character(read.body), legacy_check_character(read.body)
    verdict = _verdict(read.check, standard=standard, legacy=legacy)
    return Classification(
        text=text,
        verdict=verdict,
        fault=None if verdict is Verdict.OK else "check-character",
        license_id=read,
        check_found=read.check,
        check_standard=standard,
        check_legacy=legacy,
        warnings=_warnings(read),
    )


def check_character(body: str) -> str:
    """The check character of a body, GB/T 17710 (ISO/IEC 7064) hybrid system MOD 37,36.

    The body is type code, issuer code, serial and version, root excluded, separators removed.
    Raises IdentifierError: charset.
    """
    _refuse_body(body)
    return identifiers.mod_37_36(body)


def legacy_check_character(body: str) -> str:
    """The character a widely copied wrong routine gives: letters one too high, one step off.

    Kept to recognize the identifiers it has filled large stocks with; never to make one.
    Raises IdentifierError: charset.
    """
    _refuse_body(body)
    product = 36
    for character in body:
        total = product + _VALUES[character]
        if character >= "A" and total > 37:
            total %= 37
        product = 2 * (total % 36 or 36) % 37
    return _ALPHABET[36 - product]


def _structure(text: str) -> LicenseId:
    """The parts of a text whose structure holds; issuer and check are not verified yet."""
    if not text or text != text.strip():
        raise _error("blank")
    if len(text) > LENGTH_MAX:
        raise _error("length")
    if not text.startswith(ROOT + "."):
        raise _error("root")
    rest = text.removeprefix(ROOT + ".")
    if _PLAIN.fullmatch(rest) is None:
        raise _error("charset")
    parts = rest.split(".")
    if len(parts) != 5:
        raise _error("part-count")
    return _parts(*parts)


def _parts(type_code: str, issuer_code: str, serial: str, version: str, check: str) -> LicenseId:
    _refuse_type_code(type_code)
    if not 1 <= len(issuer_code) <= 18:
        raise _error("issuer-code")
    _refuse_serial(serial)
    if _DIGITS.fullmatch(version) is None or version == "000":
        raise _error("version")
    if len(check) != 1:
        raise _error("check-character")
    return LicenseId(
        type_code=type_code, issuer_code=issuer_code, serial=serial, version=int(version), check=check
    )


@functools.lru_cache(maxsize=4096)
def _refuse_type_code(type_code: str) -> None:
    """GB/T 36904: the credit code of the defining body and a three-digit serial, 21 in all."""
    if not _is_credit_code(type_code[:18]) or _DIGITS.fullmatch(type_code[18:]) is None:
        raise _error("type-code")


def _refuse_serial(serial: str) -> None:
    """GB/T 36904 leaves the length to the issuer; 64 keeps the whole within 128."""
    if _SERIAL.fullmatch(serial) is None:
        raise _error("serial")


def _refuse_body(body: str) -> None:
    if _BODY.fullmatch(body) is None:
        raise _error("charset")


@functools.lru_cache(maxsize=4096)
def _subject_warns(code: str) -> bool | None:
    """Whether an organization's credit code has a wrong subject code; None: it is none as printed."""
    try:
        found = identifiers.credit_code(code)
    except identifiers.IdentifierError:
        return None
    return "subject-code-check" in found.warnings if found.code == code else None


def _is_credit_code(code: str) -> bool:
    """Whether this is a credit code exactly as printed, in upper case."""
    return _subject_warns(code) is not None


def _verdict(found: str, *, standard: str, legacy: str) -> Verdict:
    if found == standard:
        return Verdict.OK
    return Verdict.LEGACY_VARIANT if found == legacy else Verdict.BAD


def _warnings(read: LicenseId) -> tuple[str, ...]:
    warnings = []
    issuer_warns = _subject_warns(read.issuer_code)
    if issuer_warns is None:
        warnings.append("issuer-not-credit-code")
    elif issuer_warns:
        warnings.append("issuer-subject-code-check")
    if _subject_warns(read.type_code[:18]):
        warnings.append("type-subject-code-check")
    return tuple(warnings)


def _error(fault: str) -> identifiers.IdentifierError:
    return identifiers.IdentifierError(LICENSE_ID, fault)
