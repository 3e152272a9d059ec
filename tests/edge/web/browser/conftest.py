"""A real browser, and a device for it to look at, once a module."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from mqtt_partners import MOSQUITTO, Listener, Mosquitto
from page_device import CHROMIUM, FLAGS, PATIENCE_S, TARGET, PageDevice, sign_in
from served import PIN

from edge.config import load_config
from edge.specimens.service import SpecimenService

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Browser, Page
    from served import Served


FAILED = pytest.StashKey[bool]()
"""Of a module: one of its tests has failed."""

IMPATIENCE_S = 20.0
"""What a test waits once another of its module has failed: else all of them may wait in vain, one by one."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Return a Chromium without a window."""
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("no Chromium here: apt-get install chromium")
    with api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def device(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PageDevice]:
    """Return a device that counts what a camera of another process shows, with a person to sign in."""
    yield from _device(tmp_path_factory, drawn=False)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PageDevice]:
    """Return a device on which a drawn slide was counted, as SIM-1; its counter does not run."""
    yield from _device(tmp_path_factory, drawn=True)


def _device(factory: pytest.TempPathFactory, *, drawn: bool) -> Iterator[PageDevice]:
    if MOSQUITTO is None:
        pytest.skip("mosquitto is not installed")
    folder = factory.mktemp("device")
    broker = Mosquitto(folder)
    broker.start()
    try:
        with PageDevice(folder, broker, TARGET, drawn=drawn) as device:
            device.listener = Listener(broker, "nurse")
            yield device
            device.listener.close()
    finally:
        broker.kill()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    report = yield
    if report.failed and (module := item.getparent(pytest.Module)):
        module.stash[FAILED] = True
    return report


@pytest.fixture
def open_page(browser: Browser, request: pytest.FixtureRequest) -> Iterator[Callable[..., Page]]:
    """Return a function that opens a page; it must say nothing on the console, and ask nobody else."""
    contexts, complaints = [], []
    has_failed = request.node.getparent(pytest.Module).stash.get(FAILED, False)
    patience_s = IMPATIENCE_S if has_failed else PATIENCE_S

    def opened(address: str, *, language: str = "en", dark: bool = False, width: int = 1280) -> Page:
        context = browser.new_context(
            viewport={"width": width, "height": 800 if width > 500 else 740},
            color_scheme="dark" if dark else "light",
            base_url=address,
            reduced_motion="reduce",
        )
        context.set_default_timeout(patience_s * 1000)
        context.add_cookies([{"name": "language", "value": language, "url": address}])
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda said: complaints.append(said.text) if _is_bad(said) else None)
        page.on(
            "request", lambda asked: complaints.append(asked.url) if not _own(asked.url, address) else None
        )
        return page

    yield opened
    for context in contexts:
        context.close()
    assert complaints == []


@pytest.fixture(scope="module")
def service(page: Served) -> SpecimenService:
    """Return what the command line and the page work with, over the page's store."""
    return SpecimenService(load_config(page.config))


@pytest.fixture
def window(page: Served, open_page: Callable[..., Page]) -> Callable[..., Page]:
    """Return a function that opens a window in which somebody has signed in."""

    def opened(code: str, pin: str = PIN, **how: object) -> Page:
        found = open_page(f"http://127.0.0.1:{page.port}", **how)
        sign_in(found, code=code, pin=pin)
        return found

    return opened


def _own(url: str, address: str) -> bool:
    return url.startswith((f"{address}/", "blob:", "data:"))


def _is_bad(said: object) -> bool:
    # That a request was refused the browser notes by itself; the page says it in words.
    return said.type == "error" and not said.text.startswith("Failed to load resource")
