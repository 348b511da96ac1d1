"""The worked examples of `docs/formats/`: one small ledger with known keys, told in every format.

`examples` gives each document's fenced blocks, recomputed with `signing`; `blocks` reads what a
document says; `write` puts the one into the other (`python -m tests.format_examples`). The keys and
nonces are public and serve nothing else.
"""

from __future__ import annotations

import json
import re
import textwrap
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from signing import (
    attachment,
    cbor,
    event,
    fields,
    ids,
    keys,
    merkle,
    note,
    receipt,
    seal,
    spelling,
    suites,
    token,
    trust,
)
from tests import format_examples_document, format_examples_export, format_examples_log, format_examples_trust

FORMATS = Path(__file__).parent.parent / "docs" / "formats"
_BLOCK = re.compile(r"^```(?:json|text) ([a-z-]+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)

SUITE = suites.INTL
LOG_SEED, TOKEN_SEED = bytes([0x01]) * 32, bytes([0x02]) * 32
LOG_KEY, TOKEN_KEY = keys.SigningKey(LOG_SEED), keys.SigningKey(TOKEN_SEED)
ORIGIN = "ledger.example/demo/0"
VERIFIER = note.VerifierKey(name=ORIGIN, public=LOG_KEY.public)

LEDGER_ID = bytes([0x10]) * 16
HOLDER_STREAM = bytes([0x20]) * 16
REQUESTER_STREAM = bytes([0x21]) * 16
ISSUER_CLIENT, REQUESTER_CLIENT = bytes([0x30]) * 16, bytes([0x31]) * 16
LICENSE_REF = bytes([0x40]) * 16
AUTHORIZATION_REF = bytes([0x50]) * 16
HOLDER_KEY = seal.DataKey(owner=HOLDER_STREAM, number=0, secret=bytes([0x03]) * 32)
REQUESTER_KEY = seal.DataKey(owner=REQUESTER_STREAM, number=0, secret=bytes([0x04]) * 32)

ISSUER = "11350000000000019H"
REQUESTER = "11350100000000035C"
TYPE_CODE = "11100000MB0143028R001"
LICENSE_ID = f"1.2.156.3005.2.{TYPE_CODE}.{ISSUER}.2026000001.001.P"
NUMBER, NAME = "913500000000000274", "榕城示例有限公司"
VALUES: dict[str, Any] = {
    "@holder_code": "913500000000000274",
    "@holder_code_type": "001",
    "@holder_name": NAME,
    "@license_id": LICENSE_ID,
    "@license_number": NUMBER,
    "business_scope": ["软件开发", "信息技术咨询"],
    "registered_capital": "1000000.00",
}
SALTED = {name: (bytes([0x60 + place]) * 16, value) for place, (name, value) in enumerate(VALUES.items())}
DIGESTS = fields.digests(SALTED)
DISCLOSED = ("@license_id", "registered_capital")
REQUEST = {
    "operator_account": "window-7",
    "operator_name": "李某",
    "reason": "招标资格核验",
    "service_item_name": "投标报名",
}
PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108000000003a7e9b55"
    "0000000a49444154789c63f80f0001010100b138f6140000000049454e44ae426082"
)
ATTACHMENT_KEY, ATTACHMENT_NONCE = bytes([0x05]) * 32, bytes([0x73]) * 12
EPOCH = date(1970, 1, 1)
ISSUED_ON = (date(2026, 1, 31) - EPOCH).days
FIELDS_NONCE, REQUEST_NONCES = bytes([0x70]) * 12, (bytes([0x71]) * 12, bytes([0x72]) * 12)


def micros(*parts: int) -> int:
    """Microseconds since 1970 of a UTC time."""
    return int(datetime(*parts, tzinfo=UTC).timestamp()) * 1_000_000  # type: ignore[misc, arg-type]


def sealed(about: event.Event, part: str, content: Any, key: seal.DataKey, nonce: bytes) -> event.Event:
    """The event with one more sealed part."""
    made = seal.seal(content, key=key, place=about.place(part), nonce=nonce, suite=SUITE)
    return event.Event(**{**vars(about), "sealed": {**about.sealed, part: made}})


def _issued() -> event.Event:
    about = event.Event(
        suite=SUITE.name,
        ledger_id=LEDGER_ID,
        event_id=bytes([0x80]) * 16,
        topic="LicenseIssued",
        stream_id=HOLDER_STREAM,
        effective_at=micros(2026, 1, 31, 2),
        recorded_at=micros(2026, 1, 31, 2),
        client=ISSUER_CLIENT,
        organization=ISSUER,
        operator_ref=None,
        issuer=ISSUER,
        case_number="2026-0131-0001",
        service_item=None,
        channel="batch",
        fact={
            "license_ref": LICENSE_REF,
            "type_code": TYPE_CODE,
            "version": 1,
            "parties": [["holder", HOLDER_STREAM]],
            "valid_from": ISSUED_ON,
            "valid_to": None,
            "issued_on": ISSUED_ON,
            "field_names": sorted(VALUES),
            "fields_root": fields.root(DIGESTS.values()),
            "pieces": [[0, 0, 4711]],
        },
        sealed={},
    )
    content = {name: list(pair) for name, pair in SALTED.items()}
    return sealed(about, "fields", content, HOLDER_KEY, FIELDS_NONCE)


def _used() -> event.Event:
    about = event.Event(
        suite=SUITE.name,
        ledger_id=LEDGER_ID,
        event_id=bytes([0x81]) * 16,
        topic="LicenseUsed",
        stream_id=HOLDER_STREAM,
        effective_at=micros(2026, 2, 2, 1, 30),
        recorded_at=micros(2026, 2, 2, 1, 30),
        client=REQUESTER_CLIENT,
        organization=REQUESTER,
        operator_ref=bytes([0x90]) * 16,
        issuer=None,
        case_number="2026-0202-0042",
        service_item="113501000000000351C4000112001000",
        channel="window",
        fact={
            "license_ref": LICENSE_REF,
            "version": 1,
            "license_index": 0,
            "authorization_ref": AUTHORIZATION_REF,
            "mode": "statutory",
            "fields": list(DISCLOSED),
            "status": "effective",
        },
        sealed={},
    )
    return sealed(about, "request", REQUEST, REQUESTER_KEY, REQUEST_NONCES[0])


def _refused() -> event.Event:
    fact = {
        "reason": "not-held",
        "code": "10",
        "type_code": TYPE_CODE,
        "license_ref": None,
        "authorization_ref": AUTHORIZATION_REF,
        "choices": [],
    }
    moment = micros(2026, 2, 2, 1, 31)
    about = event.Event(
        **{
            **vars(_used()),
            "event_id": bytes([0x82]) * 16,
            "topic": "UseRefused",
            "stream_id": REQUESTER_STREAM,
            "effective_at": moment,
            "recorded_at": moment,
            "fact": fact,
            "sealed": {},
        }
    )
    return sealed(about, "request", REQUEST, REQUESTER_KEY, REQUEST_NONCES[1])


EVENTS = (_issued(), _used(), _refused())
STORED = tuple(event.encode(one) for one in EVENTS)
LEAVES = [merkle.leaf_hash(data) for data in STORED]
TREE = merkle.Extension.of((), 0, LEAVES)
CHECKPOINT = note.sign(
    note.Checkpoint(origin=ORIGIN, size=TREE.size, root=TREE.root).text, name=ORIGIN, key=LOG_KEY
)
RECEIPTS = tuple(
    receipt.write(index=index, proof=TREE.proof(index), checkpoint=CHECKPOINT) for index in range(TREE.size)
)

TOKEN_SALT = bytes([0xA0]) * token.PAPER_SALT_BYTES
TOKEN = token.Token(
    license_ref=LICENSE_REF,
    version=1,
    piece=0,
    valid_from=ISSUED_ON,
    valid_to=None,
    issued_on=ISSUED_ON,
    status_list=0,
    status_index=4711,
    paper_digest=token.paper_digest(salt=TOKEN_SALT, number=NUMBER, names=[NAME], suite=SUITE),
    paper_salt=TOKEN_SALT,
)
SIGNED_TOKEN = token.sign(TOKEN, key=TOKEN_KEY, suite=SUITE)
URL = token.url(SIGNED_TOKEN, host="ledger.example")
TOKEN_KEY_ID = suites.key_id(SUITE, purpose=token.PURPOSE, public=TOKEN_KEY.public)

TRUST = trust.TrustFile(
    ledgers=(
        trust.Ledger(
            ledger_id=LEDGER_ID,
            suite=SUITE,
            is_demonstration=True,
            origins=(trust.Origin(origin=ORIGIN, generation=0, keys=(trust.LogKey(key=VERIFIER),)),),
            token_keys=(trust.TokenKey(key_id=TOKEN_KEY_ID, public=TOKEN_KEY.public),),
        ),
    ),
    made_at=datetime(2026, 2, 1, tzinfo=UTC),
)
"""Of format 1."""
EXPORT = format_examples_export.Example(
    events=EVENTS, origin=ORIGIN, log_key=LOG_KEY, request_key=REQUESTER_KEY
)


def compact(content: Any) -> str:
    """The JSON form of proof bundles and trust files."""
    return json.dumps(content, ensure_ascii=False, separators=(",", ":"))


def bundle() -> dict[str, Any]:
    """The proof bundle of one granted and one refused use."""
    siblings = sorted(digest for name, digest in DIGESTS.items() if name not in DISCLOSED)
    disclosed = {name: {"value": value, "salt": b64(salt)} for name, (salt, value) in SALTED.items()}
    granted = {
        "index": 1,
        "decision": "granted",
        "code": "0",
        "reason": None,
        "license": {
            "license_ref": ids.text(LICENSE_REF),
            "license_id": LICENSE_ID,
            "type_code": TYPE_CODE,
            "version": 1,
            "status": "effective",
            "valid_from": "2026-01-31",
            "valid_to": None,
            "issuer": ISSUER,
            "fields": {name: disclosed[name] for name in DISCLOSED},
        },
        "proof": {
            "event": b64(STORED[1]),
            "receipt": RECEIPTS[1],
            "license_event": b64(STORED[0]),
            "license_receipt": RECEIPTS[0],
            "field_siblings": [b64(item) for item in siblings],
        },
    }
    refused = {
        "index": 2,
        "decision": "refused",
        "code": "10",
        "reason": "not-held",
        "license": None,
        "proof": {"event": b64(STORED[2]), "receipt": RECEIPTS[2]},
    }
    return {"index": 2, "uses": [granted, refused]}


def b64(data: bytes) -> str:
    return spelling.to_base64(data)


def wrapped(data: bytes) -> str:
    """Bytes as lines of 48 in hex."""
    return "\n".join(textwrap.wrap(data.hex(), 96))


def pretty(content: Any) -> str:
    """JSON for people, bytes in hex."""
    return json.dumps(content, ensure_ascii=False, indent=1, default=bytes.hex)


def examples() -> dict[str, dict[str, str]]:
    """Document to block name to the block's text, without the last newline."""
    return {
        "event.md": _event_example(),
        "sealed-parts.md": _sealed_example(),
        "field-digests.md": _fields_example(),
        "checkpoint.md": _checkpoint_example(),
        "log.md": format_examples_log.blocks(LEAVES, CHECKPOINT),
        "receipt.md": {"receipt": RECEIPTS[1].rstrip("\n"), "steps": pretty(_receipt_steps())},
        "qr-token.md": _token_example(),
        "proof-bundle.md": {"bundle": compact(bundle())},
        "trail-export.md": format_examples_export.blocks(EXPORT),
        "status-list.md": {"status-list": pretty(format_examples_trust.status_list_steps(TOKEN_KEY))},
        "trust-file.md": {
            "trust-file": format_examples_trust.signed(TRUST, CHECKPOINT, log_key=LOG_KEY, key=TOKEN_KEY),
            "trust-file-first": trust.write(TRUST).decode(),
        },
        "attachment.md": _attachment_example(),
        "document.md": format_examples_document.blocks(
            qr=URL, receipt=RECEIPTS[0], number=NUMBER, name=NAME, identifier=LICENSE_ID
        ),
    }


def _event_example() -> dict[str, str]:
    content: dict[int, Any] = cbor.decode_strictly(STORED[1])
    return {
        "event": pretty(content),
        "event-bytes": wrapped(STORED[1]),
        "leaf-hash": LEAVES[1].hex(),
    }


def _sealed_example() -> dict[str, str]:
    used, part = EVENTS[1], EVENTS[1].sealed["request"]
    place = used.place("request")
    info = cbor.encode(["part", used.event_id, "request"])
    return {
        "part": pretty(
            {
                "data_key": REQUESTER_KEY.secret,
                "content": REQUEST,
                "plaintext": cbor.encode(REQUEST),
                "info": info,
                "part_key": keys.derive(REQUESTER_KEY.secret, info=info),
                "nonce": part[3],
                "associated_data": place.context(),
                "part": part,
            }
        )
    }


def _fields_example() -> dict[str, str]:
    rows = {
        name: {"salt": salt, "value": value, "digest": DIGESTS[name]}
        for name, (salt, value) in SALTED.items()
    }
    salt, value = SALTED["registered_capital"]
    return {
        "fields": pretty(rows),
        "digested": cbor.encode([salt, "registered_capital", value]).hex(),
        "root": fields.root(DIGESTS.values()).hex(),
    }


def _attachment_example() -> dict[str, str]:
    sealed = attachment.seal(PIXEL, key=ATTACHMENT_KEY, nonce=ATTACHMENT_NONCE, ledger_id=LEDGER_ID)
    value = {
        "digest": SUITE.digest(PIXEL).hex(),
        "length": str(len(PIXEL)),
        "media_type": "image/png",
        "sealed_digest": attachment.name(sealed).hex(),
    }
    said = {
        "data": PIXEL,
        "key": ATTACHMENT_KEY,
        "nonce": ATTACHMENT_NONCE,
        "associated_data": cbor.encode(["attachment", 1, SUITE.name, LEDGER_ID]),
        "sealed": sealed,
        "value": value,
    }
    return {"attachment": pretty(said)}


def _checkpoint_example() -> dict[str, str]:
    return {
        "checkpoint": CHECKPOINT.rstrip("\n"),
        "key": pretty(
            {
                "seed": LOG_SEED,
                "public_key": LOG_KEY.public,
                "key_id": VERIFIER.hash,
                "verifier_key": VERIFIER.text,
                "root": TREE.root,
            }
        ),
    }


def _receipt_steps() -> dict[str, Any]:
    return {
        "leaf_hash": LEAVES[1],
        "node_0_1": merkle.node_hash(LEAVES[0], LEAVES[1]),
        "leaf_hash_2": LEAVES[2],
        "root": TREE.root,
    }


def _token_example() -> dict[str, str]:
    protected, _, payload, signature = cbor.decode_strictly(SIGNED_TOKEN)
    return {
        "token": pretty(
            {
                "seed": TOKEN_SEED,
                "public_key": TOKEN_KEY.public,
                "key_id": TOKEN_KEY_ID,
                "number": NUMBER,
                "names": [NAME],
                "items": [token.FORMAT, *vars(TOKEN).values()],
                "payload": payload,
                "protected": protected,
                "to_be_signed": cbor.encode(["Signature1", protected, b"", payload]),
                "signature": signature,
                "cose_sign1": SIGNED_TOKEN,
            }
        ),
        "url": URL,
    }


def blocks(text: str) -> dict[str, str]:
    """The named fenced blocks of a document."""
    found = _BLOCK.findall(text)
    assert len({name for name, _ in found}) == len(found), "a block's name stands once in a document"
    return {name: content.rstrip("\n") for name, content in found}


def write(folder: Path = FORMATS) -> None:
    """Every document in `folder` with its named blocks made anew."""
    for name, made in examples().items():
        path = folder / name
        text = path.read_text(encoding="utf-8")
        for block, content in made.items():
            opening = re.compile(rf"(^```(?:json|text) {block}\n).*?(^```$)", re.MULTILINE | re.DOTALL)
            text = opening.sub(lambda match, content=content: f"{match[1]}{content}\n{match[2]}", text)  # type: ignore[misc]
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write()
