"""A headless Chromium for tests of pages, and a server of pages that are made without a ledger.

Gives `browser` and `served`. The browser is a judge: where it or its driver is absent, the test ends as
`judges.need` says. It opens nothing but what the tests serve on this machine.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import uvicorn
from starlette.types import ASGIApp

from tests import judges

FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--disable-dev-shm-usage", "--force-device-scale-factor=1"),
)
PHONE, NARROW, DESKTOP = (360, 740), (320, 640), (1280, 900)


class Browser:
    """One window, steered by its driver."""

    def __init__(self, driver: Any) -> None:
        self.driver = driver

    def resize(self, size: tuple[int, int]) -> None:
        """Be a phone or a desktop."""
        width, height = size
        said = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", said)

    def wear(self, *, scheme: str = "light", media: str = "screen") -> None:
        """Be dark, or paper."""
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": media, "features": features})

    def write(self, document: str) -> None:
        """Show a document in place of the one that is open: no request is made, and no policy holds."""
        frame = self.driver.execute_cdp_cmd("Page.getFrameTree", {})["frameTree"]["frame"]["id"]
        self.driver.execute_cdp_cmd("Page.setDocumentContent", {"frameId": frame, "html": document})

    def run(self, script: str, *values: Any) -> Any:
        """What a script of the test gives in the page."""
        return self.driver.execute_script(script, *values)

    def messages(self) -> list[str]:
        """What the console was told since it was asked last; a blocked style or picture is told there.

        Not that a page's own status is an error.
        """
        told = [entry["message"] for entry in self.driver.get_log("browser")]
        return [message for message in told if "the server responded with a status of" not in message]


@contextlib.contextmanager
def browser(folder: Path) -> Iterator[Browser]:
    """A browser with a fresh profile in `folder`, for the time of the block."""
    chromium, chromedriver = judges.need("chromium"), judges.need("chromedriver")
    judges.need("selenium")
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for flag in (*FLAGS, f"--user-data-dir={folder}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(executable_path=chromedriver))
    try:
        driver.set_page_load_timeout(30)
        yield Browser(driver)
    finally:
        driver.quit()


@contextlib.contextmanager
def served(app: ASGIApp) -> Iterator[str]:
    """The address at which an application answers, for the time of the block."""
    config = uvicorn.Config(app, host="127.0.0.1", port=0, log_config=None, lifespan="off")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started and thread.is_alive():
            thread.join(0.01)
        (listener,) = (one for one in server.servers for one in one.sockets)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(timeout=30)
