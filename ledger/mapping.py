"""Local types that stand for a national one (domain G34): what is in force, and names in both languages.

A local type's row says which national type it stands for, from when and field by field; the national type's
row lists the local types that ever did. A request for the national type finds their licenses, and an
authorization of the national type covers them. Pure; a type without a mapping costs one look at its row.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from ledger import days, errors
from ledger.state import AuthorizationRow, LicenseRow, State, TypeRow, altered
from signing import ids

LOCAL_TYPES_MAX = 100
"""Local types that may stand for one national type."""


class Mapped(NamedTuple):
    """What a local type stands for on some day."""

    own_type: str
    national_type: str
    sharing_class: str
    """Of the local type."""
    fields: tuple[tuple[str, str], ...]
    """(field of the local type, field of the national type)."""

    def own(self, names: tuple[str, ...] | None) -> tuple[str, ...] | None:
        """National names as the local type has them, sorted; what is reserved has one name everywhere."""
        if names is None:
            return None
        asked = set(names)
        reserved = {name for name in names if name.startswith("@")}
        return tuple(sorted(reserved | {own for own, national in self.fields if national in asked}))

    def named_as(self, own_names: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
        """(own name, national name) of those among `own_names` that have one, in their order."""
        known = dict(self.fields)
        return tuple((name, known[name]) for name in own_names if name in known)


Mappings = Mapping[str, Mapped]
"""Local type to what it stands for."""
NONE: Mappings = {}


class Seen(NamedTuple):
    """What is permitted and what is asked of one license, both by the names that its own type has."""

    authorization: AuthorizationRow
    names: tuple[str, ...] | None
    mapped: Mapped | None = None
    """The mapping that this took; None: none."""
    asked_type: str | None = None
    """The national type by which the license was asked for."""


def spelled(
    national_type: str, *, since: int, until: int | None, fields: tuple[tuple[str, str], ...]
) -> tuple[str, ...]:
    """A mapping as it stands in the local type's row."""
    pairs = (f"{own}={national}" for own, national in fields)
    return (national_type, str(since), "" if until is None else str(until), *pairs)


def in_force(row: TypeRow | None, *, at: int) -> Mapped | None:
    """What a type stands for on the Beijing day of `at`; None: for nothing."""
    if row is None or not row.stands_for:
        return None
    national_type, since, until, *pairs = row.stands_for
    day = days.of_instant(at)
    if day < int(since) or (until and day > int(until)):
        return None
    fields = tuple((own, national) for own, _, national in (text.partition("=") for text in pairs))
    return Mapped(row.type_code, national_type, row.sharing_class, fields)


def around(types: tuple[str, ...], state: State, *, at: int) -> Mappings:
    """The mappings in force that a request for some types may concern; nearly always none."""
    found = NONE
    for type_code in types:
        row = state.get(TypeRow, type_code)
        if row is not None and (row.local_types or row.stands_for):
            known = (row, *(state.need(TypeRow, local) for local in row.local_types))
            made = (one for item in known if (one := in_force(item, at=at)) is not None)
            here = {one.own_type: one for one in made if type_code in (one.own_type, one.national_type)}
            found = {**found, **here}
    return found


def local_rows(row: TypeRow, state: State, *, at: int) -> tuple[TypeRow, ...]:
    """The rows of the local types that stand for a type at `at`."""
    rows = ((state.need(TypeRow, local), row.type_code) for local in row.local_types)
    return tuple(
        one for one, national in rows if (made := in_force(one, at=at)) and made.national_type == national
    )


def names_license(row: AuthorizationRow, item: LicenseRow) -> bool:
    """Whether an authorization names this license or its own type."""
    return item.type_code in row.type_codes or ids.text(item.license_ref) in row.license_refs


def seen(
    row: AuthorizationRow,
    item: LicenseRow,
    *,
    names: tuple[str, ...] | None,
    asked_type: str | None,
    mapped: Mapped | None,
) -> Seen:
    """What `row` permits and what is asked of one license, in the words of its own type.

    `asked_type` is the type by which it was asked for, and so whose words `names` are; None: it was asked for
    by what the authorization names.
    """
    if mapped is None:
        return Seen(row, names)
    is_named = names_license(row, item)
    is_asked_national = not is_named if asked_type is None else asked_type != item.type_code
    is_limit_national = not is_named or (is_asked_national and mapped.national_type in row.type_codes)
    if not (is_asked_national or is_limit_national):
        return Seen(row, names)
    return Seen(
        altered(row, field_names=mapped.own(row.field_names)) if is_limit_national else row,
        mapped.own(names) if is_asked_national else names,
        mapped,
        mapped.national_type if is_asked_national else None,
    )


UNMAPPED: Mapping[str, Any] = {"own_type": None, "asked_type": None, "named_as": ()}
"""What the fact of a use says where it took no mapping."""


def told(shown: Seen, own_names: tuple[str, ...]) -> Mapping[str, Any]:
    """What the fact of a use says of the mapping that it took."""
    if shown.mapped is None:
        return UNMAPPED
    named_as = () if shown.asked_type is None else shown.mapped.named_as(own_names)
    return {
        "own_type": shown.mapped.own_type,
        "asked_type": shown.asked_type,
        "named_as": named_as,
    }


def asked_as(asked_type: str | None, named_as: tuple[tuple[str, str], ...]) -> dict[str, Any]:
    """What an answer says beside a license that was asked for as of a national type; nothing else."""
    if asked_type is None:
        return {}
    names = {national: own for own, national in named_as}
    return {"asked_as": {"license_type": asked_type, "fields": names}}


def in_one_language(
    row: AuthorizationRow,
    item: LicenseRow,
    *,
    names: tuple[str, ...] | None,
    asked_type: str | None,
    mapped: Mapped | None,
) -> tuple[AuthorizationRow, tuple[str, ...] | None]:
    """What is permitted and what is asked of one license, both in the words of one type, whichever.

    Where both are in those of the national type they stay so: a name that the local type lacks counts.
    """
    if asked_type is None or asked_type in row.type_codes:
        return row, names
    shown = seen(row, item, names=names, asked_type=asked_type, mapped=mapped)
    return shown.authorization, shown.names


def require(
    own_type: str | None, asked_type: str | None, license_row: LicenseRow | None, state: State, *, at: int
) -> Mapped | None:
    """The mapping that a stored fact names, as it stood; None: it names none. Raises Forbidden."""
    if own_type is None:
        if asked_type is not None:
            raise errors.Forbidden("a license of another type than was asked for")
        return None
    mapped = in_force(state.get(TypeRow, own_type), at=at)
    is_own = license_row is not None and license_row.type_code == own_type
    if mapped is None or not is_own or asked_type not in (None, mapped.national_type):
        raise errors.Forbidden("not a type that stands for what was asked for")
    return mapped
