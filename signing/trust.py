"""Trust files: what a verifier trusts of a ledger, brought to it out of band.

`parse` reads one and refuses any other shape, `write` makes one. `prove` judges a receipt by a ledger's keys
and their history; `token_keys`, `doubted_token_keys` and `listed` give what other judges ask for. Nothing
outside the file is trusted. A file of format 2 is signed: `vouched` says which key of a file at hand signed
a later one. Nothing here says who may hand over the
first. Format: `docs/formats/trust-file.md`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from signing import (
    cbor,
    ids,
    keys,
    note,
    receipt,
    spelling,
    status_list,
    suites,
    trust_json,
    trust_members,
    trust_witness,
)
from signing.trust_json import TrustInvalid
from signing.trust_parts import (
    Documents,
    IssuerCertificate,
    Ledger,
    LogKey,
    Origin,
    Signature,
    Status,
    Succession,
    TokenKey,
    TrustFile,
)

__all__ = [
    "Documents",
    "IssuerCertificate",
    "Ledger",
    "LogKey",
    "Origin",
    "Signature",
    "Status",
    "Succession",
    "TokenKey",
    "TrustFile",
    "TrustInvalid",
]

FORMATS = (1, 2)
TRUST_BYTES_MAX = 1_000_000
"""Of a file of format 1, which has no status lists."""
SIGNED_BYTES_MAX = 64 * 1024 * 1024
"""Of a file of format 2."""


class KeyCompromised(receipt.ReceiptInvalid):
    """A receipt under a compromised key alone: whoever has the key can make one of any size and any tree."""


def verifier_keys(ledger: Ledger) -> tuple[note.VerifierKey, ...]:
    """The keys of the ledger's checkpoints that are believed, for every origin; retired ones too."""
    return tuple(held.key for held in _log_keys(ledger) if held.status != "compromised")


def token_keys(ledger: Ledger) -> Mapping[bytes, bytes]:
    """The ledger's token keys that are believed, retired ones too: key id to public key."""
    return {key.key_id: key.public for key in ledger.token_keys if key.status != "compromised"}


def doubted_token_keys(ledger: Ledger) -> Mapping[bytes, bytes]:
    """The ledger's compromised token keys: what they sign is to be asked of the ledger."""
    return {key.key_id: key.public for key in ledger.token_keys if key.status == "compromised"}


def prove(ledger: Ledger, text: str, *, event: bytes) -> receipt.Proven:
    """What a receipt proves of the stored bytes `event`; raises ReceiptInvalid, KeyCompromised.

    1. The receipt holds under a key that is believed; or, for a tree no larger than the mark, under a
       compromised one, and a quorum of the trusted witnesses cosigned it.
    2. The tree is not larger than the largest that this key can have signed.
    """
    try:
        proven = receipt.verify(text, event=event, trusted=verifier_keys(ledger), suite=ledger.suite)  # 1
    except receipt.ReceiptInvalid as error:
        doubted = _under_compromised(ledger, text, event)
        if doubted is None:
            raise error
        proven = doubted
    last_size = next(held.last_size for held in _log_keys(ledger) if held.key == proven.signer)
    if last_size is not None and proven.checkpoint.size > last_size:  # 2
        raise receipt.ReceiptInvalid(
            f"the key was retired at size {last_size} and signed no tree of {proven.checkpoint.size}"
        )
    return proven


def _under_compromised(ledger: Ledger, text: str, event: bytes) -> receipt.Proven | None:
    """What witnesses vouch for of a receipt under a compromised key; raises KeyCompromised when they do not.

    None when it does not hold under such a key either. A witness cosigns one tree of a size, in their order:
    whoever got the key later cannot have had another one cosigned of a size that was cosigned by then. A mark
    that the operator gave rightly lies no higher.
    """
    doubted = [held for held in _log_keys(ledger) if held.status == "compromised"]
    since = {held.key: held.compromised_since or 0 for held in doubted}
    try:
        proven = receipt.verify(text, event=event, trusted=since, suite=ledger.suite)
    except receipt.ReceiptInvalid:
        return None
    if proven.checkpoint.size <= since[proven.signer] and _is_cosigned(ledger, text):
        return proven
    raise KeyCompromised(
        f"its key {proven.signer.hash.hex()} was compromised: it needs a witness, or a fresh receipt of the "
        "ledger under a later key"
    )


def _is_cosigned(ledger: Ledger, text: str) -> bool:
    """Whether a quorum of the trusted witnesses, one at least, cosigned a receipt's checkpoint."""
    try:
        found = trust_witness.cosigned(ledger, receipt.parse(text).checkpoint)
    except (note.NoteInvalid, TrustInvalid):
        return False
    return len(found) >= max(1, ledger.quorum)


def _log_keys(ledger: Ledger) -> tuple[LogKey, ...]:
    return tuple(held for origin in ledger.origins for held in origin.keys)


def listed(ledger: Ledger, number: int) -> status_list.StatusList | None:
    """The status list `number`; None when the file has none; raises StatusListInvalid."""
    data = ledger.status_lists.get(number)
    if data is None:
        return None
    return status_list.parse(data, trusted=token_keys(ledger), suite=ledger.suite)


def vouched(file: TrustFile, *, by: TrustFile) -> note.VerifierKey:
    """The key, active in the file at hand, that signed this later file of the same ledger.

    A key that was retired by then signs no later file: whoever got hold of it since would.
    Raises TrustInvalid when there is none, and when the file is older than the one at hand.
    """
    if file.fresh_s is None:
        raise TrustInvalid("a trust file of format 1 is not signed: compare it by hand")
    (ledger,) = file.ledgers
    known = [one for one in by.ledgers if one.ledger_id == ledger.ledger_id]
    if not known:
        raise TrustInvalid("the file is of a ledger that is not trusted here")
    if file.made_at < by.made_at:
        raise TrustInvalid("the file is older than the one at hand")
    believed = {held.key.text for held in _log_keys(known[0]) if held.status == "active"}
    for one in file.signatures:
        if one.key.text in believed:
            return one.key
    raise TrustInvalid("the file is signed by no key that is active in the one at hand")


def parse(data: bytes) -> TrustFile:
    """What a trust file says; raises TrustInvalid.

    1. The file is JSON without repeated members, fractions or numbers of many digits.
    2. Every object has exactly the members of the format, of the right types.
    3. Every text has the one spelling that `write` gives it; a file of format 2 is exactly what it writes.
    4. Keys carry their origin's name or their own id; no ledger, origin, key or list stands twice.
    5. A file of format 2 is signed by active log keys of its own newest origin.
    """
    content = trust_json.load(data, bytes_max=SIGNED_BYTES_MAX)  # 1
    form = content.get("format") if isinstance(content, dict) else None
    if type(form) is not int or form not in FORMATS:
        raise TrustInvalid("a trust file of an unknown format" if form is not None else "not a trust file")
    if form == 1 and len(data) > TRUST_BYTES_MAX:
        raise TrustInvalid(f"a trust file of format 1 has at most {TRUST_BYTES_MAX} bytes")
    try:
        file = trust_members.file(content)  # 2, 3
        trust_json.require_once([ledger.ledger_id for ledger in file.ledgers])  # 4
        trust_json.require_once([origin.origin for ledger in file.ledgers for origin in ledger.origins])
        if form != 1:
            _require_signed(file, data)  # 3, 5
    except (
        ids.IdInvalid,
        note.NoteInvalid,
        spelling.SpellingInvalid,
        status_list.StatusListInvalid,
        suites.SuiteUnknown,
    ) as error:
        raise TrustInvalid(str(error)) from error
    return file


def write(file: TrustFile, *, signers: Sequence[tuple[str, keys.SigningKey]] = ()) -> bytes:
    """The trust file's bytes; raises TrustInvalid when `parse` would refuse them.

    `signers`: of a file of format 2, active log keys with the origin whose name they carry.
    """
    if file.fresh_s is None:
        data = trust_json.dump(trust_members.content(file))
    else:
        body = trust_json.dump(trust_members.content(file))
        made = [
            Signature(
                key=note.VerifierKey(name=name, public=key.public), signature=key.sign(_to_be_signed(body))
            )
            for name, key in signers
        ]
        data = _with_signatures(body, made)
    if parse(data) != file:
        raise TrustInvalid("times are whole seconds in UTC")
    return data


def _with_signatures(body: bytes, signatures: Sequence[Signature]) -> bytes:
    said = [{"key": one.key.text, "signature": spelling.to_base64(one.signature)} for one in signatures]
    return body[:-1] + b',"signatures":' + trust_json.dump(said) + b"}"


def _to_be_signed(body: bytes) -> bytes:
    """ "trust" ‖ 2 ‖ the file without its signatures: no text of a note begins like that."""
    return cbor.encode(["trust", FORMATS[-1], body])


def _require_signed(file: TrustFile, data: bytes) -> None:
    body = trust_json.dump(trust_members.content(file))
    if _with_signatures(body, file.signatures) != data:
        raise TrustInvalid("the file is not written as its format says")
    (ledger,) = file.ledgers
    newest = max(ledger.origins, key=lambda origin: origin.generation)
    statuses = {held.key.text: held.status for held in newest.keys}
    if not file.signatures:
        raise TrustInvalid("the file is not signed")
    for one in file.signatures:
        if statuses.get(one.key.text) != "active":
            raise TrustInvalid("the file is signed by a key that is no active log key of its ledger")
        try:
            keys.verify(one.key.public, signature=one.signature, message=_to_be_signed(body))
        except keys.SignatureInvalid as error:
            raise TrustInvalid("the file was altered after it was signed") from error
