"""The columns of a file of old licenses: ours, and the names that the national exchange has for them."""

from __future__ import annotations

import unicodedata

COLUMNS = (
    *("source_id", "license_type", "license_id", "number"),
    *("holder_code_type", "holder_code", "holder_name", "holder_role", "parties"),
    *("issuer", "issuer_name", "issued_on", "valid_from", "valid_to", "area_code"),
    *("origin", "trust_level", "fields"),
)
NEEDED = ("license_type", "number", "holder_code_type", "holder_code", "holder_name", "issued_on")
ALIASES = {
    "certificate_source_id": "source_id",
    "certificate_type_code": "license_type",
    "certificate_identifier": "license_id",
    "certificate_number": "number",
    "certificate_holder_type": "holder_code_type",
    "certificate_holder_code": "holder_code",
    "certificate_holder_name": "holder_name",
    "certificate_issuing_authority_code": "issuer",
    "certificate_issuing_authority_name": "issuer_name",
    "certificate_validate_start": "valid_from",
    "certificate_validate_end": "valid_to",
    "certificate_area_code": "area_code",
    "ZZLXDM": "license_type",
    "ZZBS": "license_id",
    "ZZBH": "number",
    "CZZT": "holder_name",
    "CZZTDM": "holder_code",
    "CZZTDMLXDM": "holder_code_type",
    "ZZBFJG": "issuer_name",
    "ZZBFJGDM": "issuer",
    "ZZBFRQ": "issued_on",
    "ZZYXQQSRQ": "valid_from",
    "ZZYXQJZRQ": "valid_to",
}
"""Names of the exchange (GB/T 36903) for our columns."""
FIELD_PREFIX = "fields."
"""Before the name of a field that has a column of its own."""
LENGTHS_MAX = {"source_id": 128, "license_id": 200, "number": 128, "holder_name": 2_000, "issuer_name": 512}


def is_name(name: str) -> bool:
    """Whether a name can be read, or has characters that an older system kept to itself."""
    return all(character.isprintable() or unicodedata.category(character) == "Co" for character in name)
