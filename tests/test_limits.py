"""The rate limiter: bursts pass, floods wait as long as they are told, and memory is bounded."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api import limits
from ledger import errors

RATE = limits.Rate(burst=3, per_s=0.5)


def take(buckets: limits.Buckets, key: str, now_s: float) -> int:
    """0 when let through, else the seconds to wait."""
    try:
        buckets.take(key, now_s=now_s)
    except errors.TooManyRequests as error:
        return error.retry_after_s
    return 0


def test_a_burst_passes_and_the_next_waits() -> None:
    buckets = limits.Buckets(RATE)
    assert [take(buckets, "a", 100.0) for _ in range(5)] == [0, 0, 0, 2, 2]
    assert take(buckets, "b", 100.0) == 0


def test_who_waits_as_told_is_let_through() -> None:
    buckets = limits.Buckets(RATE)
    assert [take(buckets, "a", 100.0) for _ in range(4)][-1] == 2
    assert take(buckets, "a", 101.5) == 1
    assert take(buckets, "a", 102.0) == 0
    assert take(buckets, "a", 102.0) == 2


def test_a_bucket_never_holds_more_than_its_burst() -> None:
    buckets = limits.Buckets(RATE)
    assert take(buckets, "a", 0.0) == 0
    assert [take(buckets, "a", 10_000.0) for _ in range(4)] == [0, 0, 0, 2]


def test_a_clock_that_steps_back_gives_nothing_away() -> None:
    buckets = limits.Buckets(RATE)
    assert [take(buckets, "a", 100.0) for _ in range(3)] == [0, 0, 0]
    assert take(buckets, "a", 50.0) == 2
    assert take(buckets, "a", 101.0) == 1


def test_memory_is_bounded_and_the_longest_unused_gives_way() -> None:
    buckets = limits.Buckets(limits.Rate(burst=1, per_s=0.001), keys_max=2)
    assert [take(buckets, key, 1.0) for key in ("a", "b", "a", "c")] == [0, 0, 1000, 0]
    assert take(buckets, "a", 1.0) == 1000
    assert take(buckets, "b", 1.0) == 0
    assert len(buckets._levels) == 2


@given(st.lists(st.floats(0, 5), max_size=60))
def test_never_more_pass_than_burst_and_rate_allow(steps: list[float]) -> None:
    buckets, now_s, passed = limits.Buckets(RATE), 0.0, 0
    for step in steps:
        now_s += step
        passed += take(buckets, "a", now_s) == 0
    assert passed <= RATE.burst + now_s * RATE.per_s + 1e-6


@pytest.mark.parametrize(
    ("address", "key"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:DB8:1:2::", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("testclient", "unknown"),
        ("", "unknown"),
    ],
)
def test_an_address_is_its_subscriber(address: str, key: str) -> None:
    assert limits.address_key(address) == key


def test_the_token_endpoint_limits_addresses_and_verified_clients_apart() -> None:
    token_limits = limits.TokenLimits(
        per_address=limits.Rate(burst=2, per_s=1), per_client=limits.Rate(burst=1, per_s=1)
    )
    token_limits.before_reading("192.0.2.1", now_s=0)
    token_limits.before_reading("192.0.2.1", now_s=0)
    with pytest.raises(errors.TooManyRequests):
        token_limits.before_reading("192.0.2.1", now_s=0)
    token_limits.once_spent("client", now_s=0)
    with pytest.raises(errors.TooManyRequests):
        token_limits.once_spent("client", now_s=0)
    token_limits.before_reading("192.0.2.2", now_s=0)


@pytest.mark.parametrize(("burst", "per_s"), [(0, 1.0), (1, 0.0), (1, -1.0)])
def test_a_rate_that_lets_nobody_in_is_a_mistake(burst: int, per_s: float) -> None:
    with pytest.raises(AssertionError):
        limits.Rate(burst=burst, per_s=per_s)
