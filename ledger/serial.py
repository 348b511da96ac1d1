"""Serials 流水号: how the identifiers of a license's versions follow each other (GB/T 36904).

A serial is one license's within its type and issuer, and stays through its versions; a renewal begins
another. Where the identifier of a license of the stock has none of its type and issuer, the next version
begins one.
"""

from __future__ import annotations

from ledger import errors, license, license_id
from ledger.command import View
from ledger.state import LicenseRow
from ledger.vault import Lookup, Vault


def lookup(vault: Vault, type_code: str, issuer: str, serial: str) -> Lookup:
    """The lookup that makes a serial unique within type and issuer (GB/T 36904)."""
    return vault.lookup("license", type_code, issuer, serial)


def next_id(row: LicenseRow, serial: str) -> license_id.LicenseId:
    """The identifier of the next version under the serial that stands; raises Conflict after the last."""
    number = license.serial_number(row) + 1
    if number > license.VERSION_MAX:
        raise errors.Conflict("the serial has no further version")
    return build_id(row.type_code, row.issuer, serial, number)


def begin(view: View, row: LicenseRow, identifier: license_id.LicenseId, number_: str) -> None:
    """The identifier leads to the license, where its serial begins since none could follow before."""
    if license.serial_number(row) == 0:
        known = lookup(view.vault, row.type_code, row.issuer, identifier.serial)
        content = [identifier.text, number_]
        view.add_entry(known, stream_id=row.stream_id, target=row.license_ref, content=content)


def build_id(type_code: str, issuer: str, serial: str, version: int) -> license_id.LicenseId:
    """The GB/T 36904 identifier; raises Invalid."""
    try:
        return license_id.build(type_code=type_code, issuer_code=issuer, serial=serial, version=version)
    except ValueError as error:
        raise errors.Invalid(f"the license identifier: {error}", field="serial") from error
