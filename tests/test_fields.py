"""Field digests: each value is proven by itself, and no other value, name or salt in its place."""

from __future__ import annotations

import hashlib
import json
from decimal import Decimal
from typing import Any

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from signing import fields, merkle

SALTED: dict[str, tuple[bytes, Any]] = {
    "@license_id": (bytes([1]) * 16, "1.2.156.3005.2"),
    "name": (bytes([2]) * 16, "某某"),
    "capital": (bytes([3]) * 16, "1000000.00"),
    "partners": (bytes([4]) * 16, [{"name": "a", "share": "0.5"}, None, True]),
}
DIGESTS = fields.digests(SALTED)
ROOT = fields.root(DIGESTS.values())

values = st.recursive(
    st.none() | st.booleans() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)
salts = st.binary(min_size=16, max_size=16)
salted_fields = st.dictionaries(st.text(min_size=1), st.tuples(salts, values), min_size=1, max_size=8)


def prove(disclosed: dict[str, tuple[bytes, Any]], *, root: bytes = ROOT) -> None:
    siblings = [item for name, item in DIGESTS.items() if name not in disclosed]
    fields.verify(disclosed, siblings=siblings, root_=root)


def test_a_digest_is_that_of_salt_name_and_value() -> None:
    salt, value = SALTED["partners"]
    expected = hashlib.sha256(cbor2.dumps([salt, "partners", value], canonical=True)).digest()
    assert DIGESTS["partners"] == expected


def test_the_root_is_over_the_digests_in_byte_order() -> None:
    ordered = sorted(DIGESTS.values())
    level = [hashlib.sha256(b"\0" + item).digest() for item in ordered]
    pairs = [hashlib.sha256(b"\1" + left + right).digest() for left, right in (level[:2], level[2:])]
    assert hashlib.sha256(b"\1" + pairs[0] + pairs[1]).digest() == ROOT
    assert fields.root(reversed(ordered)) == ROOT


@given(salted_fields, st.data())
def test_any_choice_of_fields_is_proven(salted: dict[str, tuple[bytes, Any]], data: st.DataObject) -> None:
    digests = fields.digests(salted)
    shown = set(data.draw(st.lists(st.sampled_from(sorted(salted)))))
    siblings = data.draw(st.permutations([item for name, item in digests.items() if name not in shown]))
    disclosed = {name: json.loads(json.dumps(salted[name][1])) for name in shown}
    fields.verify(
        {name: (salted[name][0], value) for name, value in disclosed.items()},
        siblings=siblings,
        root_=fields.root(digests.values()),
    )


@pytest.mark.parametrize(
    "lie",
    [
        {"name": (SALTED["name"][0], "别人")},
        {"name": (SALTED["capital"][0], "某某")},
        {"name": (SALTED["name"][0], ["某某"])},
        {"name": (SALTED["name"][0], None)},
        {"capital": (SALTED["capital"][0], "1000000.0")},
        {"capital": (SALTED["capital"][0], 1000000)},
        {"capital": (SALTED["capital"][0], 1000000.0)},
        {"capital": (SALTED["capital"][0], Decimal("1000000.00"))},
        {"partners": (SALTED["partners"][0], [{"name": "a", "share": "0.5"}, None, 1])},
        {"name": (SALTED["name"][0][:15], "某某")},
        {"name": (b"", "某某")},
        {"name": (SALTED["name"][0], "\ud800")},
        {"\ud800": SALTED["name"]},
        {"name": (SALTED["name"][0], {1: 1, "a": 1})},
    ],
    ids=repr,
)
def test_another_value_or_salt_is_refused(lie: dict[str, tuple[bytes, Any]]) -> None:
    with pytest.raises(fields.FieldsInvalid):
        prove(lie)


def test_another_name_is_refused() -> None:
    siblings = [item for name, item in DIGESTS.items() if name != "name"]
    with pytest.raises(fields.FieldsInvalid):
        fields.verify({"holder": SALTED["name"]}, siblings=siblings, root_=ROOT)


def test_a_sibling_missing_added_doubled_or_cut_is_refused() -> None:
    shown = {"name": SALTED["name"]}
    siblings = [item for name, item in DIGESTS.items() if name != "name"]
    for lie in (
        siblings[1:],
        [*siblings, bytes(32)],
        [*siblings, siblings[0]],
        [*siblings, DIGESTS["name"]],
        [siblings[0][:31], *siblings[1:]],
        [siblings[0] + siblings[1], siblings[2]],
    ):
        with pytest.raises(fields.FieldsInvalid):
            fields.verify(shown, siblings=lie, root_=ROOT)


def test_an_inner_node_does_not_stand_for_the_fields_below_it() -> None:
    first, second, third, fourth = sorted(DIGESTS.values())
    node = merkle.node_hash(merkle.leaf_hash(first), merkle.leaf_hash(second))
    with pytest.raises(fields.FieldsInvalid):
        fields.verify({}, siblings=[node, third, fourth], root_=ROOT)


def test_another_root_is_refused() -> None:
    prove({"name": SALTED["name"]})
    for root in (bytes(32), b"", ROOT[:31]):
        with pytest.raises(fields.FieldsInvalid):
            prove({"name": SALTED["name"]}, root=root)


def test_numbers_are_equal_only_as_they_are_written() -> None:
    salt = bytes(16)
    spelled = [
        fields.digest(salt, name="n", value=text) for text in ("1", "1.0", "1e0", "01", "true", "null")
    ]
    assert len({*spelled, fields.digest(salt, name="n", value=True)}) == 7


def test_each_field_gets_a_salt_of_its_own() -> None:
    salts = bytes(range(32))
    assert fields.salted({"a": 1, "b": 2}, salts) == {"a": (salts[:16], 1), "b": (salts[16:], 2)}
    with pytest.raises(ValueError, match="zip"):
        fields.salted({"a": 1}, salts)
