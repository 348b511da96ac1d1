"""A ledger with a history of some hundred events, and the ways of somebody who may change anything.

`Case` is a copy of that ledger which nobody has open: its database as owner, its check. `Copy` holds
its log in memory, so that a test can rewrite it with tree heads and tiles that fit.
"""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import psycopg

from ledger import (
    bulletin,
    case_commands,
    check,
    collection,
    collection_commands,
    config,
    copy_commands,
    draft_commands,
    identifiers,
    issuer_seal,
    issuing,
    license_commands,
    linking_commands,
    mandate_commands,
    opening,
    registry_commands,
    use_commands,
)
from ledger.vault import Vault
from signing import event, merkle
from tests import batch_world
from tests.world import AUDITOR, BUSINESS_LICENSE, CITIZEN_CARD, ENTERPRISE, HALL, ISSUER, World, citizen

ROUNDS = 12


def tell(world: World) -> None:
    """A history: licenses, authorizations of two modes, uses counted and refused, changes of status."""
    refs = [world.issue(citizen(number)) for number in range(ROUNDS)]
    refs += [world.issue() for _ in range(3)]
    world.issue(ENTERPRISE, type_code=CITIZEN_CARD, co_owner=citizen(1), attachments=(world.attach(),))
    world.do(draft_commands.DraftLicense(actor=world.issuer, type_code=BUSINESS_LICENSE, content={}))
    interim = identifiers.holder_code("099", identifiers.make_interim_code("350102", "000000001"))
    world.do(
        linking_commands.LinkHolderCodes(
            actor=world.register(AUDITOR, "holder:register"),
            holder=ENTERPRISE,
            linked=interim,
            evidence="00" * 32,
        )
    )
    person = license_commands.Party(
        role="legal-representative",
        code_type="111",
        code=citizen(2).code,
        name="合成代表人",
        field_names=(),
        holder=citizen(2),
    )
    world.issue(ENTERPRISE, parties=(person,))
    _say(world)
    world.dispute(refs[0])
    hall = world.register(HALL, "case:upload")
    parties = (("applicant", citizen(1)), ("agent", citizen(500)))
    world.do(case_commands.OpenCase(actor=hall, at=0, parties=parties))
    counted = world.grant(mode="holder", license_refs=(), uses_max=500)
    world.grant()
    world.compare(refs[-1], verdicts=(("name", "mismatch"),))
    _copy(world, refs[-1])
    _collect(world, refs[-1])
    for number in range(ROUNDS):
        uses = [
            world.appender.submit(
                use_commands.UseLicense(actor=world.hall, holder=holder, type_code=BUSINESS_LICENSE)
            )
            for holder in (ENTERPRISE, citizen(number), citizen(100 + number))
            for _ in range(4)
        ]
        for used in uses:
            used.result(timeout=60)
        world.status(refs[number], "suspend")
    assert counted
    with tempfile.TemporaryDirectory() as folder:
        batch_world.batch(world, [batch_world.inserted(1), batch_world.updated(1)], Path(folder) / "batch")


def _say(world: World) -> None:
    """An agent is appointed, a household registered, issuing entrusted, a month closed."""
    world.house(citizen(3))
    world.do(
        mandate_commands.AppointAgent(
            actor=world.issuer,
            holder=ENTERPRISE,
            person=citizen(3),
            evidence="00" * 32,
            type_codes=(BUSINESS_LICENSE,),
            valid_until=1 << 52,
        )
    )
    entrusted = issuing.IssuingEntrusted(
        entrustment_ref=b"e" * 16,
        delegator=ISSUER,
        delegate=HALL,
        type_codes=(BUSINESS_LICENSE,),
        areas=("350100",),
        valid_from=0,
        valid_until=None,
    )
    closed = bulletin.MonthClosed(month=202601)
    world.do(registry_commands.RecordInRegistry(actor=world.ledger.console, facts=(entrusted, closed)))


def _copy(world: World, license_ref: bytes) -> None:
    """The issuer gets a seal, and the hall a copy."""
    fingerprint = issuer_seal.fingerprint(b"certificate")
    sealed = issuer_seal.IssuerSealRegistered(
        organization=ISSUER,
        fingerprint=fingerprint,
        certificate=b"certificate",
        chain=(b"authority",),
        valid_from=0,
        valid_until=1 << 52,
        is_demonstration=True,
    )
    world.do(registry_commands.RecordInRegistry(actor=world.ledger.console, facts=(sealed,)))
    signer = copy_commands.Signer(license_ref, ISSUER, fingerprint)
    world.do(copy_commands.CopyLicense(actor=world.hall, license_ref=license_ref, signers=(signer,)))


def _collect(world: World, license_ref: bytes) -> None:
    """A batch of a source comes, with a row about a license."""
    batch = collection.Batch(ISSUER, "source", "20260101001")
    row = collection_commands.Delivered(batch=batch, operation="U", operated_at=1, digest=b"d" * 32)
    world.do(collection_commands.ReceiveBatch(actor=world.issuer, batch=batch, rows=1, digest=b"d" * 32))
    world.do(
        collection_commands.CollectStatus(
            actor=world.issuer,
            license_ref=license_ref,
            verb="suspend",
            document="（2026）闽01执1号",
            area_code="350200",
            delivered=row,
        )
    )


@dataclass(frozen=True, kw_only=True)
class Stored:
    """One event as the database has it."""

    stream_id: bytes
    topic: str
    recorded_at: int
    state: bytes


class Case:
    """A copy of the ledger, to be tampered with."""

    def __init__(self, configured: config.Config) -> None:
        self.config = configured
        self.vault = Vault(configured.data, secret=opening.file_secret(configured))
        self.identity = check.identity_of(self.vault.ring)

    def sql(self, statement: str, *params: object) -> list[Any]:
        """What the database's owner, in one statement, does or reads."""
        with psycopg.connect(str(self.config.owner_database_url), autocommit=True) as conn:
            cursor = conn.execute(cast("Any", statement), params)
            return cursor.fetchall() if cursor.description else []

    def report(self, *, with_anchor: bool = True, with_keys: bool = True, **options: Any) -> check.Report:
        """A check's report; without keys it is that of an outsider."""
        return check.check(
            str(self.config.database_url),
            identity=self.identity,
            anchor=self.vault.anchor if with_anchor else None,
            vault=self.vault if with_keys else None,
            **options,
        )

    def told(self, **options: Any) -> list[str]:
        """The texts of a check's findings."""
        return [finding.text for finding in self.report(**options).findings]

    def size(self) -> int:
        """How many events there are."""
        return int(self.sql("SELECT max(position) FROM events")[0][0])

    def index_of(self, topic: str, *, last: bool = False) -> int:
        """The index of the first event with this topic, or of the last."""
        order = "DESC" if last else "ASC"
        return int(
            self.sql(f"SELECT position FROM events WHERE topic = %s ORDER BY position {order}", topic)[0][0]
            - 1
        )

    def parsed(self, index: int) -> event.Event:
        """The event at an index."""
        return event.parse(self.sql("SELECT state FROM events WHERE position = %s", index + 1)[0][0])

    def rewrite_bytes(self, index: int, change: Callable[[event.Event], event.Event]) -> None:
        """Other bytes for one event, well-formed; nothing else is touched."""
        changed = event.encode(change(self.parsed(index)))
        self.sql("UPDATE events SET state = %s WHERE position = %s", changed, index + 1)

    def head_of(self, index: int) -> int:
        """The size of the tree head whose batch holds the event."""
        return int(self.sql("SELECT min(size) FROM checkpoints WHERE size > %s", index)[0][0])

    def stored(self) -> list[Stored]:
        """The whole log."""
        rows = self.sql(
            "SELECT uuid_send(stream_id), topic, recorded_at, state FROM events ORDER BY position"
        )
        return [Stored(stream_id=row[0], topic=row[1], recorded_at=row[2], state=row[3]) for row in rows]

    def rewrite_log(self, log: list[Stored], *, shifted_from: int | None = None) -> None:
        """Replace the log by another, with tree heads and tiles that fit it.

        Where an event was put in at `shifted_from`, later heads are one larger.
        """
        heads = self.sql("SELECT size FROM checkpoints ORDER BY size")
        sizes = [size + (shifted_from is not None and size > shifted_from) for (size,) in heads]
        leaves = [merkle.leaf_hash(item.state) for item in log]
        with psycopg.connect(str(self.config.owner_database_url)) as conn:
            for table in ("events", "checkpoints", "tiles"):
                conn.execute(cast("Any", f"DELETE FROM {table}"))
            for position, item in enumerate(log, start=1):
                conn.execute(
                    "INSERT INTO events VALUES (0, %s, encode(%s, 'hex')::uuid, %s, %s, %s, %s)",
                    (position, item.stream_id, position, item.topic, item.recorded_at, item.state),
                )
            frontier: merkle.Frontier = ()
            for before, size in itertools.pairwise([0, *sizes]):
                extension = merkle.Extension.of(frontier, before, leaves[before:size])
                frontier = extension.frontier
                conn.execute(
                    "INSERT INTO checkpoints VALUES (0, %s, 0, %s, %s, %s)",
                    (size, extension.root, b"".join(frontier), log[size - 1].recorded_at),
                )
            for number in range(len(log) // 256):
                hashes = b"".join(leaves[number * 256 : (number + 1) * 256])
                conn.execute("INSERT INTO tiles VALUES (0, 0, %s, %s)", (number, hashes))


def with_fact(about: event.Event, **members: Any) -> event.Event:
    """The event with other members in its fact."""
    return replace(about, fact={**about.fact, **members})
