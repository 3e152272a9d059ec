"""The device's configuration: TOML in, frozen structs out. Unknown keys and impossible values are refused."""

from __future__ import annotations

import hashlib
import re
import socket
import tomllib
from pathlib import Path
from typing import Annotated, Literal, get_args

import msgspec
from msgspec import Meta, Struct

from edge.errors import ConfigError

SHIPPED_MODEL = Path(__file__).parent / "models" / "clinic.tflite"

Positive = Annotated[int, Meta(ge=1)]
Fraction = Annotated[float, Meta(ge=0, le=1)]
Seconds = Annotated[float, Meta(ge=0, le=86400)]
# What may stand in an MQTT topic level and in a file name.
Name = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_.-]{0,64}\Z")]
# What an operator types: anything on one line.
Identifier = Annotated[str, Meta(pattern=r"^[^\x00-\x1f\x7f]{0,64}\Z")]


class ReplayConfig(Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="replay"):
    """A folder of images, single files or globs, each shown once, in the order of their names."""

    paths: Annotated[tuple[str, ...], Meta(min_length=1)]
    frames_per_second: Annotated[float, Meta(ge=0, le=1000)] = 0.0  # 0: as fast as they are analysed


class SimulatedConfig(Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="simulated"):
    """A drawn smear, moved under the lens: known truth, no patient, no microscope."""

    seed: Annotated[int, Meta(ge=0)] = 1
    cells: Annotated[int, Meta(ge=0, le=5000)] = 60  # white cells on the slide
    width: Annotated[int, Meta(ge=160, le=4096)] = 640  # of one frame, pixels
    height: Annotated[int, Meta(ge=120, le=4096)] = 480
    frames_per_second: Annotated[float, Meta(ge=0, le=1000)] = 0.0
    defocus: Annotated[float, Meta(ge=0, le=10)] = 0.6  # standard deviation of the blur, pixels
    noise: Annotated[float, Meta(ge=0, le=60)] = 2.0  # standard deviation of the sensor noise, grey levels
    vignetting: Fraction = 0.12  # light lost in the corners
    illumination: Annotated[float, Meta(ge=0.2, le=2)] = 1.0  # 1: background as on the training microscope
    stain: Annotated[float, Meta(ge=0.2, le=2)] = 1.0  # optical density of the dyes, 1: as usual
    warmth: Annotated[float, Meta(ge=-1, le=1)] = 0.0  # white balance: -1 bluish, 1 yellowish


CameraConfig = ReplayConfig | SimulatedConfig


class MaskingConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """How white cells are found."""

    recipe: Literal["adaptive", "study"] = "adaptive"
    # Of the camera's pixels on the slide. 0: measured in each field by its red cells.
    micrometres_per_pixel: Annotated[float, Meta(ge=0, le=10)] = 0.0


class ModelConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """Which bundle answers; an empty path is the one that `model install` put there, else the one that ships.

    trusted_keys: a folder of public keys (`*.pub`) that a bundle must be signed with to be installed.
    """

    path: str = ""
    trusted_keys: str = "/etc/leukoscope/keys"
    threads: Annotated[int, Meta(ge=1, le=16)] = 1
    runtime: Literal["auto", "ai-edge-litert", "tflite-runtime"] = "auto"

    @property
    def bundle(self) -> Path:
        """The bundle's file."""
        return Path(self.path) if self.path else SHIPPED_MODEL

    @property
    def folder_of_keys(self) -> Path:
        """The folder of the trusted keys."""
        return Path(self.trusted_keys)


class SpecimenConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """Whose blood it is, as the operator typed it (never a name), and how many cells are wanted."""

    id: Identifier = ""  # empty: made from the source, so that the same images are the same specimen
    target: Positive = 200


class StoreConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """Where results are kept until they are delivered, and after."""

    path: Annotated[str, Meta(min_length=1)] = "leukoscope.db"


class MqttConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """The broker. The password stands in a file, never here."""

    host: Annotated[str, Meta(min_length=1)] = "localhost"
    port: Annotated[int, Meta(ge=1, le=65535)] = 1883
    protocol: Literal["5", "3.1.1"] = "5"
    username: str = ""
    password_file: str = ""
    keepalive_s: Annotated[int, Meta(ge=5, le=3600)] = 30
    health_s: Annotated[float, Meta(ge=1, le=3600)] = 30.0
    drain_s: Seconds = 10.0  # how long a finished run waits for its last acknowledgements


class Config(Struct, frozen=True, forbid_unknown_fields=True):
    """The whole configuration. Every section but the camera has defaults that work."""

    camera: CameraConfig
    device_id: Name = ""  # empty: made from the machine's own id
    masking: MaskingConfig = MaskingConfig()
    model: ModelConfig = ModelConfig()
    specimen: SpecimenConfig = SpecimenConfig()
    store: StoreConfig = StoreConfig()
    mqtt: MqttConfig = MqttConfig()

    @property
    def device(self) -> str:
        """The id that stands in the topics."""
        return self.device_id or machine_device_id()

    @property
    def models(self) -> Path:
        """Where `model install` puts models: beside the results."""
        return Path(self.store.path).parent / "models"

    def without_secrets(self) -> dict[str, object]:
        """Plain data for `info`: where a password lies and who logs in is nobody's business."""
        plain: dict[str, object] = msgspec.to_builtins(self)
        plain["mqtt"] = {
            k: v for k, v in msgspec.to_builtins(self.mqtt).items() if k not in {"username", "password_file"}
        }
        return plain


def expanded(text: str) -> Path:
    """Give a path with `~` for the home folder; a `~name` that nobody has is a file's own name."""
    path = Path(text)
    try:
        return path.expanduser()
    except RuntimeError:
        return path


def machine_device_id() -> str:
    """Give an id that stays with this machine and does not give away the machine's own."""
    try:
        machine = Path("/etc/machine-id").read_text(encoding="ascii").strip()
    except OSError:
        machine = ""
    digest = hashlib.sha256(b"leukoscope:" + (machine or socket.gethostname()).encode()).hexdigest()
    return f"leuko-{digest[:8]}"


def load_config(path: Path) -> Config:
    """Read and validate a TOML file. Relative paths in it are meant from the file's own folder.

    Raises ConfigError with one sentence that names the file, the key, and the way out.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigError(f"{path}: there is no such configuration file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read as text: {error}") from None
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: is not valid TOML: {error}") from None
    return from_plain(raw, origin=str(path), folder=path.resolve().parent)


def from_plain(raw: dict[str, object], *, origin: str, folder: Path | None = None) -> Config:
    """Turn parsed TOML into a Config; `origin` names the file in errors, `folder` anchors relative paths.

    Raises ConfigError.
    """
    try:
        config = msgspec.convert(raw, Config)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{origin}: {_sentence(str(error))}") from None
    return config if folder is None else _anchored(config, folder)


def _anchored(config: Config, folder: Path) -> Config:
    def absolute(text: str) -> str:
        return text and str(folder / expanded(text))

    camera = config.camera
    if isinstance(camera, ReplayConfig):
        camera = msgspec.structs.replace(camera, paths=tuple(absolute(p) for p in camera.paths))
    return msgspec.structs.replace(
        config,
        camera=camera,
        model=msgspec.structs.replace(
            config.model,
            path=absolute(config.model.path),
            trusted_keys=absolute(config.model.trusted_keys),
        ),
        store=msgspec.structs.replace(config.store, path=absolute(config.store.path)),
        mqtt=msgspec.structs.replace(config.mqtt, password_file=absolute(config.mqtt.password_file)),
    )


def _section(name: str) -> tuple[type[Struct], ...]:
    """Give the structs that may stand at a dotted place of the configuration."""
    if not name:
        return (Config,)
    for field in msgspec.structs.fields(Config):
        if field.encode_name == name:
            return get_args(field.type) or (field.type,)
    return ()


def _sentence(message: str) -> str:
    """Rewrite msgspec's message into a key, what is wrong with it, and what would be right."""
    what, _, where = message.partition(" - at `$")
    where = where.rstrip("`").lstrip(".")
    unknown = re.match(r"Object contains unknown field `(.*)`", what)
    if unknown:
        dotted = f"{where}.{unknown[1]}" if where else unknown[1]
        known = sorted({f.encode_name for s in _section(where) for f in msgspec.structs.fields(s)})
        if where == "camera":
            known.insert(0, "kind")
        return f"{dotted} is not a known key; known here: {', '.join(known)}"
    missing = re.match(r"Object missing required field `(.*)`", what)
    if missing:
        dotted = f"{where}.{missing[1]}" if where else missing[1]
        return f"{dotted} is missing, and has no default"
    return f"{where or 'the file'}: {what[:1].lower()}{what[1:]}"
