"""The documents of formats: their examples are recomputed, and verified from the documents alone.

The second half uses `hashlib`, `cbor2` and `cryptography` with what the documents say, and nothing of
`signing`: a stranger could have written it.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import zlib
from pathlib import Path
from typing import Any

import cbor2
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from ledger import bundle
from signing import attachment, event, fields, ids, receipt, spelling, token, trust
from tests import format_examples, judges

FORMATS = format_examples.FORMATS
EXAMPLES = format_examples.examples()


def block(document: str, name: str) -> str:
    return format_examples.blocks((FORMATS / document).read_text(encoding="utf-8"))[name]


def told(document: str, name: str) -> Any:
    return json.loads(block(document, name))


def unwrapped(document: str, name: str) -> bytes:
    return bytes.fromhex(block(document, name).replace("\n", ""))


def sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def cbor(item: Any) -> bytes:
    return cbor2.dumps(item, canonical=True)


def mth(leaves: list[bytes]) -> bytes:
    if len(leaves) == 1:
        return leaves[0]
    k = 1 << ((len(leaves) - 1).bit_length() - 1)
    return sha256(b"\x01" + mth(leaves[:k]) + mth(leaves[k:]))


# --- the documents say what the program does ---


@pytest.mark.parametrize("document", EXAMPLES)
def test_the_examples_of_a_document_are_what_is_computed(document: str) -> None:
    written = format_examples.blocks((FORMATS / document).read_text(encoding="utf-8"))
    assert written == EXAMPLES[document]


def test_every_document_but_the_table_of_facts_has_an_example_and_all_are_listed() -> None:
    documents = {path.name for path in FORMATS.glob("*.md")}
    assert documents == {"README.md", "facts.md", *EXAMPLES}
    listed = set(re.findall(r"^\| \[[a-z-]+\.md\]\(([a-z-]+\.md)\)", readme(), re.MULTILINE))
    assert listed == {"facts.md", *EXAMPLES}


def readme() -> str:
    return (FORMATS / "README.md").read_text(encoding="utf-8")


def test_examples_are_written_into_a_document_and_nothing_else_changes(tmp_path: Path) -> None:
    for document in EXAMPLES:
        text = (FORMATS / document).read_text(encoding="utf-8")
        spoiled = re.sub(r"(?ms)^(```(?:json|text) [a-z-]+\n).*?(^```$)", r"\1x\n\2", text)
        assert spoiled != text
        (tmp_path / document).write_text(spoiled, encoding="utf-8")
    format_examples.write(tmp_path)
    for document in EXAMPLES:
        assert (tmp_path / document).read_text(encoding="utf-8") == (FORMATS / document).read_text(
            encoding="utf-8"
        )


def test_every_member_of_an_event_is_in_its_document() -> None:
    rows = re.findall(
        r"^\| (\d+) \| ([a-z ]+)", (FORMATS / "event.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    names = {int(key): name.strip() for key, name in rows}
    said = told("event.md", "event")
    assert set(said) == {str(key) for key in names}
    for key, name, _ in event._SHAPE:
        assert names[key].split()[0] == name.split("_")[0]


# --- and a stranger can verify them ---


def test_a_stranger_reads_the_event() -> None:
    data = unwrapped("event.md", "event-bytes")
    content = cbor2.loads(data)
    assert json.loads(json.dumps(content, default=bytes.hex)) == told("event.md", "event")
    assert cbor(content) == data
    assert sha256(b"\x00" + data).hex() == block("event.md", "leaf-hash")


def test_a_stranger_with_the_data_key_opens_the_part() -> None:
    said = told("sealed-parts.md", "part")
    suite, owner, number, nonce, ciphertext = said["part"]
    happened = told("event.md", "event")
    event_id, stream, ledger = (bytes.fromhex(happened[key]) for key in ("4", "6", "3"))
    info = cbor(["part", event_id, "request"])
    key = HKDF(algorithm=hashes.SHA256(), length=32, salt=None, info=info).derive(
        bytes.fromhex(said["data_key"])
    )
    place = cbor([1, ledger, stream, event_id, happened["5"], "request"])
    plaintext = AESGCM(key).decrypt(bytes.fromhex(nonce), bytes.fromhex(ciphertext), place)
    assert cbor2.loads(plaintext) == said["content"]
    assert (info.hex(), key.hex(), place.hex()) == (said["info"], said["part_key"], said["associated_data"])
    assert (plaintext.hex(), nonce) == (said["plaintext"], said["nonce"])
    assert (suite, owner, number) == ("intl", "21" * 16, 0)
    assert said["part"] == happened["17"]["request"]


def test_a_stranger_takes_the_root_of_the_fields() -> None:
    said = told("field-digests.md", "fields")
    for name, row in said.items():
        preimage = cbor([bytes.fromhex(row["salt"]), name, row["value"]])
        assert sha256(preimage).hex() == row["digest"]
        if name == "registered_capital":
            assert preimage.hex() == block("field-digests.md", "digested")
    digests = sorted(bytes.fromhex(row["digest"]) for row in said.values())
    assert mth([sha256(b"\x00" + item) for item in digests]).hex() == block("field-digests.md", "root")


def test_a_stranger_with_the_key_opens_the_attachment() -> None:
    said = told("attachment.md", "attachment")
    sealed, key, ledger_id = (bytes.fromhex(item) for item in (said["sealed"], said["key"], "10" * 16))
    bound = cbor(["attachment", 1, "intl", ledger_id])
    assert bound.hex() == said["associated_data"]
    assert sealed[:12].hex() == said["nonce"]
    data = AESGCM(key).decrypt(sealed[:12], sealed[12:], bound)
    assert data.hex() == said["data"]
    assert said["value"] == {
        "digest": sha256(data).hex(),
        "length": str(len(data)),
        "media_type": "image/png",
        "sealed_digest": sha256(sealed).hex(),
    }
    with pytest.raises(attachment.AttachmentInvalid):
        attachment.unseal(sealed, key=key, named=bytes(32), ledger_id=ledger_id)
    with pytest.raises(attachment.AttachmentInvalid):
        attachment.unseal(sealed, key=key, named=sha256(sealed), ledger_id=bytes(16))
    opened = attachment.unseal(sealed, key=key, named=sha256(sealed), ledger_id=ledger_id)
    assert opened == data


def test_a_stranger_verifies_the_checkpoint() -> None:
    judges.need("tlog_scales.tlog")
    from tlog_scales import signing, tlog

    said = told("checkpoint.md", "key")
    head = tlog.Checkpoint.from_text(block("checkpoint.md", "checkpoint") + "\n")
    head.verify(signing.Vkey.from_string(said["verifier_key"]))
    assert head.root_hash.hex() == said["root"]
    own = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(said["seed"]))
    assert own.public_key().public_bytes_raw().hex() == said["public_key"]


def test_a_stranger_verifies_the_receipt() -> None:
    lines = block("receipt.md", "receipt").split("\n")
    assert lines[:2] == ["c2sp.org/tlog-proof@v1", "index 1"]
    said = told("receipt.md", "steps")
    first, third = (base64.b64decode(line) for line in lines[2:4])
    leaf = sha256(b"\x00" + unwrapped("event.md", "event-bytes"))
    node = sha256(b"\x01" + first + leaf)
    assert (leaf.hex(), node.hex(), third.hex()) == (
        said["leaf_hash"],
        said["node_0_1"],
        said["leaf_hash_2"],
    )
    assert sha256(b"\x01" + node + third).hex() == said["root"] == told("checkpoint.md", "key")["root"]
    assert "\n".join(lines[5:]) == block("checkpoint.md", "checkpoint")


def test_a_stranger_verifies_the_token() -> None:
    said = told("qr-token.md", "token")
    encoded = block("qr-token.md", "url").rpartition("/V/")[2]
    data = base64.b32decode(encoded + "=" * (-len(encoded) % 8))
    protected, unprotected, payload, signature = cbor2.loads(data)
    public = bytes.fromhex(said["public_key"])
    assert data.hex() == said["cose_sign1"]
    assert unprotected == {}
    assert sha256(cbor(["key", "intl", "token", public]))[:4].hex() == said["key_id"]
    assert cbor2.loads(protected) == {1: -8, 4: bytes.fromhex(said["key_id"])}
    to_be_signed = cbor(["Signature1", protected, b"", payload])
    assert to_be_signed.hex() == said["to_be_signed"]
    Ed25519PublicKey.from_public_bytes(public).verify(signature, to_be_signed)
    items = cbor2.loads(payload)
    assert json.loads(json.dumps(items, default=bytes.hex)) == said["items"]
    assert sha256(cbor([items[-1], said["number"], said["names"]]))[:12] == items[-2]


def test_a_stranger_verifies_the_trail_export() -> None:
    first, *lines = [json.loads(line) for line in block("trail-export.md", "trail-export").splitlines()]
    steps, manifest = told("trail-export.md", "steps"), first["manifest"]
    text = json.dumps(manifest, ensure_ascii=False, separators=(",", ":"))
    recorded = cbor2.loads(base64.b64decode(first["event"]))
    assert sha256(cbor([base64.b64decode(first["salt"]), text])) == recorded[16]["manifest_digest"]
    assert recorded[16]["manifest_digest"].hex() == steps["manifest_digest"]
    listed, keys = (sha256(cbor(["trail-export", 1, name])) for name in ("list", "keys"))
    for one in lines:
        data, part_key = base64.b64decode(one["event"]), base64.b64decode(one["request_key"])
        listed = sha256(cbor([listed, one["index"], sha256(b"\x00" + data)]))
        keys = sha256(cbor([keys, one["index"], part_key]))
        said = cbor2.loads(data)
        place = cbor([1, said[3], said[6], said[4], said[5], "request"])
        _, _, _, nonce, ciphertext = said[17]["request"]
        assert cbor2.loads(AESGCM(part_key).decrypt(nonce, ciphertext, place)) == one["request"]
    assert (listed.hex(), keys.hex()) == (steps["list"][-1], steps["keys"][-1])
    assert base64.b64encode(listed).decode() == manifest["list_digest"]
    assert base64.b64encode(keys).decode() == manifest["keys_digest"]


def test_a_stranger_reads_the_status_list() -> None:
    said = told("status-list.md", "status-list")
    data = bytes.fromhex(said["cose_sign1_tagged"])
    message = cbor2.loads(data)
    protected, unprotected, payload, signature = message.value
    assert (data[0], message.tag, unprotected) == (0xD2, 18, {})
    assert cbor2.loads(protected) == {
        1: -8,
        4: bytes.fromhex(said["key_id"]),
        16: "application/statuslist+cwt",
    }
    to_be_signed = cbor(["Signature1", protected, b"", payload])
    assert to_be_signed.hex() == said["to_be_signed"]
    Ed25519PublicKey.from_public_bytes(bytes.fromhex(said["public_key"])).verify(signature, to_be_signed)
    claims = cbor2.loads(payload)
    assert claims[65533] == {"bits": 2, "lst": bytes.fromhex(said["compressed"])}
    assert claims[2] == "https://ledger.example/v1/status-lists/0"
    array = zlib.decompress(claims[65533]["lst"])
    statuses = [byte >> shift & 3 for byte in array for shift in (0, 2, 4, 6)]
    assert len(statuses) == 1 << 20
    assert {str(place): status for place, status in enumerate(statuses) if status} == said["statuses"]
    assert statuses[told("qr-token.md", "token")["items"][8]] == 0


def test_a_stranger_verifies_the_trust_file() -> None:
    data = block("trust-file.md", "trust-file").encode()
    said = json.loads(data)
    body = data[: data.rindex(b',"signatures":')] + b"}"
    (signed,) = said["signatures"]
    (origin,) = said["ledgers"][0]["origins"]
    assert (signed["key"], "active") == (origin["keys"][0]["key"], origin["keys"][0]["status"])
    public = base64.b64decode(signed["key"].split("+", 2)[2])[1:]
    signature = base64.b64decode(signed["signature"])
    Ed25519PublicKey.from_public_bytes(public).verify(signature, cbor(["trust", 2, body]))
    assert origin["checkpoint"] == block("checkpoint.md", "checkpoint") + "\n"
    (listed,) = said["ledgers"][0]["status_lists"]
    assert base64.b64decode(listed).hex() == told("status-list.md", "status-list")["cose_sign1_tagged"]
    first = trust.parse(block("trust-file.md", "trust-file-first").encode())
    assert trust.vouched(trust.parse(data), by=first).text == signed["key"]


def test_the_token_of_the_example_is_trusted_by_its_trust_file() -> None:
    file = trust.parse(block("trust-file.md", "trust-file").encode())
    read = token.parse(block("qr-token.md", "url"), trusted=trust.token_keys(file.ledgers[0]))
    assert read == format_examples.TOKEN


def test_the_bundle_proves_what_it_says_under_its_trust_file() -> None:
    file = trust.parse(block("trust-file.md", "trust-file").encode())
    trusted = trust.verifier_keys(file.ledgers[0])
    text = block("proof-bundle.md", "bundle")
    said = json.loads(text)
    assert format_examples.compact(said) == text
    granted, refused = said["uses"]
    for use in (granted, refused):
        data = spelling.from_base64(use["proof"]["event"])
        proven = receipt.verify(use["proof"]["receipt"], event=data, trusted=trusted)
        assert proven.index == use["index"]
        assert event.parse_strictly(data).ledger_id == file.ledgers[0].ledger_id
    used = event.parse_strictly(spelling.from_base64(granted["proof"]["event"]))
    data = spelling.from_base64(granted["proof"]["license_event"])
    issued = event.parse_strictly(data)
    proven = receipt.verify(granted["proof"]["license_receipt"], event=data, trusted=trusted)
    assert proven.index == used.fact["license_index"]
    assert (
        used.fact["license_ref"] == issued.fact["license_ref"] == ids.parse(granted["license"]["license_ref"])
    )
    disclosed = {
        name: (spelling.from_base64(field["salt"]), field["value"])
        for name, field in granted["license"]["fields"].items()
    }
    siblings = [spelling.from_base64(item) for item in granted["proof"]["field_siblings"]]
    assert sorted(disclosed) == used.fact["fields"]
    assert len(disclosed) + len(siblings) == len(issued.fact["field_names"])
    fields.verify(disclosed, siblings=siblings, root_=issued.fact["fields_root"])
    assert refused["license"] is None
    assert set(refused["proof"]) == {"event", "receipt"}


def leaves(item: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """The paths of all values in a JSON document that hold no others."""
    if isinstance(item, dict):
        return [leaf for key, value in item.items() for leaf in leaves(value, (*path, key))]
    if isinstance(item, list):
        return [leaf for place, value in enumerate(item) for leaf in leaves(value, (*path, place))]
    return [path]


def others(value: Any) -> list[Any]:
    if isinstance(value, str):
        return [value + "A", value[1:], value[:-1] + chr(ord(value[-1]) ^ 1), "", None, 0]
    return [not value, "0", 7, 1.0, {}]


@pytest.mark.parametrize("path", leaves(format_examples.bundle()), ids=str)
def test_the_judge_accepts_the_bundle_and_no_change_of_a_value(path: tuple[str | int, ...]) -> None:
    for other in [None, *others(_at(format_examples.bundle(), path))]:
        content = format_examples.bundle()
        _at(content, path[:-1])[path[-1]] = other
        if content == format_examples.bundle():
            continue
        with pytest.raises(bundle.BundleInvalid):
            bundle.judge(json.dumps(content).encode(), trusted=format_examples.TRUST)
    data = format_examples.compact(format_examples.bundle()).encode()
    assert [use.index for use in bundle.judge(data, trusted=format_examples.TRUST)] == [1, 2]


def _at(content: Any, path: tuple[str | int, ...]) -> Any:
    for step in path:
        content = content[step]
    return content
