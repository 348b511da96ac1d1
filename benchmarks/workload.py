"""Workloads: who holds what, and who asks for it, made again from a seed.

A workload is a TOML file in `workloads/`; `load` reads it, refuses what it does not know, and `Workload`
makes from it the same people, licenses and uses each time. Everything is synthetic: people born on
1900-01-01, computed codes, invented names. Shapes follow the public record where there is one.
"""

from __future__ import annotations

import bisect
import dataclasses
import itertools
import math
import random
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from api import demo, demo_people, models
from ledger import catalog, identifiers

FOLDER = Path(__file__).parent / "workloads"
_PEOPLE_PER_DIVISION = 900
_P95 = 1.6449
"""Of a normal distribution, in standard deviations."""


@dataclass(frozen=True, kw_only=True)
class Zipf:
    """Zipf–Mandelbrot weights 1/(k+q)^s."""

    s: float
    q: float
    count: int | None = None

    def drawer(self, count: int) -> Draw:
        """Draws numbers from 0 to `count` - 1, the first most often."""
        weights = [1 / (k + self.q) ** self.s for k in range(1, (self.count or count) + 1)]
        return Draw(weights)


class Draw:
    """Draws an index by weight, in the logarithm of their number."""

    def __init__(self, weights: Sequence[float]) -> None:
        self._sums = list(itertools.accumulate(weights))

    def __call__(self, chance: random.Random) -> int:
        return bisect.bisect(self._sums, chance.random() * self._sums[-1], hi=len(self._sums) - 1)


@dataclass(frozen=True, kw_only=True)
class Population:
    """Holders and what they hold."""

    natural: int
    legal: int
    licenses_per_natural: dict[str, float]
    licenses_per_legal: dict[str, float]
    types: dict[str, float]
    sealed_bytes: dict[str, float]


@dataclass(frozen=True, kw_only=True)
class Uses:
    """Who asks for what."""

    holders: Literal["spread", "each-once"]
    uses_per_license: dict[str, float]
    """The share of licenses that nobody asks for; of the others, a zeta distribution with a maximum."""
    requesters: dict[str, float]
    service_items: dict[str, float]
    operators: int
    by_reference: float
    some_fields: float
    items: dict[str, float] | None = None
    """Of a batch call, log-normal; None where uses come one by one."""


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """How a workload is asked for, beside a plain closed loop."""

    rate: float
    """Calls a second where a phase says 1."""
    phases: list[dict[str, float]]
    """Each `seconds` and `times` the rate; with `beside`, what else goes on runs."""
    kinds: dict[str, float]
    """Shares of the kinds of calls."""
    refused: dict[str, float] | None = None
    """Shares of the uses that are to be refused, by why."""
    repeated: float = 0.0
    """Share of calls sent again under the same key."""
    beside: Literal["batches"] | None = None
    expiring: float = 0.0
    """Share of licenses whose last day ends during the run."""
    rows: int = 0
    """Of a batch of a source that is collected."""


@dataclass(frozen=True, kw_only=True)
class Holding:
    """One license to be issued."""

    holder: identifiers.HolderCode
    holder_name: str
    type_code: str
    fields: dict[str, str]
    number: str
    is_expiring: bool = False
    """Whether its last day ends during the run."""


@dataclass(frozen=True, kw_only=True)
class Held:
    """One license that was issued."""

    holding: Holding
    license_ref: str


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One request: which requester sends which body where; without a body it is a GET."""

    requester: int
    body: dict[str, Any] | None
    path: str = "/v1/uses"


@dataclass(frozen=True, kw_only=True)
class Workload:
    """A workload as its file says it."""

    name: str
    seed: int
    about: str
    population: Population
    uses: Uses
    scenario: Scenario | None = None

    def scaled(self, *, holders: int, licenses: int | None = None) -> Workload:
        """The workload with at most so many holders, natural and legal in proportion.

        `licenses`: what a holder holds at most, beside the shares of the file.
        """
        whole = self.population.natural + self.population.legal
        share = min(1.0, holders / whole)
        smaller = dataclasses.replace(
            self.population,
            natural=round(self.population.natural * share),
            legal=round(self.population.legal * share),
            licenses_per_legal=_capped(self.population.licenses_per_legal, licenses),
        )
        return dataclasses.replace(self, population=smaller)

    def holdings(self, *, start: int = 0) -> Iterator[Holding]:
        """Every license of the population; people and enterprises are numbered from `start`."""
        chance = random.Random(self.seed)
        numbers = itertools.count(1)
        for number in range(start, start + self.population.natural):
            yield from self._of(citizen(number), f"合成居民{number}", natural_types(), chance, numbers)
        for number in range(start, start + self.population.legal):
            yield from self._of(enterprise(number), f"合成企业{number}", legal_types(), chance, numbers)

    def _of(
        self,
        holder: identifiers.HolderCode,
        name: str,
        types: Sequence[catalog.LicenseTypeRegistered],
        chance: random.Random,
        numbers: Iterator[int],
    ) -> Iterator[Holding]:
        shares = (
            self.population.licenses_per_natural
            if holder.is_natural_person
            else self.population.licenses_per_legal
        )
        (count,) = chance.choices([int(key) for key in shares], list(shares.values()))
        draw = Zipf(s=self.population.types["s"], q=self.population.types["q"]).drawer(len(types))
        chosen: dict[int, None] = {}
        while len(chosen) < min(count, len(types)):
            chosen[draw(chance)] = None
        # Whoever holds more than there are types holds several of some.
        for row in [*chosen, *(draw(chance) for _ in range(count - len(chosen)))]:
            entry = types[row]
            yield Holding(
                holder=holder,
                holder_name=name,
                type_code=entry.type_code,
                fields=self._fields(entry, name, chance),
                number=f"{self.name[:4].upper()}-{next(numbers):07}",
                is_expiring=self._is_expiring(chance),
            )

    def _is_expiring(self, chance: random.Random) -> bool:
        share = 0.0 if self.scenario is None else self.scenario.expiring
        return share > 0 and chance.random() < share

    def _fields(
        self, entry: catalog.LicenseTypeRegistered, name: str, chance: random.Random
    ) -> dict[str, str]:
        """Values whose size in all is drawn from the file's log-normal distribution."""
        median, p95 = self.population.sealed_bytes["median"], self.population.sealed_bytes["p95"]
        size = min(2 * p95, _lognormal(chance, median, p95))
        names = [one for one, _ in entry.fields if one != "photo"] or ["name", "scope"]
        each = max(4, int(size / len(names) / 3))
        return {one: (f"{name}·{one}·" + "示例" * each)[:each] for one in names}

    def requests(self, held: Sequence[Held]) -> Iterator[Asked]:
        """Uses without end; with holders `each-once`, one for each license."""
        chance = random.Random(self.seed + 1)
        uses = self.uses
        requesters = Zipf(**_numbers(uses.requesters)).drawer(1)
        items = Zipf(**_numbers(uses.service_items)).drawer(1)
        pick = self._popularity(len(held), chance)
        for number in itertools.count(1):
            if uses.holders == "each-once":
                if number > len(held):
                    return
                one = held[number - 1]
            else:
                one = held[pick(chance)]
            yield Asked(
                requester=requesters(chance),
                body=self._body(one, number, f"350000-{items(chance):05}", chance),
            )

    def batches(self, held: Sequence[Held]) -> Iterator[Asked]:
        """Batch calls without end; where an item's key belongs, its body says @KEY@ with its number."""
        said = self.uses.items
        assert said is not None, "a workload of batches"
        chance = random.Random(self.seed + 2)
        requests = self.requests(held)
        while True:
            drawn = _lognormal(chance, said["median"], said["p95"])
            some = list(itertools.islice(requests, min(models.BATCH_MAX, max(1, round(drawn)))))
            items = [{**(one.body or {}), "idempotency_key": f"@KEY@-{n}"} for n, one in enumerate(some)]
            yield Asked(requester=some[0].requester, body={"items": items}, path="/v1/uses/batch")

    def _popularity(self, licenses: int, chance: random.Random) -> Draw:
        """Draws a license as often as it is asked for."""
        said = self.uses.uses_per_license
        times = Zipf(s=said["s"], q=0, count=int(min(said["max"], 10_000))).drawer(1)
        weights = [0.0 if chance.random() < said["none"] else 1.0 + times(chance) for _ in range(licenses)]
        return Draw(weights if any(weights) else [1.0] * licenses)

    def _body(self, one: Held, number: int, item: str, chance: random.Random) -> dict[str, Any]:
        body: dict[str, Any] = {
            "purpose": {
                "service_item_code": item,
                "service_item_name": "开办餐饮店一件事",
                "case_number": f"{self.name[:4].upper()}-2026-{number:07}",
                "reason": "核验申请人是否持有所需证照",
            },
            "operator": {"account": f"account-{chance.randrange(self.uses.operators)}", "name": "合成经办人"},
            "channel": "window",
        }
        if chance.random() < self.uses.by_reference:
            body["license_ref"] = one.license_ref
        else:
            holder = one.holding.holder
            body["holder"] = {"code_type": holder.code_type, "code": holder.code}
            body["license_type"] = one.holding.type_code
        if chance.random() < self.uses.some_fields:
            body["fields"] = sorted(one.holding.fields)[:2]
        return body


def _capped(shares: dict[str, float], most: int | None) -> dict[str, float]:
    """Shares by count, the counts at most `most`."""
    capped: dict[str, float] = {}
    for count, share in shares.items():
        key = count if most is None else str(min(int(count), most))
        capped[key] = capped.get(key, 0.0) + share
    return capped


def _lognormal(chance: random.Random, median: float, p95: float) -> float:
    return chance.lognormvariate(math.log(median), math.log(p95 / median) / _P95)


def load(name: str) -> Workload:
    """The workload of that name; raises ValueError that says which member is wrong."""
    path = FOLDER / f"{name}.toml"
    if not path.is_file():
        raise ValueError(f"no workload {name}: there are {', '.join(names())}")
    said = tomllib.loads(path.read_text(encoding="utf-8"))
    made = _read(Workload, {"name": name, **said}, name)
    assert isinstance(made, Workload)
    return made


def names() -> list[str]:
    """The workloads that there are."""
    return sorted(path.stem for path in FOLDER.glob("*.toml"))


def _read(kind: Any, said: dict[str, Any], path: str) -> Any:
    """A frozen dataclass from a table with exactly its members."""
    members = {member.name: member for member in dataclasses.fields(kind)}
    needed = {name for name, member in members.items() if member.default is dataclasses.MISSING}
    wrong = (said.keys() - members.keys()) | (needed - said.keys())
    if wrong:
        raise ValueError(f"{path}: unknown or missing: {', '.join(sorted(wrong))}")
    tables = {"population": Population, "uses": Uses, "scenario": Scenario}
    values = {
        name: _read(tables[name], value, f"{path}.{name}") if name in tables else value
        for name, value in said.items()
    }
    return kind(**values)


def _numbers(said: dict[str, float]) -> dict[str, Any]:
    return {"s": said["s"], "q": said["q"], "count": int(said["count"])}


def citizen(number: int) -> identifiers.HolderCode:
    """Synthetic citizen `number`, born on 1900-01-01; 90 thousand in a prefecture."""
    division, within = divmod(number, _PEOPLE_PER_DIVISION)
    body = f"{350100 + division}19000101{100 + within:03}"
    return identifiers.holder_code("111", body + identifiers.citizen_id_check_character(body))


def enterprise(number: int) -> identifiers.HolderCode:
    """Synthetic enterprise `number`."""
    return identifiers.holder_code("001", demo_people.credit_code("91350100", f"MA{100_000 + number:06}"))


def natural_types() -> list[catalog.LicenseTypeRegistered]:
    """The license types of people that are in use."""
    entries = list(catalog.national_catalog(demo.OPERATOR))
    return [entries[row] for row in demo.NATURAL_TYPES]


def legal_types() -> list[catalog.LicenseTypeRegistered]:
    """The license types of enterprises that are in use."""
    entries = list(catalog.national_catalog(demo.OPERATOR))
    return [entries[row] for row in demo.LEGAL_TYPES]
