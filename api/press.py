"""The press of a service: a worker process that makes documents, a bounded queue, and what it made last.

Setting a page and signing it takes tens of milliseconds of computing and makes a process grow, so that
neither is done beside the event loop or the appender: a worker does it, at a lower priority, and is replaced
after some hundred documents, when it dies and when it does not answer. Who is replaced ends the work that it
has, and nobody else's. What was made is kept in memory by its content, up to a number
of bytes: on a disk it would be personal data in clear, or one more thing to encrypt and to erase. It is
forgotten when the ledger's keys change, as they do when a holder is erased.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field

from ledger import document_press, errors, vault
from signing import keyring

WAITING_MAX = 32
"""Documents that are made or wait to be; beyond it the answer is 429."""
KEPT_BYTES_MAX = 64 << 20
WORK_MAX = 500
"""Documents after which a worker is replaced."""
WAIT_MAX_S = document_press.SECONDS_MAX + 30
"""Seconds that anybody waits for a document, its place in the queue included."""


@dataclass(kw_only=True)
class Press:
    """Makes documents; lives as long as the service."""

    vault: vault.Vault
    waiting_max: int = WAITING_MAX
    kept_bytes_max: int = KEPT_BYTES_MAX
    work_max: int = WORK_MAX
    wait_max_s: float = WAIT_MAX_S
    does: Callable[[document_press.Work], bytes | document_press.Unmade] = document_press.press
    """What a worker does; importable by its name."""
    _kept: OrderedDict[bytes, bytes] = field(init=False, default_factory=OrderedDict, repr=False)
    _kept_bytes: int = field(init=False, default=0)
    _keks: keyring.KekSet | None = field(init=False, default=None, repr=False)
    _waiting: int = field(init=False, default=0)
    _pool: ProcessPoolExecutor | None = field(init=False, default=None)
    _taken: int = field(init=False, default=0)
    """Documents that the present pool was asked for."""
    _leaving: list[threading.Thread] = field(init=False, default_factory=list)
    _guard: threading.Lock = field(init=False, default_factory=threading.Lock)

    def kept(self, digest: bytes) -> bytes | None:
        """A document made before, by the digest of its content; never waits."""
        with self._guard:
            self._forget_erased()
            found = self._kept.get(digest)
            if found is not None:
                self._kept.move_to_end(digest)
            return found

    async def make(self, work: document_press.Work, *, digest: bytes) -> bytes | document_press.Unmade:
        """The document, made now or before; raises QueueFull, or Unavailable when no worker answers."""
        known = self.kept(digest)
        if known is not None:
            return known
        if self._waiting >= self.waiting_max:
            raise errors.QueueFull("too many documents are being made", retry_after_s=2)
        pool = self._workers()
        self._waiting += 1
        try:
            future = asyncio.wrap_future(pool.submit(self.does, work))
            made = await asyncio.wait_for(future, self.wait_max_s)
        except (BrokenProcessPool, TimeoutError) as error:
            self._replace(pool)
            raise errors.Unavailable("the document could not be made now") from error
        finally:
            self._waiting -= 1
        if isinstance(made, bytes):
            self._keep(digest, made)
        return made

    def close(self) -> None:
        """The workers end; what waits is not made."""
        with self._guard:
            pool, self._pool = self._pool, None
        if pool is not None:
            pool.shutdown(wait=True, cancel_futures=True)
        for leaving in self._leaving:
            leaving.join(self.wait_max_s)

    def _workers(self) -> ProcessPoolExecutor:
        """The pool for one more document.

        The count is ours: with `max_tasks_per_child` CPython 3.11 may start no worker after the last one left
        (gh-115634), and what waits then hangs.
        """
        with self._guard:
            if self._pool is not None and self._taken >= self.work_max:
                self._let_go(self._pool)
            if self._pool is None:
                self._pool = ProcessPoolExecutor(
                    max_workers=1,
                    mp_context=multiprocessing.get_context("spawn"),
                    initializer=_yield_to_others,
                )
            self._taken += 1
            return self._pool

    def _replace(self, pool: ProcessPoolExecutor) -> None:
        """Nothing more is asked of a pool; one that was replaced already changes nothing."""
        with self._guard:
            if self._pool is pool:
                self._let_go(pool)

    def _let_go(self, pool: ProcessPoolExecutor) -> None:
        """The present pool ends the work that it has and then itself, while nobody waits for it."""
        self._pool, self._taken = None, 0
        leaving = threading.Thread(target=pool.shutdown, name="press-leaving", daemon=True)
        self._leaving = [*(other for other in self._leaving if other.is_alive()), leaving]
        leaving.start()

    def _keep(self, digest: bytes, made: bytes) -> None:
        with self._guard:
            self._forget_erased()
            self._kept_bytes += len(made) - len(self._kept.pop(digest, b""))
            self._kept[digest] = made
            while self._kept_bytes > self.kept_bytes_max:
                _, oldest = self._kept.popitem(last=False)
                self._kept_bytes -= len(oldest)

    def _forget_erased(self) -> None:
        if self._keks is not self.vault.keks:
            # A bucket may have been renewed because somebody was erased.
            self._kept.clear()
            self._kept_bytes = 0
            self._keks = self.vault.keks


def _yield_to_others() -> None:
    """The worker gives way to the service it works for."""
    os.nice(5)
