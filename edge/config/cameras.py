"""The section `[camera]` of the configuration: one struct a kind of camera."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from msgspec import Meta, Struct

from edge.config.texts import SomeText, Text  # noqa: TC001 (msgspec reads annotations at run time)

Fraction = Annotated[float, Meta(ge=0, le=1)]
Mark = Literal["banner", "scale bar", "arrow", "ink", "text", "frame"]
# What cameras of the network call a secret in their addresses.
_SECRET = re.compile(r"[?&;]-?(\w*pwd?|\w*pas|\w*pass\w*|\w*(secret|token|key)|auth\w*|sid)=", re.IGNORECASE)


class ReplayConfig(Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="replay"):
    """A folder of images, single files or globs, each shown once, in the order of their names."""

    paths: Annotated[tuple[Text, ...], Meta(min_length=1)]  # folders, files, or patterns with *
    frames_per_second: Annotated[float, Meta(ge=0, le=1000)] = 0.0  # 0: as fast as they are analysed


class SimulatedConfig(Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="simulated"):
    """A drawn smear, moved under the lens: known truth, no patient, no microscope."""

    seed: Annotated[int, Meta(ge=0, le=2**63 - 1)] = 1  # which slide is drawn
    cells: Annotated[int, Meta(ge=0, le=5000)] = 60  # white cells on the slide
    # Each view once; or pushed by hand, with pauses, returns, shake, motion blur and lost focus.
    motion: Literal["grid", "manual"] = "grid"
    hand_rate: Annotated[float, Meta(ge=0.5, le=100)] = 4.0  # frames in a second of the hand's own time
    exposure_ms: Annotated[float, Meta(ge=0, le=500)] = 15.0  # what moves in this time smears; by hand only
    width: Annotated[int, Meta(ge=160, le=4096)] = 640  # of one frame, pixels
    height: Annotated[int, Meta(ge=120, le=4096)] = 480  # pixels
    frames_per_second: Annotated[float, Meta(ge=0, le=1000)] = 0.0  # 0: as fast as they are analysed
    defocus: Annotated[float, Meta(ge=0, le=10)] = 0.6  # standard deviation of the blur, pixels
    noise: Annotated[float, Meta(ge=0, le=60)] = 2.0  # standard deviation of the sensor noise, grey levels
    vignetting: Fraction = 0.12  # light lost in the corners
    illumination: Annotated[float, Meta(ge=0.2, le=2)] = 1.0  # 1: background as on the training microscope
    stain: Annotated[float, Meta(ge=0.2, le=2)] = 1.0  # optical density of the dyes, 1: as usual
    warmth: Annotated[float, Meta(ge=-1, le=1)] = 0.0  # white balance: -1 bluish, 1 yellowish
    uneven: Fraction = (
        0.0  # light lost on the side away from the lamp, as of a microscope that is not centred
    )
    haze: Fraction = 0.0  # stray light: at 1 nothing of the slide is seen
    # What people and programs draw into pictures, to see that it hides and invents no cell.
    marks: tuple[Mark, ...] = ()
    empty: bool = False  # clear glass without blood, as `camera calibrate` wants it
    calibration: Text = ""  # the file that `camera calibrate` wrote; empty: frames stay as they are


class UsbConfig(Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="usb"):
    """A USB microscope or any other V4L2 camera; or a stream of JPEG pictures from another machine."""

    # A path (the udev rule gives a USB microscope this one), the number of /dev/video*, or http://...
    device: Annotated[int, Meta(ge=0, le=255)] | Annotated[SomeText, Meta(max_length=1000)] = (
        "/dev/leukoscope-camera"
    )
    width: Annotated[int, Meta(ge=0, le=16384)] = 0  # pixels; 0, like the height: 640x480, a stream's own
    height: Annotated[int, Meta(ge=0, le=16384)] = 0  # pixels, as the width
    frames_per_second: Annotated[float, Meta(ge=0, le=1000)] = 0.0  # asked of a device; 0: 30
    # Held by a device, and verified. Left as they are, a calibration says them, else they are what the device
    # has: automatic once it was plugged in, and else what it was set to last, by whomever.
    exposure_us: Annotated[int, Meta(ge=0, le=60_000_000)] = 0
    gain: Annotated[int, Meta(ge=-1, le=1_000_000)] = -1  # in steps of the driver's own
    white_balance_k: Annotated[int, Meta(ge=0, le=100_000)] = 0  # kelvin
    calibration: Text = ""  # the file that `camera calibrate` wrote; empty: frames stay as they are

    def __post_init__(self) -> None:
        """Refuse half a size, and an address that is none to publish."""
        if isinstance(self.device, str) and "://" in self.device:
            if not self.device.startswith(("http://", "https://")):
                raise ValueError(
                    "device: is an address of a kind that is not known; write one with http:// or https://"
                )
            if "@" in self.device or _SECRET.search(self.device):
                raise ValueError(
                    "device: is published with every field; write an address without a user and a password"
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
    frames_per_second: Annotated[float, Meta(ge=0, le=1000)] = 0.0  # 0: as fast as they are analysed
    native_rate: bool = False  # at the rate at which it was filmed
    calibration: Text = ""  # the file that `camera calibrate` wrote; empty: frames stay as they are

    def __post_init__(self) -> None:
        """Refuse two rates."""
        if self.native_rate and self.frames_per_second:
            raise ValueError("native_rate: and frames_per_second are two rates; leave one of the lines out")


class PicameraConfig(Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="picamera2"):
    """A camera on the Pi's own connector, by picamera2 and libcamera."""

    camera: Annotated[int, Meta(ge=0, le=31)] = 0  # its number, as `leukoscope camera list` lists it
    width: Annotated[int, Meta(ge=160, le=16384)] = 1640  # of what is analysed, pixels
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
