"""Who attests the log, as the environment names them: what is understood, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from ledger import config, errors, outsiders
from signing import cosignature
from tests import tsa_world

KEYS = [
    cosignature.CosignerKey(name=f"witness.example/w{number}", public=bytes([number]) * 32)
    for number in range(9)
]
PAIRS = [f"https://w{number}.example {key.text}" for number, key in enumerate(KEYS)]


def named(**environ: str) -> outsiders.Outsiders:
    return config.from_environment({f"LEDGER_{name}": value for name, value in environ.items()}).outsiders


def test_without_a_word_nobody_is_asked() -> None:
    nobody = named()
    assert nobody == outsiders.Outsiders()
    assert (nobody.quorum, nobody.is_stamped) == (0, False)


@pytest.mark.parametrize(("count", "quorum"), [(1, 1), (2, 2), (3, 2), (5, 3)])
def test_more_than_half_are_a_quorum_unless_said(count: int, quorum: int) -> None:
    found = named(WITNESSES="\n".join(PAIRS[:count]))
    assert [one.url for one in found.witnesses] == [f"https://w{number}.example" for number in range(count)]
    assert found.keys == tuple(KEYS[:count])
    assert found.quorum == quorum
    assert named(WITNESSES=" ".join(PAIRS[:count]), WITNESS_QUORUM="1").quorum == 1


def test_limits_and_intervals_are_seconds() -> None:
    found = named(
        WITNESSES=PAIRS[0],
        WITNESS_EVERY_S="60",
        WITNESS_WARN_S="300",
        WITNESS_STOP_S="259200",
        TIMESTAMP_EVERY_S="86400",
        TIMESTAMP_WARN_S="172800",
    )
    assert (found.every_s, found.stamp_every_s) == (60, 86_400)
    assert found.witness_limits == outsiders.Limits(warn_s=300, stop_s=259_200)
    assert found.stamp_limits == outsiders.Limits(warn_s=172_800, stop_s=None)


def test_an_authority_is_believed_under_its_roots_and_policy(tmp_path: Path) -> None:
    tsa = tsa_world.made()
    roots = tmp_path / "roots.pem"
    roots.write_bytes(tsa.roots_pem)
    found = named(
        TIMESTAMP_URL="https://tsa.example/", TIMESTAMP_ROOTS=str(roots), TIMESTAMP_POLICY=tsa_world.POLICY
    )
    assert (found.is_stamped, found.stamp_url) == (True, "https://tsa.example")
    assert found.authority().roots == tsa.authority.roots
    assert found.authority().policy == tsa_world.POLICY
    assert not named(TIMESTAMP_URL="https://tsa.example").is_stamped
    roots.write_bytes(b"")
    with pytest.raises(errors.Invalid) as caught:
        found.authority()
    assert caught.value.field == "LEDGER_TIMESTAMP_ROOTS"


@pytest.mark.parametrize(
    ("field", "environ"),
    [
        ("WITNESSES", {"WITNESSES": "https://w.example"}),
        ("WITNESSES", {"WITNESSES": f"{KEYS[0].text} https://w.example"}),
        ("WITNESSES", {"WITNESSES": f"ftp://w.example {KEYS[0].text}"}),
        ("WITNESSES", {"WITNESSES": f"{PAIRS[0]} {PAIRS[0]}"}),
        ("WITNESSES", {"WITNESSES": " ".join(PAIRS)}),
        ("WITNESS_QUORUM", {"WITNESSES": PAIRS[0], "WITNESS_QUORUM": "2"}),
        ("WITNESS_QUORUM", {"WITNESSES": PAIRS[0], "WITNESS_QUORUM": "0"}),
        ("WITNESS_EVERY_S", {"WITNESS_EVERY_S": "1.5"}),
        ("WITNESS_STOP_S", {"WITNESS_STOP_S": "60"}),
        ("TIMESTAMP_STOP_S", {"TIMESTAMP_STOP_S": "60", "TIMESTAMP_WARN_S": "61"}),
        ("TIMESTAMP_URL", {"TIMESTAMP_URL": "tsa.example"}),
        ("TIMESTAMP_POLICY", {"TIMESTAMP_POLICY": "any"}),
    ],
)
def test_what_cannot_be_meant_is_refused_with_its_name(field: str, environ: dict[str, str]) -> None:
    with pytest.raises(errors.Invalid) as caught:
        named(**environ)
    assert caught.value.field == f"LEDGER_{field}"
