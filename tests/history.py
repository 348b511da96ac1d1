"""Facts without a database: given what was recorded, when this is recorded, then the rows or the error.

Gives `History`, which asks the rules as the append path and `check` do, over a dictionary, and lets a
fact read only the rows that it says it touches; and `begun`, a history with a catalog and clients.
"""

from __future__ import annotations

from typing import Any, TypeVar

from ledger import authorization, catalog, client, days, fact, license, log
from ledger.state import Key, NotLoaded, Row, State
from signing import event

OPERATOR = ISSUER = "11350000000000019H"
HALL = "12350100000000027E"
OTHER = "513500000000000353"
FREE, CONDITIONAL, UNSHARED = (f"11100000MB0143028R{number}" for number in ("001", "002", "003"))
REGISTRY, HOLDER, STRANGER = b"registry".ljust(16), b"holder".ljust(16), b"stranger".ljust(16)
STREAMS = {ISSUER: b"issuer".ljust(16), HALL: b"hall".ljust(16), OTHER: b"other".ljust(16)}
CLIENTS = {ISSUER: b"I" * 16, HALL: b"H" * 16, OTHER: b"O" * 16}
OPERATOR_REF = b"operator".ljust(16)
REF, OTHER_REF = b"1" * 16, b"2" * 16
NOON = days.parse_instant("2026-03-01T12:00:00+08:00")

R = TypeVar("R", bound=Row)


class History:
    """Facts applied in their order."""

    def __init__(self) -> None:
        self.rows: dict[tuple[type[Row], Key], Row] = {}
        self.size = 0

    def record(
        self,
        made: fact.Fact,
        *,
        stream: bytes = HOLDER,
        by: str | None = ISSUER,
        at: int = NOON,
        **members: Any,
    ) -> event.Event:
        """Record one fact by the client of an organization (None: the console); raises what refuses it."""
        about = event.Event(
            suite="intl",
            ledger_id=bytes(16),
            event_id=self.size.to_bytes(16, "big"),
            topic=made.topic,
            stream_id=stream,
            recorded_at=at,
            fact=fact.to_map(made),
            sealed={},
            **{
                "effective_at": at,
                "client": None if by is None else CLIENTS[by],
                "organization": by or OPERATOR,
                "operator_ref": None if by is None else OPERATOR_REF,
                "issuer": by or OPERATOR,
                "case_number": None,
                "service_item": "item-1",
                "channel": "window",
            }
            | members,
        )
        stored = event.parse(event.encode(about))
        again = fact.from_event(stored)
        assert again == made
        state = State(self._loader({*fact.actor_keys(stored), *again.touches(stored)}))
        fact.allow_actor(again, stored, state)
        again.allow(stored, state)
        again.evolve(stored, state, self.size)
        self.rows |= state.changed
        self.size += 1
        return about

    def row(self, cls: type[R], key: Key) -> R:
        """A row as it is now."""
        row = self.rows[cls, key]
        assert isinstance(row, cls)
        return row

    def _loader(self, touched: set[tuple[type[Row], Key]]) -> Any:
        def find(cls: type[Row], key: Key) -> Row | None:
            if (cls, key) not in touched:
                raise NotLoaded(f"{cls.__name__} is read and not said to be touched")
            return self.rows.get((cls, key))

        return find


def begun() -> History:
    """A history with three types of different sharing classes and a client of each organization."""
    history = History()
    opened = log.LedgerOpened(origin="demo.example/ledger/0", operator=OPERATOR, suite="intl")
    history.record(opened, stream=REGISTRY, by=None)
    for type_code, sharing_class in (
        (FREE, "unconditional"),
        (CONDITIONAL, "conditional"),
        (UNSHARED, "none"),
    ):
        history.record(registered_type(type_code, sharing_class), stream=REGISTRY, by=None)
    for organization, scopes in (
        (ISSUER, ("authorization:grant", "catalog:write", "consent:attest", "license:issue")),
        (HALL, ("consent:attest", "file:attest", "license:use", "license:verify")),
        (
            OTHER,
            (
                "audit:read",
                "authorization:grant",
                "coverage:declare",
                "holder:register",
                "license:issue",
                "license:use",
            ),
        ),
    ):
        history.record(registered_client(organization, *scopes), stream=REGISTRY, by=None)
    return history


def registered_type(type_code: str, sharing_class: str) -> catalog.LicenseTypeRegistered:
    return catalog.LicenseTypeRegistered(
        type_code=type_code,
        name_zh="类型",
        name_en="Type",
        defining_authority="合成机关",
        holder_kind="either",
        multi_holder=False,
        validity_rule="by-certificate",
        sharing_class=sharing_class,
        fields=(("domicile", "住所"), ("name", "名称")),
    )


def registered_client(organization: str, *scopes: str, **members: Any) -> client.ClientRegistered:
    values: dict[str, Any] = {
        "client_id": CLIENTS.get(organization, b"N" * 16),
        "name": "client",
        "organization": organization,
        "organization_stream": STREAMS.get(organization, b"new".ljust(16)),
        "scopes": scopes,
        "license_types": (FREE, CONDITIONAL, UNSHARED) if organization == ISSUER else (FREE,),
        "algorithm": "Ed25519",
        "keys": ('{"n":1}',),
    }
    return client.ClientRegistered(**values | members)


def version(cls: type[Any] = license.LicenseIssued, **members: Any) -> Any:
    """An issue, or an amendment, of the first license."""
    values: dict[str, Any] = {
        "license_ref": REF,
        "type_code": FREE,
        "version": 1,
        "parties": (("holder", HOLDER),),
        "valid_from": days.parse("2020-01-01"),
        "valid_to": None,
        "issued_on": days.parse("2020-01-01"),
        "field_names": ("@license_id", "domicile", "name"),
        "fields_root": bytes(32),
        "pieces": (),
    }
    return cls(**values | members)


def granted(mode: str = "holder", **members: Any) -> authorization.AuthorizationGranted:
    """An authorization of the hall for the free type."""
    is_consent = mode == "holder"
    values: dict[str, Any] = {
        "authorization_ref": REF,
        "mode": mode,
        "requester": HALL,
        "requester_stream": STREAMS[HALL],
        "license_refs": (),
        "type_codes": (FREE,),
        "field_names": None,
        "service_items": None,
        "valid_from": 0,
        "valid_until": None,
        "uses_max": None,
        "evidence_digest": bytes(32) if is_consent else None,
        "use_code_digest": bytes(32) if is_consent else None,
        "entrusted_by": ISSUER if mode == "entrusted" else None,
    }
    return authorization.AuthorizationGranted(**values | members)
