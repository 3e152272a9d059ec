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
from edge.config.texts import SomeText, Text, in_utf8
from edge.config.web import WebConfig
from edge.identity import machine_device_id
from edge.messages.ids import ID_CHARACTERS, WHY

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

LEAST_MAX_MB = 1.0
"""An empty store and the most crowded field that can be: with less, counting would stop before it begins."""
FINEST = 0.01
"""Micrometres a pixel: with less, a red cell would be wider than any frame."""
# Of the device and of a specimen; empty: it is made.
Identifier = Annotated[
    str,
    Meta(pattern=rf"^{ID_CHARACTERS}{{0,64}}\Z", description=f"at most 64 {WHY}"),
]


class MaskingConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """How white cells are found."""

    recipe: Literal["found", "study"] = "found"  # study: as published, for a model trained for it
    # Of the camera's pixels on the slide. 0: measured by the red cells of the specimen.
    micrometres_per_pixel: Annotated[
        float, Meta(ge=0, le=2, extra_json_schema={"anyOf": [{"const": 0}, {"minimum": FINEST}]})
    ] = 0.0

    def __post_init__(self) -> None:
        """Refuse a scale that no microscope has."""
        if 0 < self.micrometres_per_pixel < FINEST:
            raise ValueError(
                f"micrometres_per_pixel: no microscope shows a pixel that small; write {FINEST:g} to 2, or 0 "
                "to let the red cells tell"
            )


class ModelConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """Which bundle answers, and how it is run."""

    path: Text = ""  # empty: the one that `model install` put there, else the one that ships
    trusted_keys: Text = "/etc/leukoscope/keys"  # a folder of public keys, *.pub: who may sign a bundle
    threads: Annotated[int, Meta(ge=1, le=16)] = 1  # of the network and of OpenCV
    # auto: the first of the others that is installed.
    runtime: Literal["auto", "ai-edge-litert", "tflite-runtime"] = "auto"
    # Whether what a microscope adds to its cells' scores, as a specimen's first hundred tell, is taken from
    # them. false: each cell is called as if its microscope were a known one.
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
    """Whose blood it is, as the operator typed it (never a name), and how many cells are wanted."""

    id: Identifier = ""  # empty: made from the source: the same images are the same specimen, others are not
    target: Annotated[int, Meta(ge=1, le=1_000_000)] = 200  # counted cells; in laboratories 100, 200 or 400
    interval: Literal["exact", "wilson"] = "exact"  # exact: Clopper-Pearson, as in Rumke's tables
    # Enough are counted, too, when no class's interval is wider than this, in percent points. 0: only the
    # target says.
    max_interval_width: Annotated[float, Meta(ge=0, le=100)] = 0.0
    # By "source", what the camera shows is one specimen, this one; by "command", one begins and ends when
    # told to. Empty: by source for images, videos and the simulated slide, by command for a live camera.
    # A live camera by source is one specimen for ever: for a bench, and said at every start.
    lifecycle: Literal["", "source", "command"] = ""
    on_target: Literal["go on", "stop"] = "go on"  # of specimens by command
    # Whether frames that overlap are registered to each other, so that a cell that is seen again counts once.
    # "auto": off for images and the simulated slide of the grid, where each view is new; on for what moves.
    registration: Literal["auto", "on", "off"] = "auto"


class StoreConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """Where results are kept until they are delivered, and after."""

    path: SomeText = "leukoscope.db"  # an SQLite file
    retention_days: Annotated[float, Meta(ge=0, le=36500)] = 30.0  # after delivery; then only what it counted
    # Of the picture that is kept of each cell, so that a person can look at it. 0: none is kept.
    pictures_days: Annotated[float, Meta(ge=0, le=36500)] = 30.0
    # 0: no limit. Pictures go first, then the oldest delivered, what waits never.
    max_mb: Annotated[
        float, Meta(ge=0, extra_json_schema={"anyOf": [{"const": 0}, {"minimum": LEAST_MAX_MB}]})
    ] = 2000.0

    def __post_init__(self) -> None:
        """Refuse a limit below which counting would never begin."""
        if 0 < self.max_mb < LEAST_MAX_MB:
            raise ValueError(
                f"max_mb: cannot hold one result; write {LEAST_MAX_MB:g} or more, or 0 for no limit"
            )


class Config(Struct, frozen=True, forbid_unknown_fields=True):
    """The whole configuration. Every section but the camera has defaults that work."""

    camera: CameraConfig
    device_id: Identifier = ""  # stands in the topics; empty: made from the machine's own id
    log_level: Literal["debug", "info", "warning", "error"] = "info"  # what the daemon writes of itself
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
