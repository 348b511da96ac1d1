"""A small synthetic world for tests: clients, holders and short ways to issue, authorize and use.

Every code is synthetic: people born on 1900-01-01, organizations of the published synthetic list.
"""

from __future__ import annotations

import contextlib
import itertools
from dataclasses import replace
from typing import Any, NamedTuple

import psycopg

from ledger import (
    attachment,
    attachment_store,
    authorization,
    authorization_commands,
    catalog,
    command,
    comparison_commands,
    coverage_commands,
    days,
    dispute_commands,
    errors,
    household_commands,
    identifiers,
    license_commands,
    opening,
    reading,
    registry_commands,
    status_commands,
    use_commands,
    workdays,
)
from ledger.appender import Appender
from ledger.pen import Recorded, Result
from signing import event

ORIGIN = "demo.license-ledger.example/tests"
OPERATOR = "11350000000000019H"
ISSUER = "11350000000000019H"
HALL = "12350100000000027E"
AUDITOR = "513500000000000353"
BUSINESS_LICENSE = "11100000MB0143028R001"
CITIZEN_CARD = "11100000000013127D001"
BOOKLET = f"{OPERATOR}900"
"""居民户口簿, which has no national code."""
ENTERPRISE = identifiers.holder_code("001", "91350100MA0000007A")
COUNTER = itertools.count(1)
Actors = tuple[command.Actor, command.Actor, command.Actor]
"""Issuer, hall and auditor."""


def citizen(number: int) -> identifiers.HolderCode:
    """Synthetic citizen `number` (0 to 899), born on 1900-01-01."""
    body = f"3501021900010{1:01}{number + 100:03}"
    return identifiers.holder_code("111", body + identifiers.citizen_id_check_character(body))


class Stored(NamedTuple):
    """One event, and its bytes."""

    event: event.Event
    data: bytes


class World:
    """A ledger with actors in it; every method appends and waits."""

    def __init__(self, ledger: opening.Ledger, appender: Appender, actors: Actors | None = None) -> None:
        """`actors`: those of a world in which this ledger was before."""
        self.ledger = ledger
        self.appender = appender
        self.issuer, self.hall, self.auditor = self.actors = actors or (
            self.register(ISSUER, "license:issue", "authorization:grant", "consent:attest"),
            self.register(HALL, "license:use", "license:verify", "file:attest"),
            self.register(AUDITOR, "audit:read"),
        )

    def do(self, asked: command.Command) -> Result:
        """The result of one command; raises what it was refused with."""
        return self.appender.submit(asked).result(timeout=60)

    def facts(self, *, after: int = -1, limit: int = 100_000) -> list[tuple[int, Stored]]:
        """The events after a leaf index, with their indexes."""
        found = self.ledger.recorder.states_after(after=after, limit=limit)
        return [(index, Stored(event.parse(data), data)) for index, data in found]

    def register(self, organization: str, *scopes: str) -> command.Actor:
        """A new client of `organization`, as an actor with an operator and a case."""
        number = next(COUNTER)
        types = tuple(fact.type_code for fact in catalog.national_catalog(OPERATOR))
        asked = registry_commands.RegisterClient(
            actor=self.ledger.console,
            name=f"client {number}",
            acts_for=organization,
            scopes=scopes,
            license_types=types if "license:issue" in scopes else (),
            algorithm="Ed25519",
            keys=(f'{{"n":{number}}}',),
        )
        self.do(asked)
        return command.Actor(
            client_id=asked.client_id,
            organization=organization,
            generation=0,
            operator=command.Operator(account=f"account-{number}", name=f"经办人{number}"),
            case_number=f"CASE-{number}",
            service_item="item-1",
            channel="window",
            reason="办理业务",
        )

    def issue(
        self,
        holder: identifiers.HolderCode = ENTERPRISE,
        *,
        type_code: str = BUSINESS_LICENSE,
        valid_from: str = "2020-01-01",
        valid_to: str | None = None,
        co_owner: identifiers.HolderCode | None = None,
        attachments: tuple[attachment.Attached, ...] = (),
        parties: tuple[license_commands.Party, ...] = (),
        area_code: str | None = None,
        **values: Any,
    ) -> bytes:
        """A new license of `holder`, and of a co-owner; returns its license_ref."""
        content = license_commands.Content(
            serial=license_commands.draw_serial(),
            number=f"NO-{next(COUNTER)}",
            holder_name="合成持证主体",
            values=values or {"name": "合成持证主体"},
            valid_from=days.parse(valid_from),
            valid_to=None if valid_to is None else days.parse(valid_to),
            issued_on=days.parse(valid_from),
            area_code=area_code,
        )
        asked = license_commands.IssueLicense(
            actor=self.issuer,
            type_code=type_code,
            holder=holder,
            content=content,
            parties=parties if co_owner is None else (owner(co_owner), *parties),
            attachments=attachments,
        )
        self.do(asked)
        return asked.license_ref

    def house(self, head: identifiers.HolderCode, *others: identifiers.HolderCode) -> bytes:
        """A household with a first page of the head and everybody's page; returns its household_ref."""
        first, own, *pages = (self.issue(one, type_code=BOOKLET) for one in (head, head, *others))
        asked = household_commands.RegisterHousehold(
            actor=self.issuer, head=own, first_page=first, pages=tuple(pages)
        )
        self.do(asked)
        return asked.household_ref

    def attach(self, name: str = "photo") -> attachment.Attached:
        """A picture, sealed and stored, for a license to be issued with."""
        said = attachment.Given(name=name, media_type="image/png", data=b"\x89PNG\r\n\x1a\n" + bytes(40))
        made, sealed = attachment.seal(said, vault=self.ledger.vault)
        with contextlib.closing(reading.Reader(self.ledger.ways.service, self.ledger.vault)) as reader:
            attachment_store.store(reader, {made.digest: sealed})
        return made

    def status(self, license_ref: bytes, verb: str) -> Result:
        """A change of a status or a mark by the issuer."""
        asked = status_commands.ChangeStatus(
            actor=self.issuer,
            license_ref=license_ref,
            verb=verb,
            document="（2026）闽01执1号",
            area_code="350200",
        )
        return self.do(asked)

    def dispute(self, license_ref: bytes | None, **changes: Any) -> bytes:
        """The hall says that a license is wrong, or a business license missing; returns the reference."""
        is_missing = license_ref is None
        asked = dispute_commands.FileDispute(
            actor=self.hall,
            raised_by="office",
            license_ref=license_ref,
            missing=(BUSINESS_LICENSE, ISSUER) if is_missing else None,
            evidence="00" * 32,
            statement="名称有误",
            values={},
            working_days=10,
            calendar=workdays.official(),
            **{
                "kind": "missing" if is_missing else "wrong",
                "field_names": () if is_missing else ("name",),
                **changes,
            },
        )
        self.do(asked)
        return asked.dispute_ref

    def cover(self, type_code: str = BUSINESS_LICENSE, *, holds: str = "all", **limits: Any) -> bytes:
        """A declaration of coverage by the console; returns its reference."""
        asked = coverage_commands.DeclareCoverage(
            actor=self.ledger.console, type_code=type_code, holds=holds, **limits
        )
        self.do(asked)
        return asked.coverage_ref

    def kind(self, license_ref: bytes) -> tuple[str, str]:
        """Type and issuer of a license, as a client reads them before the lock."""
        with psycopg.connect(self.ledger.ways.service) as conn:
            found = conn.execute(
                "SELECT type_code, issuer FROM licenses WHERE license_ref = %s", (license_ref,)
            ).fetchone()
        assert found is not None, "the license is there"
        return found[0], found[1]

    def grant(self, *, mode: str = "statutory", requester: str = HALL, **scope: Any) -> bytes:
        """An authorization; returns its reference. `scope` members as `authorization.Scope`, `holder` &c."""
        return self.grant_with_code(mode=mode, requester=requester, **scope)[0]

    def grant_with_code(
        self, *, mode: str = "statutory", requester: str = HALL, **scope: Any
    ) -> tuple[bytes, str]:
        """As `grant`, with the use code."""
        holder = scope.pop("holder", ENTERPRISE if mode == "holder" else None)
        members: dict[str, Any] = {
            "license_refs": (),
            "type_codes": (BUSINESS_LICENSE,),
            "field_names": None,
            "service_items": None,
            "valid_from": 0,
            "valid_until": None,
            "uses_max": None,
        }
        asked = authorization_commands.GrantAuthorization(
            actor=self.issuer,
            mode=mode,
            requester=requester,
            holder=holder,
            evidence="00" * 32 if mode == "holder" else None,
            representative=scope.pop("representative", None),
            scope=authorization.Scope(**members | scope),
        )
        self.do(asked)
        return asked.authorization_ref, asked.use_code

    def use(self, **asked: Any) -> list[Recorded]:
        """A use by the hall: of the enterprise's business license unless said otherwise."""
        if not {"use_code", "license_ref", "holder"} & asked.keys():
            asked |= {"holder": ENTERPRISE, "type_code": BUSINESS_LICENSE}
        return list(self.do(use_commands.UseLicense(actor=asked.pop("actor", self.hall), **asked)).recorded)

    def compare(self, license_ref: bytes, *, verdicts: comparison_commands.Verdicts) -> Recorded:
        """A comparison by the hall with a license, which comes to these verdicts."""
        names = tuple(name for name, _ in verdicts)
        asked = comparison_commands.CompareLicense(
            actor=self.hall,
            license_ref=license_ref,
            field_names=names,
            claims=dict.fromkeys(names, "另一值"),
        )
        try:
            return self.do(asked).recorded[0]
        except errors.VersionMoved as moved:
            known = {moved.extra["version_index"]: verdicts}
            return self.do(replace(asked, known=known)).recorded[0]


def owner(holder: identifiers.HolderCode) -> license_commands.Party:
    return license_commands.Party(
        role="co-owner",
        code_type=holder.code_type,
        code=holder.code,
        name="合成共有人",
        field_names=(),
        holder=holder,
    )
