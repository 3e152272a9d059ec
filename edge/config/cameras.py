"""The section `[camera]` of the configuration: one struct a kind of camera."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from msgspec import Meta, Struct

from edge.config.texts import SomeText, Text  # noqa: TC001 (msgspec reads annotations at run time)

Fraction = Annotated[float, Meta(ge=0, le=1)]
Mark = Literal["banner", "scale bar", "arrow", "ink", "text", "frame"]
_WITH_NAME = re.compile(r"https?://(\[[^\]/]+\]|[^/:?#\[\]]+)")
# What network cameras call a secret in their addresses.
_SECRET = re.compile(r"[?&;]-?(\w*pwd?|\w*pas|\w*pass\w*|\w*(secret|token|key)|auth\w*|sid)=", re.IGNORECASE)


class ReplayConfig(Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="replay"):
    """A folder of images, single files or globs, each shown once, in the order of their names."""

    paths: Annotated[tuple[Text, ...], Meta(min_length=1)]  # folders, files, or patterns with *
    frames_per_second: Annotated[float, Meta(ge=0, le=1000)] = 0.0  # 0: as fast as frames are analysed


class SimulatedConfig(Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="simulated"):
    """A drawn smear, moved under the lens: known truth, no patient, no microscope."""

    seed: Annotated[int, Meta(ge=0, le=2**63 - 1)] = 1  # which slide is drawn
    cells: Annotated[int, Meta(ge=0, le=5000)] = 60  # white cells on the slide
    # "grid": each view once. "manual": as if pushed by hand, with pauses, returns, shake and lost focus.
    motion: Literal["grid", "manual"] = "grid"
    hand_rate: Annotated[float, Meta(ge=0.5, le=100)] = 4.0  # "manual": frames a second of the hand's time
    exposure_ms: Annotated[float, Meta(ge=0, le=500)] = 15.0  # "manual": movement in this time blurs
    width: Annotated[int, Meta(ge=160, le=4096)] = 640  # of one frame, pixels
    height: Annotated[int, Meta(ge=120, le=4096)] = 480  # pixels
    frames_per_second: Annotated[float, Meta(ge=0, le=1000)] = 0.0  # 0: as fast as frames are analysed
    defocus: Annotated[float, Meta(ge=0, le=10)] = 0.6  # standard deviation of the blur, pixels
    noise: Annotated[float, Meta(ge=0, le=60)] = 2.0  # standard deviation of the sensor noise, grey levels
    vignetting: Fraction = 0.12  # light lost in the corners
    illumination: Annotated[float, Meta(ge=0.2, le=2)] = 1.0  # 1: background as on the training microscope
    stain: Annotated[float, Meta(ge=0.2, le=2)] = 1.0  # optical density of the dyes, 1: as usual
    warmth: Annotated[float, Meta(ge=-1, le=1)] = 0.0  # white balance: -1 bluish, 1 yellowish
    # Light lost on the side away from the lamp, as in a microscope that is not centred.
    uneven: Fraction = 0.0
    haze: Fraction = 0.0  # stray light; at 1 the slide cannot be seen at all
    # Drawn over the pictures, as people and programs do, to test that no cell is hidden or invented by it.
    marks: tuple[Mark, ...] = ()
    empty: bool = False  # clear glass without blood, as `camera calibrate` wants it
    calibration: Text = ""  # the file that `camera calibrate` wrote; empty: frames stay as they are


class UsbConfig(Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="usb"):
    """A USB microscope or any other V4L2 camera; or a stream of JPEG pictures from another machine."""

    # A path (the default is made by the udev rule), the number of a /dev/video*, or http://...
    device: Annotated[int, Meta(ge=0, le=255)] | Annotated[SomeText, Meta(max_length=1000)] = (
        "/dev/leukoscope-camera"
    )
    # Pixels. 0 for both width and height: 640x480, or for a stream its own size.
    width: Annotated[int, Meta(ge=0, le=16384)] = 0
    height: Annotated[int, Meta(ge=0, le=16384)] = 0  # pixels, as the width
    frames_per_second: Annotated[float, Meta(ge=0, le=1000)] = 0.0  # asked of the device; 0: 30
    # Microseconds; set, kept and checked. 0: not set here: the calibration's, or without one what the device
    # has, which is automatic after it was plugged in, and later what any program has set.
    exposure_us: Annotated[int, Meta(ge=0, le=60_000_000)] = 0
    # In the driver's own steps; -1: not set here, as exposure_us.
    gain: Annotated[int, Meta(ge=-1, le=1_000_000)] = -1
    white_balance_k: Annotated[int, Meta(ge=0, le=100_000)] = 0  # kelvin; 0: not set here, as exposure_us
    calibration: Text = ""  # the file that `camera calibrate` wrote; empty: frames stay as they are

    def __post_init__(self) -> None:
        """Refuse half a size, and an address that must not be published."""
        if isinstance(self.device, str) and "://" in self.device:
            if not self.device.startswith(("http://", "https://")):
                raise ValueError(
                    "device: is an address of a kind that is not known; write one with http:// or https://"
                )
            if "@" in self.device or _SECRET.search(self.device):
                raise ValueError(
                    "device: is published with every field; write an address without a user and a password"
                )
            if not _WITH_NAME.match(self.device):
                scheme = self.device.partition("://")[0]
                raise ValueError(
                    f"device: is an address without the name of a computer; write {scheme}://NAME:PORT/"
                )
            if self.exposure_us or self.gain >= 0 or self.white_balance_k:
                raise ValueError(
                    "device: is a stream, without exposure_us, gain and white_balance_k; leave those out"
                )
        if (self.width == 0) != (self.height == 0):
            lone = "width" if self.width else "height"
            raise ValueError(f"{lone}: stands alone; write width and height, or leave both out")

    @property
    def node(self) -> str:
        """The device's path, or the stream's address."""
        return f"/dev/video{self.device}" if isinstance(self.device, int) else self.device


class VideoConfig(Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="video"):
    """A video file, each picture once, in order."""

    path: SomeText  # the file
    frames_per_second: Annotated[float, Meta(ge=0, le=1000)] = 0.0  # 0: as fast as frames are analysed
    native_rate: bool = False  # true: at the rate at which it was filmed
    calibration: Text = ""  # the file that `camera calibrate` wrote; empty: frames stay as they are

    def __post_init__(self) -> None:
        """Refuse two rates."""
        if self.native_rate and self.frames_per_second:
            raise ValueError("native_rate: and frames_per_second are two rates; leave one of the lines out")


class PicameraConfig(Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="picamera2"):
    """A camera on the Pi's own connector, by picamera2 and libcamera."""

    camera: Annotated[int, Meta(ge=0, le=31)] = 0  # its number, as `leukoscope camera list` lists it
    width: Annotated[int, Meta(ge=160, le=16384)] = 1640  # of the frames, pixels
    height: Annotated[int, Meta(ge=120, le=16384)] = 1232  # pixels
    calibration: Text = ""  # the file that `camera calibrate` wrote; empty: frames stay as they are


CameraConfig = ReplayConfig | SimulatedConfig | UsbConfig | VideoConfig | PicameraConfig


def camera_in_words(camera: CameraConfig) -> str:
    """Return a camera as an operator would call it."""
    match camera:
        case ReplayConfig():
            return f"replay of {', '.join(camera.paths)}"
        case UsbConfig():
            return f"usb {camera.node}"
        case VideoConfig():
            return f"video {camera.path}"
        case PicameraConfig():
            return f"picamera2 {camera.camera}"
    return "simulated slide"
