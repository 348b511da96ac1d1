"""Codes of persons and bodies: what a holder code is, in its one normalized form.

Gives citizen IDs (GB 11643), credit codes (GB 32100 with GB 11714), foreign permanent
resident cards, and the holder code types of GB/T 36903 Annex A. Verifies by raising
`IdentifierError`; what a careful reader should look at but must not refuse is a warning.
Never reads a clock, a file or a database, never looks a region code up (retired codes stay
valid for life, GB 11643), and never puts a code into a message or a `repr`.
Rests on the standard library alone.
"""

import functools
import operator
import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from types import MappingProxyType
from typing import Final

CITIZEN_ID: Final = "citizen-id"
CREDIT_CODE: Final = "credit-code"
PERMANENT_RESIDENT_CARD: Final = "permanent-resident-card"
HOLDER_CODE: Final = "holder-code"
INTERIM_CODE: Final = "interim-code"

FREE_TEXT_LENGTH_MAX: Final = 50
"""Longest service-card, 099 or 999 code."""

_YEARS_OF_BIRTH: Final = range(1800, 2100)
CREDIT_ALPHABET: Final = "0123456789ABCDEFGHJKLMNPQRTUWXY"
"""The 31 characters of GB 32100: no I, O, S, V, Z."""
_ALPHABET: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_CREDIT_VALUES, _VALUES = (
    {character: value for value, character in enumerate(alphabet)}
    for alphabet in (CREDIT_ALPHABET, _ALPHABET)
)
_INTERIM: Final = f"ZZ[0-9]{{6}}[{CREDIT_ALPHABET}]{{9}}"
_CITIZEN_WEIGHTS: Final = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_CITIZEN_ID_LENGTH: Final = 18
_CREDIT_WEIGHTS: Final = (1, 3, 9, 27, 19, 26, 16, 17, 20, 29, 25, 13, 8, 24, 10, 30, 28)
_SUBJECT_WEIGHTS: Final = (3, 7, 9, 10, 5, 8, 4, 2)
_HALF_WIDTH: Final = {wide: wide - 0xFEE0 for wide in range(0xFF01, 0xFF5F)}
_CITIZEN_WINDOW: Final = re.compile("(?=([1-8][0-9]{5}(?:18|19|20)[0-9]{9}[0-9X]))")

CREDIT_CODE_KINDS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "1": "1239",  # establishment offices: organs, institutions, mass organizations
        "2": "19",  # foreign affairs
        "3": "123459",  # justice
        "4": "19",  # culture
        "5": "123459",  # civil affairs; 54 and 55 are committees, which is which is not derived
        "6": "129",  # tourism
        "7": "129",  # religion
        "8": "19",  # trade unions
        "9": "123",  # market regulation: enterprises, individual businesses, cooperatives
        "A": "19",  # military establishment
        "N": "1239",  # rural collectives
        "Y": "1",  # others
    }
)
"""Registering department (first character) to its known kinds (second), GB 32100. It grows."""


class IdentifierError(ValueError):
    """A code that is not what it should be; the message never contains the code."""

    def __init__(self, kind: str, fault: str) -> None:
        super().__init__(kind, fault)
        self.kind = kind
        """What the code should have been, e.g. `citizen-id`."""
        self.fault = fault
        """Stable kebab-case word, e.g. `check-character`."""

    def __str__(self) -> str:
        return f"{self.kind}: {self.fault}"


@dataclass(frozen=True, kw_only=True)
class CreditCode:
    """A unified social credit code whose GB 32100 check character is right."""

    code: str
    warnings: tuple[str, ...] = ()
    """`subject-code-check` (GB 11714 disagrees), `kind-unknown` (first two characters)."""


@dataclass(frozen=True, kw_only=True)
class HolderCodeType:
    """One row of GB/T 36903 Annex A."""

    code: str
    name_zh: str
    category_zh: str
    is_natural_person: bool


@dataclass(frozen=True, kw_only=True)
class HolderCode:
    """A holder's code under its code type; the pair (code_type, code) is what is compared."""

    code_type: str
    code: str = field(repr=False)
    """Normalized: upper case, half width, a 15-digit citizen ID in its 18-digit form."""
    printed: str = field(repr=False, compare=False)
    """Exactly as given, since the signed file prints it."""
    is_natural_person: bool
    warnings: tuple[str, ...] = field(default=(), compare=False)


def citizen_id(text: str) -> str:
    """The 18-character citizen ID, `x` raised to `X`, a 15-digit one converted.

    GB 11643: address, birth date, sequence, MOD 11-2 check character. Residence permits of
    81, 82 and 83 follow the same rule. The caller keeps the printed form.
    Raises IdentifierError: blank, length, charset, address, birth-date, check-character.
    """
    _refuse_blank(text, kind=CITIZEN_ID)
    if len(text) == 15:
        return citizen_id_from_15(text)
    code = text.replace("x", "X")
    _refuse_shape(code, kind=CITIZEN_ID, length=18, pattern="[0-9]{17}[0-9X]")
    if code[0] in "09":
        raise IdentifierError(CITIZEN_ID, "address")
    _refuse_birth_date(code[6:14], kind=CITIZEN_ID)
    if citizen_id_check_character(code[:17]) != code[17]:
        raise IdentifierError(CITIZEN_ID, "check-character")
    return code


def citizen_id_from_15(text: str) -> str:
    """The 18-character form of a 15-digit citizen ID: `19` before the year, check behind.

    GB 11643. Sequences 996 to 999 marked centenarians, who were born in 18xx: `holder_code`
    warns of them, and nothing here guesses their century.
    """
    _refuse_shape(text, kind=CITIZEN_ID, length=15, pattern="[0-9]{15}")
    first17 = f"{text[:6]}19{text[6:]}"
    return citizen_id(first17 + citizen_id_check_character(first17))


def is_citizen_id(text: str) -> bool:
    """Whether `citizen_id` would accept the text."""
    try:
        citizen_id(text)
    except IdentifierError:
        return False
    return True


def contains_citizen_id(text: str) -> bool:
    """Whether any 18-character window of the text is a valid citizen ID.

    Full-width digits and a lower-case x count. 15-digit windows do not: they carry no check
    character, so they would refuse many legitimate business numbers.
    """
    if len(text) < _CITIZEN_ID_LENGTH and text.isascii():
        return False
    folded = (text if text.isascii() else unicodedata.normalize("NFKC", text)).upper()
    return any(is_citizen_id(window) for window in _CITIZEN_WINDOW.findall(folded))


def citizen_id_check_character(first17: str) -> str:
    """The 18th character, GB 11643 and ISO 7064 MOD 11-2; permanent resident cards share it."""
    _refuse_shape(first17, kind=CITIZEN_ID, length=17, pattern="[0-9]{17}")
    total = sum(map(operator.mul, _CITIZEN_WEIGHTS, map(int, first17)))
    return "10X98765432"[total % 11]


@functools.lru_cache(maxsize=4096)
def credit_code(text: str) -> CreditCode:
    """The credit code in upper case, with its warnings.

    GB 32100: department, kind, six-digit division, subject code of nine (GB 11714), check.
    Raises IdentifierError: blank, length, charset, check-character. A wrong GB 11714
    character and an unknown kind are warnings: the first occurs in issued codes, and the
    table of kinds grows.
    """
    _refuse_blank(text, kind=CREDIT_CODE)
    code = _upper(text)
    pattern = f"[{CREDIT_ALPHABET}]{{2}}[0-9]{{6}}[{CREDIT_ALPHABET}]{{10}}"
    _refuse_shape(code, kind=CREDIT_CODE, length=18, pattern=pattern)
    if credit_code_check_character(code[:17]) != code[17]:
        raise IdentifierError(CREDIT_CODE, "check-character")
    warnings = []
    if subject_code_check_character(code[8:16]) != code[16]:
        warnings.append("subject-code-check")
    if code[1] not in CREDIT_CODE_KINDS.get(code[0], ""):
        warnings.append("kind-unknown")
    return CreditCode(code=code, warnings=tuple(warnings))


def credit_code_check_character(first17: str) -> str:
    """The 18th character of a credit code, GB 32100: weights 3^(i-1) mod 31."""
    _refuse_shape(first17, kind=CREDIT_CODE, length=17, pattern=f"[{CREDIT_ALPHABET}]{{17}}")
    pairs = zip(_CREDIT_WEIGHTS, first17, strict=True)
    total = sum([weight * _CREDIT_VALUES[character] for weight, character in pairs])
    return CREDIT_ALPHABET[-total % 31]


def subject_code_check_character(first8: str) -> str:
    """The ninth character of a subject code (organization code), GB 11714: 11 minus sum mod 11."""
    _refuse_shape(first8, kind="subject-code", length=8, pattern="[0-9A-Z]{8}")
    pairs = zip(_SUBJECT_WEIGHTS, first8, strict=True)
    total = sum([weight * _VALUES[character] for weight, character in pairs])
    return "0X987654321"[total % 11]


def interim_code(text: str) -> str:
    """The interim code 无代码主体赋码 of a body without a credit code, in upper case.

    `ZZ`, six digits of the division that allotted it, nine characters of GB 32100, and the check character
    of GB/T 17710 MOD 37,36. No credit code begins with Z. Its code type is 099 (docs/identifiers.md).
    Raises IdentifierError: blank, length, charset, check-character.
    """
    _refuse_blank(text, kind=INTERIM_CODE)
    code = _upper(text)
    _refuse_shape(code, kind=INTERIM_CODE, length=18, pattern=f"{_INTERIM}[0-9A-Z]")
    if mod_37_36(code[:17]) != code[17]:
        raise IdentifierError(INTERIM_CODE, "check-character")
    return code


def make_interim_code(division: str, serial: str) -> str:
    """The interim code of a division's serial; raises IdentifierError: length, charset."""
    _refuse_shape(division, kind=INTERIM_CODE, length=6, pattern="[0-9]{6}")
    _refuse_shape(serial, kind=INTERIM_CODE, length=9, pattern=f"[{CREDIT_ALPHABET}]{{9}}")
    first17 = f"ZZ{division}{serial}"
    return first17 + mod_37_36(first17)


def mod_37_36(body: str) -> str:
    """The check character of GB/T 17710 (ISO/IEC 7064), hybrid system MOD 37,36, over 0-9 and A-Z."""
    product = 36
    for character in body:
        product = 2 * ((product + _VALUES[character]) % 36 or 36) % 37
    return _ALPHABET[(37 - product) % 36]


def permanent_resident_card(text: str) -> str:
    """The number of a foreign permanent resident card, new (18) or old (15), in upper case.

    New, since 2023-12-01: `9`, province 11 to 65, numeric nationality, birth date, sequence,
    and the check of GB 11643. Old, of 2017: nationality letters, area, YYMMDD, sequence, check.
    Raises IdentifierError: blank, length, charset, province, birth-date, check-character.
    """
    _refuse_blank(text, kind=PERMANENT_RESIDENT_CARD)
    code = _upper(text)
    if len(code) == 15:
        _verify_old_card(code)
    else:
        _verify_new_card(code)
    return code


def permanent_resident_card_check_digit(first14: str) -> str:
    """The 15th character of an old card: ICAO 9303 weights 7-3-1, sum mod 10."""
    _refuse_shape(first14, kind=PERMANENT_RESIDENT_CARD, length=14, pattern="[A-Z]{3}[0-9]{11}")
    total = sum((7, 3, 1)[at % 3] * _ALPHABET.index(character) for at, character in enumerate(first14))
    return str(total % 10)


def holder_code(code_type: str, code: str) -> HolderCode:
    """The holder code, normalized and verified as its type demands (GB/T 36903 Annex A).

    Strict: 001, 111, 511, 516. The others are checked for length, charset and surrounding
    blanks only; what a pattern says about them is a warning. `^` is refused everywhere: it
    joins several holders in the exchange format.
    Raises IdentifierError of kind citizen-id, credit-code or holder-code.
    """
    if code_type not in HOLDER_CODE_TYPES:
        raise IdentifierError(HOLDER_CODE, "code-type-unknown")
    normalized, warnings = _RULES[code_type](code)
    return HolderCode(
        code_type=code_type,
        code=normalized,
        printed=code,
        is_natural_person=HOLDER_CODE_TYPES[code_type].is_natural_person,
        warnings=warnings,
    )


def _refuse_blank(text: str, *, kind: str) -> None:
    if not text or text != text.strip():
        raise IdentifierError(kind, "blank")


def _refuse_shape(text: str, *, kind: str, length: int, pattern: str) -> None:
    if len(text) != length:
        raise IdentifierError(kind, "length")
    if re.fullmatch(pattern, text) is None:
        raise IdentifierError(kind, "charset")


def _refuse_birth_date(yyyymmdd: str, *, kind: str) -> None:
    if not _is_birth_date(yyyymmdd):
        raise IdentifierError(kind, "birth-date")


@functools.lru_cache(maxsize=65_536)
def _is_birth_date(yyyymmdd: str) -> bool:
    """Whether the day exists and its year lies in 1800 to 2099; there is no clock to ask."""
    year, month, day = int(yyyymmdd[:4]), int(yyyymmdd[4:6]), int(yyyymmdd[6:])
    try:
        return date(year, month, day).year in _YEARS_OF_BIRTH
    except ValueError:
        return False


def _upper(text: str) -> str:
    """ASCII letters raised; `str.upper` would lengthen some others and turn some into ASCII."""
    return text.upper() if text.isascii() else re.sub("[a-z]+", lambda found: found.group().upper(), text)


def _verify_new_card(code: str) -> None:
    kind = PERMANENT_RESIDENT_CARD
    _refuse_shape(code, kind=kind, length=18, pattern="9[0-9]{16}[0-9X]")
    if not 11 <= int(code[1:3]) <= 65:
        raise IdentifierError(kind, "province")
    _refuse_birth_date(code[6:14], kind=kind)
    if citizen_id_check_character(code[:17]) != code[17]:
        raise IdentifierError(kind, "check-character")


def _verify_old_card(code: str) -> None:
    kind = PERMANENT_RESIDENT_CARD
    _refuse_shape(code, kind=kind, length=15, pattern="[A-Z]{3}[0-9]{12}")
    if not any(_is_birth_date(century + code[7:13]) for century in ("19", "20")):
        raise IdentifierError(kind, "birth-date")
    if permanent_resident_card_check_digit(code[:14]) != code[14]:
        raise IdentifierError(kind, "check-character")


_Normalized = tuple[str, tuple[str, ...]]


def _credit(text: str) -> _Normalized:
    found = credit_code(text)
    return found.code, found.warnings


def _citizen(text: str) -> _Normalized:
    is_centenarian = len(text) == 15 and text[12:] in ("996", "997", "998", "999")
    return citizen_id(text), ("centenarian-sequence",) if is_centenarian else ()


def _permit(pattern: str) -> Callable[[str], _Normalized]:
    """Travel permits 511 and 516, refused unless they match."""

    def rule(text: str) -> _Normalized:
        code = _folded(text)
        if re.fullmatch(pattern, code) is None:
            raise IdentifierError(HOLDER_CODE, "pattern")
        return code, ()

    return rule


def _passport(pattern: str) -> Callable[[str], _Normalized]:
    """Passports 41x; every foreign passport may carry the warning `pattern`, so it only warns."""

    def rule(text: str) -> _Normalized:
        code = _folded(text)
        if not 5 <= len(code) <= 20:
            raise IdentifierError(HOLDER_CODE, "length")
        if re.fullmatch("[0-9A-Z]+", code) is None:
            raise IdentifierError(HOLDER_CODE, "charset")
        return code, () if re.fullmatch(pattern, code) else ("pattern",)

    return rule


def _free_text(text: str) -> _Normalized:
    code = _folded(text)
    if len(code) > FREE_TEXT_LENGTH_MAX:
        raise IdentifierError(HOLDER_CODE, "length")
    return code, ()


def _other_body(text: str) -> _Normalized:
    """099: what looks like an interim code is checked as one, for a warning."""
    code, warnings = _free_text(text)
    if re.fullmatch(f"{_INTERIM}[0-9A-Z]", code) and mod_37_36(code[:17]) != code[17]:
        return code, (f"{INTERIM_CODE}-check-character",)
    return code, warnings


def _other_person(text: str) -> _Normalized:
    """999: what looks like a permanent resident card is checked as one, for a warning."""
    code, warnings = _free_text(text)
    if re.fullmatch("9[0-9A-Z]{17}|[A-Z]{3}[0-9]{12}", code):
        try:
            permanent_resident_card(code)
        except IdentifierError as error:
            return code, (f"{PERMANENT_RESIDENT_CARD}-{error.fault}",)
    return code, warnings


def _folded(text: str) -> str:
    """Half width and ASCII upper case; refuses blanks around, unprintable characters and `^`."""
    _refuse_blank(text, kind=HOLDER_CODE)
    code = _upper(text.translate(_HALF_WIDTH))
    if not code.isprintable() or "^" in code:
        raise IdentifierError(HOLDER_CODE, "charset")
    return code


_LEGAL = "法人和其他组织"
_SOLDIER = "军人"
_FOREIGN = "华侨和外籍人士"
_ROWS: Final[tuple[tuple[str, str, str, Callable[[str], _Normalized]], ...]] = (
    ("001", "统一社会信用代码", _LEGAL, _credit),
    ("099", "其他法人或其他组织有效证件代码", _LEGAL, _other_body),
    ("111", "公民身份号码", "自然人/一般公民", _citizen),
    ("114", "中国人民解放军军官证编号", _SOLDIER, _free_text),
    ("115", "中国人民武装警察部队警官证编号", _SOLDIER, _free_text),
    ("118", "中国人民解放军士兵证编号", _SOLDIER, _free_text),
    ("119", "中国人民武装警察部队士兵证编号", _SOLDIER, _free_text),
    ("120", "中国人民解放军文职人员证编号", _SOLDIER, _free_text),
    ("122", "中国人民武装警察部队文职人员证编号", _SOLDIER, _free_text),
    ("411", "外交护照护照号", _FOREIGN, _passport("DE[0-9]{7}|D[0-9]{7}")),
    ("412", "公务护照护照号", _FOREIGN, _passport("SE[0-9]{7}|S[0-9]{7}")),
    ("413", "公务普通护照护照号", _FOREIGN, _passport("PE[0-9]{7}|P[0-9]{7}")),
    ("414", "普通护照护照号", _FOREIGN, _passport("[EG][0-9]{8}|E[A-HJ-NP-Z][0-9]{7}|1[45][0-9]{7}")),
    (
        "511",
        "台湾居民来往大陆通行证号码",
        "台湾人士",
        _permit(r"[0-9]{8}|[0-9]{10}(?:[A-Z]|\([0-9A-Z]{1,3}\))?"),
    ),
    ("516", "港澳居民来往内地通行证号码", "港澳人士", _permit("[HM](?:[0-9]{8}|[0-9]{10})")),
    ("999", "其他自然人有效证件代码", "自然人", _other_person),
)
_RULES: Final = {code: rule for code, _, _, rule in _ROWS}

HOLDER_CODE_TYPES: Final[Mapping[str, HolderCodeType]] = MappingProxyType(
    {
        code: HolderCodeType(
            code=code, name_zh=name, category_zh=category, is_natural_person=category != _LEGAL
        )
        for code, name, category, _ in _ROWS
    }
)
"""The sixteen code types of GB/T 36903-2018 Annex A; local extensions (551, 552, …) are not here."""
