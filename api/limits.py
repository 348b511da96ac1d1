"""How often a client or an address may ask for tokens: token buckets in this process, bounded memory.

Gives `Buckets` for any key and `TokenLimits` for the token endpoint. Time is passed in, from a
monotonic clock. Each worker process counts for itself; what all processes must agree on (refusal
quotas, daily caps) is counted by the ledger.
"""

from __future__ import annotations

import ipaddress
import math
import threading
from collections import OrderedDict
from dataclasses import dataclass

from starlette.requests import Request

from ledger import errors

IPV6_PREFIX = 64
"""One subscriber has at least this much: its addresses share a bucket."""


@dataclass(frozen=True, kw_only=True)
class Rate:
    """So many at once, and so many a second after that."""

    burst: int
    per_s: float

    def __post_init__(self) -> None:
        """A rate of nothing would never let anyone in again."""
        assert self.burst >= 1, "a bucket holds at least one"
        assert self.per_s > 0, "a bucket fills"


class Buckets:
    """One bucket per key; the key used longest ago gives way. Safe between threads."""

    def __init__(self, rate: Rate, *, keys_max: int = 10_000) -> None:
        self._rate = rate
        self._keys_max = keys_max
        self._levels: OrderedDict[str, tuple[float, float]] = OrderedDict()
        """Key to (level, when it was so)."""
        self._lock = threading.Lock()

    def take(self, key: str, *, now_s: float) -> None:
        """Nothing while `key` has one left; raises errors.TooManyRequests, which costs it nothing."""
        with self._lock:
            level, now_s = self._level(key, now_s)
            is_empty = level < 1
            self._put(key, level if is_empty else level - 1, now_s)
        if is_empty:
            raise errors.TooManyRequests(retry_after_s=max(1, math.ceil((1 - level) / self._rate.per_s)))

    def _level(self, key: str, now_s: float) -> tuple[float, float]:
        """The level and its time, which never steps back: a second is counted once."""
        level, since_s = self._levels.get(key, (float(self._rate.burst), now_s))
        at_s = max(now_s, since_s)
        return min(float(self._rate.burst), level + (at_s - since_s) * self._rate.per_s), at_s

    def _put(self, key: str, level: float, now_s: float) -> None:
        self._levels[key] = (level, now_s)
        self._levels.move_to_end(key)
        if len(self._levels) > self._keys_max:
            self._levels.popitem(last=False)


class TokenLimits:
    """The two limits of the token endpoint.

    The address is asked before an assertion is read, since verifying costs; the client only after its
    assertion was verified and spent, or else anyone could use up another client's tokens by naming it, or by
    sending again what it caught.
    """

    def __init__(
        self,
        *,
        per_address: Rate = Rate(burst=60, per_s=10.0),
        per_client: Rate = Rate(burst=20, per_s=1.0),
        keys_max: int = 10_000,
    ) -> None:
        self._addresses = Buckets(per_address, keys_max=keys_max)
        self._clients = Buckets(per_client, keys_max=keys_max)

    def before_reading(self, address: str, *, now_s: float) -> None:
        """Nothing while the remote address may ask; raises errors.TooManyRequests."""
        self._addresses.take(address_key(address), now_s=now_s)

    def once_spent(self, client_id: str, *, now_s: float) -> None:
        """Nothing while the client may have another token; raises errors.TooManyRequests."""
        self._clients.take(client_id, now_s=now_s)


@dataclass(frozen=True, kw_only=True)
class LookRates:
    """How often the page behind a QR code is shown."""

    per_address: Rate = Rate(burst=60, per_s=5.0)
    """A counter and a village behind one address of their carrier come through; one who tries many do not."""
    papers_per_address: Rate = Rate(burst=20, per_s=0.5)
    """Comparisons with the paper, beside."""
    together: Rate = Rate(burst=400, per_s=200.0)
    """Of everybody, in one process: looks leave the uses their time."""


class LookLimits:
    """The limits of the page behind a QR code; they are asked before anything is read."""

    def __init__(self, rates: LookRates, *, keys_max: int = 10_000) -> None:
        self._addresses = Buckets(rates.per_address, keys_max=keys_max)
        self._papers = Buckets(rates.papers_per_address, keys_max=keys_max)
        self._together = Buckets(rates.together, keys_max=1)
        self._keys = Buckets(Rate(burst=1, per_s=1.0), keys_max=1)

    def before_looking(self, address: str, *, now_s: float, with_paper: bool = False) -> None:
        """Nothing while the remote address may look; raises errors.TooManyRequests."""
        key = address_key(address)
        self._addresses.take(key, now_s=now_s)
        if with_paper:
            self._papers.take(key, now_s=now_s)
        self._together.take("", now_s=now_s)

    def may_ask_for_keys(self, *, now_s: float) -> bool:
        """Whether a made-up key id may cost a look at the database: one of everybody's does, in a second."""
        try:
            self._keys.take("", now_s=now_s)
        except errors.TooManyRequests:
            return False
        return True


def remote(request: Request) -> str:
    """The address that a request came from; empty where nobody says it."""
    return request.client.host if request.client is not None else ""


def address_key(address: str) -> str:
    """An IPv4 address, or the /64 of an IPv6 address; what is no address shares one key."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return "unknown"
    if parsed.version == 4:
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.ip_network((parsed, IPV6_PREFIX), strict=False))
