"""A device with a page, as its users have it: camera, counter, broker and page, each a process of its own."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Self

from mqtt_partners import free_port, wait_for

from edge.config import load_config
from edge.people import People
from edge.specimens.service import SpecimenService

if TYPE_CHECKING:
    from mqtt_partners import Listener, Mosquitto
    from playwright.sync_api import Page

    from edge.config import Config
    from edge.messages import Differential

HERE = Path(__file__).parent
REPOSITORY = HERE.parents[3]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
)
PATIENCE_S = 120.0
CODE, PIN = "anna", "739164"
TARGET = 15
"""Cells of a specimen."""


class PageDevice:
    """Its processes and its configuration; `with` ends them.

    target: cells of a specimen. drawn: a drawn slide was counted whole, as specimen SIM-1, and
    nothing is counted now.
    """

    listener: Listener
    """Who listens to the broker."""

    def __init__(self, folder: Path, broker: Mosquitto, target: int, *, drawn: bool = False) -> None:
        self.folder = folder
        self.port = free_port("127.0.0.1")
        self._camera_port = free_port("127.0.0.1")
        self._stack = contextlib.ExitStack()
        self.path = folder / "leukoscope.toml"
        self._drawn = drawn
        (folder / "run").mkdir()
        stream = f'kind = "usb"\ndevice = "http://127.0.0.1:{self._camera_port}/"\n[specimen]\n'
        self._write(self.path, stream, target, broker)
        slide = 'kind = "simulated"\ncells = 24\n[specimen]\nid = "SIM-1"\n'
        self._write(folder / "drawn.toml", slide, target, broker)

    def _write(self, path: Path, camera: str, target: int, broker: Mosquitto) -> None:
        folder = self.folder
        path.write_text(
            f"""device_id = "page-1"
[camera]
{camera}target = {target}
[store]
path = "{folder}/results.db"
[mqtt]
host = "{broker.host}"
port = {broker.port}
[web]
port = {self.port}
preview_dir = "{folder}/run"
"""
        )

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def config(self) -> Config:
        return load_config(self.path)

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self._stack.close()
            raise
        return self

    def _start(self) -> None:
        People.beside(self.config.store.path).add(CODE, "Anna", "administrator", PIN)
        if self._drawn:
            words = ["-m", "edge.cli", "run", "--config", str(self.folder / "drawn.toml")]
            assert self._run(words, "drawn").wait(PATIENCE_S) == 0
        else:
            self._count()
        self.start_page()

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _count(self) -> None:
        camera = self._run([str(HERE / "slide_server.py"), str(self._camera_port)], "camera", piped=True)
        assert camera.stdout is not None
        assert camera.stdout.readline() == b"ready\n"
        self.start_counter()

    def start_page(self) -> None:
        """Start the page's process, again where it was killed; until it answers."""
        web = self.page = self._run(["-m", "edge.cli", "web", "--config", str(self.path)], "web")
        wait_for(lambda: web.poll() is not None or self._answers(), "the page", PATIENCE_S)
        assert web.poll() is None, (self.folder / "web.log").read_text()

    def start_counter(self) -> None:
        """Start the counter, again where it was killed."""
        self.counter = self._run(["-m", "edge.cli", "run", "--config", str(self.path)], "daemon")

    def revive(self) -> None:
        """Start again what a test has killed and, because it failed, not started again."""
        if self.page.poll() is not None:
            self.start_page()
        if self.counter.poll() is not None:
            self.start_counter()

    def show(self, what: str) -> None:
        """Let the camera see something else, as `slide_server` knows it; until that is what comes of it."""
        urllib.request.urlopen(f"http://127.0.0.1:{self._camera_port}/show/{what}", timeout=5).close()
        time.sleep(2)

    def differential(self, specimen_id: str) -> Differential:
        """Return a specimen's count, as the store has it."""
        return SpecimenService(self.config).differential(specimen_id)

    def heard(self, specimen_id: str) -> Differential:
        """Return what was said last of a specimen over MQTT."""
        said = self.listener.of("result/differential")
        return next(each for each in reversed(said) if each.specimen_id == specimen_id)

    def cli(self, *words: str) -> str:
        """Return what a command says."""
        command = [sys.executable, "-m", "edge.cli", *words, "--config", str(self.path)]
        done = subprocess.run(
            command, cwd=REPOSITORY, capture_output=True, text=True, timeout=PATIENCE_S, check=True
        )
        return done.stdout

    def _run(self, words: list[str], name: str, *, piped: bool = False) -> subprocess.Popen[bytes]:
        log = self._stack.enter_context((self.folder / f"{name}.log").open("ab"))
        process = subprocess.Popen(
            [sys.executable, *words],
            cwd=REPOSITORY,
            stdout=subprocess.PIPE if piped else log,
            stderr=log,
            env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        )
        self._stack.callback(_end, process)
        return process

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.address}/sign-in", timeout=5) as answer:  # noqa: S310 (our own)
                return answer.status == 200
        except (TimeoutError, urllib.error.URLError, OSError):
            return False


def sign_in(page: Page, there: str = "/", *, code: str = CODE, pin: str = PIN) -> None:
    """Sign in as a person does, and be there."""
    page.goto(f"/sign-in?next={there}")
    page.locator("#code").fill(code)
    page.locator("#pin").fill(pin)
    page.locator("form[data-post] button").click()
    page.wait_for_url(lambda url: "/sign-in" not in url)


def go_to(page: Page, what: str, *, backwards: bool = False) -> None:
    """Press Tab until it has the focus."""
    for _ in range(60):
        if page.evaluate("what => document.activeElement.matches(what)", what):
            return
        page.keyboard.press("Shift+Tab" if backwards else "Tab")
    raise AssertionError(f"{what} cannot be reached by Tab")


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdout is not None:
        process.stdout.close()
