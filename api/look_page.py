"""The page behind a QR code: one HTML document without scripts, for a phone held at arm's length.

Everything that is not written here is escaped. The style sheet stands in the page and is the only style
that the page's policy lets in, by its hash; nothing is fetched from anywhere.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import importlib.resources
from datetime import UTC, datetime, timedelta, timezone

from starlette.responses import Response

from api import look_state, look_words, markup, problems
from api.look_request import Language, View
from api.look_state import Field, Seen
from ledger import days, errors
from ledger import paper as papers

BEIJING = timezone(timedelta(hours=8))
_LOOKS = {
    "valid": "good",
    "endorsement-overdue": "care",
    "changed": "care",
    "holder-ended": "bad",
    "not-valid": "bad",
    "unknown": "bad",
    "check-ledger": "bad",
    "cannot-tell": "none",
    "wait": "none",
}
"""Verdict to color; the shape of its icon says the same to who sees no color."""
_RING = "M50 4a46 46 0 1 0 0 92a46 46 0 0 0 0-92z"
_TRIANGLE = "M50 6L97 92H3z"
_YIELD = "M3 8H97L50 94z"
_DIAMOND = "M50 2L98 50L50 98L2 50z"
_OCTAGON = "M32 4H68L96 32V68L68 96H32L4 68V32z"
_SQUARE = "M8 8H92V92H8z"
_ICONS = {
    "valid": (_RING, "M26 52L43 70L75 33"),
    "endorsement-overdue": (_TRIANGLE, "M50 36V62M50 74V78"),
    "changed": (_DIAMOND, "M30 42H68M58 30L70 42L58 54M70 62H32"),
    "holder-ended": (_SQUARE, "M26 50H74"),
    "not-valid": (_OCTAGON, "M32 32L68 68M68 32L32 68"),
    "unknown": (_OCTAGON, "M36 38A14 14 0 1 1 54 51Q50 54 50 61M50 74V76"),
    "check-ledger": (_YIELD, "M50 24V48M50 60V64"),
    "cannot-tell": (_SQUARE, "M32 24H68L32 76H68L32 24"),
    "wait": (_SQUARE, "M38 28V72M62 28V72"),
}
"""Verdict to outline and sign."""
_HEADLINE_LENGTH = 12
"""Characters that a headline of full size has on a narrow phone."""


def of(seen: Seen, *, view: View, matches: bool | None = None, is_unfit: bool = False) -> Response:
    """The page of a genuine code; `matches`: whether its paper does, `is_unfit`: too little was typed."""
    found = "unfit" if is_unfit else {None: None, True: "matches", False: "differs"}[matches]
    band = _band(
        seen.verdict,
        look_words.RESULTS[seen.result],
        view.language,
        at=seen.at,
        day=_day(seen, view.language),
        is_good=found != "differs",
    )
    compared = None if found is None else _found(found, view.language)
    body = markup.joined(
        # A paper that is not the code's own comes before whatever is true of the license.
        *((compared, band) if found == "differs" else (band, compared)),
        _advice("not-valid" if found == "differs" else seen.verdict, view.language),
        _license(seen, view.language),
        _form(view.language),
        _trust(view),
    )
    return _response(_document(body, title=look_words.VERDICTS[seen.verdict], view=view), 200)


def of_error(error: errors.LedgerError, *, view: View) -> Response:
    """The page of a code of which nothing can be said; the status is that of the problem document."""
    if isinstance(error, errors.NotFound):
        reason = error.extra["reason"]
        verdict = "check-ledger" if reason == look_state.KEY_COMPROMISED else "unknown"
        why = look_words.FAILURES[reason]
    elif isinstance(error, errors.TooManyRequests):
        verdict, why = "wait", look_words.FAILURES["wait"]
    elif isinstance(error, errors.Unavailable):
        verdict, why = "cannot-tell", look_words.FAILURES["cannot-tell"]
    else:
        verdict, why = "cannot-tell", look_words.FAILURES["unfit"]
    body = markup.joined(
        _band(verdict, why, view.language),
        _advice(verdict, view.language),
        _trust(view),
    )
    answer = _response(_document(body, title=look_words.VERDICTS[verdict], view=view), error.status)
    answer.headers.update(problems.retry_headers(error))
    return answer


# --- the parts ---


def _document(body: markup.Markup, *, title: look_words.Words, view: View) -> str:
    el, language = markup.element, view.language
    other: Language = "zh" if language == "en" else "en"
    name = look_words.LABELS["title"].of(language)
    head = el(
        "head",
        el("meta", charset="utf-8"),
        el("meta", name="viewport", content="width=device-width, initial-scale=1"),
        el("meta", name="robots", content="noindex, nofollow"),
        el("link", rel="icon", href="data:,"),
        el("title", f"{title.of(language)} · {name}"),
        el("style", markup.trusted(_style())),
    )
    link = el(
        "a",
        "中文" if other == "zh" else "English",
        href=f"?lang={other}",
        lang=_tag(other),
        hreflang=_tag(other),
        class_="screen",
    )
    demonstration = look_words.LABELS["demonstration"].of(language)
    page = el(
        "body",
        el("header", el("p", name), link),
        el("main", el("p", demonstration, class_="demo") if view.is_demonstration else None, body),
        el("footer", look_words.LABELS["receipt"].of(language)),
    )
    return "<!doctype html>" + el("html", head, page, lang=_tag(language))


def _band(
    verdict: str,
    why: look_words.Words,
    language: Language,
    *,
    at: int | None = None,
    day: markup.Markup | None = None,
    is_good: bool = True,
) -> markup.Markup:
    """The one glance; of a paper that is not the code's own it is not green, whatever the license is."""
    el, other = markup.element, _other(language)
    said, labels = look_words.VERDICTS[verdict], look_words.LABELS
    headline = el(
        "h1",
        said.of(language),
        el("span", said.of(other), lang=_tag(other)),
        class_="long" if len(said.of(language)) > _HEADLINE_LENGTH else None,
    )
    moment = None
    if verdict in ("cannot-tell", "wait"):
        moment = el("p", labels["no_answer"].of(language), class_="at")
    elif at is not None:
        clock = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=at)).astimezone(BEIJING)
        time = el("time", el("b", f"{clock:%Y-%m-%d %H:%M:%S}"), datetime=clock.isoformat(timespec="seconds"))
        moment = el(
            "p",
            f"{labels['as_of'].of(language)} ",
            time,
            " ",
            labels["beijing"].of(language),
            class_="at",
        )
    look = _LOOKS[verdict] if is_good else "none"
    reason = el(
        "p",
        why.of(language),
        None if day is None else el("span", day),
        el("span", why.of(other), lang=_tag(other)),
        class_="why",
    )
    return el("div", _icon(verdict), headline, reason, moment, class_=f"band {look}")


def _day(seen: Seen, language: Language) -> markup.Markup | None:
    """Since when it is so, where that is known."""
    name, day = ("since", seen.since) if seen.replaced_on is None else ("replaced_on", seen.replaced_on)
    if day is None:
        return None
    before = f"{look_words.LABELS[name].of(language)} "
    return markup.joined(before, markup.element("time", day), None if language == "en" else " 起")


def _found(found: str, language: Language) -> markup.Markup:
    """What came of the comparison with the paper."""
    el = markup.element
    look, icon = {
        "matches": ("good", "valid"),
        "differs": ("bad", "not-valid"),
        "unfit": ("care", "endorsement-overdue"),
    }[found]
    return el(
        "div",
        _icon(icon),
        el("h2", look_words.LABELS["result"].of(language)),
        el("p", look_words.PAPER[found].of(language)),
        class_=f"found {look}",
        role="status",
    )


def _advice(verdict: str, language: Language) -> markup.Markup:
    advice = markup.element("p", look_words.ADVICE[verdict].of(language))
    return markup.element("section", advice, class_=f"advice {_LOOKS[verdict]}")


def _license(seen: Seen, language: Language) -> markup.Markup:
    el, said = markup.element, seen.said

    def label(name: str) -> str:
        return look_words.LABELS[name].of(language)

    end = label("long_term") if said.valid_to is None else _date(said.valid_to)
    piece = f"{label('counterpart')} {said.piece}" if said.piece else label("original")
    names = look_words.Words(seen.type_zh, seen.type_en)
    key = None if seen.key_status == "active" else label(seen.key_status)
    rows = [
        _row(label("type"), names.of(language), below=names.of(_other(language)), below_in=_other(language)),
        None if seen.holder is None else _row(label("holder"), seen.holder),
        *(_row(_label(one, language), one.text) for one in seen.fields),
        _issuer(seen, language),
        _row(label("issued_on"), _date(said.issued_on)),
        _row(label("term"), markup.joined(_date(said.valid_from), f" {label('to')} ", end)),
        _row(label("piece"), f"{piece} · {label('version')} {said.version}", below=key, below_in=language),
    ]
    return el("section", el("h2", label("license")), el("dl", *rows))


def _issuer(seen: Seen, language: Language) -> markup.Markup:
    """The issuer by its certified name, where it has one here, and its credit code."""
    code = look_words.LABELS["code"].of(language)
    if seen.issuer_name is None:
        return _row(look_words.LABELS["issuer"].of(language), seen.row.issuer, below=code)
    return _row(look_words.LABELS["issuer"].of(language), seen.issuer_name, below=f"{code} {seen.row.issuer}")


def _row(
    label: str, said: markup.Markup | str, *, below: str | None = None, below_in: Language | None = None
) -> markup.Markup:
    el = markup.element
    under = el("span", below, lang=below_in and _tag(below_in)) if below else None
    return markup.joined(el("dt", label), el("dd", said, under))


def _label(one: Field, language: Language) -> str:
    """The catalog's label; it has none in English, where the field's name does."""
    return one.name.replace("_", " ").capitalize() if language == "en" else one.label


def _date(day: int) -> markup.Markup:
    return markup.element("time", days.text(day))


def _form(language: Language) -> markup.Markup:
    el, labels = markup.element, look_words.LABELS
    rows = [
        markup.joined(
            el("label", labels[name].of(language), for_=name),
            el(
                "input",
                id=name,
                name=name,
                type="text",
                required=True,
                maxlength=str(papers.TYPED_MAX),
                autocomplete="off",
                autocapitalize="off",
                spellcheck="false",
            ),
        )
        for name in ("number", "name")
    ]
    button = el("button", labels["button"].of(language), type="submit")
    return el(
        "section",
        el("h2", labels["compare"].of(language)),
        el("p", labels["compare_why"].of(language)),
        el("form", *rows, button, method="post"),
        class_="screen",
    )


def _trust(view: View) -> markup.Markup:
    el, labels, language = markup.element, look_words.LABELS, view.language
    return el(
        "section",
        el("h2", labels["trust"].of(language)),
        el("p", f"{labels['host'].of(language)} ", el("b", view.host)),
        el("p", labels["offline"].of(language)),
        el("code", look_words.COMMAND),
    )


def _icon(verdict: str) -> markup.Markup:
    """An outline and a sign in the color of the text beside it."""
    el, (outline, sign) = markup.element, _ICONS[verdict]
    stroke = {"fill": "none", "stroke": "currentColor", "stroke_linejoin": "round"}
    return el(
        "svg",
        el("path", d=outline, **stroke, stroke_width="6"),
        el("path", d=sign, **stroke, stroke_width="10", stroke_linecap="round"),
        viewBox="0 0 100 100",
        aria_hidden="true",
        focusable="false",
    )


def _other(language: Language) -> Language:
    return "zh" if language == "en" else "en"


def _tag(language: Language) -> str:
    return "zh-CN" if language == "zh" else "en"


# --- the answer ---


@functools.cache
def _style() -> str:
    text = (
        importlib.resources.files(__package__ or "api").joinpath("look_page.css").read_text(encoding="utf-8")
    )
    return text.replace("\n", "")


@functools.cache
def _policy() -> str:
    """What a browser lets the page do: wear its own style, and send the form back to where it came from."""
    digest = base64.b64encode(hashlib.sha256(_style().encode()).digest()).decode()
    return (
        f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; form-action 'self'; "
        "base-uri 'none'; frame-ancestors 'none'"
    )


def _response(document: str, status: int) -> Response:
    """The document with the headers that are stricter than those of every answer, or differ from them."""
    headers = {
        "Cache-Control": "no-store",
        "Content-Security-Policy": _policy(),
        "Cross-Origin-Opener-Policy": "same-origin",
        "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        "X-Robots-Tag": "noindex, nofollow",
        "Vary": "Accept, Accept-Language",
    }
    return Response(document, status, headers, "text/html; charset=utf-8")
