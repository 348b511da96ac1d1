"""Rows of the directory: which lookup leads to one, told from what is sealed in it.

No code and no identifier stands in clear beside a lookup, so that a row is moved, under another pepper or
to another stream, by opening its content and looking again.
"""

from __future__ import annotations

from collections.abc import Sequence

from ledger import account, license_id, number, serial, stock
from ledger.vault import Lookup, Vault

OLD_OPERATOR_ITEMS = 3
"""Organization, account and name; the account's normal form came later."""


def entry_lookup(vault: Vault, kind: str, content: Sequence[str]) -> Lookup:
    """The lookup that leads to a directory row of `kind`, from the row's sealed content."""
    if kind == "holder":
        return vault.lookup("holder", content[0], content[1])
    if kind == "license":
        # A license of the stock may have a wrong check character, as it is printed.
        parts = license_id.classify(content[0]).license_id
        if parts is None:
            raise ValueError("not an identifier")
        return serial.lookup(vault, parts.type_code, parts.issuer_code, parts.serial)
    if kind == stock.TEXT_KIND:
        return vault.lookup(kind, content[0])
    if kind in (number.KIND, stock.SOURCE_KIND, account.NAME_KIND):
        return vault.lookup(kind, *content)
    if kind == number.FILED:
        return number.filed_lookup(vault, content[0], content[1], content[2])
    assert kind == "operator", "a directory row is of a known kind"
    # Rows from before spellings were compared end with the name, and are found as they were spelled.
    return vault.lookup(
        "operator", content[0], content[3] if len(content) > OLD_OPERATOR_ITEMS else content[1]
    )
