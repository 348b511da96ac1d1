"""What is granted by a mapping is allowed by a replay, and is within what was permitted, whatever is asked.

No database; hypothesis draws authorizations, licenses and requests of a national type and a local one.
"""

from __future__ import annotations

from typing import Any

import hypothesis.strategies as st
from hypothesis import given, settings

from ledger import authorization, mapping, use, use_choice
from ledger.state import AuthorizationRow, LicenseRow, State, StreamRow, TypeRow, loaded
from signing import ids
from tests.history import (
    CONDITIONAL,
    FREE,
    HALL,
    HOLDER,
    ISSUER,
    NOON,
    REGISTRY,
    STREAMS,
    History,
    begun,
    granted,
    version,
)
from tests.test_mapping import mapped

NATIONAL, LOCAL = FREE, CONDITIONAL
PAIRS = (("domicile", "name"), ("name", "domicile"))
"""Crossed on purpose: a name taken for the other type's is another field."""
NAMES = ("@holder_name", "@license_id", "domicile", "name", "scope")
HELD = ("@holder_name", "@license_id", "domicile", "name")
REFS = tuple(bytes([number]) * 16 for number in (1, 2, 3))
names = st.none() | st.sets(st.sampled_from(NAMES), min_size=1).map(lambda some: tuple(sorted(some)))
kinds = st.lists(st.sampled_from((NATIONAL, LOCAL)), min_size=1, max_size=3)


def told(types: list[str]) -> History:
    """A history in which the local type stands for the national one, and there are licenses of some types."""
    history = begun()
    history.record(mapped(fields=PAIRS), stream=REGISTRY, by=None)
    for ref, type_code in zip(REFS, types, strict=False):
        issued = version(license_ref=ref, type_code=type_code, field_names=HELD)
        history.record(issued, by=None)
    return history


def counted_types(row: AuthorizationRow, asked_type: str | None) -> tuple[str, ...]:
    """The types of which licenses are looked for."""
    return row.type_codes if asked_type is None else (asked_type,)


@settings(max_examples=400, deadline=None)
@given(
    types=kinds,
    mode=st.sampled_from(authorization.MODES),
    named=st.sets(st.sampled_from((NATIONAL, LOCAL))),
    by_ref=st.sets(st.integers(0, 2)),
    limits=names,
    asked_names=names,
    asked_by=st.sampled_from((NATIONAL, LOCAL, "reference", "code")),
)
def test_what_is_granted_is_allowed_again_and_within_what_was_permitted(
    types: list[str],
    mode: str,
    named: set[str],
    by_ref: set[int],
    limits: tuple[str, ...] | None,
    asked_names: tuple[str, ...] | None,
    asked_by: str,
) -> None:
    history = told(types)
    refs = (
        sorted(ids.text(REFS[number]) for number in by_ref if number < len(types)) if mode == "holder" else []
    )
    if mode == "unconditional":
        named -= {LOCAL}
    if not named and not refs:
        return
    members: dict[str, Any] = {
        "type_codes": tuple(sorted(named)),
        "license_refs": tuple(refs),
        "field_names": limits,
        "authorization_ref": b"a" * 16,
    }
    consent = mode == "holder"
    made = granted(mode, **members)
    history.record(made, stream=HOLDER if consent else STREAMS[HALL], by=ISSUER)
    row = history.row(AuthorizationRow, b"a" * 16)
    licenses = [history.row(LicenseRow, ref) for ref in REFS[: len(types)]]
    asked_type = {"reference": licenses[0].type_code, "code": None}.get(asked_by, asked_by)
    looked_for = counted_types(row, asked_type)
    state = State(loaded(history.rows))
    mappings = mapping.around(looked_for, state, at=NOON)
    considered = [
        item
        for item in (licenses[:1] if asked_by == "reference" else licenses)
        if item.type_code in looked_for
        or ids.text(item.license_ref) in (refs if asked_by == "code" else ())
        or (item.type_code in mappings and NATIONAL in looked_for)
    ]
    asked = use.Asked(HALL, "item-1", asked_names, type_code=asked_type)
    outcome = use_choice.decide(
        [row],
        considered,
        asked,
        type_code=None if asked_by == "reference" else asked_type or min(row.type_codes, default=None),
        types=[] if asked_by == "reference" else [history.row(TypeRow, code) for code in looked_for],
        homes={HOLDER: history.row(StreamRow, HOLDER)},
        mappings=mappings,
        local={code: mapping.local_rows(history.row(TypeRow, code), state, at=NOON) for code in looked_for},
        at=NOON,
    )
    for item in outcome.licenses if outcome.reason is None else ():
        _use(history, row, item, asked, outcome)


def _use(
    history: History,
    row: AuthorizationRow,
    item: LicenseRow,
    asked: use.Asked,
    outcome: use_choice.Outcome,
) -> None:
    shown = mapping.seen(
        row,
        item,
        names=asked.field_names,
        asked_type=asked.type_code,
        mapped=outcome.mappings.get(item.type_code),
    )
    disclosed = use.disclosed(shown.authorization, item, asked._replace(field_names=shown.names))
    made = use.LicenseUsed(
        license_ref=item.license_ref,
        version=1,
        license_index=item.version_index,
        authorization_ref=row.authorization_ref,
        mode=row.mode,
        fields=disclosed,
        status="effective",
        **mapping.told(shown, disclosed),
    )
    history.record(made, by=HALL)
    assert dict(made.named_as) == (
        {name: dict(PAIRS)[name] for name in disclosed if name in dict(PAIRS)} if shown.asked_type else {}
    )
    is_named = item.type_code in row.type_codes or ids.text(item.license_ref) in row.license_refs
    assert is_named or NATIONAL in row.type_codes
    is_asked_national = asked.type_code != item.type_code if asked.type_code else not is_named
    is_limited_national = not is_named or (is_asked_national and NATIONAL in row.type_codes)
    for name in set(disclosed) - {use.ALWAYS_DISCLOSED}:
        national = name if name.startswith("@") else dict(PAIRS)[name]
        assert (national if is_asked_national else name) in (asked.field_names or NAMES)
        assert (national if is_limited_national else name) in (row.field_names or NAMES)
