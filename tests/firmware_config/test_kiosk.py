"""The page on the device's own display: what the unit starts shows it on the whole of one in memory."""

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
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

UNIT = Path(__file__).parents[2] / "firmware_config" / "leukoscope-kiosk.service"
NOBODY = 65534
SOCKETS = Path("/tmp/.X11-unix")  # noqa: S108 (X11's)
DISPLAY = [1280, 720]  # of wlroots' display in memory

# It says how large it is until somebody has heard it: a window gets its size after its page.
PAGE = b"""<!doctype html><title>page</title><script>
setInterval(() => fetch("/size", {method: "POST", body: JSON.stringify([innerWidth, innerHeight])}), 200)
</script>"""


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


def test_the_whole_display_shows_the_page(page, folder):
    missing = [name for name in ("cage", "Xwayland", "chromium") if shutil.which(name) is None]
    if missing:
        pytest.skip(f"{' and '.join(missing)} not here: apt-get install cage xwayland chromium")
    address, sizes, shown = page
    (order,) = re.findall(r"^ExecStart=((?:.*\\\n)*.*)$", UNIT.read_text(encoding="utf-8"), re.MULTILINE)
    order = order.replace("\\\n", " ").replace("${PAGE}", address)
    # Its sandbox needs rights that a container does not give.
    command = [*shlex.split(order.replace("/run/leukoscope-kiosk", str(folder))), "--no-sandbox"]
    environment = {k: v for k, v in os.environ.items() if k not in {"DISPLAY", "WAYLAND_DISPLAY"}}
    environment |= {"WLR_BACKENDS": "headless", "WLR_LIBINPUT_NO_DEVICES": "1", "WLR_RENDERER": "pixman"}
    environment |= {"XDG_RUNTIME_DIR": str(folder / "run"), "HOME": str(folder)}
    account = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}
    with tempfile.TemporaryFile("w+") as log:
        display = subprocess.Popen(
            command, env=environment, stdout=log, stderr=log, cwd="/", start_new_session=True, **account
        )
        try:
            seen = shown.wait(60)
        finally:
            os.killpg(display.pid, signal.SIGKILL)
            display.wait()
        log.seek(0)
        assert seen, (sizes[-3:], log.read()[-2000:])
