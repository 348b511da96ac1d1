"""The calls of a scenario: uses, look-ups, verifications, comparisons, files and trails, from a seed.

What is asked for, and by whom, comes from the workload; a call has the token of its requester and a key of
its own. Calls that are to be refused say so, so that a wrong answer is counted.
"""

from __future__ import annotations

import itertools
import random
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from api import demo
from benchmarks import driver, workload
from ledger import catalog

_EVIDENCE = "0" * 64
_ACT = {"operator": {"account": "account-1", "name": "合成经办人"}, "case_number": "BENCH-2026-1"}
_REFUSED = "license-expired"
Make = Callable[[], dict[str, Any]]


class Calls:
    """Calls about what was issued for one workload."""

    def __init__(
        self,
        chosen: workload.Workload,
        held: Sequence[workload.Held],
        *,
        tokens: Sequence[str],
        auditor: str,
        others: Calls | None = None,
    ) -> None:
        """`others`: calls about another workload, for the kinds that end in `-other`."""
        self._chosen, self._held, self._tokens, self._auditor = chosen, held, tokens, auditor
        self._chance = random.Random(chosen.seed + 3)
        self._others = others
        self._uses = chosen.requests(held)
        self._prefix, self._numbers = secrets.token_hex(6), itertools.count(1)
        self._expiring = {one.license_ref for one in held if one.holding.is_expiring}

    def calls(
        self, kinds: Mapping[str, float], refused: Mapping[str, float] | None = None
    ) -> Iterator[driver.Call]:
        """Calls of some kinds by their shares, until what is asked about once was asked about."""
        names, shares = list(kinds), list(kinds.values())
        while True:
            (kind,) = self._chance.choices(names, shares)
            try:
                yield self._refused(refused) if refused and kind == "use" else self.call(kind)
            except StopIteration:
                return

    def call(self, kind: str) -> driver.Call:
        """One call; raises StopIteration when there is nothing left to use."""
        if kind.endswith("-other"):
            assert self._others is not None, "there is another workload"
            return self._renamed(self._others.call(kind.removesuffix("-other")), kind)
        if kind == "use":
            return self.use(next(self._uses))
        one = self._chance.choice(self._held)
        path, body = _KINDS[kind](one, self._chosen)
        is_auditors = kind == "search" or kind.startswith("trail")
        token = self._auditor if is_auditors else self._chance.choice(self._tokens)
        return self._made(kind, path, body, token)

    def use(self, asked: workload.Asked) -> driver.Call:
        """A use as the workload asks for it."""
        body = asked.body or {}
        return self._made("use", asked.path, body, self._tokens[asked.requester])

    def expiring(self) -> Iterator[driver.Call]:
        """Uses of licenses that end during the run, and as many of others, by their reference."""
        expiring = [one for one in self._held if one.license_ref in self._expiring]
        lasting = [one for one in self._held if one.license_ref not in self._expiring]
        while True:
            for kind, some in (("use-expiring", expiring), ("use-lasting", lasting)):
                one = self._chance.choice(some)
                asked = self.use(next(self._uses))
                said = {**(asked.body or {}), "license_ref": one.license_ref}
                yield self._made(kind, asked.path, _named(said), asked.token)

    def _refused(self, shares: Mapping[str, float]) -> driver.Call:
        drawn, total = self._chance.random(), 0.0
        asked = self.use(next(self._uses))
        for why, share in shares.items():
            total += share
            if drawn < total:
                return self._spoiled(asked, why)
        # What the workload asks for at random may have expired.
        return asked

    def _spoiled(self, asked: driver.Call, why: str) -> driver.Call:
        """The use as it must not be granted."""
        body = dict(asked.body or {})
        body.pop("license_ref", None)
        body.pop("fields", None)
        one = self._chance.choice(self._held)
        code = {"code_type": one.holding.holder.code_type, "code": one.holding.holder.code}
        expected = ""
        if why == "not-held":
            own = {
                other.holding.type_code for other in self._held if other.holding.holder == one.holding.holder
            }
            types = (
                workload.natural_types() if one.holding.holder.is_natural_person else workload.legal_types()
            )
            absent = [entry.type_code for entry in types if entry.type_code not in own]
            body |= {"holder": code, "license_type": self._chance.choice(absent)}
        elif why == "unknown-holder":
            stranger = workload.citizen(200_000 + self._chance.randrange(50_000))
            code = {"code_type": stranger.code_type, "code": stranger.code}
            body |= {"holder": code, "license_type": workload.natural_types()[0].type_code}
        elif why == "unauthorized":
            body |= {"holder": code, "license_type": _ungranted()}
        elif why == "malformed":
            body |= {"holder": code, "license_type": one.holding.type_code, "purpose": {}}
            expected = "422"
        else:
            assert why == "expired", "a refusal is one of those that are known"
            ended = self._chance.choice(sorted(self._expiring))
            body.pop("holder", None)
            body.pop("license_type", None)
            body["license_ref"], expected = ended, _REFUSED
        return self._made(f"refused-{why}", asked.path, body, asked.token, expected=expected)

    def _absent(self, one: workload.Held) -> list[str]:
        """Types in use of which a holder has no license."""
        holder = one.holding.holder
        own = {other.holding.type_code for other in self._held if other.holding.holder == holder}
        types = workload.natural_types() if holder.is_natural_person else workload.legal_types()
        return [entry.type_code for entry in types if entry.type_code not in own]

    def _made(
        self, kind: str, path: str, body: dict[str, Any] | None, token: str, *, expected: str | None = None
    ) -> driver.Call:
        key = f"{self._prefix}-{next(self._numbers)}"
        return driver.Call(kind=kind, path=path, token=token, key=key, body=body, expected=expected)

    def _renamed(self, call: driver.Call, kind: str) -> driver.Call:
        return self._made(kind, call.path, call.body, call.token)


def _named(body: dict[str, Any]) -> dict[str, Any]:
    """A use that names its license alone."""
    return {name: value for name, value in body.items() if name not in ("holder", "license_type", "fields")}


def _ungranted() -> str:
    """A license type that no requester was authorized for."""
    granted = {entry.type_code for entry in (*workload.natural_types(), *workload.legal_types())}
    return next(
        one.type_code for one in catalog.national_catalog(demo.OPERATOR) if one.type_code not in granted
    )


def _holder(one: workload.Held) -> dict[str, str]:
    return {"code_type": one.holding.holder.code_type, "code": one.holding.holder.code}


def _search(one: workload.Held, chosen: workload.Workload) -> tuple[str, dict[str, Any] | None]:
    return "/v1/licenses/search", {"license_type": one.holding.type_code, "number": one.holding.number}


def _verify(one: workload.Held, chosen: workload.Workload) -> tuple[str, dict[str, Any] | None]:
    return "/v1/verifications", {**_ACT, "license_ref": one.license_ref}


def _status(one: workload.Held, chosen: workload.Workload) -> tuple[str, dict[str, Any] | None]:
    return f"/v1/licenses/{one.license_ref}", None


def _compare(one: workload.Held, chosen: workload.Workload) -> tuple[str, dict[str, Any] | None]:
    name = min(one.holding.fields)
    purpose = {
        "service_item_code": "350000-00001",
        "service_item_name": "开办餐饮店一件事",
        "case_number": "BENCH-2026-1",
        "reason": "核对",
    }
    said = {"license_ref": one.license_ref, "claims": {name: one.holding.fields[name]}}
    return "/v1/comparisons", {**said, "purpose": purpose, "operator": _ACT["operator"]}


def _file(one: workload.Held, chosen: workload.Workload) -> tuple[str, dict[str, Any] | None]:
    return "/v1/holders/search", {**_ACT, "reason": "本人申请", "holder": _holder(one), "evidence": _EVIDENCE}


def _trail(**of: Any) -> tuple[str, dict[str, Any] | None]:
    return "/v1/audit/trail", {"operator": _ACT["operator"], "reason": "年度审计", "filter": of, "limit": 20}


_KINDS: dict[str, Callable[[workload.Held, workload.Workload], tuple[str, dict[str, Any] | None]]] = {
    "search": _search,
    "verify": _verify,
    "status": _status,
    "compare": _compare,
    "file": _file,
    "trail-license": lambda one, _: _trail(license_ref=one.license_ref),
    "trail-holder": lambda one, _: _trail(holder=_holder(one)),
    "trail-requester": lambda one, _: _trail(requester=demo.OPERATOR),
}
