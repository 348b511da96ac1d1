"""The worked example of `docs/formats/log.md`: the example log's tile, and its checkpoint with a witness."""

from __future__ import annotations

import json
import textwrap

from signing import cosignature, keys, witnessing

SEED, NAME, AT_S = bytes([0x06]) * 32, "witness.example/w1", 1_769_904_000
KEY = keys.SigningKey(SEED)


def blocks(leaves: list[bytes], checkpoint: str) -> dict[str, str]:
    """Block name to text, without the last newline."""
    text = checkpoint.partition("\n\n")[0] + "\n"
    line = cosignature.sign(text, name=NAME, key=KEY, at_s=AT_S)
    witness = {
        "seed": SEED.hex(),
        "public_key": KEY.public.hex(),
        "verifier_key": cosignature.CosignerKey(name=NAME, public=KEY.public).text,
        "at": AT_S,
    }
    sent = witnessing.Submission(old_size=2, proof=(leaves[2],), checkpoint=checkpoint)
    return {
        "tile": "\n".join(textwrap.wrap(b"".join(leaves).hex(), 96)),
        "cosigned": cosignature.added(checkpoint, [line]).rstrip("\n"),
        "witness": json.dumps(witness, indent=1),
        "submission": witnessing.write(sent).rstrip("\n"),
    }
