"""Which authorization a request is decided under, and which licenses it uses: `decide`, pure.

Gives the outcome of one request by the rule of `use.py`, over every authorization that may concern it
(docs/rules.md, "Several authorizations").
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from ledger import authorization, coverage, mapping, number
from ledger.state import AuthorizationRow, LicenseRow, StreamRow, TypeRow, altered
from ledger.use import (
    CHOICES_MAX,
    NATIONAL_CODES,
    TOGETHER_MAX,
    Asked,
    judge_authorization,
    judge_holder,
    judge_license,
)

_REASONS = tuple(NATIONAL_CODES)


class Outcome(NamedTuple):
    """What `decide` says: licenses to use under one authorization, or one reason to refuse."""

    reason: str | None
    authorization: AuthorizationRow | None = None
    licenses: tuple[LicenseRow, ...] = ()
    """Granted: those used. Refused: the one whose status forbids it, or those to choose from."""
    type_code: str | None = None
    coverage: tuple[bytes, ...] = ()
    """Nothing found: the type that decides, and the declarations by which it is not held."""
    home: bytes | None = None
    """The stream of the holder who stands in the way, or in which a choice among several holders' stands."""
    kept: frozenset[bytes] = frozenset()
    """Licenses, by reference, that outlive the holder in whose stream they stand, who has ended."""
    mappings: mapping.Mappings = mapping.NONE
    """Local types to what they stand for, as far as it matters to the request."""

    @property
    def stream_id(self) -> bytes | None:
        """Where a refusal stands: the license's home, else the authorization's; None: the requester's own."""
        if self.home is not None:
            return self.home
        if self.licenses:
            return self.licenses[0].stream_id
        return None if self.authorization is None else self.authorization.stream_id


def decide(
    candidates: Sequence[AuthorizationRow],
    licenses: Sequence[LicenseRow],
    asked: Asked,
    *,
    type_code: str | None,
    types: Sequence[TypeRow] = (),
    homes: Mapping[bytes, StreamRow],
    kept: frozenset[bytes] = frozenset(),
    contested: bytes | None = None,
    mappings: mapping.Mappings = mapping.NONE,
    local: Mapping[str, Sequence[TypeRow]] | None = None,
    at: int,
) -> Outcome:
    """The outcome of one request (docs/rules.md, rows in their order).

    `candidates` are authorizations that may concern the request, `licenses` what the holder has of the
    type asked for, or the one license named; `types` are those that say what it means to find nothing,
    `homes` the streams of the licenses' parties, `kept` licenses that outlive their holder, who has ended.
    `contested` is the stream to which the code asked by leads, where two persons share it. `mappings` say
    what local types stand for, as far as it matters here, `local` which stand for a type of `types`.
    """
    nearest = Outcome(reason="not-authorized")
    for row in sorted(candidates, key=_preference) if len(candidates) > 1 else candidates:
        if row.requester == asked.requester and _concerns(row, licenses, homes, type_code, mappings):
            outcome = _try(row, licenses, asked, types, homes, kept, contested, mappings, local, at=at)
            if outcome.reason is None:
                return outcome
            if not asked.is_by_number or _tells_by_number(row, outcome):
                nearest = max(nearest, outcome, key=_progress)
    return nearest._replace(mappings=mappings) if mappings else nearest


def _try(
    row: AuthorizationRow,
    licenses: Sequence[LicenseRow],
    asked: Asked,
    types: Sequence[TypeRow],
    homes: Mapping[bytes, StreamRow],
    kept: frozenset[bytes],
    contested: bytes | None,
    mappings: mapping.Mappings,
    local: Mapping[str, Sequence[TypeRow]] | None,
    *,
    at: int,
) -> Outcome:
    def of_holder(item: LicenseRow) -> str | None:
        if contested is not None:
            return "holder-contested"
        return judge_holder(homes[item.stream_id], mode=row.mode, is_kept=item.license_ref in kept)

    def hindrance(item: LicenseRow) -> str | None:
        return of_holder(item) or judge_license(item, at=at)

    covered = [item for item in licenses if _is_covered(row, item, homes, mappings)]
    consented = [
        item
        for item in covered
        if not authorization.is_consent_missing(row, item, homes[item.stream_id], homes.get, at=at)
    ]
    effective = [item for item in consented if hindrance(item) is None]
    is_ambiguous = len(effective) > (1 if asked.is_by_number else TOGETHER_MAX)
    uses = 1 if is_ambiguous else max(1, len(effective))
    reason = _judge(row, asked, covered, mappings, at=at, uses=uses)
    if reason is not None:
        # What is held is not for a requester whose authorization does not permit to ask.
        return Outcome(reason=reason, authorization=row)
    if not covered:
        named = [item for item in types if _names(row, item.type_code, mappings)]
        said, type_code, refs = coverage.judge_all(named, asked.expected, at=at, local=local)
        return Outcome(reason=said, authorization=row, type_code=type_code, coverage=refs)
    if not consented:
        newest = max(covered, key=lambda item: (item.valid_from, item.license_ref))
        return Outcome(reason="consent-missing", authorization=row, licenses=(newest,))
    if not effective:
        newest = max(consented, key=lambda item: (item.valid_from, item.license_ref))
        stands_in_the_way = of_holder(newest)
        if stands_in_the_way is not None:
            return Outcome(reason=stands_in_the_way, authorization=row, home=contested or newest.stream_id)
        return Outcome(reason=judge_license(newest, at=at), authorization=row, licenses=(newest,))
    if is_ambiguous:
        return ambiguous(row, effective, is_by_number=asked.is_by_number)
    return Outcome(reason=None, authorization=row, licenses=tuple(effective), kept=kept, mappings=mappings)


def _tells_by_number(row: AuthorizationRow, outcome: Outcome) -> bool:
    """Whether a requester may know why `row` does not grant what has a number.

    A consent was looked for because its holder has the number: any reason would tell so. It is told of a
    license under a live consent that opens the number.
    """
    opens = row.field_names is None or number.FIELD in row.field_names
    is_of_license = bool(outcome.licenses) or outcome.home is not None
    return row.mode != "holder" or (opens and is_of_license)


def ambiguous(
    row: AuthorizationRow, effective: Sequence[LicenseRow], *, is_by_number: bool = False
) -> Outcome:
    """The refusal of several licenses, of which one is to be named: those of one home, where it stands.

    Of one number, under a standing authorization, those of all homes: it stands with the authorization.
    """
    if is_by_number and row.mode != "holder":
        choices = tuple(effective[:CHOICES_MAX])
        return Outcome(reason="ambiguous", authorization=row, licenses=choices, home=row.stream_id)
    of_one = [item for item in effective if item.stream_id == effective[0].stream_id]
    return Outcome(reason="ambiguous", authorization=row, licenses=tuple(of_one[:CHOICES_MAX]))


def _judge(
    row: AuthorizationRow,
    asked: Asked,
    covered: Sequence[LicenseRow],
    mappings: mapping.Mappings,
    *,
    at: int,
    uses: int,
) -> str | None:
    """The first reason why `row` does not permit what is asked; names of fields compared in one language."""
    if not mappings or asked.type_code is None or asked.type_code in row.type_codes:
        return judge_authorization(row, asked, at=at, uses=uses)
    if not covered:
        limits = mappings[asked.type_code].own(row.field_names)
        return judge_authorization(altered(row, field_names=limits), asked, at=at, uses=uses)
    for item in covered:
        shown = mapping.seen(
            row,
            item,
            names=asked.field_names,
            asked_type=asked.type_code,
            mapped=mappings.get(item.type_code),
        )
        in_own_words = asked._replace(field_names=shown.names)
        reason = judge_authorization(shown.authorization, in_own_words, at=at, uses=uses)
        if reason is not None:
            return reason
    return None


def _names(row: AuthorizationRow, type_code: str, mappings: mapping.Mappings) -> bool:
    """Whether the authorization names a type, or what it stands for."""
    return type_code in row.type_codes or authorization.names_what_stands(row, mappings.get(type_code))


def _is_covered(
    row: AuthorizationRow,
    item: LicenseRow,
    homes: Mapping[bytes, StreamRow],
    mappings: mapping.Mappings,
) -> bool:
    """Whether the authorization covers a license; what hinders its home is no other party's business."""
    home = homes[item.stream_id]
    if not authorization.covers(row, item, home, mappings.get(item.type_code), homes.get):
        return False
    if not item.parties or row.mode != "holder":
        return True
    is_anothers = authorization.acting(row, home, item, homes.get) != item.stream_id
    return not is_anothers or judge_holder(home) is None


def _concerns(
    row: AuthorizationRow,
    licenses: Sequence[LicenseRow],
    homes: Mapping[bytes, StreamRow],
    type_code: str | None,
    mappings: mapping.Mappings,
) -> bool:
    if type_code is not None and _names(row, type_code, mappings):
        return True
    return any(_is_covered(row, item, homes, mappings) for item in licenses)


def _preference(row: AuthorizationRow) -> tuple[int, bytes]:
    return authorization.MODES.index(row.mode), row.authorization_ref


def _progress(outcome: Outcome) -> int:
    """How far a refused request came: the reason told is the one nearest to a grant."""
    assert outcome.reason is not None, "a granted request came all the way"
    return _REASONS.index(outcome.reason)
