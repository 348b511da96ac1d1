"""The group `witness`: a program that cosigns the checkpoints of logs, apart from any ledger.

`init`, `add-log` and `serve` work on the witness's own folder; `compare` and `mirror` ask what others
show. None of them opens a ledger, its database or its keys.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated

import typer

from api import cli_console, logs, witness_server
from api import mirror as mirroring
from ledger import errors, fetching
from signing import keyring, keys, merkle, note, split_view, tiles, witness

State = Annotated[Path, typer.Option("--state", metavar="DIR", help="The witness's own folder.")]
LogKey = Annotated[
    str, typer.Argument(metavar="VKEY", help="The log's verifier key, as its trust file has it.")
]


ONE_HISTORY, SPLIT_VIEW, UNDECIDED = "one history", "split view", "undecided"


def add_to(app: typer.Typer) -> None:
    """Add the group."""
    group = typer.Typer(no_args_is_help=True, help="A witness of logs 见证人: cosigns their checkpoints.")
    group.command()(init)
    group.command("add-log")(add_log)
    group.command("remove-log")(remove_log)
    group.command()(serve)
    group.command()(show)
    group.command()(compare)
    group.command()(mirror)
    app.add_typer(group, name="witness")


def init(
    name: Annotated[str, typer.Option(help="What the witness is called for ever: HOST/NAME.")],
    state: State,
) -> None:
    """Make a witness: its key, in a folder of its own. Prints its verifier key.

    Example: license-ledger witness init --name witness.example/w1 --state /var/lib/witness
    """
    with _told():
        key = witness.create(state, name=name, seed=keys.generate_signing_key())
    cli_console.OUT.print(key.text, soft_wrap=True, markup=False)


def add_log(vkey: LogKey, state: State) -> None:
    """Watch one more log; a witness that serves takes it up at once.

    Example: license-ledger witness add-log "$(cat log.vkey)" --state /var/lib/witness
    """
    with _told():
        key = witness.add_log(state, vkey)
    cli_console.done(f"Watching {key.name}")


def remove_log(vkey: LogKey, state: State) -> None:
    """Cosign nothing more under a log's verifier key: one that was in other hands, or a log that is over.

    What was cosigned of the log is kept; a witness that serves takes it up at once.

    Example: license-ledger witness remove-log "$(cat old.vkey)" --state /var/lib/witness
    """
    with _told():
        key = witness.remove_log(state, vkey)
    cli_console.done(f"Nothing is cosigned under this key of {key.name}")


def serve(
    state: State,
    address: Annotated[str, typer.Option(metavar="HOST:PORT", help="Where to listen.")] = "127.0.0.1:8441",
) -> None:
    """Answer `POST /add-checkpoint`; only one process at a time can have a witness's folder.

    Example: license-ledger witness serve --state /var/lib/witness --address 127.0.0.1:8441
    """
    host, _, port = address.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not host or not port.isascii() or not port.isdigit() or not 0 < int(port) < 65_536:
        raise errors.Invalid("an address is HOST:PORT", field="--address")
    logs.configure()
    with _told(), witness.opened(state) as held:
        cli_console.ERR.print(f"{held.key.name} on {address}, {len(held.logs())} logs", markup=False)
        witness_server.server(witness_server.application(held), host=host, port=int(port)).run()


def show(state: State, as_json: cli_console.Json = False) -> None:
    """The witness's verifier key and, of each log, the size that it cosigned last. Exit 1 after a fork.

    Of a log that showed two trees of one size, the files that prove it are named.

    Example: license-ledger witness show --state /var/lib/witness
    """
    with _told():
        key = witness.read_key(state)[0]
        sizes, forks = witness.sizes(state), witness.forks(state)
    if as_json:
        files = {origin: [str(one) for one in proof] for origin, proof in forks.items()}
        cli_console.print_json({"witness": key.text, "logs": sizes, "forks": files})
    else:
        cli_console.OUT.print(key.text, soft_wrap=True, markup=False)
        cli_console.OUT.print(cli_console.table("log", "cosigned size", rows=list(sizes.items())))
        for origin, (kept, shown) in forks.items():
            cli_console.OUT.print(
                f"{SPLIT_VIEW}: {origin} signed {kept} and {shown}", soft_wrap=True, markup=False
            )
    if forks:
        raise typer.Exit(1)


def compare(
    one: Annotated[str, typer.Argument(help="A checkpoint's file, its URL, or a witness's URL.")],
    other: Annotated[str, typer.Argument(help="Another.")],
    vkey: Annotated[str, typer.Option("--log-key", metavar="VKEY", help="The log's verifier key.")],
    log: Annotated[
        str | None, typer.Option(metavar="URL", help="The log's prefix, for its tiles where sizes differ.")
    ] = None,
    as_json: cli_console.Json = False,
) -> None:
    """Hold two checkpoints of one log against each other. Exit 1 when they show two histories.

    Example: license-ledger witness compare https://w1.example kept.checkpoint --log-key "$(cat log.vkey)"
    """
    with _told(), contextlib.ExitStack() as stack:
        key = note.VerifierKey.parse(vkey)
        texts = [_checkpoint(source, key) for source in (one, other)]
        peer = None if log is None else stack.enter_context(fetching.Peer(log))
        read = None if peer is None else functools.partial(_tile, peer)
        verdict, text = _compared(texts, key, read)
    if as_json:
        cli_console.print_json({"verdict": verdict, "log": key.name, "text": text})
    else:
        cli_console.OUT.print(f"{verdict}: {text}", soft_wrap=True, markup=False)
    if verdict != ONE_HISTORY:
        raise typer.Exit(1)


def mirror(
    log: Annotated[str, typer.Argument(metavar="URL", help="The log's prefix.")],
    vkey: Annotated[str, typer.Option("--log-key", metavar="VKEY", help="The log's verifier key.")],
    into: Annotated[Path, typer.Option(metavar="DIR", help="The mirror's folder.")],
    as_json: cli_console.Json = False,
) -> None:
    """Bring a mirror of a log's hash tiles up to its checkpoint, deriving every hash again.

    Example: license-ledger witness mirror https://ledger.example/log/0 --into mirror --log-key VKEY
    """
    into.mkdir(parents=True, exist_ok=True)
    with _told(), fetching.Peer(log) as peer:
        brought = mirroring.Mirror(into, peer, note.VerifierKey.parse(vkey)).run()
    if as_json:
        cli_console.print_json(dataclasses.asdict(brought))
    else:
        cli_console.done(f"{brought.origin}: {brought.size} events ({brought.size_before} before), sound")


def _compared(
    texts: list[str], key: note.VerifierKey, read: Callable[[tiles.Tile], bytes] | None
) -> tuple[str, str]:
    """The verdict on two checkpoints, and what it rests on."""
    one, other = texts
    try:
        agreed = split_view.compare(one, other, trusted=[key], read=read)
    except split_view.SplitView as error:
        return SPLIT_VIEW, str(error)
    except split_view.Undecided as error:
        return UNDECIDED, str(error)
    return ONE_HISTORY, f"{agreed.smaller.size} events, then {agreed.larger.size}"


def _checkpoint(source: str, key: note.VerifierKey) -> str:
    """The checkpoint that a file or an URL has, or a witness cosigned last."""
    if not source.startswith(("http://", "https://")):
        with Path(source).open("rb") as file:
            return file.read(note.NOTE_BYTES_MAX).decode(errors="replace")
    is_direct = source.endswith("/checkpoint")
    with fetching.Peer(source) as peer:
        answer = peer.get("" if is_direct else f"/{witness.origin_digest(key.name)}/checkpoint")
    if answer.status != 200:
        raise fetching.Unanswered(f"{source} answers {answer.status}")
    return answer.body.decode(errors="replace")


def _tile(peer: fetching.Peer, tile: tiles.Tile) -> bytes:
    answer = peer.get(f"/tile/{tile.path}")
    if answer.status != 200:
        raise fetching.Unanswered(f"tile {tile.path}: the log answers {answer.status}")
    return answer.body


@contextlib.contextmanager
def _told() -> Iterator[None]:
    """What cannot be done with a witness's folder or a key, as the command line says it."""
    try:
        yield
    except split_view.SplitView as error:
        raise errors.Conflict(f"{SPLIT_VIEW}: {error}") from error
    except note.NoteInvalid as error:
        raise errors.Conflict(str(error)) from error
    except (fetching.Unanswered, OSError) as error:
        raise errors.Unavailable(str(error)) from error
    except (
        *(mirroring.MirrorError, split_view.Undecided, tiles.TileInvalid, merkle.ProofInvalid),
        *(witness.WitnessError, keyring.KeyRingError),
    ) as error:
        raise errors.Conflict(str(error)) from error
