"""`license-ledger demo`: plays the demonstration and shows what came of it as a person wants to see it."""

from __future__ import annotations

import base64
import json
import shutil
import time
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import rich.markup
import rich.progress
import typer

from api import (
    cli_console,
    cli_export,
    demo,
    demo_household,
    demo_offline,
    demo_page,
    demo_people,
    demo_refusals,
)
from ledger import advice, catalog, config, errors, log, opening
from ledger import check as checking
from signing import note, qr

MARKER = "demonstration.json"
PICTURE = "license-page.png"
DEFAULT = Path("demo-data")
_SYNTHETIC = (
    "Everything here is synthetic: invented names, birth date 1900-01-01, computed codes. "
    "Nobody real is named. 全部数据均为虚构。"
)


def add_to(app: typer.Typer) -> None:
    """Add the command of this module."""
    app.command("demo")(run)


def run(
    data: Annotated[
        Path, typer.Option("--data", metavar="DIR", help="Folder; an earlier demo is replaced.")
    ] = DEFAULT,
    as_json: cli_console.Json = False,
) -> None:
    """Make a small synthetic province, use its licenses over HTTP, and prove one use offline.

    Example: license-ledger demo --data demo-data
    """
    begun = time.monotonic()
    folder = data.absolute()
    _clear(folder)
    out = folder / "out"
    with _bars(hidden=as_json) as tell, demo.served(folder, tell) as world:
        (folder / MARKER).write_text(json.dumps({"origin": demo.ORIGIN}) + "\n")
        demo.play(world, tell)
        demo.count(world, demo_refusals.Refusals(world).play())
        demo.count(world, demo_household.play(world))
        shown = _show_uses(world, out)
    report = _leave(folder, out)
    result = _result(world, report, out, seconds=time.monotonic() - begun, shown=shown)
    if as_json:
        cli_console.print_json(result)
    else:
        _print(shown, result, out)
    if not report.is_sound:
        raise typer.Exit(1)


def _show_uses(world: demo.World, out: Path) -> dict[str, Any]:
    """One citizen's file, one officer's use, one auditor's trail, as their systems get them."""
    out.mkdir(exist_ok=True)
    sample = next(
        one
        for one in world.licenses
        if one["person"].code_type == "111"
        and one["type"].endswith("13127D001")
        and _is_effective(world, one)
    )
    person: demo_people.Person = sample["person"]
    holder = {"code_type": person.code_type, "code": person.code}
    asked = {**demo.act("zhou03", "周窗口"), "holder": holder, "reason": "本人查询", "evidence": "7b" * 32}
    file = world.halls[0].post("/v1/holders/search", asked)
    use = {
        "holder": holder,
        "license_type": sample["type"],
        "fields": ["@holder_name", "@holder_code", "gender", "address"],
        "purpose": demo.purpose(999_999, demo.ITEMS[0]),
        "operator": {"account": "clerk01", "name": "陈受理"},
    }
    bundle = world.halls[0].post_raw("/v1/uses", use)
    (out / "use.bundle.json").write_bytes(bundle)
    answer = json.loads(bundle)
    proof = answer["uses"][0]["proof"]
    (out / "use.event").write_bytes(base64.b64decode(proof["event"]))
    (out / "use.tlog-proof").write_text(proof["receipt"], encoding="utf-8")
    (out / "license-qr.svg").write_bytes(qr.svg(sample["qr"]))
    (out / "license-qr.png").write_bytes(qr.png(sample["qr"]))
    (out / "license-qr.txt").write_text(sample["qr"] + "\n", encoding="ascii")
    demo_offline.keep_paper(file, license_ref=sample["license_ref"], out=out)
    _keep_documents(world, sample, use, out)
    page = demo_page.address(world.base_url, sample["qr"])
    no_picture = demo_page.take(page, out / PICTURE)
    trail = _trail(world, holder, at_least=answer["index"], out=out)
    shown = {"person": person, "file": file, "answer": answer, "trail": trail, "qr": sample["qr"]}
    return {**shown, "page": page, "no_picture": no_picture}


def _keep_documents(world: demo.World, sample: dict[str, Any], use: dict[str, Any], out: Path) -> None:
    """The license as its issuer gets it, and as the officer's copy of what was used."""
    license_file = world.issuer.fetch(f"/v1/licenses/{sample['license_ref']}/document")
    (out / "license.pdf").write_bytes(license_file)
    (link,) = world.halls[0].post("/v1/copies", use)["copies"]
    (out / "copy.pdf").write_bytes(world.halls[0].follow(link["url"]))


def _trail(world: demo.World, holder: dict[str, str], *, at_least: int, out: Path) -> Any:
    """A page of the holder's trail; the export of all of it is left as a file."""
    asked = {**demo.act("shen09", "沈审计"), "reason": "效能监察抽查", "filter": {"holder": holder}}
    page = world.auditor.post("/v1/audit/trail", asked, at_least=at_least)
    (out / "trail.export").write_bytes(world.auditor.post_for_file("/v1/audit/exports", asked))
    return page


def _is_effective(world: demo.World, one: dict[str, Any]) -> bool:
    checked = world.halls[0].post("/v1/verifications", {**demo.act(), "license_ref": one["license_ref"]})
    return bool(checked["result"] == "effective")


def _leave(folder: Path, out: Path) -> checking.Report:
    """Trust file and verifier key beside the proofs, and a full check of the ledger."""
    with opening.opened(config.load(data=folder)) as ledger:
        (out / "trust.json").write_bytes(cli_export.published(ledger).trust)
        origin = log.origin_line(ledger.vault.ring.origin, partition=0, generation=0)
        key = note.VerifierKey(name=origin, public=ledger.vault.log_key.public)
        (out / "log.vkey").write_text(key.text + "\n", encoding="ascii")
        return checking.check(
            ledger.ways.owner or ledger.ways.service,
            identity=checking.identity_of(ledger.vault.ring),
            anchor=ledger.vault.anchor,
            vault=ledger.vault,
        )


def _result(
    world: demo.World, report: checking.Report, out: Path, *, seconds: float, shown: dict[str, Any]
) -> dict[str, Any]:
    sample: demo_people.Person = shown["person"]
    names = (
        "use.bundle.json",
        "use.tlog-proof",
        "use.event",
        "log.vkey",
        "trust.json",
        "license-qr.svg",
        "license-qr.png",
        "license.pdf",
        "copy.pdf",
        "trail.export",
        *([] if shown["no_picture"] else [PICTURE]),
    )
    return {
        "holders": len({(one["person"].code_type, one["person"].code) for one in world.licenses}),
        "licenses": len(world.licenses),
        "license_types": len({one["type"] for one in world.licenses}),
        "authorizations": world.authorizations,
        "uses": world.uses,
        "refusals": world.refusals,
        "refusal_reasons": dict(sorted(world.reasons.items())),
        "events": report.events,
        "sound": report.is_sound,
        "seconds": round(seconds, 1),
        "sample_holder": {"code_type": sample.code_type, "code": sample.code},
        "synthetic": True,
        "origin": demo.ORIGIN,
        "page": shown["page"],
        "no_picture_because": shown["no_picture"],
        "paths": {name: str(out / name) for name in names},
    }


def _print(shown: dict[str, Any], result: dict[str, Any], out: Path) -> None:
    console = cli_console.OUT
    console.rule("电子证照账本 · license ledger · DEMONSTRATION 演示")
    console.print(_SYNTHETIC, style="yellow")
    console.print(
        f"\n{result['holders']} holders, {result['licenses']:,} licenses of {result['license_types']} types, "
        f"{result['authorizations']} authorizations, {result['uses']:,} uses granted and "
        f"{result['refusals']:,} refused: {result['events']:,} events, every one re-derived"
        f" ({'sound' if result['sound'] else 'NOT SOUND'}), {result['seconds']} s\n"
    )
    reasons = [(name, _situation(name), f"{count:,}") for name, count in result["refusal_reasons"].items()]
    console.print(cli_console.table("refused because", "the officer sees 情形", "times", rows=reasons))
    _print_file(shown)
    _print_use(shown)
    _print_trail(shown)
    console.rule("4 · Anyone, offline 离线验证")
    demo_offline.show(out)
    console.print("\nThe QR code on the printed license 证照二维码:")
    console.print(qr.terminal(shown["qr"]), style="black on white", no_wrap=True, highlight=False)
    _print_page(shown, out)
    console.print(f"\nLeft in {out}: " + ", ".join(sorted(path.name for path in out.iterdir())))
    console.print(f"Look further: license-ledger check --data {out.parent}", soft_wrap=True)


def _print_page(shown: dict[str, Any], out: Path) -> None:
    """Where the page behind the code is, while somebody serves it."""
    page, picture = shown["page"], shown["no_picture"]
    port = urllib.parse.urlsplit(page).port
    console = cli_console.OUT
    console.print("The page behind it 核验页, once you serve this ledger again:")
    console.print(f"$ license-ledger serve --data {out.parent} --port {port}", soft_wrap=True)
    console.print(page, soft_wrap=True, highlight=False)
    told = f"its picture is {out / PICTURE}" if picture is None else f"there is no picture: {picture}"
    console.print(f"The code leads to the host in LEDGER_QR_HOST instead; {told}", soft_wrap=True)


def _situation(reason: str) -> str:
    """Which of the situations that an officer tells apart a refusal is."""
    return advice.situation(reason).name_zh


def _print_file(shown: dict[str, Any]) -> None:
    person = shown["person"]
    names = {fact.type_code: fact.name_zh for fact in catalog.national_catalog(demo.OPERATOR)}
    cli_console.OUT.rule("1 · A citizen's file 一人一档")
    cli_console.OUT.print(f"{person.name}, {_masked(person.code)} (synthetic)")
    rows = [
        (
            one["fields"]["@license_number"],
            names[one["license_type"]],
            one["status"],
            one["valid_from"],
            one["valid_to"] or "长期",
        )
        for one in shown["file"]["licenses"]
    ]
    cli_console.OUT.print(cli_console.table("number 证号", "type 类型", "status", "from", "to", rows=rows))


def _print_use(shown: dict[str, Any]) -> None:
    (use,) = shown["answer"]["uses"]
    cli_console.OUT.rule("2 · An officer's use 用证")
    cli_console.OUT.print(
        f"{use['decision']} (national code {use['code']}), index {use['index']}: only what was asked for"
    )
    for name, field in sorted(use["license"]["fields"].items()):
        cli_console.OUT.print(f"  {name:<14} {rich.markup.escape(str(field['value']))}", soft_wrap=True)


def _print_trail(shown: dict[str, Any]) -> None:
    cli_console.OUT.rule("3 · An auditor's trail 用证留痕")
    rows = [
        (
            one["index"],
            one["recorded_at"][11:19],
            one["topic"],
            " ".join(filter(None, (one["outcome"], one["reason"]))),
            (one["request"] or {}).get("operator_name", ""),
            one["case_number"],
        )
        for one in shown["trail"]["events"][:12]
    ]
    heads = ("index", "UTC", "fact", "outcome", "operator", "case 办件编号")
    cli_console.OUT.print(cli_console.table(*heads, rows=rows))


def _masked(code: str) -> str:
    return f"{code[:6]}********{code[-4:]}"


def _clear(folder: Path) -> None:
    """An earlier demonstration is replaced; anything else is left alone."""
    if not folder.exists() or not any(folder.iterdir()):
        return
    if not (folder / MARKER).exists():
        raise errors.AlreadyExists(f"{folder} is not empty and holds no demonstration", field="--data")
    shutil.rmtree(folder)


@contextmanager
def _bars(*, hidden: bool) -> Iterator[demo.Progress]:
    with rich.progress.Progress(console=cli_console.ERR, transient=True, disable=hidden) as bars:
        tasks: dict[str, rich.progress.TaskID] = {}

        def tell(step: str, done: int, total: int) -> None:
            if step not in tasks:
                tasks[step] = bars.add_task(step, total=total)
            bars.update(tasks[step], completed=done, total=total)

        yield tell
