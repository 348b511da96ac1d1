"""What every version of a license keeps to: its dates, and the names of its fields."""

from __future__ import annotations

import functools
import re

from ledger import attachment, catalog_rules, days, errors, party
from ledger.state import TypeRow, TypeRulesRow

FIELD_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
PREVIOUS_ID = "@previous_license_id"
"""关联证照标识: the identifier that a renewed, replaced or transferred license had before."""
RESERVED_FIELDS = (
    *("@holder_code", "@holder_code_type", "@holder_name", "@license_id", "@license_number", PREVIOUS_ID),
)
"""Fields that the ledger gives a license beside those of its type."""
FIELDS_MAX = 100
REPLACEMENT_CAUSES = ("lost", "damaged", "renewed-form")
DAY_MIN, DAY_MAX = days.parse("1900-01-01"), days.parse("2200-12-31")


def check_dates(valid_from: int, valid_to: int | None, issued_on: int) -> None:
    """Nothing when the days are in order and within 1900 to 2200; raises Invalid."""
    for name, day in (("valid_from", valid_from), ("valid_to", valid_to), ("issued_on", issued_on)):
        if day is not None and not DAY_MIN <= day <= DAY_MAX:
            raise errors.Invalid("a date lies between 1900-01-01 and 2200-12-31", field=name)
    if valid_to is not None and valid_to < valid_from:
        raise errors.Invalid("valid_to is before valid_from", field="valid_to")


def check_area(area_code: str | None) -> None:
    """Nothing when this is a division code, or none is said; raises Invalid."""
    if area_code is not None and not catalog_rules.AREA.fullmatch(area_code):
        raise errors.Invalid("a division code has six digits", field="area_code")


def check_due(due: int | None, *, after: int) -> None:
    """Nothing when an endorsement is due after a day and within the calendar; raises Invalid."""
    if due is not None and not after < due <= DAY_MAX:
        raise errors.Invalid("an endorsement is due later, and until 2200-12-31", field="endorsement_due")


def check_field_names(names: tuple[str, ...], type_row: TypeRow) -> None:
    """Nothing when every name is reserved or one of the type's; raises FieldUnknown or Invalid."""
    if len(names) > FIELDS_MAX:
        raise errors.Invalid(f"a license has at most {FIELDS_MAX} fields", field="fields")
    if list(names) != sorted(set(names)):
        raise errors.Invalid("field names are sorted and different", field="fields")
    unknown = _unknown(names, type_row.field_names)
    if unknown is not None:
        raise errors.FieldUnknown(field=f"fields.{unknown}" if FIELD_NAME.fullmatch(unknown) else "fields")


@functools.lru_cache(maxsize=1024)
def _unknown(names: tuple[str, ...], known: tuple[str, ...]) -> str | None:
    """The first name that is neither reserved nor known; remembered, as licenses of a type have the same."""
    for name in names:
        if name in RESERVED_FIELDS or party.FIELD.fullmatch(name) or attachment.FIELD.fullmatch(name):
            continue
        if name not in known if known else not FIELD_NAME.fullmatch(name):
            return name
    return None


def require_window(rules: TypeRulesRow | None, valid_to: int | None, *, at: int) -> None:
    """Nothing when a license that is valid until a day may be renewed now; raises RenewalTooEarly."""
    first = renewable_from(rules, valid_to)
    if first is not None and days.of_instant(at) < first:
        raise errors.RenewalTooEarly(renewable_from=days.text(first))


def renewable_from(rules: TypeRulesRow | None, valid_to: int | None) -> int | None:
    """The first day on which a license of a type may be renewed; None: any."""
    window = None if rules is None else rules.renewal_window_days
    return None if window is None or valid_to is None else valid_to - window
