"""A command that fails leaves the state of its batch as it found it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.batch_state import BatchState
from ledger.state import NotLoaded, StreamRow

KEYS = [bytes([number]) * 16 for number in range(4)]


def row(key: bytes, kind: str) -> StreamRow:
    return StreamRow(stream_id=key, kind=kind, is_erased=False)


@given(
    st.dictionaries(st.sampled_from(KEYS), st.booleans()),
    st.lists(
        st.tuples(st.lists(st.tuples(st.sampled_from(KEYS), st.text(max_size=2)), max_size=5), st.booleans())
    ),
)
def test_what_is_undone_was_never_there(
    there: dict[bytes, bool], commands: list[tuple[list[tuple[bytes, str]], bool]]
) -> None:
    loaded = {key: row(key, "holder") if there.get(key) else None for key in KEYS}
    state = BatchState({(StreamRow, key): value for key, value in loaded.items()})
    expected, changed = dict(loaded), {}
    for puts, fails in commands:
        before = dict(expected), dict(changed)
        for key, kind in puts:
            state.put(row(key, kind))
            expected[key] = changed[StreamRow, key] = row(key, kind)
            assert state.need(StreamRow, key).kind == kind
        assert {new.stream_id for _, new in state.fresh() if isinstance(new, StreamRow)} == {
            key for key, _ in puts
        }
        if fails:
            state.undo()
            expected, changed = before
        else:
            state.keep()
        assert {key: state.get(StreamRow, key) for key in KEYS} == expected
        assert state.changed == changed


def test_a_row_that_nobody_asked_for_is_not_taken_for_absent() -> None:
    state = BatchState({(StreamRow, KEYS[0]): None})
    assert state.find(StreamRow, KEYS[0]) is None
    for ask in (state.find, state.get, state.need):
        with pytest.raises(NotLoaded):
            ask(StreamRow, KEYS[1])
