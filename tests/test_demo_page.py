"""The demonstration's picture of the page: taken where there is a Chromium, and never a reason to fail."""

from __future__ import annotations

from pathlib import Path

import pytest

from api import demo_page


def test_the_address_is_that_of_the_code_at_another_host() -> None:
    code = "HTTPS://QR.LEDGER.EXAMPLE/V/QRE2"
    assert demo_page.address("http://127.0.0.1:8440", code) == "http://127.0.0.1:8440/V/QRE2"


@pytest.mark.parametrize(
    ("programs", "expected"),
    [
        ((), "no Chromium on this machine"),
        (("no-such-program-anywhere",), "no Chromium on this machine"),
        (("false",), "Chromium took none (CalledProcessError)"),
        (("true",), "Chromium took none"),
    ],
)
def test_without_a_picture_it_is_said_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, programs: tuple[str, ...], expected: str
) -> None:
    monkeypatch.setattr(demo_page, "PROGRAMS", programs)
    assert demo_page.take("http://127.0.0.1:1/", tmp_path / "page.png") == expected
    assert list(tmp_path.iterdir()) == []
