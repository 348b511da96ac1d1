"""Projections of a small synthetic world: their tables, their followers, and random histories for them."""

from __future__ import annotations

import contextlib
import os
import random
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import psycopg

from ledger import (
    audit_commands,
    authorization_commands,
    command,
    days,
    dispute_commands,
    draft_commands,
    ending_commands,
    errors,
    holder_commands,
    license_commands,
    naming_commands,
    verification_commands,
)
from projections import db, follower, holder, positions, rebuild, registry, statistics, tasks, trail_pages
from projections.projection import Projection
from tests.world import AUDITOR, BUSINESS_LICENSE, CITIZEN_CARD, HALL, ISSUER, World, citizen

CURSOR_KEY = b"cursor key of the tests".ljust(32)


@dataclass(frozen=True)
class Projected:
    """A world with the tables of the projections, which nobody follows yet."""

    world: World
    database: db.Database

    @property
    def owner(self) -> str:
        return str(self.world.ledger.ways.owner)

    @property
    def trail(self) -> trail_pages.Pages:
        return trail_pages.Pages(self.database, cursor_key=CURSOR_KEY)

    @property
    def tasks(self) -> tasks.Lists:
        return tasks.Lists(self.database, cursor_key=CURSOR_KEY)

    @property
    def files(self) -> holder.Files:
        return holder.Files(self.database, cursor_key=CURSOR_KEY)

    @property
    def statistics(self) -> statistics.Sums:
        return statistics.Sums(self.database)

    @property
    def head(self) -> int:
        return self.world.ledger.recorder.newest_index()

    def follower(self, projection: Projection, *, batch_max: int = 500) -> follower.Follower:
        return follower.Follower(self.database, self.world.ledger.recorder, projection, batch_max=batch_max)

    def positions(self, wake: positions.Wake = lambda name: None) -> positions.Positions:
        """Where the projections stand, for who follows when it is woken."""
        return positions.Positions(
            database=self.database,
            source=self.world.ledger.recorder,
            projections=registry.ALL,
            wake=wake,
        )

    def follow(self, *, batch_max: int = 500) -> None:
        """Bring every projection up with the facts."""
        for projection in registry.ALL:
            self.follower(projection, batch_max=batch_max).catch_up()
            assert self.database.position(projection.name).through == self.head

    def tables(self, projection: Projection) -> dict[str, list[Any]]:
        """Everything in the tables of a projection."""
        with psycopg.connect(self.owner) as conn:
            return {
                name: conn.execute(f"SELECT * FROM projections.{name} ORDER BY {name}::text").fetchall()  # type: ignore[arg-type]
                for name in projection.tables
            }

    def fetch(self, statement: str, *params: Any) -> Any:
        """The first row of a statement, as the owner."""
        with psycopg.connect(self.owner) as conn:
            return conn.execute(statement, params).fetchone()  # type: ignore[arg-type]

    def run(self, statement: str, *params: Any) -> None:
        """A statement as the owner."""
        with psycopg.connect(self.owner) as conn:
            conn.execute(statement, params)  # type: ignore[arg-type]


class Costing(db.Database):
    """Counts the blocks that its reads touch, and names the tables that they read whole."""

    blocks = 0
    read_whole: frozenset[str] = frozenset()

    def read(self, statement: str, params: Any = ()) -> list[Any]:
        explained = super().read(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {statement}", params)
        plan = explained[0][0][0]["Plan"]
        self.blocks += int(plan["Shared Hit Blocks"] + plan["Shared Read Blocks"])
        self.read_whole |= {node["Relation Name"] for node in _nodes(plan) if node["Node Type"] == "Seq Scan"}
        return super().read(statement, params)


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A plan and all plans below it."""
    yield plan
    for below in plan.get("Plans", ()):
        yield from _nodes(below)


@contextlib.contextmanager
def projected(world: World) -> Iterator[Projected]:
    """The world with projections made by a migration and reached as the service."""
    assert db.migrate(str(world.ledger.ways.owner)) == ()
    with db.Database(world.ledger.ways.service, pool_max=12) as database:
        yield Projected(world, database)


def require_equal_to_a_replay(here: Projected) -> None:
    """Every projection equals one that is built from the first fact."""
    for projection in registry.ALL:
        require_one_equal_to_a_replay(here, projection)


def require_one_equal_to_a_replay(here: Projected, projection: Projection) -> None:
    """The projection holds rows, the same as one that is built from the first fact."""
    followed = here.tables(projection)
    assert any(followed.values())
    assert rebuild.rebuild(here.owner, here.world.ledger.recorder, projection) == here.head
    assert here.tables(projection) == followed


def seed() -> int:
    """The seed of a random history; printed, so that it can be told again."""
    chosen = int(os.environ.get("LEDGER_FAULTS_SEED") or secrets.randbits(32))
    print(f"seed {chosen}: repeat with LEDGER_FAULTS_SEED={chosen}")  # noqa: T201
    return chosen


class Teller:
    """Tells a random history, in which much is refused."""

    def __init__(self, world: World, rng: random.Random) -> None:
        self._world = world
        self._rng = rng
        self.holders = [citizen(number) for number in rng.sample(range(900), 4)]
        self.licenses = [world.issue(self.holders[0])]
        self._registrar = world.register(AUDITOR, "holder:register")
        self._holder_of = {self.licenses[0]: self.holders[0]}
        self._drafts: list[bytes] = []
        self._draft()
        self._disputes: list[bytes] = []
        self._dispute()
        self.authorizations = [world.grant(type_codes=(CITIZEN_CARD, BUSINESS_LICENSE))]

    def tell(self, rounds: int) -> None:
        """So many things are tried."""
        acts = [self._issue, self._amend, self._grant, self._narrow, self._withdraw, self._status]
        acts += [self._end, self._reverse, self._rename, self._draft, self._review]
        acts += [self._dispute, self._decide]
        acts += [self._use] * 5 + [self._verify, self._read_file, self._read_trail]
        for _ in range(rounds):
            with contextlib.suppress(errors.LedgerError):
                self._rng.choice(acts)()

    def _issue(self) -> None:
        chosen = self._rng.choice(self.holders)
        ref = self._world.issue(chosen, type_code=self._rng.choice([BUSINESS_LICENSE, CITIZEN_CARD]))
        self.licenses.append(ref)
        self._holder_of[ref] = chosen

    def _amend(self) -> None:
        ref = self._rng.choice(self.licenses)
        content = license_commands.Content(
            serial=license_commands.draw_serial(),
            number="NO-1",
            holder_name="合成持证主体",
            values={"name": "合成持证主体"},
            valid_from=days.parse("2021-01-01"),
            valid_to=days.parse("2099-01-01"),
            issued_on=days.parse("2021-01-01"),
            area_code=self._rng.choice([None, "350102", "350200"]),
        )
        asked = license_commands.AmendLicense(
            actor=self._world.issuer,
            license_ref=ref,
            holder=self._holder_of[ref],
            type_and_issuer=self._world.kind(ref),
            content=content,
        )
        self._world.do(asked)

    def _grant(self) -> None:
        mode = self._rng.choice(["statutory", "holder"])
        scope = {"holder": self._rng.choice(self.holders)} if mode == "holder" else {}
        limit = self._rng.choice([None, 1, 3])
        self.authorizations.append(self._world.grant(mode=mode, uses_max=limit, **scope))

    def _narrow(self) -> None:
        asked = authorization_commands.NarrowAuthorization(
            actor=self._world.issuer,
            authorization_ref=self._rng.choice(self.authorizations),
            changes={"uses_max": self._rng.choice([1, 2, 50])},
        )
        self._world.do(asked)

    def _withdraw(self) -> None:
        asked = authorization_commands.WithdrawAuthorization(
            actor=self._world.issuer, authorization_ref=self._rng.choice(self.authorizations)
        )
        self._world.do(asked)

    def _status(self) -> None:
        verb = self._rng.choice(["suspend", "reinstate", "reinstate", "annul", "cancel"])
        self._world.status(self._rng.choice(self.licenses), verb)

    def _end(self) -> None:
        self._said(ending_commands.EndHolder, kind="death")

    def _reverse(self) -> None:
        self._said(ending_commands.ReverseEnd)

    def _rename(self) -> None:
        self._said(naming_commands.ChangeName, former_name="旧名", new_name="新名", changed_on=0)

    def _said(self, cls: Any, **members: Any) -> None:
        """What a registering organ says of one of the holders."""
        chosen = self._rng.choice(self.holders)
        self._world.do(cls(actor=self._registrar, holder=chosen, evidence="00" * 32, **members))

    def _draft(self) -> None:
        asked = draft_commands.DraftLicense(
            actor=self._world.issuer, type_code=BUSINESS_LICENSE, content={"number": "NO-1"}
        )
        self._world.do(asked)
        self._drafts.append(asked.draft_ref)

    def _review(self) -> None:
        reviewer = replace(self._world.issuer, operator=command.Operator(account="review-3", name="陈某"))
        chosen, decision = self._rng.choice(self._drafts), self._rng.choice(["approve", "return"])
        self._world.do(draft_commands.ReviewDraft(actor=reviewer, draft_ref=chosen, decision=decision))

    def _dispute(self) -> None:
        self._disputes.append(self._world.dispute(self._rng.choice([*self.licenses, None])))

    def _decide(self) -> None:
        asked = dispute_commands.DecideDispute(
            actor=self._world.issuer,
            dispute_ref=self._rng.choice(self._disputes),
            outcome=self._rng.choice(["upheld", "rejected"]),
            feedback="已核实",
        )
        self._world.do(asked)

    def _use(self) -> None:
        type_code = self._rng.choice([BUSINESS_LICENSE, CITIZEN_CARD])
        self._world.use(holder=self._rng.choice(self.holders), type_code=type_code)

    def _verify(self) -> None:
        ref = self._rng.choice([*self.licenses, bytes(16)])
        self._world.do(verification_commands.VerifyLicense(actor=self._world.hall, license_ref=ref))

    def _read_file(self) -> None:
        asked = holder_commands.ReadHolderFile(
            actor=self._world.hall,
            holder=self._rng.choice(self.holders),
            evidence="00" * 32,
            license_refs=tuple(self._rng.sample(self.licenses, min(2, len(self.licenses)))),
            salt=bytes(16),
            through=0,
        )
        self._world.do(asked)

    def _read_trail(self) -> None:
        asked = audit_commands.ReadTrail(
            actor=self._world.auditor, subject="all", about="", events=1, through=0
        )
        self._world.do(asked)


class Breaking:
    """A projection that a test lets fail."""

    def __init__(self, of: Projection, when: Callable[[db.Work, list[int]], None]) -> None:
        self.name, self.version, self.tables = of.name, of.version, of.tables  # type: ignore[misc]
        self._of = of
        self._when = when

    def apply(self, work: db.Work, happened: Any) -> None:
        self._of.apply(work, happened)
        self._when(work, [item.index for item in happened])


__all__ = [
    "CURSOR_KEY",
    "HALL",
    "ISSUER",
    "Breaking",
    "Projected",
    "Teller",
    "projected",
    "require_equal_to_a_replay",
    "seed",
]
