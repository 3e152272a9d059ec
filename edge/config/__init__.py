"""The device's configuration: TOML in, frozen structs out. Unknown keys and impossible values are refused."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from edge.config.cameras import (
    CameraConfig,
    PicameraConfig,
    ReplayConfig,
    SimulatedConfig,
    UsbConfig,
    VideoConfig,
)
from edge.config.file import complaint, line_of, lines_of, read_toml
from edge.config.mqtt import MqttConfig, TlsConfig
from edge.config.store import LEAST_MAX_MB, StoreConfig
from edge.config.texts import Text, in_utf8
from edge.config.web import WebConfig
from edge.identity import machine_device_id
from edge.messages.ids import ID_CHARACTERS, WHY
from edge.messages.target import MOST_CELLS

if TYPE_CHECKING:
    from edge.config.faults import Fault

__all__ = [
    "LEAST_MAX_MB",
    "SHIPPED_MODEL",
    "CameraConfig",
    "Config",
    "MaskingConfig",
    "ModelConfig",
    "MqttConfig",
    "PicameraConfig",
    "ReplayConfig",
    "SimulatedConfig",
    "SpecimenConfig",
    "StoreConfig",
    "TlsConfig",
    "UsbConfig",
    "VideoConfig",
    "WebConfig",
    "config_schema",
    "expanded",
    "from_plain",
    "load_config",
]

SHIPPED_MODEL = Path(__file__).parents[1] / "models" / "clinic.tflite"

FINEST = 0.01
"""Micrometres a pixel: with less, a red cell would be wider than any frame."""
# Of the device and of a specimen; empty: it is made.
Identifier = Annotated[
    str,
    Meta(pattern=rf"^{ID_CHARACTERS}{{0,64}}\Z", description=f"at most 64 {WHY}"),
]


class MaskingConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """How white cells are found."""

    # "found": by the finder network. "study": as in the published study, for a model trained for that.
    recipe: Literal["found", "study"] = "found"
    # Size of one of the camera's pixels on the slide. 0: measured by the specimen's red cells.
    micrometres_per_pixel: Annotated[
        float, Meta(ge=0, le=2, extra_json_schema={"anyOf": [{"const": 0}, {"minimum": FINEST}]})
    ] = 0.0

    def __post_init__(self) -> None:
        """Refuse a scale that no microscope has."""
        if 0 < self.micrometres_per_pixel < FINEST:
            raise ValueError(
                f"micrometres_per_pixel: is too small for any microscope; write {FINEST:g} to 2, or 0 to let "
                "the red cells tell"
            )


class ModelConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """Which model bundle is used, and how it is run."""

    path: Text = ""  # a bundle; empty: the one installed by `model install`, or else the one that ships
    trusted_keys: Text = "/etc/leukoscope/keys"  # a folder of public keys (*.pub) that may sign a bundle
    threads: Annotated[int, Meta(ge=1, le=16)] = 1  # for the network and for OpenCV
    # "auto": the first of the two that is installed.
    runtime: Literal["auto", "ai-edge-litert", "tflite-runtime"] = "auto"
    # true: the shift that this microscope adds to the scores of all cells is estimated from a specimen's
    # first hundred cells, and taken back. false: cells are called as if the microscope were a known one.
    align: bool = True

    @property
    def bundle(self) -> Path:
        """The bundle's file."""
        return Path(self.path) if self.path else SHIPPED_MODEL

    @property
    def folder_of_keys(self) -> Path:
        """The folder of the trusted keys."""
        return Path(self.trusted_keys)


class SpecimenConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """The specimen's id (never a person's name), and how many cells are wanted."""

    id: Identifier = ""  # empty: made from the source, so that the same images are one specimen
    # Cells to count; laboratories use 100, 200 or 400.
    target: Annotated[int, Meta(ge=1, le=MOST_CELLS)] = 200
    interval: Literal["exact", "wilson"] = "exact"  # "exact": Clopper-Pearson, as in Rumke's tables
    # Counting is also enough when no class's interval is wider than this, in percentage points. 0: only the
    # target counts.
    max_interval_width: Annotated[float, Meta(ge=0, le=100)] = 0.0
    # "source": all that the camera shows is one specimen, this one. "command": a specimen begins and ends by
    # command. Empty: "source" for images, videos and the simulated slide, "command" for a live camera. With
    # "source", a live camera is one specimen for ever: for a test bench only, and every start warns of it.
    lifecycle: Literal["", "source", "command"] = ""
    on_target: Literal["go on", "stop"] = "go on"  # by "command": what to do when enough are counted
    # Whether overlapping frames are registered to each other, so that a cell that is seen again counts once.
    # "auto": off for images and for the simulated slide's grid, where each view is new; on for all else.
    registration: Literal["auto", "on", "off"] = "auto"


class Config(Struct, frozen=True, forbid_unknown_fields=True):
    """The whole configuration. Every section but the camera has defaults that work."""

    camera: CameraConfig
    device_id: Identifier = ""  # the name in the MQTT topics; empty: made from the machine's own id
    log_level: Literal["debug", "info", "warning", "error"] = "info"  # how much the daemon writes to its log
    masking: MaskingConfig = MaskingConfig()
    model: ModelConfig = ModelConfig()
    specimen: SpecimenConfig = SpecimenConfig()
    store: StoreConfig = StoreConfig()
    mqtt: MqttConfig = MqttConfig()
    web: WebConfig = WebConfig()

    @property
    def device(self) -> str:
        """The id that stands in the topics."""
        return self.device_id or machine_device_id()

    @property
    def by_command(self) -> bool:
        """Whether specimens begin and end by command, not with the source."""
        return self.specimen.lifecycle == "command" or not (self.specimen.lifecycle or self.ends)

    @property
    def endless(self) -> str | None:
        """The sentence for a live camera whose pictures are one specimen from the first on; else None."""
        if self.by_command or self.ends:
            return None
        return (
            'specimen.lifecycle: with "source" all that this live camera ever shows is one specimen, over '
            'restarts too, and only discarding ends it; for one specimen after another set "command"'
        )

    @property
    def registers(self) -> bool:
        """Whether frames are registered to each other, so that a cell that is seen again counts once."""
        if self.specimen.registration != "auto":
            return self.specimen.registration == "on"
        views = isinstance(self.camera, SimulatedConfig) and self.camera.motion == "grid"
        return not (views or isinstance(self.camera, ReplayConfig))

    @property
    def ends(self) -> bool:
        """Whether the camera shows what is there, once, and does not go on for as long as it is asked."""
        return isinstance(self.camera, ReplayConfig | SimulatedConfig | VideoConfig)

    @property
    def models(self) -> Path:
        """Where `model install` puts models: beside the results."""
        return Path(self.store.path).parent / "models"

    def without_secrets(self) -> dict[str, object]:
        """Plain data for `info`: where passwords and secret keys lie and who logs in is nobody's business."""
        plain: dict[str, Any] = msgspec.to_builtins(self)
        plain["mqtt"] = {
            k: v
            for k, v in msgspec.to_builtins(self.mqtt).items()
            if k not in {"username", "password_file", "tls"}
        }
        plain["mqtt"]["tls"] = self.mqtt.tls is not None
        del plain["web"]["key_file"]
        return plain


def expanded(text: str) -> Path:
    """Return a path with `~` for the home folder; a `~name` that nobody has is a file's own name."""
    path = Path(text)
    try:
        return path.expanduser()
    except RuntimeError:
        return path


def load_config(path: Path) -> Config:
    """Read and validate a TOML file. Relative paths in it are meant from the file's own folder.

    Raises ConfigError that names the file and, for each thing that is wrong, its line, its key, and what to
    write instead.
    """
    read = read_toml(path)
    config, found = (None, []) if read.raw is None else _converted(read.raw)
    if config is not None and not read.faults:
        return _anchored(config, path.resolve().parent)
    lines = lines_of(read.text) if found else {}
    said = [(line_of(fault.place, lines), fault.text) for fault in found]
    # A line that is wrong in itself and by what it says is told of once, with what helps against both.
    twice = {line: text for line, text in said if line in read.faults}
    said = [(line, text) for line, text in said if line not in twice]
    said += [(line, f"{fault.why}; {twice.get(line, fault.instead)}") for line, fault in read.faults.items()]
    raise complaint(path, said or [(None, "is nested too deeply")])


def from_plain(raw: dict[str, Any], *, origin: str, folder: Path | None = None) -> Config:
    """Turn parsed TOML into a Config; `origin` names it in errors, `folder` anchors relative paths.

    Raises ConfigError.
    """
    config, found = _converted(raw)
    if config is None:
        raise complaint(origin, [(None, fault.text) for fault in found])
    return config if folder is None else _anchored(config, folder)


def _converted(raw: dict[str, Any]) -> tuple[Config | None, list[Fault]]:
    try:
        return msgspec.convert(raw, Config), []
    except (msgspec.ValidationError, OverflowError):  # the second: of a number of hundreds of digits
        from edge.config.faults import faults  # noqa: PLC0415 (only a wrong file needs it)

        return None, faults(raw, Config)


def config_schema() -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of the configuration, as parsed from TOML."""
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **msgspec.json.schema(Config)}
    plain: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(schema))
    return plain


def _anchored(config: Config, folder: Path) -> Config:
    def absolute(text: str) -> str:
        return text and in_utf8(str(folder / expanded(text)))

    camera, tls = config.camera, config.mqtt.tls
    if isinstance(camera, ReplayConfig):
        camera = msgspec.structs.replace(camera, paths=tuple(absolute(p) for p in camera.paths))
    elif isinstance(camera, VideoConfig):
        camera = msgspec.structs.replace(camera, path=absolute(camera.path))
    elif isinstance(camera, UsbConfig) and isinstance(camera.device, str) and "://" not in camera.device:
        camera = msgspec.structs.replace(camera, device=absolute(camera.device))
    if not isinstance(camera, ReplayConfig):
        camera = msgspec.structs.replace(camera, calibration=absolute(camera.calibration))
    return msgspec.structs.replace(
        config,
        camera=camera,
        model=msgspec.structs.replace(
            config.model,
            path=absolute(config.model.path),
            trusted_keys=absolute(config.model.trusted_keys),
        ),
        store=msgspec.structs.replace(config.store, path=absolute(config.store.path)),
        mqtt=msgspec.structs.replace(
            config.mqtt,
            password_file=absolute(config.mqtt.password_file),
            tls=tls
            and TlsConfig(absolute(tls.ca_file), absolute(tls.certificate_file), absolute(tls.key_file)),
        ),
        web=msgspec.structs.replace(
            config.web,
            certificate_file=absolute(config.web.certificate_file),
            key_file=absolute(config.web.key_file),
            preview_dir=absolute(config.web.preview_dir),
        ),
    )
