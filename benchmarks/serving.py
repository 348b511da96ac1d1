"""Services in processes of their own: ours, the ordinary one, and the HTTP floor.

Each is started as its operator would start it, answers on a port of this machine, and is ended by its
own process id.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import dataclasses
import json
import secrets
import signal
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from psycopg import conninfo as conninfos

from api import access
from benchmarks import ground, workload
from benchmarks.peers import floor
from benchmarks.peers.ordinary import filling, models, service
from benchmarks.peers.ordinary import settings as ordinary_settings
from ledger import config, opening
from signing import keyring, keys

ROOT = Path(__file__).resolve().parent.parent
_START_S = 120.0


@dataclass(frozen=True, kw_only=True)
class Served:
    """A service that answers."""

    url: str
    process_id: int
    """Of the process that was started; workers are its children."""


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextlib.contextmanager
def ours(
    configured: config.Config,
    *,
    workers: int = 1,
    port: int | None = None,
    program: tuple[str, ...] = (),
) -> Iterator[Served]:
    """The ledger, served as `license-ledger serve` does; or by another module of ours.

    `port`: another than that of its public URL.
    """
    port = int(configured.public_url.rpartition(":")[2]) if port is None else port
    command = program or ("-c", "from api.cli import main; main()", "serve", "--workers", str(workers))
    arguments = [*command, "--port", str(port), "--data", str(configured.data)]
    environment = {"LEDGER_PUBLIC_URL": configured.public_url}
    with _started(arguments, environment, port, configured.data.parent / f"ours-{port}.log") as served:
        yield served


def ordinary_chosen(
    made: ground.Ground, *, supplement: str, like: ordinary_settings.Settings | None = None
) -> ordinary_settings.Settings:
    """Settings of the ordinary service, on the ledger's own server in a schema of its own.

    `like`: earlier settings, whose keys it keeps.
    """
    if like is not None:
        return dataclasses.replace(like, supplement=supplement)
    parts = conninfos.conninfo_to_dict(str(made.ledger.ways.owner))
    return ordinary_settings.Settings(
        dbname=str(parts["dbname"]),
        host=str(parts["host"]),
        port=str(parts["port"]),
        user=str(parts["user"]),
        password=str(parts["password"]),
        schema="ordinary",
        pool_size=1,
        threads=1,
        issuer=made.configured.public_url,
        token_keys=token_keys(made.ledger),
        signing_key=secrets.token_hex(32),
        data_key=secrets.token_hex(32),
        lookup_key=secrets.token_hex(32),
        supplement=supplement,
    )


def fill_ordinary(made: ground.Ground, chosen: ordinary_settings.Settings) -> None:
    """Give the ordinary service the same licenses and authorizations."""
    licenses: list[dict[str, Any]] = [
        {
            "license_ref": one.license_ref,
            "code_type": one.holding.holder.code_type,
            "code": one.holding.holder.code,
            "type_code": one.holding.type_code,
            "status": "active",
            "valid_from": "2020-01-01",
            "valid_to": None,
            "fields": one.holding.fields,
        }
        for held in made.held.values()
        for one in held
    ]
    filling.prepare(chosen, licenses, made.grants())


def ordinary_answer_bytes(
    made: ground.Ground, chosen: ordinary_settings.Settings, asked: Sequence[workload.Asked]
) -> int:
    """The median size of the ordinary service's answers, asked in this process."""
    served, sizes = service.Service(chosen), []
    try:
        for number, one in enumerate(asked):
            hall = made.halls[one.requester]
            who = access.Access(
                client_id=hall.client_id,
                organization=hall.organization,
                scopes=frozenset({"license:use"}),
                generation=0,
                expires_at=0,
            )
            said = models.UseRequest.model_validate(one.body)
            sizes.append(len(served.use(who, said, key=f"size-{number}", body=b"").model_dump_json()))
    finally:
        served.close()
    return round(statistics.median(sizes))


@contextlib.contextmanager
def ordinary(
    chosen: ordinary_settings.Settings, folder: Path, *, workers: int, pool_size: int
) -> Iterator[Served]:
    """The ordinary service with so many workers, each with a pool of so many connections."""
    port = free_port()
    # A thread for each connection, and some that encrypt and sign meanwhile.
    sized = dataclasses.replace(chosen, pool_size=pool_size, threads=pool_size + 4)
    path = folder / f"ordinary-{port}.json"
    ordinary_settings.save(sized, path)
    environment = {ordinary_settings.VARIABLE: str(path)}
    arguments = _uvicorn("benchmarks.peers.ordinary.app:create_app", port, workers)
    with _started(arguments, environment, port, folder / f"ordinary-{port}.log") as served:
        yield served


@contextlib.contextmanager
def http_floor(made: ground.Ground, folder: Path, *, answer_bytes: int) -> Iterator[Served]:
    """The HTTP floor, with one worker, and answers of so many bytes."""
    port = free_port()
    path = folder / "floor.json"
    chosen = floor.Settings(
        issuer=made.configured.public_url, token_keys=token_keys(made.ledger), answer_bytes=answer_bytes
    )
    path.write_text(json.dumps(dataclasses.asdict(chosen)))
    arguments = _uvicorn("benchmarks.peers.floor:create_app", port, 1)
    with _started(arguments, {floor.VARIABLE: str(path)}, port, folder / "floor.log") as served:
        yield served


def together(
    stack: contextlib.ExitStack, starting: Mapping[str, contextlib.AbstractContextManager[Served]]
) -> dict[str, Served]:
    """Some services, started side by side, which end so with the stack, also when another does not start."""
    with concurrent.futures.ThreadPoolExecutor(max_workers=len(starting)) as pool:
        futures = {name: pool.submit(one.__enter__) for name, one in starting.items()}
        concurrent.futures.wait(futures.values())
    started = [starting[name] for name, future in futures.items() if future.exception() is None]
    stack.callback(_end, started)
    return {name: future.result() for name, future in futures.items()}


def _end(started: Sequence[contextlib.AbstractContextManager[Served]]) -> None:
    """End services side by side; raises what one of them raises, once all have ended."""
    with concurrent.futures.ThreadPoolExecutor(max_workers=max(1, len(started))) as pool:
        ending = [pool.submit(one.__exit__, None, None, None) for one in started]
    for future in ending:
        future.result()


def token_keys(ledger: opening.Ledger) -> dict[str, str]:
    """The public keys of the ledger's access tokens, by key id."""
    ring: keyring.KeyRing = ledger.vault.ring
    live = [held for held in ring.signing if held.purpose == "access" and not held.is_retired]
    return {held.key_id.hex(): keys.SigningKey(held.seed).public.hex() for held in live}


def _uvicorn(application: str, port: int, workers: int) -> list[str]:
    arguments = ["-m", "uvicorn", application, "--factory", "--port", str(port), "--workers", str(workers)]
    return [*arguments, "--no-access-log", "--log-level", "warning", "--no-server-header"]


@contextlib.contextmanager
def _started(arguments: list[str], environment: dict[str, str], port: int, log: Path) -> Iterator[Served]:
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, *arguments],
            stdout=output,
            stderr=output,
            env=config.child_environment() | environment,
            cwd=ROOT,
        )
    try:
        _wait_until_answering(process, port, log)
        yield Served(url=f"http://127.0.0.1:{port}", process_id=process.pid)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_until_answering(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    """Return once a request is answered, whatever the answer."""
    give_up_at = time.monotonic() + _START_S
    while time.monotonic() < give_up_at and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=30) as conn:
            conn.sendall(b"GET /healthz HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n")
            if conn.recv(16).startswith(b"HTTP/1.1 "):
                return
        time.sleep(0.05)
    raise RuntimeError(f"a service did not start: {log.read_text(errors='replace')[-2000:]}")
