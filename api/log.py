"""The log over HTTP: receipts, the signed checkpoint, tiles and proofs for outsiders (C2SP tlog-tiles).

Hashes are for everyone, within a rate an address; entries, which are stored bytes and stay sealed, are for
auditors. A program without code for tiles asks for a proof.
"""

from __future__ import annotations

import gzip
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from api import examples, models_log, routes, service
from ledger import errors
from signing import spelling, tiles, timestamp

router = routes.router()
_PARTITION = 0
_DIGITS_MAX = 18
_OCTETS = "application/octet-stream"
_FOR_EVER = "max-age=31536000, immutable"
_FOR_A_DAY = "max-age=86400, immutable"
"""A partial tile does not change either, but is of use until the next one comes."""
_REFUSALS = (errors.NotFound, errors.TooManyRequests, errors.Unavailable)


@router.get(
    "/v1/receipts/{partition}/{index}",
    summary="A receipt 回执",
    **routes.secured(
        model=None, refusals=(errors.EventNotFound,), appends=False, **examples.RECEIPT_PARAMETERS
    ),
)
async def receipt(request: Request, partition: str, index: str) -> Response:
    """The C2SP tlog-proof of one event under the newest checkpoint."""
    served, asking = service.of(request), routes.asking(request)
    if _number(partition) != _PARTITION:
        raise errors.EventNotFound
    await served.read(served.require_current, asking)
    return _text(await served.read(served.reader.receipt, _number(index)))


@router.get(
    "/log/{partition}/checkpoint",
    summary="The newest checkpoint 检查点",
    **routes.public(model=None, refusals=_REFUSALS, **examples.LOG_PARAMETERS),
)
async def checkpoint(request: Request, partition: str) -> Response:
    """A tree head of this ledger as a C2SP signed note: the newest that enough witnesses cosigned, with
    their lines; the newest of all where there is none."""
    served = service.of(request)
    served.within_rate(request)
    if partition != str(_PARTITION):
        await served.read(served.mirroring.require_log, partition)
    return _text(await served.read(lambda: served.reader.cosigned() or served.reader.checkpoint()))


@router.get(
    "/log/{partition}/time-stamps/newest",
    summary="The newest time-stamped checkpoint 时间戳",
    **routes.public(model=None, refusals=_REFUSALS, **examples.LOG_PARAMETERS),
)
async def newest_time_stamp(request: Request, partition: str) -> Response:
    """A checkpoint with the RFC 3161 answer of an outside authority over its text."""
    return await _stamped(request, partition, None)


@router.get(
    "/log/{partition}/time-stamps/{index}",
    summary="The first time-stamped checkpoint that has an event 时间戳",
    **routes.public(model=None, refusals=_REFUSALS, **examples.RECEIPT_PARAMETERS),
)
async def time_stamp(request: Request, partition: str, index: str) -> Response:
    """With the inclusion proof at the size of its checkpoint it says that the event was there by then."""
    return await _stamped(request, partition, _number(index, errors.NotFound))


async def _stamped(request: Request, partition: str, index: int | None) -> Response:
    served = service.of(request)
    served.within_rate(request)
    generation = (await served.read(served.mirroring.require_log, partition)).generation
    if index is None:
        found = await served.read(served.attestations.newest_stamp, generation)
    else:
        found = await served.read(served.attestations.stamp_over, generation, index)
    if found is None:
        raise errors.NotFound
    return _text(timestamp.write(found.stamped))


@router.get(
    "/log/{partition}/tile/entries/{path:path}",
    summary="A bundle of entries 条目",
    **routes.secured(
        "audit:read",
        model=None,
        refusals=(errors.NotFound,),
        appends=False,
        **examples.BUNDLE_PARAMETERS,
    ),
)
async def bundle(request: Request, partition: str, path: str) -> Response:
    """Stored bytes of up to 256 events, each behind its length in two bytes; sealed parts stay sealed.

    Compressed by gzip for whoever takes that.
    """
    served, asking = service.of(request), routes.asking(request)
    served.within_rate(request)
    await served.read(served.require_current, asking)
    tile, data = await served.read(served.mirroring.bundle, partition, path)
    sent = {"Vary": "Accept-Encoding"}
    if _takes_gzip(request.headers.get("accept-encoding", "")):
        data, sent["Content-Encoding"] = await served.read(gzip.compress, data, 6, mtime=0), "gzip"
    return _tile(tile, data, whose="private", **sent)


@router.get(
    "/log/{partition}/tile/{path:path}",
    summary="A tile of hashes 哈希块",
    **routes.public(model=None, refusals=_REFUSALS, **examples.TILE_PARAMETERS),
)
async def tile(request: Request, partition: str, path: str) -> Response:
    """Up to 256 hashes of one row of the tree, at `<L>/<N>[.p/<W>]` as C2SP tlog-tiles names them."""
    served = service.of(request)
    served.within_rate(request)
    found, data = await served.read(served.mirroring.tile, partition, path)
    return _tile(found, data, whose="public")


@router.get(
    "/log/{partition}/consistency/{old}/{new}",
    summary="A consistency proof 一致性证明",
    **routes.public(model=models_log.ConsistencyProof, refusals=_REFUSALS, **examples.CONSISTENCY_PARAMETERS),
)
async def consistency(request: Request, partition: str, old: str, new: str) -> Response:
    """That the tree of `old` events is a prefix of the one of `new` events (RFC 6962 §2.1.2)."""
    served = service.of(request)
    served.within_rate(request)
    sizes = _number(old, errors.NotFound), _number(new, errors.NotFound)
    proof = await served.read(served.mirroring.consistency, partition, *sizes)
    return _proof({"old": sizes[0], "new": sizes[1], "proof": [spelling.to_base64(one) for one in proof]})


@router.get(
    "/log/{partition}/inclusion/{index}/{size}",
    summary="An inclusion proof 包含证明",
    **routes.public(model=models_log.InclusionProof, refusals=_REFUSALS, **examples.INCLUSION_PARAMETERS),
)
async def inclusion(request: Request, partition: str, index: str, size: str) -> Response:
    """That a leaf is in the tree of `size` events at `index` (RFC 6962 §2.1.1); the event is not told."""
    served = service.of(request)
    served.within_rate(request)
    where = _number(index, errors.NotFound), _number(size, errors.NotFound)
    leaf, proof = await served.read(served.mirroring.inclusion, partition, *where)
    return _proof(
        {
            "index": where[0],
            "size": where[1],
            "leaf_hash": spelling.to_base64(leaf),
            "proof": [spelling.to_base64(one) for one in proof],
        }
    )


def _number(text: str, absent: type[errors.NotFound] = errors.EventNotFound) -> int:
    """The number in a path; what is none names nothing."""
    if not (text.isascii() and text.isdigit() and len(text) <= _DIGITS_MAX) or str(int(text)) != text:
        raise absent
    return int(text)


def _text(text: str) -> Response:
    return Response(text.encode(), 200, {"Cache-Control": "no-store"}, "text/plain; charset=utf-8")


def _tile(tile: tiles.Tile, data: bytes, *, whose: str, **sent: str) -> Response:
    kept = f"{whose}, {_FOR_EVER if tile.is_full else _FOR_A_DAY}"
    return Response(data, 200, {"Cache-Control": kept, **sent}, _OCTETS)


def _takes_gzip(accepted: str) -> bool:
    """Whether an Accept-Encoding header takes gzip (RFC 9110 §12.5.3)."""
    weights: dict[str, str] = {}
    for item in accepted.lower().split(","):
        name, _, weight = item.partition(";")
        weights[name.strip()] = weight.replace(" ", "").removeprefix("q=") or "1"
    said = weights.get("gzip", weights.get("*", "0"))
    return said.strip("0.") != ""


def _proof(content: dict[str, Any]) -> Response:
    """A proof between sizes that the log has had never changes."""
    return Response(
        routes.dumps(content), 200, {"Cache-Control": f"public, {_FOR_A_DAY}"}, "application/json"
    )
