"""`leukoscope camera list`: what cameras are here, and what to write into the configuration for one."""

from __future__ import annotations

import importlib.util
import json
import sys
from typing import TYPE_CHECKING

from edge.cameras.v4l2.devices import Listed, devices

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


_ROW = "{:<10} {:<14} {}"


def list_cameras(*, as_json: bool, v4l2: Callable[[], Iterable[Listed]] = devices) -> int:
    """Print every camera; give the exit status, 1 where none can be used. v4l2: gives the kernel's."""
    found, why = list(v4l2()), []
    if not found:
        why.append("the kernel knows no V4L2 camera (is one plugged in?)")
    others, why_not = _picamera2()
    found += others
    if why_not is not None:
        why.append(why_not)
    usable = any(camera.why_not is None for camera in found)
    if as_json:
        said = {"cameras": [_plain(camera) for camera in found], "notes": why}
        print(json.dumps(said, ensure_ascii=False))
        return 0 if usable else 1
    if found:
        print(_ROW.format("KIND", "DEVICE", "NAME"))
    for camera in found:
        print("\n".join(_lines(camera)))
    if not usable:
        reasons = why if not found else ["none of them can be used as it is"]
        print(f"leukoscope: no camera: {'; '.join(reasons)}", file=sys.stderr)
        return 1
    return 0


def _picamera2() -> tuple[list[Listed], str | None]:
    """Return the cameras of libcamera, or why there is nobody to say."""
    if importlib.util.find_spec("picamera2") is None:
        return [], "picamera2 is not installed, which knows the Raspberry Pi's own"
    try:
        from picamera2 import Picamera2  # noqa: PLC0415 (of Debian, and slow)

        known = Picamera2.global_camera_info()
    except Exception as error:  # noqa: BLE001 (libcamera missing, of another version, or busy: it is no camera)
        return [], f"picamera2 does not work here: {type(error).__name__}: {error}"
    listed = [
        Listed(
            "picamera2", str(each.get("Num", number)), f"{each.get('Model', 'camera')} ({each.get('Id', '')})"
        )
        for number, each in enumerate(known)
        # libcamera lists USB cameras too; they are the kernel's, above.
        if "usb" not in str(each.get("Id", "")).lower()
    ]
    return listed, None if listed else "picamera2 finds no camera at the Pi's own connectors"


def _lines(camera: Listed) -> list[str]:
    told = [_ROW.format(camera.kind, camera.device, camera.name)]
    if camera.why_not is not None:
        told.append(f"    {camera.why_not}")
    if camera.also:
        told.append(f"    also {', '.join(camera.also)}")
    for each in camera.formats:
        sizes = " ".join(f"{width}x{height}" for width, height in each.sizes)
        told.append(f"    {each.code} ({each.description}): {sizes or 'sizes unknown'}")
    return told


def _plain(camera: Listed) -> dict[str, object]:
    return camera._asdict() | {"formats": [each._asdict() for each in camera.formats]}
