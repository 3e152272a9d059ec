"""Words for what stands in a configuration and for what could: what a fault is explained with."""

from __future__ import annotations

import difflib
import json
import math
import re
from typing import TYPE_CHECKING, Any

from msgspec import inspect

if TYPE_CHECKING:
    from collections.abc import Iterable

_BARE = re.compile(r"[A-Za-z0-9_-]+\Z")
_LONGEST = 60  # characters of a value that are repeated

SECTIONS_MEANT = {
    **dict.fromkeys(("broker", "server", "network", "mosquitto", "mqtt_broker"), "mqtt"),
    **dict.fromkeys(("tls", "ssl", "mqtts"), "mqtt.tls"),
    **dict.fromkeys(("database", "db", "results", "storage", "sqlite"), "store"),
    **dict.fromkeys(("patient", "sample", "slide"), "specimen"),
    **dict.fromkeys(("source", "microscope", "images", "input"), "camera"),
}
"""What people call a section, and what it is called here."""

KEYS_MEANT = {
    **dict.fromkeys(("broker", "address", "hostname", "server", "ip", "url", "uri"), "host"),
    **dict.fromkeys(("user", "login", "user_name"), "username"),
    **dict.fromkeys(("password", "pass", "passwd", "secret"), "password_file"),
    **dict.fromkeys(("version", "mqtt_version"), "protocol"),
    **dict.fromkeys(("ssl", "encryption", "secure"), "tls"),
    **dict.fromkeys(("keepalive", "keep_alive"), "keepalive_s"),
    **dict.fromkeys(("folder", "folders", "files", "images", "directory", "dir"), "paths"),
    **dict.fromkeys(("file", "filename", "database", "db"), "path"),
    **dict.fromkeys(("fps", "rate", "framerate", "frame_rate"), "frames_per_second"),
    **dict.fromkeys(("ca", "cafile", "ca_cert"), "ca_file"),
    **dict.fromkeys(("cert", "certificate", "certfile", "cert_file"), "certificate_file"),
    **dict.fromkeys(("key", "keyfile", "private_key"), "key_file"),
    **dict.fromkeys(("name", "specimen_id", "patient"), "id"),
    **dict.fromkeys(("days", "retention", "keep_days"), "retention_days"),
    **dict.fromkeys(("max_size", "size_mb", "max_size_mb"), "max_mb"),
    **dict.fromkeys(("type", "camera", "source"), "kind"),
    **dict.fromkeys(("scale", "pixel_size", "um_per_pixel", "mpp"), "micrometres_per_pixel"),
    **dict.fromkeys(("loglevel", "logging", "verbosity"), "log_level"),
}
"""What people call a key, and what it is called here, in whichever section has it."""

KINDS_MEANT = {
    **dict.fromkeys(("picamera", "pi", "raspberrypi", "rpi", "libcamera", "csi"), "picamera2"),
    **dict.fromkeys(("webcam", "uvc", "v4l2", "opencv", "http", "stream", "mjpeg"), "usb"),
    **dict.fromkeys(("folder", "files", "images", "image", "directory"), "replay"),
    **dict.fromkeys(("film", "mp4", "movie"), "video"),
    **dict.fromkeys(("demo", "simulation", "simulator", "fake", "virtual"), "simulated"),
}
"""What people call a kind of camera, and what it is called here."""

KINDS = (
    '"usb" for a USB microscope, "picamera2" for a camera of the Raspberry Pi, "replay" for images,'
    ' "video" for a film, or "simulated" for a drawn slide'
)


def shown(value: Any) -> str:
    """Return a value as it stands in the file; of a long one the beginning."""
    if isinstance(value, dict):
        return "a section"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, bool):
        return "true" if value else "false"
    text = quoted(value) if isinstance(value, str) else str(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


def dotted(place: Iterable[str]) -> str:
    """Return the name of a key with the sections above it, as TOML has it."""
    return ".".join(part if _BARE.match(part) else quoted(part) for part in place)


def quoted(text: str) -> str:
    """Return text as a TOML string."""
    return json.dumps(text, ensure_ascii=False)


def meant(word: str, known: Iterable[str], aliases: dict[str, str]) -> str | None:
    """Return the known word that was probably meant by another."""
    known = list(known)
    alias = aliases.get(word.lower().replace("-", "_"))
    if alias in known:
        return alias
    if word.lower() in known:
        return word.lower()
    close = difflib.get_close_matches(word.lower().replace(" ", "_"), known, n=1, cutoff=0.7)
    return close[0] if close else None


def wanted(kind: inspect.Type) -> str:  # noqa: PLR0911 (one a type)
    """Say what a value of this type is, such as `a whole number from 1 to 65535`."""
    match kind:
        case inspect.IntType():
            return f"a whole number {_range(kind)}".strip()
        case inspect.FloatType():
            return f"a number {_range(kind)}".strip()
        case inspect.BoolType():
            return "true or false"
        case inspect.LiteralType():
            return (
                f"one of {', '.join(quoted(str(value)) for value in sorted(kind.values, key=str) if value)}"
            )
        case inspect.VarTupleType():
            return "a list of texts in quotes"
        case inspect.UnionType():
            return " or ".join(wanted(each) for each in kind.types if not isinstance(each, inspect.NoneType))
        case inspect.StrType(max_length=int(most)):
            return f"text in quotes, of at most {most} characters"
        case inspect.Metadata():
            return wanted(kind.type)
    return "text in quotes"


def fits(value: Any, kind: inspect.IntType | inspect.FloatType) -> bool:
    """Whether a number lies where it may."""
    low, high = kind.ge, kind.le
    try:
        if math.isnan(value):
            return False
    except OverflowError:  # of hundreds of digits
        return False
    return (low is None or value >= low) and (high is None or value <= high)


def example(kind: inspect.Type) -> str:
    """Return a value of this type to write down."""
    return '["FOLDER"]' if isinstance(kind, inspect.VarTupleType) else '"FILE"'


def _range(kind: inspect.IntType | inspect.FloatType) -> str:
    if kind.ge is not None and kind.le is not None:
        return f"from {kind.ge:g} to {kind.le:g}" if kind.le < 1e5 else f"from {kind.ge:g} to {int(kind.le)}"
    return "" if kind.ge is None else f"of {kind.ge:g} or more"
