"""Metrics: what an operator's monitoring counts and times, in Prometheus' text format.

`Metrics` is told of requests and batches as they end, and asks the service for the rest when it is read.
A label is a route's template, a status, a topic, a projection or a word of an enumeration: never a code, a
name, a reference, a client or anything that a caller sent. The only door to `prometheus_client`.
"""

from __future__ import annotations

import functools
import math
from collections import Counter

import prometheus_client as prometheus
from prometheus_client import exposition

from api import service
from ledger import errors, pen, queueing, refusal, rooms

CONTENT_TYPE = exposition.CONTENT_TYPE_PLAIN_0_0_4
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_COMMANDS = (1, 2, 4, 8, 16, 32, 64, 128, 256)
GRANTED = ("granted", "")


class Metrics:
    """The metrics of one service process."""

    def __init__(self) -> None:
        # When each counter began is what the monitoring's own first reading says.
        prometheus.disable_created_metrics()  # type: ignore[no-untyped-call]
        known = self._registry = prometheus.CollectorRegistry()
        self._requests = prometheus.Counter(
            "ledger_requests", "Requests answered", ("method", "route", "status"), registry=known
        )
        self._request_s = prometheus.Histogram(
            "ledger_request_seconds",
            "From a request to its answer",
            ("route",),
            buckets=_SECONDS,
            registry=known,
        )
        self._problems = prometheus.Counter(
            "ledger_problems", "Answers with a problem document", ("type",), registry=known
        )
        self._uses = prometheus.Counter(
            "ledger_uses", "Uses decided; the reason of those refused", ("decision", "reason"), registry=known
        )
        self._looks = prometheus.Counter(
            "ledger_looks", "Looks behind a QR code by what was said", ("result",), registry=known
        )
        self._events = prometheus.Counter(
            "ledger_events", "Events appended by this process", ("topic",), registry=known
        )
        self._batch = prometheus.Histogram(
            "ledger_batch_commands", "Commands in a batch", buckets=_COMMANDS, registry=known
        )
        self._append_s = _times("ledger_append_seconds", "From the lock to the signed tree head", known)
        self._commit_s = _times("ledger_commit_seconds", "COMMIT, the database's own sync included", known)
        self._anchor_s = _times("ledger_anchor_seconds", "The anchor, its sync included", known)
        self._queue = _level("ledger_queue_commands", "Commands that wait for a batch", known)
        self._appending = _level("ledger_appending", "1 while commands are taken", known)
        self._reachable = _level("ledger_database_reachable", "1 when the database answered this time", known)
        self._size = _level("ledger_size_events", "Events in the ledger", known)
        self._behind = _level("ledger_frontier_lag_events", "Events that no signed tree head has yet", known)
        self._lag = _level("ledger_projection_lag_events", "Events not applied yet", known, "projection")
        self._silent = _level(
            "ledger_outsider_silent_seconds", "Since a witness or the authority attested", known, "outsider"
        )
        self._cosigned_s = _level(
            "ledger_cosigned_age_seconds", "Since the newest cosigned checkpoint was cosigned", known
        )
        self._stamped_s = _level(
            "ledger_time_stamp_age_seconds", "Since the newest time-stamp of a checkpoint", known
        )
        self._trust_s = _level("ledger_trust_file_age_seconds", "Since the trust file was made", known)
        self._untold_s = _level(
            "ledger_trust_file_failing_seconds", "Since the trust file cannot be made; 0: it can", known
        )
        self._follows = _level("ledger_projection_ready", "1 while it follows", known, "projection")
        # Finding what belongs to labels costs more than counting.
        self._request = functools.lru_cache(maxsize=4_096)(
            lambda method, route, status: self._requests.labels(
                method, route, "none" if status is None else str(status)
            )
        )
        self._seconds = functools.lru_cache(maxsize=1_024)(self._request_s.labels)
        self._problem = functools.lru_cache(maxsize=256)(self._problems.labels)

    def request(self, *, method: str, route: str, status: int | None, seconds: float) -> None:
        """A request was answered, or broken off (no status)."""
        self._request(method, route, status).inc()
        self._seconds(route).observe(seconds)

    def problem(self, kind: str) -> None:
        """An answer was a problem document of this type."""
        self._problem(kind).inc()

    def looked(self, result: str) -> None:
        """Somebody looked behind a QR code; the result, or why there was none."""
        self._looks.labels(result).inc()

    def appended(self, batch: queueing.Appended) -> None:
        """Our part of a batch was answered; others wait to hear of theirs, so with few steps an event."""
        topics: Counter[str] = Counter()
        uses: Counter[tuple[str, str]] = Counter()
        for outcome in batch.outcomes:
            if isinstance(outcome, pen.Result):
                for item in outcome.recorded:
                    topics[item.event.topic] += 1
                    if (decided := _decided(item)) is not None:
                        uses[decided] += 1
        for topic, count in topics.items():
            self._events.labels(topic).inc(count)
        for decided, count in uses.items():
            self._uses.labels(*decided).inc(count)
        self._batch.observe(len(batch.outcomes))
        if topics:
            self._append_s.observe(batch.times.append_s)
            self._commit_s.observe(batch.times.commit_s)
            self._anchor_s.observe(batch.times.anchor_s)

    def exposed(self, served: service.Service) -> bytes:
        """All of them as text; what the database must be asked is left as it was when it does not answer."""
        self._queue.set(served.appender.waiting)
        self._appending.set(served.appender.is_running)
        for outsider in served.attesting.standing:
            self._silent.labels(outsider.name).set(outsider.silent_s)
        attested, published = served.attesting.attested, served.publisher.standing
        self._cosigned_s.set(_age(attested.cosigned_age_s))
        self._stamped_s.set(_age(attested.stamped_age_s))
        self._trust_s.set(_age(published.age_s))
        self._untold_s.set(published.failing_s)
        try:
            size = served.ledger.recorder.newest_index() + 1
            standing = served.views.positions.status()
            anchored = served.ledger.vault.anchor.read().size
        except errors.Unavailable:
            self._reachable.set(0)
        else:
            self._reachable.set(1)
            self._size.set(size)
            self._behind.set(max(0, size - anchored))
            for one in standing:
                self._lag.labels(one.name).set(one.lag)
                self._follows.labels(one.name).set(one.is_ready)
        return prometheus.generate_latest(self._registry)


_GRANTS = frozenset(rooms.grants())


def _decided(item: pen.Recorded) -> tuple[str, str] | None:
    """Decision and reason, where a use was asked for."""
    topic = item.event.topic
    if topic in _GRANTS:
        return GRANTED
    if topic != refusal.UseRefused.__name__ or item.event.fact.get("act", "use") != "use":
        return None
    return "refused", item.event.fact["reason"]


def _age(seconds: int | None) -> float:
    """An age; not a number where there is none."""
    return math.nan if seconds is None else seconds


def _times(name: str, help_: str, known: prometheus.CollectorRegistry) -> prometheus.Histogram:
    return prometheus.Histogram(name, help_, buckets=_SECONDS, registry=known)


def _level(name: str, help_: str, known: prometheus.CollectorRegistry, *labels: str) -> prometheus.Gauge:
    return prometheus.Gauge(name, help_, labels, registry=known)
