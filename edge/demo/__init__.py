"""`leukoscope demo`: the whole system on this machine, watched as a dashboard would watch it, over MQTT.

A broker, the daemon as a process of its own, and a subscriber that shows what arrives.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from edge.cameras.image_folders import printable
from edge.config import ReplayConfig, SimulatedConfig, expanded, from_plain
from edge.demo.broker import LocalBroker
from edge.demo.dashboard import Dashboard
from edge.demo.frames import Frames
from edge.demo.page import DemoPage, free_port
from edge.demo.truth import Truth
from edge.errors import CameraError, LeukoscopeError, OutputError
from edge.outputs import DEMO, is_drawn_by, refuse_overwriting

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edge.config import CameraConfig

_DEVICE, _SPECIMEN = "demo", "DEMO"


def run_demo(
    *,
    images: Sequence[str] | None,
    cells: int,
    seed: int,
    rate: float,
    picture: Path | None = None,
    force: bool = False,
    web: bool = False,
) -> int:
    """Run until the slide or the images are through; give the daemon's exit status.

    picture: where to write the last screen as an SVG. force: over any file there but an image.
    web: show what was counted as a page until Ctrl-C; on a terminal that is done anyway.

    Raises CameraError where the images are not there, ConfigError for a number that cannot be, BrokerError
    where no broker can be started, OutputError where the picture would overwrite what it must not.
    """
    source = _of_images(images, rate) if images else _of_a_slide(seed, cells, rate)
    camera, files, fields, title, truth = source
    if picture is not None:
        if not picture.parent.is_dir():  # said before the demo, not after it
            raise OutputError(f"{picture}: cannot be written: there is no such folder")
        refuse_overwriting(
            [picture], inputs=files, is_earlier_result=is_drawn_by(DEMO), command=DEMO, force=force
        )
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _end)
    with tempfile.TemporaryDirectory(prefix="leukoscope-demo-") as name, LocalBroker() as broker:
        folder = Path(name)
        config = folder / "demo.toml"
        port = free_port()
        config.write_text(_toml(camera, broker, folder / "results.db", cells, port), encoding="utf-8")
        dashboard = Dashboard(title, broker.description, fields, truth, Frames(camera))
        dashboard.connect(broker.port, broker.protocol, _DEVICE)
        log = folder / "daemon.log"
        with log.open("wb") as stderr:
            daemon = subprocess.Popen(  # noqa: S603 (our own interpreter and module)
                [sys.executable, "-m", "edge.cli", "run", "--config", str(config)],
                stderr=stderr,
                start_new_session=True,  # Ctrl-C is for the demo, which ends its parts in their order
            )
            try:
                dashboard.watch(daemon)
            finally:
                status = _stop(daemon)
                dashboard.close()
        if status and not dashboard.fields_seen:
            lines = log.read_text(encoding="utf-8", errors="replace").splitlines() or ["it said nothing"]
            raise LeukoscopeError(f"the daemon stopped with status {status}: {lines[-1]}")
        dashboard.summary()
        if picture is not None:
            dashboard.picture(picture)
        if status:
            last = log.read_text(encoding="utf-8", errors="replace").splitlines()[-3:]
            print(f"leukoscope: the daemon ended with status {status}:", *last, sep="\n", file=sys.stderr)
        if web or (sys.stdin.isatty() and sys.stdout.isatty()):
            _show(DemoPage(config, port, _SPECIMEN))
        else:
            print("See the cells in a browser, and name and sign them: leukoscope demo --web")
    return status


class _Source(NamedTuple):
    """What the demo looks at. fields: how many are to come. truth: of a drawn slide."""

    camera: ReplayConfig | SimulatedConfig
    files: Sequence[Path]
    fields: int
    title: str
    truth: Truth | None


def _of_images(images: Sequence[str], rate: float) -> _Source:
    from edge.cameras.replay import ReplayCamera  # noqa: PLC0415

    absolute = tuple(_in_utf8(str(expanded(path).absolute())) for path in images)
    replay = _checked({"kind": "replay", "paths": absolute, "frames_per_second": rate})
    assert isinstance(replay, ReplayConfig)  # noqa: S101 (its kind says so)
    files = ReplayCamera(replay).files
    return _Source(replay, files, len(files), f"{len(files)} images", None)


def _of_a_slide(seed: int, cells: int, rate: float) -> _Source:
    from edge.cameras.simulation.camera import SimulatedCamera  # noqa: PLC0415

    slide = _checked({"kind": "simulated", "seed": seed, "cells": cells, "frames_per_second": rate})
    assert isinstance(slide, SimulatedConfig)  # noqa: S101 (its kind says so)
    simulated = SimulatedCamera(slide)
    title = "SIMULATED SLIDE: drawn by a program, no patient"
    return _Source(slide, (), len(simulated), title, Truth(simulated))


def _show(page: DemoPage) -> None:
    with page:
        print("Look at the cells in a browser, rename and sign them:")
        print(f"  {page.address}")
        print("Ctrl-C ends it.", flush=True)
        page.wait()


def _end(number: int, _frame: object) -> None:
    """Leave by the usual way, so that broker and daemon are ended as well."""
    raise SystemExit(128 + number)


def _in_utf8(path: str) -> str:
    try:
        path.encode()
    except UnicodeEncodeError:
        raise CameraError(
            f"{printable(path)}: its name is not in UTF-8, which the demo's configuration needs; rename it, "
            "or take `leukoscope analyze`"
        ) from None
    return path


def _checked(section: dict[str, object]) -> CameraConfig:
    return from_plain({"camera": section}, origin="leukoscope demo").camera


def _toml(
    camera: ReplayConfig | SimulatedConfig, broker: LocalBroker, store: Path, target: int, port: int
) -> str:
    """Write the daemon's configuration. JSON strings, numbers and lists of them are TOML as well."""
    section: dict[str, object] = {"frames_per_second": camera.frames_per_second}
    if isinstance(camera, ReplayConfig):
        section |= {"kind": "replay", "paths": list(camera.paths)}
    else:
        section |= {"kind": "simulated", "seed": camera.seed, "cells": camera.cells}
    lines = [f"device_id = {json.dumps(_DEVICE)}", "[camera]"]
    lines += [f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in section.items()]
    lines += ["[specimen]", f"id = {json.dumps(_SPECIMEN)}", f"target = {max(1, target)}"]
    lines += ["[store]", f"path = {json.dumps(str(store), ensure_ascii=False)}"]
    lines += ["[web]", f"port = {port}", f"preview_dir = {json.dumps(str(store.parent), ensure_ascii=False)}"]
    lines += ["[mqtt]", 'host = "127.0.0.1"', f"port = {broker.port}", f'protocol = "{broker.protocol}"']
    return "\n".join(lines) + "\n"


def _stop(daemon: subprocess.Popen[bytes]) -> int:
    if daemon.poll() is None:
        daemon.terminate()
    try:
        return daemon.wait(timeout=15)
    except subprocess.TimeoutExpired:
        daemon.kill()
        return daemon.wait()
