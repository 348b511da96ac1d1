"""The stock 存量: licenses that were issued before the ledger knew them, and what it asks of such.

An imported license keeps what is printed on it, identifier and number as they are. What would be an error
on issue is a finding on import (`ledger/quality.py`), where the license itself is beyond doubt. Pure.
"""

from __future__ import annotations

from ledger import errors

ORIGINS = ("issued-online", "from-database", "scanned-and-checked", "scanned")
"""How a license came into the stock, best first."""
TRUST_LEVELS = ("A", "B", "C", "D")
SERIAL_NUMBER_MAX = 999
TEXT_KIND = "license-text"
"""Directory rows of identifiers that have no serial of the license's type and issuer."""
SOURCE_KIND = "stock-source"
"""Directory rows by which an imported row is known for good, in the importing organization's stream."""


def check(origin: str | None, trust_level: str | None, serial_number: int) -> None:
    """Nothing when an issue may say this of where its license comes from; raises Invalid.

    An identifier's version other than 1 is that of a license which had earlier ones elsewhere; 0 says that no
    next version can follow under its serial.
    """
    if origin is None:
        if trust_level is not None or serial_number != 1:
            raise errors.Invalid("only a license of the stock has this", field="origin")
        return
    if origin not in ORIGINS:
        raise errors.Invalid(f"an origin is one of {', '.join(ORIGINS)}", field="origin")
    if trust_level is not None and trust_level not in TRUST_LEVELS:
        raise errors.Invalid(f"a trust level is one of {', '.join(TRUST_LEVELS)}", field="trust_level")
    if not 0 <= serial_number <= SERIAL_NUMBER_MAX:
        raise errors.Invalid("the version in the identifier", field="license_id")
