"""The page behind a copy's link: what waits there, until when, and one button; or why nothing does.

Plain HTML in Chinese and English, without scripts; its one style sheet stands in it and is named by its
digest in the page's policy. Says the type and who asked, and nothing of the holder.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from starlette.responses import HTMLResponse, Response

from api import markup
from api.markup import element
from ledger import errors

_BEIJING = timezone(timedelta(hours=8))
_STYLE = (
    ":root{color-scheme:light dark}"
    "body{font:1.05rem/1.6 system-ui,'Noto Sans CJK SC',sans-serif;margin:0;color:#1b1b1b;background:#f4f5f7}"
    "main{max-width:34rem;margin:6vh auto;padding:1.5rem 1.75rem;background:#fff;border-radius:.5rem}"
    "h1{font-size:1.35rem;margin:0 0 1rem}"
    "dl{display:grid;grid-template-columns:auto 1fr;gap:.35rem 1rem;margin:0 0 1.25rem}"
    "dt{color:#595959}dd{margin:0;overflow-wrap:anywhere}"
    "button{font:inherit;padding:.6rem 1.4rem;border:0;border-radius:.35rem;background:#0b5394;color:#fff}"
    "button:focus-visible{outline:3px solid #f0a500;outline-offset:2px}"
    "p{margin:.5rem 0}small{color:#595959}"
    "@media(max-width:30rem){dl{display:block}dd{margin:0 0 .6rem}}"
    "@media(prefers-color-scheme:dark){body{background:#15171a;color:#eee}main{background:#22252a}"
    "dt,small{color:#b5b9c0}button{background:#8ab4f8;color:#10233d}}"
)
_POLICY = (
    "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'; "
    f"style-src 'sha256-{base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()}'"
)


@dataclass(frozen=True, kw_only=True)
class Waiting:
    """A copy that can be downloaded."""

    type_zh: str
    type_en: str
    requester: str
    expires_at: datetime
    is_demonstration: bool


def waiting(copy: Waiting) -> Response:
    """The page with the button."""
    until = copy.expires_at.astimezone(_BEIJING)
    loud = element("p", element("strong", "演示数据，不具法律效力 · Demonstration, without legal effect"))
    told = (
        ("证照类型 Type", f"{copy.type_zh} {copy.type_en}"),
        ("用证单位 Requester", copy.requester),
        ("有效期至 Open until", f"{until:%Y-%m-%d %H:%M:%S}（北京时间 UTC+8）"),
    )
    once = "仅可下载一次；中断后 60 秒内可重试。 Once; what broke off may be repeated for 60 seconds."
    return _page(
        loud if copy.is_demonstration else None,
        element("dl", *(markup.joined(element("dt", name), element("dd", value)) for name, value in told)),
        element("form", element("button", "下载 · Download PDF", type="submit"), method="post"),
        element("p", element("small", once)),
    )


def refused(error: errors.LedgerError) -> Response:
    """The page that says why there is nothing to download."""
    said = _SAID.get(str(error.extra.get("reason")), (error.title_zh, error.title))
    anew = "如需再次使用，请由用证单位重新申请。 Whoever needs it again uses the license again."
    return _page(
        *(element("p", text) for text in said),
        element("p", element("small", anew)),
        status=error.status,
    )


_SAID = {
    "expired": ("加注件链接已过期。", "The link has expired."),
    "downloaded": ("加注件已下载，链接已失效。", "The copy was downloaded; the link opens no more."),
}


def _page(*content: markup.Markup | None, status: int = 200) -> Response:
    title = "证照加注件 · Copy of a license"
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width,initial-scale=1"),
        element("title", title),
        element("style", markup.trusted(_STYLE)),
    )
    body = element("body", element("main", element("h1", title), *content))
    headers = {
        "Cache-Control": "no-store",
        "Content-Security-Policy": _POLICY,
        "X-Robots-Tag": "noindex",
    }
    return HTMLResponse(f"<!doctype html>{element('html', head, body, lang='zh')}", status, headers)
