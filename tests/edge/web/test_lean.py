"""What the page's process must not load: it waits most of the day, beside a daemon that needs the memory."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from served import Served
from stored import count_into
from uvicorn import Config

from edge.web import server

MODULES = ("edge.web.server", "edge.web.picture_analysis", "edge.web.adapting_process")
HEAVY = ("numpy", "cv2", "PIL", "tflite_runtime", "ai_edge_litert", "simplejpeg", "polib")
# What uvicorn's command line, logging.config, http.client, html and statistics would bring.
SELDOM = ("click", "multiprocessing", "logging.handlers", "email.parser", "html.entities", "fractions")


@pytest.mark.parametrize("module", MODULES)
def test_nothing_heavy_is_loaded_before_it_is_needed(module):
    code = f"import sys, {module}; print(*[name for name in {HEAVY!r} if name in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.split() == []


def test_who_looks_at_a_gallery_needs_no_arithmetic(tmp_path):
    page = Served(tmp_path)
    try:
        ids = count_into(page.store, "S-1", 5)
        paths = ("/specimens/S-1", "/api/v1/specimens/S-1/cells", f"/api/v1/cells/{ids[0]}")
        for path in (*paths, f"/api/v1/cells/{ids[0]}/picture.jpg", f"/api/v1/cells/{ids[0]}/map.png"):
            assert page.ask("GET", path).status == 200, path
        loaded = Path(f"/proc/{page.process.pid}/maps").read_text(encoding="utf-8")
        assert "_multiarray_umath" not in loaded, "numpy"
    finally:
        page.close()


def test_libraries_that_are_seldom_used_are_not_loaded_before_they_are(tmp_path):
    page = Served(tmp_path, environment={"PYTHONPROFILEIMPORTTIME": "1"})
    try:
        ids = count_into(page.store, "S-1", 5)
        picture = f"/api/v1/cells/{ids[0]}/picture.jpg"
        for path in ("/", "/specimens/S-1", "/api/v1/specimens/S-1/cells", picture):
            assert page.ask("GET", path).status == 200, path
        loaded = {line.rpartition("|")[2].strip() for line in page.log.read_text().splitlines()}
        assert {"asyncio", "jinja2", "uvicorn.server"} <= loaded
        assert loaded.isdisjoint(SELDOM)
        assert page.ask("GET", "/static/none").status == 404  # what that means is looked up in http.client
        assert "email.parser" in page.log.read_text()
    finally:
        page.close()


def test_memory_is_given_back_once_after_each_time_that_somebody_has_asked_and_not_meanwhile(monkeypatch):
    here, given_back = ("127.0.0.1", 8080), []
    page = server.PageServer(Config(lambda: None, host=here[0], port=here[1]), lambda: here)
    monkeypatch.setattr(
        server, "_give_back", lambda: given_back.append((seconds, threading.current_thread()))
    )
    requests = {5: 3, 31: 4, 42: 5}
    for seconds in range(91):
        page.server_state.total_requests = requests.get(seconds, page.server_state.total_requests)
        assert not asyncio.run(page.on_tick(10 * seconds))
    # On the thread that answers begin on: none begins meanwhile, and none loads a library that is unmapped.
    assert given_back == [(20, threading.main_thread()), (60, threading.main_thread())]


def test_memory_is_not_given_back_while_an_answer_is_under_way(monkeypatch):
    here, given_back = ("127.0.0.1", 8080), []
    page = server.PageServer(Config(lambda: None, host=here[0], port=here[1]), lambda: here)
    monkeypatch.setattr(server, "_give_back", lambda: given_back.append(seconds))
    for seconds in range(61):
        page.server_state.total_requests = int(seconds >= 5)
        page.server_state.tasks = {object()} if 5 <= seconds < 45 else set()
        assert not asyncio.run(page.on_tick(10 * seconds))
    assert given_back == [50]
