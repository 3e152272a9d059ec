"""What the page's process must not load: it waits most of the day, beside a daemon that needs the memory."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = ("numpy", "cv2", "PIL", "tflite_runtime", "ai_edge_litert", "simplejpeg", "polib")



@pytest.mark.parametrize("module", ["edge.web.server", "edge.web.picture_analysis", "edge.web.adapting_process"])
def test_nothing_heavy_is_loaded_before_it_is_needed(module):
    code = f"import sys, {module}; print(*[name for name in {HEAVY!r} if name in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.split() == []
