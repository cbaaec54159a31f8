"""A real server, and Debian's Chromium that looks at its page; screenshots stay in browser_output/."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from examples.sample_series import PLACE
from examples.server import free_port, running_server, wait_until_ready

PICTURES = Path(__file__).parent.parent.parent / "browser_output"
PATIENCE = 240_000
"""Milliseconds: a training on a busy machine."""

expect.set_options(timeout=60_000)

# Chromium tells of each answer that is an error, and of a server that is away, as an error of the page.
_TOLD_ANSWER = re.compile(r"Failed to load resource: ")


@dataclass
class Watched:
    """A page, and what it did that it should not have: asked another host, or told an error in the console."""

    page: Page
    url: str
    asked_elsewhere: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    answers: list[str] = field(default_factory=list)

    def go(self, place: str = "/") -> Page:
        self.page.goto(self.url + place)
        self.page.wait_for_selector("h1")
        return self.page

    def picture(self, name: str, full: bool = True) -> None:
        PICTURES.mkdir(exist_ok=True)
        self.page.screenshot(path=PICTURES / f"{name}.png", full_page=full, animations="disabled")


# Playwright keeps an event loop running in this thread, and DBOS opens no queue there: it must not outlive these tests.
@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    chromium = shutil.which("chromium")
    if chromium is None:
        _absent("chromium is not installed: apt-get install chromium")
    with sync_playwright() as playwright:
        # No sandbox: root has none, and it is our own page.
        one = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield one
        one.close()


def _absent(reason: str) -> NoReturn:
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="package")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running_server(tmp_path_factory.mktemp("browser"), {"FORECAST_TRAINING_PROCESSES": "1"}) as url:
        yield url


Opens = Callable[..., Watched]


@pytest.fixture
def opened(browser: Browser) -> Iterator[Opens]:
    """Opens a page of a URL; options are those of a browser context. What the page did is judged at the end."""
    pages: list[Watched] = []

    def open_page(url: str, **options: object) -> Watched:
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **options})  # type: ignore[arg-type]
        watched = Watched(context.new_page(), url)
        _watch(watched)
        pages.append(watched)
        return watched

    yield open_page
    for one in pages:
        one.page.context.close()
        assert one.asked_elsewhere == []
        assert one.errors == []


def _watch(watched: Watched) -> None:
    page, host = watched.page, urlsplit(watched.url).netloc
    page.set_default_timeout(PATIENCE)

    def asked(address: str) -> None:
        if urlsplit(address).scheme not in ("blob", "data") and urlsplit(address).netloc != host:
            watched.asked_elsewhere.append(address)

    def told(kind: str, text: str) -> None:
        if _TOLD_ANSWER.match(text):
            watched.answers.append(text)
        elif kind in ("error", "warning"):
            watched.errors.append(text)

    page.on("request", lambda request: asked(request.url))
    page.on("console", lambda message: told(message.type, message.text))
    page.on("pageerror", lambda error: told("error", str(error)))


@pytest.fixture
def seen(server: str, opened: Opens) -> Watched:
    """The page of the common server."""
    return opened(server)


@contextmanager
def server_at(port: int, store: Path, settings: dict[str, str] | None = None) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server on a port of our choice, which another can take over; ready when the block begins."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("FORECAST_")}
    environment |= {"FORECAST_PORT": str(port), "FORECAST_STORE_URL": str(store), "FORECAST_LOG_LEVEL": "warning"}
    process = subprocess.Popen([sys.executable, "-m", "service"], env=environment | (settings or {}))
    try:
        wait_until_ready(process, f"http://127.0.0.1:{port}")
        yield process
    finally:
        process.kill()
        process.wait()


def drop(page: Page, name: str, content: str | bytes) -> None:
    """Drop a file on the page, as from a folder of the desktop."""
    data = list(content.encode() if isinstance(content, str) else content)
    page.evaluate(
        """([name, bytes]) => {
            const dataTransfer = new DataTransfer();
            dataTransfer.items.add(new File([new Uint8Array(bytes)], name));
            const drop = (kind) => new DragEvent(kind, { dataTransfer, bubbles: true, cancelable: true });
            for (const kind of ["dragover", "drop"]) document.querySelector(".drop").dispatchEvent(drop(kind));
        }""",
        [name, data],
    )


def example(name: str) -> str:
    """Return one of the page's own examples."""
    return (PLACE / name).read_text()


__all__ = ["PATIENCE", "Opens", "Watched", "drop", "example", "free_port", "server_at"]
