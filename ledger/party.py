"""Parties 当事人: who stands on a license beside its first holding party, and what is theirs there.

The first party's stream is the license's home. Each further party has a stream, a code and a key of its
own: its fields are sealed under that key, and the license stands in its file where the type says so.
`Party` is what decision state keeps of one, as a line of text in `LicenseRow.parties`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from ledger import catalog_rules, errors
from ledger.state import LicenseRow, PartyRow, State, StreamRow, TypeRulesRow, altered
from signing import ids

PARTIES_MAX = 10
FIELD = re.compile(r"@party_([1-9])_(?:code|code_type|name)")
"""Fields that the ledger gives each further party, by its position."""


class Party(NamedTuple):
    """A party of a license with several, as decision state keeps it."""

    stream_id: bytes
    consent: str
    """`any`: its consent is enough; `all`: it is needed with that of all such; `none`: it is not asked."""
    field_names: tuple[str, ...]
    """Fields that are sealed under its own key."""

    @property
    def text(self) -> str:
        """The line in decision state."""
        return " ".join((ids.text(self.stream_id), self.consent, *self.field_names))


def of(row: LicenseRow) -> list[Party]:
    """The parties of a license with several, the first holding party first; none where it has one."""
    lines = (line.split(" ") for line in row.parties)
    return [Party(ids.parse(line[0]), line[1], tuple(line[2:])) for line in lines]


def holds(row: LicenseRow, stream_id: bytes) -> bool:
    """Whether the license is one of the holder of a stream, in which it may stand or not."""
    if row.stream_id == stream_id:
        return True
    return bool(row.parties) and not row.is_orphaned and any(one.stream_id == stream_id for one in of(row))


def may_consent(row: LicenseRow, stream_id: bytes) -> bool:
    """Whether the holder of a stream is asked for consent to uses of the license."""
    if not row.parties:
        return row.stream_id == stream_id
    return any(one.stream_id == stream_id and one.consent != "none" for one in of(row))


Streams = Callable[[bytes], StreamRow | None]
"""The stream of a party; None where nobody asks whether it is joined with others."""


def unjoined(stream_id: bytes) -> StreamRow | None:
    """Of no party it is known that its file is joined with others."""
    return None


def standing_as(row: LicenseRow, stream_id: bytes, streams: Streams) -> bytes:
    """The stream under which the holder of one stands on the license; the same where it does not."""
    parties = [one.stream_id for one in of(row)]
    if stream_id in parties:
        return stream_id
    return next((one for one in parties if _is_joined(one, {stream_id}, streams)), stream_id)


def who_gave(row: LicenseRow, given: set[bytes], streams: Streams) -> tuple[bytes, ...]:
    """Streams of the parties who gave their consent, in their own file or in one that is joined with it."""
    parties = {one.stream_id for one in of(row)}
    return tuple(sorted(one for one in parties if one in given or _is_joined(one, given, streams)))


def _is_joined(stream_id: bytes, others: set[bytes], streams: Streams) -> bool:
    row = streams(stream_id)
    return row is not None and any(ids.parse(text) in others for text in row.same_holder)


def is_consent_missing(row: LicenseRow, given: set[bytes]) -> bool:
    """Whether those who gave their consent are too few.

    Everyone is needed whose role asks `all`; where no role does, one whose role asks `any`.
    """
    if not row.parties:
        return row.stream_id not in given
    parties = of(row)
    needed = {one.stream_id for one in parties if one.consent == "all"}
    if needed:
        return not needed <= given
    return not any(one.consent == "any" and one.stream_id in given for one in parties)


def without(row: LicenseRow, stream_id: bytes) -> LicenseRow:
    """The license after the erasure of one of its parties: its fields and its consent are not asked for."""
    if row.stream_id == stream_id:
        return altered(row, is_orphaned=True)
    parties = of(row)
    gone = {name for one in parties if one.stream_id == stream_id for name in one.field_names}
    left = [Party(one.stream_id, "none", ()) if one.stream_id == stream_id else one for one in parties]
    return altered(
        row,
        field_names=tuple(name for name in row.field_names if name not in gone),
        parties=tuple(one.text for one in left),
    )


def put(row: LicenseRow, before: LicenseRow | None, state: State) -> None:
    """The license is found by the streams of its parties from here on, and by those before no more."""
    streams = {one.stream_id for one in of(row)} - {row.stream_id}
    former = set() if before is None else {one.stream_id for one in of(before)} - streams
    for stream_id in sorted(streams | former):
        state.put(_found(row, stream_id, is_current=stream_id in streams))


def left(row: LicenseRow, stream_id: bytes) -> PartyRow:
    """The license is found by the stream of one of its parties no more."""
    return _found(row, stream_id, is_current=False)


def _found(row: LicenseRow, stream_id: bytes, *, is_current: bool) -> PartyRow:
    return PartyRow(
        party_key=row.license_ref + stream_id,
        license_ref=row.license_ref,
        stream_id=stream_id,
        type_code=row.type_code,
        is_current=is_current,
    )


def reserved(position: int, *, code_type: str, code: str, name: str) -> dict[str, str]:
    """The fields that the ledger gives the party at `position`."""
    said = {"code": code, "code_type": code_type, "name": name}
    return {f"@party_{position}_{member}": value for member, value in said.items()}


def unfiled(rules: TypeRulesRow | None, roles: Iterable[str]) -> tuple[int, ...]:
    """Positions of the parties in whose file the type does not show the license."""
    return tuple(
        position
        for position, role in enumerate(roles)
        if catalog_rules.party_rule(rules, role).file == "not-in-file"
    )


def seals_own(rules: TypeRulesRow | None, role: str) -> bool:
    """Whether the type seals fields of this role under the party's own key."""
    return catalog_rules.party_rule(rules, role).key == "own"


def lines(
    rules: TypeRulesRow | None, parties: Sequence[tuple[str, bytes]], fields: Sequence[tuple[int, str]]
) -> tuple[str, ...]:
    """What decision state keeps of the parties of a version; nothing where it has one."""
    if len(parties) == 1:
        return ()
    made = []
    for position, (role, stream_id) in enumerate(parties):
        names = tuple(name for number, name in fields if number == position)
        made.append(Party(stream_id, catalog_rules.party_rule(rules, role).consent, names).text)
    return tuple(made)


def check(
    rules: TypeRulesRow | None,
    parties: Sequence[tuple[str, bytes]],
    fields: Sequence[tuple[int, str]],
    *,
    names: Sequence[str],
) -> None:
    """Nothing when parties and their fields fit each other and the type; raises Invalid."""
    if len(parties) > PARTIES_MAX or len(set(parties)) != len(parties):
        raise errors.Invalid(f"at most {PARTIES_MAX} different parties", field="parties")
    for position, (role, _) in enumerate(parties):
        if role not in catalog_rules.ROLES:
            raise errors.Invalid("not a role of a party", field=f"parties[{position}].role")
    named = [name for _, name in fields]
    if list(fields) != sorted(set(fields)) or len(set(named)) != len(named) or not set(named) <= set(names):
        raise errors.Invalid("a party's fields are fields of the license, each of one party", field="parties")
    home = parties[0][1]
    for position, _ in fields:
        is_party = 0 < position < len(parties)
        if not is_party or parties[position][1] == home or not seals_own(rules, parties[position][0]):
            raise errors.Invalid("the fields are not sealed under this party's key", field="parties")
    for name in names:
        found = FIELD.fullmatch(name)
        if found is not None and int(found[1]) >= len(parties):
            raise errors.FieldUnknown(field="fields")
