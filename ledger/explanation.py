"""What a code is and whether it is right, in lines for a person at a terminal.

Gives `explain`, the decision behind `license-ledger id check`: it tells citizen IDs, credit codes,
interim codes, permanent resident cards and license identifiers apart by shape. Shapes overlap (eighteen
digits may be three of them), so a reading without a flaw wins. Its lines name check characters
and never repeat the code; the normalized form alone does. Stores nothing and decides nothing.
Rests on `ledger.identifiers` and `ledger.license_id`.
"""

import re
from dataclasses import dataclass, field
from typing import Final

from ledger import identifiers, license_id

UNKNOWN: Final = "unknown"

OK: Final = "ok"
WARNING: Final = "warning"
LEGACY_VARIANT: Final = "legacy-variant"
BAD: Final = "bad"


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """One code explained."""

    verdict: str
    """`ok`, `warning`, `legacy-variant` or `bad`."""
    kind: str
    """`citizen-id`, `credit-code`, `interim-code`, `permanent-resident-card`, `license-id` or `unknown`."""
    normalized: str | None = field(default=None, repr=False)
    """The form to store; absent when the code is bad."""
    fault: str | None = None
    """Why it is bad or a legacy variant."""
    warnings: tuple[str, ...] = ()
    lines: tuple[str, ...] = ()
    """English, for a person; the words may change, unlike every other field."""

    def as_dict(self) -> dict[str, str | list[str] | None]:
        """The fields under their names, ready for JSON."""
        return {
            "verdict": self.verdict,
            "kind": self.kind,
            "normalized": self.normalized,
            "fault": self.fault,
            "warnings": list(self.warnings),
            "lines": list(self.lines),
        }


def explain(code: str) -> Explanation:
    """The best reading of a code; blanks around it are dropped, as a shell leaves them behind."""
    text = code.strip()
    if text.startswith(license_id.ROOT + "."):
        return _license_id(text)
    readings = _readings(text)
    if not readings:
        line = "no citizen ID, credit code, interim code, permanent resident card or license identifier"
        return Explanation(verdict=BAD, kind=UNKNOWN, fault="shape-unknown", lines=(line,))
    return next((reading for reading in readings if reading.verdict == OK), readings[0])


def _readings(text: str) -> list[Explanation]:
    """The readings a shape allows, the likeliest first: it speaks when none is `ok`."""
    if re.fullmatch("[A-Za-z]{3}[0-9]{12}", text):
        return [_permanent_resident_card(text)]
    if re.fullmatch("[0-9]{15}", text):
        return [_citizen_id(text)]
    if re.fullmatch("[0-9]{15,18}[0-9Xx]", text):
        return _readings_of_digits(text)
    if re.fullmatch("[Zz]{2}[0-9A-Za-z]{14,18}", text):
        return [_interim_code(text)]
    if re.fullmatch("[0-9A-Za-z]{16,20}", text):
        return [_credit_code(text)]
    return []


def _readings_of_digits(text: str) -> list[Explanation]:
    person = _permanent_resident_card(text) if text[0] == "9" else _citizen_id(text)
    credit = _credit_code(text)
    is_rather_credit = _is_rather_credit_code(text, person=person, credit=credit)
    return [credit, person] if is_rather_credit else [person, credit]


def _is_rather_credit_code(text: str, *, person: Explanation, credit: Explanation) -> bool:
    """Whether digits with neither a birth date nor the MOD 11-2 check look like a credit code."""
    if person.fault not in ("address", "birth-date", "province"):
        return False
    if identifiers.citizen_id_check_character(text[:17]) == text[17].upper():
        return False
    return credit.verdict != BAD or text[1] in identifiers.CREDIT_CODE_KINDS.get(text[0], "")


def _citizen_id(text: str) -> Explanation:
    kind = identifiers.CITIZEN_ID
    lines = _person_lines(text, standard="GB 11643")
    try:
        holder = identifiers.holder_code("111", text)
    except identifiers.IdentifierError as error:
        return _bad(kind, fault=error.fault, lines=lines)
    if len(text) == 15:
        lines = ["15 digits: converted to the 18-character form (GB 11643)"]
    return _good(kind, normalized=holder.code, warnings=holder.warnings, lines=lines)


def _permanent_resident_card(text: str) -> Explanation:
    kind = identifiers.PERMANENT_RESIDENT_CARD
    lines = _old_card_lines(text) if len(text) == 15 else _person_lines(text, standard="MOD 11-2")
    try:
        normalized = identifiers.permanent_resident_card(text)
    except identifiers.IdentifierError as error:
        return _bad(kind, fault=error.fault, lines=lines)
    return _good(kind, normalized=normalized, warnings=(), lines=lines)


def _credit_code(text: str) -> Explanation:
    kind = identifiers.CREDIT_CODE
    lines = _credit_lines(text.upper())
    try:
        found = identifiers.credit_code(text)
    except identifiers.IdentifierError as error:
        return _bad(kind, fault=error.fault, lines=lines)
    return _good(kind, normalized=found.code, warnings=found.warnings, lines=lines)


def _interim_code(text: str) -> Explanation:
    kind = identifiers.INTERIM_CODE
    code = text.upper()
    expected = identifiers.mod_37_36(code[:17])
    lines = [_compared("check character (MOD 37,36)", found=code[17], expected=expected)] * (len(code) == 18)
    try:
        normalized = identifiers.interim_code(text)
    except identifiers.IdentifierError as error:
        return _bad(kind, fault=error.fault, lines=lines)
    return _good(kind, normalized=normalized, warnings=(), lines=[*lines, "holder code type 099"])


def _license_id(text: str) -> Explanation:
    found = license_id.classify(text)
    lines = []
    if found.license_id is not None:
        lines = [
            f"check character found: {found.check_found}",
            f"standard (GB/T 36904, MOD 37,36): {found.check_standard}",
            f"legacy variant: {found.check_legacy}",
        ]
    if found.verdict is license_id.Verdict.OK:
        return _good(license_id.LICENSE_ID, normalized=text, warnings=found.warnings, lines=lines)
    return Explanation(
        verdict=found.verdict.value,
        kind=license_id.LICENSE_ID,
        # A legacy variant is stored as printed; a bad one has no form to store.
        normalized=text if found.verdict is license_id.Verdict.LEGACY_VARIANT else None,
        fault=found.fault,
        warnings=found.warnings,
        lines=(*lines, f"fault: {found.fault}", *_warning_lines(found.warnings)),
    )


def _person_lines(text: str, *, standard: str) -> list[str]:
    if len(text) != 18 or re.fullmatch("[0-9]{17}", text[:17]) is None:
        return []
    expected = identifiers.citizen_id_check_character(text[:17])
    return [_compared(f"check character ({standard})", found=text[17].upper(), expected=expected)]


def _old_card_lines(text: str) -> list[str]:
    expected = identifiers.permanent_resident_card_check_digit(text[:14].upper())
    return [_compared("check digit (ICAO 9303 weights)", found=text[14], expected=expected)]


def _credit_lines(code: str) -> list[str]:
    """Both check characters, as far as the charset lets them be computed."""
    if len(code) != 18:
        return []
    lines = []
    try:
        own = identifiers.credit_code_check_character(code[:17])
        lines.append(_compared("check character (GB 32100)", found=code[17], expected=own))
    except identifiers.IdentifierError:
        lines.append("check character (GB 32100): not computed, a character is outside its charset")
    subject = identifiers.subject_code_check_character(code[8:16])
    lines.append(_compared("subject code check (GB 11714)", found=code[16], expected=subject))
    return lines


def _compared(label: str, *, found: str, expected: str) -> str:
    return f"{label}: found {found}, expected {expected}"


def _good(kind: str, *, normalized: str, warnings: tuple[str, ...], lines: list[str]) -> Explanation:
    return Explanation(
        verdict=WARNING if warnings else OK,
        kind=kind,
        normalized=normalized,
        warnings=warnings,
        lines=(*lines, *_warning_lines(warnings)),
    )


def _bad(kind: str, *, fault: str, lines: list[str]) -> Explanation:
    return Explanation(verdict=BAD, kind=kind, fault=fault, lines=(*lines, f"fault: {fault}"))


def _warning_lines(warnings: tuple[str, ...]) -> list[str]:
    return [f"warning: {warning}" for warning in warnings]
