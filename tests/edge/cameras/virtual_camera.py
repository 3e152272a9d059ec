"""picamera2 on libcamera's virtual camera: why it cannot be had here, and what it needs beyond a Pi's.

The pipeline is set up by a `virtual.yaml` in libcamera's folder, with pictures of a smear, more red than
blue, at the path named there: at least six, for with as many as buffers it gives none. As a
program, `virtual_camera.py ARGUMENT...` is `leukoscope ARGUMENT...` with a picamera2 that takes that camera.
"""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import types
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edge.cameras import Camera

SIZE = 640, 480  # one that the virtual camera's set-up must offer


@cache
def missing() -> str | None:
    """Say why there is no virtual camera for picamera2, or None where there is one."""
    for module in ("libcamera", "picamera2"):
        if importlib.util.find_spec(module) is None:
            return f"{module} is not installed"
    # Another process: libcamera would keep this one's devices open.
    asked = "import libcamera; print(*(c.id for c in libcamera.CameraManager.singleton().cameras))"
    found = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=False)
    if "Virtual" not in found.stdout:
        return f"libcamera has no virtual camera, but {found.stdout.strip() or 'none'}"
    return None


class _Anything(types.ModuleType):
    def __getattr__(self, name: str) -> _Anything:
        if name.startswith("__"):
            raise AttributeError(name)
        return self


@cache
def prepare() -> None:
    """Let picamera2 be imported without a display, and take a camera without a raw stream or dma-bufs."""
    for name in ("kms", "pykms"):
        sys.modules.setdefault(name, _Anything(name))
    from picamera2 import Picamera2
    from picamera2.allocators import LibcameraAllocator

    configure = Picamera2.configure_

    def configured(self, config):
        if not isinstance(self.allocator, LibcameraAllocator):
            self.allocator = LibcameraAllocator(self.camera)
        return configure(self, config)

    Picamera2.configure_ = configured
    Picamera2._get_raw_modes = lambda _self: [{"format": "NV12", "size": SIZE}]  # noqa: SLF001


def required() -> None:
    """Skip the test where there is no virtual camera; else let picamera2 take it."""
    import pytest

    if reason := missing():
        pytest.skip(f"picamera2 on a virtual camera: {reason}")
    prepare()


class VirtualDevice:
    """The virtual camera, for the tests that every camera passes."""

    def plug(self) -> None:
        required()

    def camera(self) -> Camera:
        from edge.cameras import open_camera
        from edge.config import PicameraConfig

        return open_camera(PicameraConfig(width=SIZE[0], height=SIZE[1]))

    def close(self) -> None:
        pass


if __name__ == "__main__":
    prepare()
    from edge.cli import main

    sys.exit(main())
