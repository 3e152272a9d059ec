"""The page on the device's own display: what the unit starts shows it on the whole of one, and no files."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import tempfile
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from mqtt_partners import free_port

FIRMWARE = Path(__file__).parents[2] / "firmware_config"
UNIT = FIRMWARE / "leukoscope-kiosk.service"
POLICY = FIRMWARE / "kiosk-policy.json"
POLICIES = Path("/etc/chromium")
NOBODY = 65534
SOCKETS = Path("/tmp/.X11-unix")  # noqa: S108 (X11's)
DISPLAY = [1280, 720]  # of wlroots' display in memory

# It says how large it is until somebody has heard it: a window gets its size after its page.
PAGE = b"""<!doctype html><title>page</title><script>
setInterval(() => fetch("/size", {method: "POST", body: JSON.stringify([innerWidth, innerHeight])}), 200)
</script>"""

CHOOSING = """() => {
    document.body.innerHTML = '<input type="file">';
    const cancelled = new Promise((done) => {
        document.querySelector("input").addEventListener("cancel", () => done(true));
    });
    const open = new Promise((done) => setTimeout(done, 5000, false));
    window.cancelled = Promise.race([cancelled, open]);
}"""
"""A place for a file, and whether its choosing has ended within a while."""


@pytest.fixture
def page():
    """Serve the page; yield its address, and the sizes that it has said it is shown in."""
    sizes = []

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Length", str(len(PAGE)))
            self.end_headers()
            self.wfile.write(PAGE)

        def do_POST(self):
            sizes.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()
            if sizes[-1] == DISPLAY:
                shown.set()

        def log_message(self, *_):
            pass

    shown = threading.Event()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/", sizes, shown
    server.shutdown()
    server.server_close()


@pytest.fixture
def folder():
    """A folder of somebody who is not root: as root cage does not start, and neither does Chromium."""
    if os.geteuid() == 0 and not SOCKETS.exists():  # as a system has it from its start
        SOCKETS.mkdir()
        SOCKETS.chmod(0o1777)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        for path in (Path(name), Path(name) / "run"):
            path.mkdir(mode=0o700, exist_ok=True)
            if os.geteuid() == 0:
                os.chown(path, NOBODY, NOBODY)
        yield Path(name)


@contextmanager
def display(address, folder, *more, wrapped=()):
    """Start what the unit starts, on a display in memory. more: for Chromium. wrapped: what starts it."""
    missing = [name for name in ("cage", "Xwayland", "chromium") if shutil.which(name) is None]
    if missing:
        pytest.skip(f"{' and '.join(missing)} not here: apt-get install cage xwayland chromium")
    (order,) = re.findall(r"^ExecStart=((?:.*\\\n)*.*)$", UNIT.read_text(encoding="utf-8"), re.MULTILINE)
    order = order.replace("\\\n", " ").replace("${PAGE}", address)
    # Its sandbox needs rights that a container does not give.
    command = [*shlex.split(order.replace("/run/leukoscope-kiosk", str(folder))), "--no-sandbox", *more]
    environment = {k: v for k, v in os.environ.items() if k not in {"DISPLAY", "WAYLAND_DISPLAY"}}
    environment |= {"WLR_BACKENDS": "headless", "WLR_LIBINPUT_NO_DEVICES": "1", "WLR_RENDERER": "pixman"}
    environment |= {"XDG_RUNTIME_DIR": str(folder / "run"), "HOME": str(folder)}
    account = {"user": NOBODY, "group": NOBODY, "extra_groups": []}
    if os.geteuid() != 0 or wrapped:
        account = {}
    with tempfile.TemporaryFile("w+") as log:
        shown = subprocess.Popen(
            [*wrapped, *command],
            env=environment,
            stdout=log,
            stderr=log,
            cwd="/",
            start_new_session=True,
            **account,
        )
        try:
            yield log
        finally:
            os.killpg(shown.pid, signal.SIGKILL)
            shown.wait()


def test_the_whole_display_shows_the_page(page, folder):
    address, sizes, shown = page
    with display(address, folder) as log:
        seen = shown.wait(60)
        log.seek(0)
        assert seen, (sizes[-3:], log.read()[-2000:])


@pytest.mark.parametrize("installed", [False, True])
def test_nobody_comes_to_the_files_of_the_device_by_its_display(page, folder, tmp_path, installed):
    """Without the policy they do: else this would say nothing of what it is for."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if not (os.geteuid() == 0 and POLICIES.is_dir() and shutil.which("setpriv")):
        pytest.skip("only root can give one browser policies of its own")
    tmp_path.chmod(0o755)
    managed = tmp_path / "chromium/policies/managed"
    managed.mkdir(parents=True)
    if installed:
        policy = json.loads(POLICY.read_text(encoding="utf-8"))
        assert policy.pop("DeveloperToolsAvailability") == 2  # they are how this test looks on
        (managed / POLICY.name).write_text(json.dumps(policy), encoding="utf-8")
    mounted = f"mount --make-rprivate / && mount --bind {tmp_path}/chromium {POLICIES} && exec setpriv"
    mounted += f' --reuid {NOBODY} --regid {NOBODY} --clear-groups "$@"'
    if subprocess.run(["unshare", "-m", "true"], check=False).returncode:
        pytest.skip("no file system can be mounted here")
    address, _, shown = page
    port = free_port("127.0.0.1")
    wrapped = ("unshare", "-m", "sh", "-c", mounted, "sh")
    with display(address, folder, f"--remote-debugging-port={port}", wrapped=wrapped) as log:
        assert shown.wait(60), log.seek(0) or log.read()[-2000:]
        with playwright.sync_playwright() as started:
            browser = started.chromium.connect_over_cdp(f"http://127.0.0.1:{port}")
            (seen,) = browser.contexts[0].pages
            tools = browser.contexts[0].new_cdp_session(seen)
            seen.evaluate(CHOOSING)
            press = {"expression": "document.querySelector('input').click()", "userGesture": True}
            tools.send("Runtime.evaluate", press)
            assert seen.evaluate("window.cancelled") is installed, "it is as if it were cancelled at once"
            for path in (f"file://{FIRMWARE}/", f"view-source:{address}"):
                refused = tools.send("Page.navigate", {"url": path}).get("errorText")
                assert (refused == "net::ERR_BLOCKED_BY_ADMINISTRATOR") is installed, path
