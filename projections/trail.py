"""The audit trail 用证审计: one row an event, in clear only, found by license, holder, requester and more.

Sealed parts are not here; whoever may read them opens the event itself. A page costs the same however
long the trail is: each subject has its own key into it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, get_args

from ledger import audit, authorization, errors, fact, holder, license, state, use, verification
from projections import db, paging, sql
from projections.projection import Happened
from signing import event, ids

Subject = Literal["license", "holder", "requester", "case", "operator", "issuer", "all"]
KINDS: dict[str, int] = {"license": 1, "holder": 2, "requester": 3, "case": 4, "operator": 5, "issuer": 6}
"""Subject to its number in `trail_subjects`; `all` needs none."""
VALUES_MAX = 16


@dataclass(frozen=True, kw_only=True)
class TrailRow(state.Row):
    """One event, as far as it is in clear."""

    table = "trail"
    index: int
    recorded_at: int
    effective_at: int
    topic: str
    stream_id: bytes
    license_ref: bytes | None
    """The license, when the event is about one."""
    type_code: str | None
    issuer: str | None
    """The responsible issuer: of the event, else of its license."""
    organization: str
    """Acted for."""
    requester: str | None
    """Who asked to use, verify or read, or whom an authorization names."""
    client: bytes | None
    operator_ref: bytes | None
    case_number: str | None
    service_item: str | None
    channel: str
    outcome: str | None
    """`granted`, `refused` or `verified`."""
    reason: str | None
    """Why it was refused, or what a verification found."""
    authorization_ref: bytes | None


@dataclass(frozen=True, kw_only=True)
class _LicenseRow(state.Row):
    """What later events of a license do not say themselves."""

    table = "trail_licenses"
    license_ref: bytes
    type_code: str
    issuer: str


@dataclass(frozen=True, kw_only=True)
class _AuthorizationRow(state.Row):
    """Whom an authorization names."""

    table = "trail_authorizations"
    authorization_ref: bytes
    requester: str


class Trail:
    """The projection `trail`."""

    name: ClassVar[str] = "trail"
    version: ClassVar[int] = db.VERSIONS["trail"]
    tables: ClassVar[tuple[str, ...]] = ("trail_subjects", "trail", "trail_licenses", "trail_authorizations")

    def apply(self, work: db.Work, happened: Sequence[Happened]) -> None:
        """Add a row an event."""
        learned_licenses, learned_authorizations = _learned(happened)
        work.save(list(learned_licenses.values()))
        work.save(list(learned_authorizations.values()))
        refs = {ref for item in happened for ref in _licenses(item.fact)}
        grants = {ref for item in happened if (ref := _authorization(item.fact)) is not None}
        licenses = work.rows(_LicenseRow, refs)
        authorizations = work.rows(_AuthorizationRow, grants)
        rows = [_row(item, licenses, authorizations) for item in happened]
        work.save(rows)
        subjects = [
            subject
            for item, row in zip(happened, rows, strict=True)
            for subject in sorted(set(_subjects(item, row)))
        ]
        columns = [list(column) for column in zip(*subjects, strict=True)]
        work.run(sql.load("trail")["add_subjects"], (work.partition, *columns))


@dataclass(frozen=True, kw_only=True)
class Query:
    """Which events are asked for."""

    subject: Subject = "all"
    values: tuple[bytes | str, ...] = ()
    """References and stream ids as bytes, codes and case numbers as text; none for `all`."""
    since_index: int = 0
    until_index: int = paging.INDEX_MAX
    is_newest_first: bool = True

    def check(self) -> None:
        """Nothing when subject and values fit; raises Invalid."""
        if self.subject not in get_args(Subject):
            raise errors.Invalid("not a subject of the trail", field="subject")
        if (self.subject == "all") != (not self.values) or len(self.values) > VALUES_MAX:
            raise errors.Invalid(f"a subject has 1 to {VALUES_MAX} values, `all` none", field="value")


class Pages:
    """Reads the trail."""

    def __init__(self, database: db.Database, *, cursor_key: bytes) -> None:
        self._database = database
        self._cursors = paging.Cursors(cursor_key)

    def page(self, query: Query, *, limit: int = 100, cursor: str | None = None) -> paging.Page[TrailRow]:
        """One page of the events that `query` asks for; raises Invalid or Unavailable."""
        query.check()
        values = [value.encode() if isinstance(value, str) else value for value in query.values]
        first = paging.Bounds(
            since=query.since_index, until=query.until_index, is_newest_first=query.is_newest_first
        )

        def fetch(bounds: paging.Bounds, count: int) -> tuple[int, list[tuple[int, TrailRow]]]:
            return self._fetch(query.subject, values, bounds, count)

        of = ["trail", query.subject, *values]
        return paging.page(self._cursors, cursor, of=of, first=first, limit=limit, fetch=fetch)

    def _fetch(
        self, subject: str, values: list[bytes], bounds: paging.Bounds, count: int
    ) -> tuple[int, list[tuple[int, TrailRow]]]:
        text = sql.load("trail")["page_of_all" if subject == "all" else "page"]
        columns = ", ".join(f"t.{name}" for name in TrailRow.columns())
        order = "DESC" if bounds.is_newest_first else "ASC"
        params: dict[str, Any] = {
            "partition": self._database.partition,
            "since": bounds.since,
            "until": bounds.until,
            "limit": count,
        }
        if subject != "all":
            params |= {"kind": KINDS[subject], "values": values}
        found = self._database.read(text.format(columns=columns, order=order), params)
        through, rows = db.page_of(found, _read)
        return through, [(row.index, row) for row in rows]


def _read(values: Sequence[Any]) -> TrailRow:
    return TrailRow(**dict(zip(TrailRow.columns(), values, strict=True)))


def _learned(
    happened: Iterable[Happened],
) -> tuple[dict[state.Key, _LicenseRow], dict[state.Key, _AuthorizationRow]]:
    """What the facts say of licenses and authorizations that begin with them."""
    licenses: dict[state.Key, _LicenseRow] = {}
    authorizations: dict[state.Key, _AuthorizationRow] = {}
    for item in happened:
        made = item.fact
        if isinstance(made, license.LicenseIssued):
            assert item.about.issuer is not None, "the rule saw an issuer"
            licenses[made.license_ref] = _LicenseRow(
                license_ref=made.license_ref, type_code=made.type_code, issuer=item.about.issuer
            )
        elif isinstance(made, authorization.AuthorizationGranted):
            authorizations[made.authorization_ref] = _AuthorizationRow(
                authorization_ref=made.authorization_ref, requester=made.requester
            )
    return licenses, authorizations


def _row(
    item: Happened,
    licenses: dict[state.Key, _LicenseRow],
    authorizations: dict[state.Key, _AuthorizationRow],
) -> TrailRow:
    about, made = item.about, item.fact
    named = _licenses(made)
    license_ref = named[0] if len(named) == 1 else None
    known = licenses.get(license_ref) if license_ref is not None else None
    authorization_ref = _authorization(made)
    outcome, reason = _outcome(made)
    return TrailRow(
        index=item.index,
        recorded_at=about.recorded_at,
        effective_at=about.effective_at,
        topic=about.topic,
        stream_id=about.stream_id,
        license_ref=license_ref,
        type_code=known.type_code if known is not None else getattr(made, "type_code", None),
        issuer=about.issuer or (known.issuer if known is not None else None),
        organization=about.organization,
        requester=_requester(about, made, authorizations),
        client=about.client,
        operator_ref=about.operator_ref,
        case_number=about.case_number,
        service_item=about.service_item,
        channel=about.channel,
        outcome=outcome,
        reason=reason,
        authorization_ref=authorization_ref,
    )


def _licenses(made: fact.Fact) -> list[bytes]:
    """The licenses that a fact names."""
    one = getattr(made, "license_ref", None)
    if one is not None:
        return [one]
    return [ref if isinstance(ref, bytes) else ids.parse(ref) for ref in getattr(made, "license_refs", ())]


def _authorization(made: fact.Fact) -> bytes | None:
    ref: bytes | None = getattr(made, "authorization_ref", None)
    return ref


_ASKING = (
    use.LicenseUsed,
    use.UseRefused,
    verification.LicenseVerified,
    holder.HolderFileRead,
    audit.TrailRead,
    audit.RefusalsCounted,
)


def _requester(
    about: event.Event, made: fact.Fact, authorizations: dict[state.Key, _AuthorizationRow]
) -> str | None:
    if isinstance(made, _ASKING):
        return about.organization
    ref = _authorization(made)
    return authorizations[ref].requester if ref is not None else None


def _outcome(made: fact.Fact) -> tuple[str | None, str | None]:
    if isinstance(made, use.LicenseUsed):
        return "granted", None
    if isinstance(made, use.UseRefused):
        return "refused", made.reason
    if isinstance(made, verification.LicenseVerified):
        return "verified", made.result
    if isinstance(made, audit.RefusalsCounted):
        return "refused", "refusal-quota"
    return None, None


def _subjects(item: Happened, row: TrailRow) -> Iterator[tuple[int, bytes, int]]:
    """(kind, value, index) under which an event is found."""
    yield KINDS["holder"], row.stream_id, row.index
    for ref in _licenses(item.fact):
        yield KINDS["license"], ref, row.index
    if row.operator_ref is not None:
        yield KINDS["operator"], row.operator_ref, row.index
    texts = {"requester": row.requester, "case": row.case_number, "issuer": row.issuer}
    for name, text in texts.items():
        if text is not None:
            yield KINDS[name], text.encode(), row.index
