"""The page's process over a store of 400 cells: started, asked, and watched."""

from __future__ import annotations

import http.client
import os
import socket
import subprocess
import sys
import time
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import simplejpeg

from benchmarks.daemon import figure
from edge import identity
from edge.errors import LeukoscopeError
from edge.messages import Cell, FieldResult, Heatmap, ModelReference, Quality
from edge.store.fields import Store
from edge.store.pictures import CellPicture

if TYPE_CHECKING:
    from collections.abc import Iterator

CELLS = 400
PATIENCE_S = 60.0

_A_FIELD = 4
_TICK = os.sysconf("SC_CLK_TCK")
_LABELS = ("neutrophil", "lymphocyte", "monocyte", "eosinophil")


def filled_store(folder: Path) -> list[str]:
    """A store with a specimen of 400 cells with pictures, and a configuration; the cells' ids."""
    (folder / "run").mkdir()
    ids: list[str] = []
    picture = np.random.default_rng(1).integers(90, 200, (160, 160, 3), np.uint8)
    jpeg = simplejpeg.encode_jpeg(picture, quality=70, colorspace="RGB", colorsubsampling="420")
    with Store.open(folder / "results.db", durable=False) as store:
        store.ledger.start("S-1", target=CELLS, wbc_count=None, resume=False)
        for _ in range(CELLS // _A_FIELD):
            field = drawn_field(store.next_sequence())
            pictures = [CellPicture(cell.cell_id, jpeg) for cell in field.cells]
            store.add(field, pictures=pictures)
            ids += [cell.cell_id for cell in field.cells]
        store.ledger.stop("S-1")
    return ids


def drawn_field(sequence: int) -> FieldResult:
    """A field of four cells, one of each of four classes."""
    cells = tuple(
        Cell(
            cell_id=identity.new_id(),
            box=(100 * number, 50, 60, 60),
            crop=(100 * number, 50, 60, 60),
            label=label,
            probability=0.9,
            probabilities=dict.fromkeys(_LABELS, 0.1),
            rejected=None,
            cut_by_edge=False,
            heatmap=Heatmap((8, 8), bytes(range(64)), 3.5),
        )
        for number, label in enumerate(_LABELS)
    )
    return FieldResult(
        field_id=identity.new_id(),
        specimen_id="S-1",
        device_id="bench",
        boot_id=identity.boot_id(),
        sequence=sequence,
        captured_at=datetime.now(UTC),
        clock_synced=True,
        historical=False,
        source=f"field {sequence}",
        width=640,
        height=480,
        model=ModelReference("bench", "0" * 64),
        quality=Quality(accepted=True, reason=None, focus=5.0, brightness=180.0, clipped=0.0),
        timings_ms={"total": 1.0},
        cells=cells,
    )


@contextmanager
def served_page(folder: Path) -> Iterator[tuple[int, subprocess.Popen[bytes], float]]:
    """Serve the store of a folder: the port, the process, and after how many seconds it answered."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = int(found.getsockname()[1])
    config = folder / "leukoscope.toml"
    config.write_text(
        f'[camera]\nkind = "usb"\n[store]\npath = "results.db"\n[web]\nport = {port}\npreview_dir = "run"\n',
        encoding="utf-8",
    )
    began = time.perf_counter()
    command = [sys.executable, "-m", "edge.cli", "web", "--config", str(config)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:  # noqa: S603
        try:
            while True:
                try:
                    get(port, "/api/v1/session")
                    break
                except OSError:
                    if process.poll() is not None or time.perf_counter() - began > PATIENCE_S:
                        raise LeukoscopeError("the page does not answer") from None
                    time.sleep(0.005)
            yield port, process, time.perf_counter() - began
        finally:
            process.terminate()


def get(port: int, path: str) -> bytes:
    """What is answered on a connection of its own. Raises LeukoscopeError where it is not 200."""
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)) as connection:
        return get_on(connection, path)


def get_on(connection: http.client.HTTPConnection, path: str) -> bytes:
    """What is answered on a connection that stays. Raises LeukoscopeError where it is not 200."""
    connection.request("GET", path)
    answer = connection.getresponse()
    content = answer.read()
    if answer.status != 200:
        raise LeukoscopeError(f"{path}: {answer.status}")
    return content


def cpu_s(pid: int) -> float:
    """Seconds of computing that a process has had."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICK


def memory_mib(pid: int) -> tuple[float, float]:
    """Resident and private memory, MiB."""
    sizes = Path(f"/proc/{pid}/smaps_rollup")
    private = figure(sizes, "Private_Clean:") + figure(sizes, "Private_Dirty:")
    return figure(sizes, "Rss:") / 1024, private / 1024
