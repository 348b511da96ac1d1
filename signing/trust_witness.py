"""Whom a trust file has cosign the log, and what checkpoints and time-stamps are worth by it.

Which witnesses, how many of them, and whose time is believed comes from the trust file alone.
"""

from __future__ import annotations

from signing import cosignature, note, timestamp
from signing.trust_json import TrustInvalid
from signing.trust_parts import Ledger


def policy(ledger: Ledger) -> cosignature.Policy:
    """The witnesses that this reader can judge, and how many are asked for; raises TrustInvalid.

    Keys of other types than Ed25519 cosignatures are passed over; a quorum that only they could fill is not.
    """
    known = []
    for text in ledger.witnesses:
        try:
            known.append(cosignature.CosignerKey.parse(text))
        except note.NoteInvalid:
            continue
    try:
        return cosignature.Policy(witnesses=tuple(known), quorum=ledger.quorum)
    except note.NoteInvalid as error:
        raise TrustInvalid(f"the witnesses: {error}") from error


def cosigned(ledger: Ledger, signed: str) -> tuple[cosignature.Cosignature, ...]:
    """Who of the trust file's witnesses cosigned a checkpoint; raises NoteInvalid when one did wrongly."""
    return cosignature.verified(signed, trusted=policy(ledger).witnesses)


def head(ledger: Ledger, signed: str) -> note.Checkpoint:
    """The tree head of a checkpoint that the ledger stands for; raises NoteInvalid.

    1. A key of its own origin signed it: one that is believed; or, for a tree no larger than the mark, a
       compromised one, and a quorum of the trusted witnesses, one at least, cosigned it.
    2. The tree is not larger than the largest that this key can have signed.
    """
    held = [key for origin in ledger.origins for key in origin.keys]
    text, signer = note.verify(signed, trusted=[one.key for one in held])  # 1
    found = note.parse_checkpoint(text)
    own = next(one for one in held if one.key == signer)
    if found.origin != signer.name:
        raise note.NoteInvalid("the checkpoint is of another origin than its key")
    if own.status == "compromised":
        is_before = found.size <= (own.compromised_since or 0)
        if not is_before or len(cosigned(ledger, signed)) < max(1, ledger.quorum):
            raise note.NoteInvalid(f"its key {signer.hash.hex()} was compromised: it needs witnesses")
    if own.last_size is not None and found.size > own.last_size:  # 2
        raise note.NoteInvalid(
            f"the key was retired at size {own.last_size} and signed no tree of {found.size}"
        )
    return found


def stamped(ledger: Ledger, held: timestamp.Stamped) -> timestamp.TimeStamp:
    """What a time-stamp proves under the trust file's roots; raises TimeStampInvalid."""
    roots = ledger.documents.time_stamp_roots
    if not roots:
        raise timestamp.TimeStampInvalid("the trust file names no time-stamp authority")
    return timestamp.verify(held, authority=timestamp.Authority(roots=roots))
