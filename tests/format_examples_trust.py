"""The worked examples of `docs/formats/status-list.md` and `trust-file.md`: a list and a signed file."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from signing import cbor, keys, status_list, suites, token, trust

STATUSES = {7: status_list.INVALID, 1024: status_list.SUSPENDED, 4710: status_list.REPLACED}
"""Places of the example list, by status; those of every other place are VALID."""
COMPRESSED = bytes.fromhex(
    "78daedd0010d00300803b0054597807f55c8e009ad84a6735a05f8ce5300000000000000000000000000000000000000"
    "000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000"
    "000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000"
    "000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000"
    "000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000"
    "000000000000000000000000000000000000000000000000000000000000000000000000000000000000db063bf50073"
)
"""As zlib writes it at level 9; another compressor may write another form."""
STATUS_LIST = status_list.StatusList(
    uri="https://ledger.example/v1/status-lists/0",
    issued_at=int(datetime(2026, 2, 1, tzinfo=UTC).timestamp()),
    expires_at=int(datetime(2026, 2, 2, tzinfo=UTC).timestamp()),
    ttl_s=3_600,
    compressed=COMPRESSED,
)


def status_list_steps(key: keys.SigningKey) -> dict[str, Any]:
    """The list, and what it is put together from."""
    signed_list = status_list.sign(STATUS_LIST, key=key, suite=suites.INTL)
    protected, _, payload, signature = cbor.decode_strictly(signed_list[1:])
    return {
        "public_key": key.public,
        "key_id": suites.key_id(suites.INTL, purpose=token.PURPOSE, public=key.public),
        "statuses": STATUSES,
        "compressed": COMPRESSED,
        "protected": protected,
        "payload": payload,
        "to_be_signed": cbor.encode(["Signature1", protected, b"", payload]),
        "signature": signature,
        "cose_sign1_tagged": signed_list,
    }


def signed(first: trust.TrustFile, checkpoint: str, *, log_key: keys.SigningKey, key: keys.SigningKey) -> str:
    """The signed file that follows one of format 1."""
    (ledger,) = first.ledgers
    (origin,) = ledger.origins
    listed = status_list.sign(STATUS_LIST, key=key, suite=suites.INTL)
    grown = replace(
        ledger, origins=(replace(origin, checkpoint=checkpoint),), status_lists={STATUS_LIST.number: listed}
    )
    file = replace(first, ledgers=(grown,), fresh_s=86_400)
    return trust.write(file, signers=[(origin.origin, log_key)]).decode()
