"""The page behind a QR code as people have it: in a browser, on a phone and a desk, in every state."""

from __future__ import annotations

import importlib.resources
import re
import urllib.parse
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from api import headers, look_page, look_words, markup
from ledger import verification
from tests import browsing, judges, look_states
from tests.browsing import DESKTOP, NARROW, PHONE, Browser

PAGES = {"zh": look_states.pages(look_states.ZH), "en": look_states.pages(look_states.EN)}
ADDRESSES = [(language, name) for language, pages in PAGES.items() for name in pages]
GLANCES = ("effective", "endorsement-overdue", "superseded", "holder-ended", "revoked", "signature-invalid")
SEEN_BY_AXE = (*GLANCES, "key-compromised", "cannot-tell", "wait", "paper-differs", "demonstration")
WEIGHT_MAX = 60_000


async def _page(request: Request) -> Response:
    said = urllib.parse.parse_qs((await request.body()).decode())
    name = "paper-matches" if said.keys() == {"number", "name"} else request.path_params["name"]
    return PAGES[request.path_params["language"]][name]


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    app = Starlette(routes=[Route("/{language}/{name}", _page, methods=["GET", "POST"])])
    with browsing.served(headers.SecurityHeaders(app, is_tls=False)) as found:
        yield found


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browsing.browser(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


def written(language: str, name: str) -> str:
    return bytes(PAGES[language][name].body).decode()


MEASURED = """
    const [documents, [width, height], done] = arguments;
    Promise.all(documents.map(text => new Promise(resolve => {
        const frame = document.body.appendChild(document.createElement('iframe'));
        frame.width = width; frame.height = height; frame.style.border = 0;
        frame.onload = () => {
            const page = frame.contentDocument, style = frame.contentWindow.getComputedStyle;
            const band = page.querySelector('.band'), headline = page.querySelector('h1');
            resolve([page.documentElement.scrollWidth, band.getBoundingClientRect().bottom,
                     parseFloat(style(headline).fontSize)]);
        };
        frame.srcdoc = text;
    }))).then(done);
"""
"""How wide each document is, where its band ends and how large its headline is, in a window of a size."""


def test_every_state_is_read_on_a_narrow_phone_without_scrolling(browser: Browser) -> None:
    """The glance, its reason and the moment are on the first screen; nothing scrolls sideways."""
    browser.driver.get("about:blank")
    documents = [written(language, name) for language, name in ADDRESSES]
    for size in (NARROW, PHONE, DESKTOP):
        measured = browser.driver.execute_async_script(MEASURED, documents, size)
        for at, (width, bottom, headline) in zip(ADDRESSES, measured, strict=True):
            assert width <= size[0], (size, at)
            assert 100 < bottom < size[1], (size, at)
            assert headline >= 20, (size, at)


def test_nothing_is_fetched_but_the_page_and_it_is_light(browser: Browser, address: str) -> None:
    browser.resize(PHONE)
    for name in SEEN_BY_AXE:
        browser.driver.get(f"{address}/zh/{name}")
        weight, others, color = browser.run(
            "return [performance.getEntriesByType('navigation')[0].transferSize,"
            " performance.getEntriesByType('resource').length,"
            " getComputedStyle(document.querySelector('.band')).backgroundColor]"
        )
        assert 1_000 < weight < WEIGHT_MAX / 3
        assert others == 0
        assert color != "rgba(0, 0, 0, 0)", "the policy let the style in"
    assert browser.messages() == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_amiss(browser: Browser, address: str, scheme: str) -> None:
    judges.need("axe_core_python")
    axe = importlib.resources.files("axe_core_python").joinpath("axe.min.js").read_text(encoding="utf-8")
    browser.driver.get(f"{address}/zh/effective")
    browser.wear(scheme=scheme)
    browser.run(axe)
    try:
        for size, language in ((PHONE, "zh"), (DESKTOP, "en")):
            browser.resize(size)
            for name in SEEN_BY_AXE:
                browser.write(written(language, name))
                found = browser.driver.execute_async_script(
                    "const done = arguments[0]; axe.run({resultTypes: ['violations']}).then(said => done("
                    "said.violations.map(one => one.id + ' ' + one.nodes.map(node => node.html).join(' '))))"
                )
                assert found == [], (scheme, language, name)
    finally:
        browser.wear()


def test_the_keyboard_reaches_everything_and_sees_where_it_is(browser: Browser, address: str) -> None:
    from selenium.webdriver.common.keys import Keys

    browser.resize(PHONE)
    browser.driver.get(f"{address}/zh/effective")
    reached = []
    for _ in range(4):
        browser.driver.switch_to.active_element.send_keys(Keys.TAB)
        tag, outline = browser.run(
            "const here = document.activeElement; return [here.tagName, getComputedStyle(here).outlineStyle]"
        )
        reached.append(tag)
        assert outline == "solid", tag
    assert reached == ["A", "INPUT", "INPUT", "BUTTON"]


def test_the_page_is_whole_without_javascript_and_its_form_is_sent(browser: Browser, address: str) -> None:
    from selenium.webdriver.common.keys import Keys

    browser.resize(PHONE)
    browser.driver.get(f"{address}/zh/effective")
    with_scripts = browser.driver.get_screenshot_as_png()
    browser.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        browser.driver.get(f"{address}/zh/effective")
        assert browser.driver.get_screenshot_as_png() == with_scripts
        for name in ("number", "name"):
            browser.driver.find_element("name", name).send_keys("示例")
        browser.driver.find_element("name", "name").send_keys(Keys.ENTER)
        assert look_words.PAPER["matches"].zh in browser.driver.find_element("class name", "found").text
    finally:
        browser.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
    assert browser.messages() == []


def test_on_paper_the_glance_stays_and_the_form_goes(browser: Browser, address: str) -> None:
    browser.resize(DESKTOP)
    browser.driver.get(f"{address}/zh/revoked")
    browser.wear(media="print")
    try:
        shown = browser.run(
            "return ['.band', 'form', 'header a'].map(name => "
            "getComputedStyle(document.querySelector(name)).display != 'none')"
        )
        assert shown == [True, False, False]
        assert browser.run("return getComputedStyle(document.querySelector('.band')).color") == "rgb(0, 0, 0)"
    finally:
        browser.wear()


# --- without a browser ---


def test_states_differ_by_words_and_by_shape_not_by_color_alone() -> None:
    said = {(words.zh, words.en) for words in look_words.VERDICTS.values()}
    assert len(said) == len(look_words.VERDICTS)
    assert len(set(look_page._ICONS.values())) == len(look_page._ICONS) == len(look_words.VERDICTS)
    assert look_page._ICONS.keys() == look_page._LOOKS.keys() == look_words.VERDICTS.keys()
    good = [verdict for verdict, look in look_page._LOOKS.items() if look == "good"]
    assert good == ["valid"]


def test_every_result_has_its_words() -> None:
    assert look_words.RESULTS.keys() == verification.NATIONAL_RESULTS.keys() - {"unknown"}
    assert set(verification.VERDICTS.values()) <= look_words.VERDICTS.keys() == look_words.ADVICE.keys()


def test_green_is_for_what_is_valid_alone() -> None:
    for language, name in ADDRESSES:
        text = written(language, name)
        is_green = 'class="band good"' in text
        is_valid = name in ("effective", "paper-matches", "paper-unfit", "demonstration", "compromised")
        assert is_green is is_valid, name
        assert len(re.findall("<h1", text)) == 1


def test_whatever_is_said_stays_text() -> None:
    hostile = "\"><script>alert(1)</script>&'"
    text = markup.element("p", hostile, title=hostile, hidden=None, open=False)
    assert "<script" not in text
    assert text == (
        '<p title="&quot;&gt;&lt;script&gt;alert(1)&lt;/script&gt;&amp;&#x27;">'
        "\"&gt;&lt;script&gt;alert(1)&lt;/script&gt;&amp;'</p>"
    )
    seen = look_states.seen(type_zh=hostile, holder=hostile)
    assert "<script" not in bytes(look_page.of(seen, view=look_states.ZH).body).decode()


def test_the_style_is_one_file_and_fetches_nothing() -> None:
    text = Path(look_page.__file__).with_name("look_page.css").read_text(encoding="utf-8")
    assert not re.findall(r"url\(|@import|expression|</", text)
