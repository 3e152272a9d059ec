"""Whether a configuration that is right can start: what it names is there, and what it needs is installed."""

from __future__ import annotations

import os
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from edge.cameras.image_folders import find_images
from edge.config import ModelConfig, PicameraConfig, ReplayConfig, UsbConfig, VideoConfig, WebConfig
from edge.config.file import complaint, line_of, lines_of, read_toml
from edge.errors import BundleError, CameraError, ConfigError
from edge.mqtt.credentials import is_hidden, password, tls_context
from edge.store.recovery import other_kind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edge.config import CameraConfig, Config

    Obstacle = tuple[tuple[str, ...], str]

_SQLITE = b"SQLite format 3\x00"
_OURS = b"leuk"  # as `database` marks a store
_MARK = slice(68, 72)  # where SQLite keeps it
_FOR_IMAGES = 'for its images write kind = "replay" and paths = ["FOLDER"]'


def check_that_it_can_start(config: Config, path: Path) -> None:
    """Raise ConfigError that names, by line and key of the file at `path`, all that a start would fail at.

    Of the counter, of its page, and of what is asked of them later: a model that is to be installed.
    """
    found = [*_camera(config.camera), *_model(config), *_keys(config.model.folder_of_keys)]
    found += [*_store(Path(config.store.path)), *_broker(config), *_page(config.web)]
    if found:
        lines = lines_of(read_toml(path).text)
        raise complaint(path, [(line_of(place, lines), text) for place, text in found])


def _camera(camera: CameraConfig) -> Iterator[Obstacle]:
    match camera:
        case ReplayConfig():
            for given in camera.paths:
                try:
                    find_images([given])
                except CameraError as error:
                    yield ("camera", "paths"), f"camera.paths: {error}"
        case VideoConfig() if Path(camera.path).is_dir():
            what = f"{camera.path} is a folder and no video; {_FOR_IMAGES}"
            yield ("camera", "path"), f"camera.path: {what}"
        case VideoConfig() if not Path(camera.path).is_file():
            yield ("camera", "path"), f"camera.path: {camera.path} is not there"
        case UsbConfig() if "://" not in camera.node and Path(camera.node).is_file():
            what = f'{camera.node} is a file and no camera; for a video write kind = "video"'
            yield ("camera", "device"), f"camera.device: {what}"
        case UsbConfig() if "://" not in camera.node and Path(camera.node).is_dir():
            what = f"{camera.node} is a folder and no camera; {_FOR_IMAGES}"
            yield ("camera", "device"), f"camera.device: {what}"
        case PicameraConfig() if find_spec("picamera2") is None:
            what = (
                "apt install python3-picamera2, and make the virtual environment with --system-site-packages"
            )
            yield ("camera", "kind"), f"camera.kind: picamera2 is not installed here; {what}"


def _model(config: Config) -> Iterator[Obstacle]:
    from edge.models.bundle import read_bundle  # noqa: PLC0415 (what a wrong camera does not need)
    from edge.models.recipes import CROPS, finder_problem  # noqa: PLC0415
    from edge.models.runtime import installed  # noqa: PLC0415
    from edge.updates.choice import answering  # noqa: PLC0415

    runtimes, wanted = installed(in_new_process=True), config.model.runtime
    if not runtimes:
        yield ("model", "runtime"), "no runtime is installed; install one with: pip install ai-edge-litert"
    elif wanted != "auto" and wanted not in runtimes:
        yield ("model", "runtime"), f'model.runtime: {wanted} is not installed here; write runtime = "auto"'
    bundle = answering(config).path
    if not bundle.is_file():
        yield ("model", "path"), f"model.path: {bundle} is not there"
        return
    try:
        about = read_bundle(bundle).description
    except BundleError as error:
        yield ("model", "path"), f"model.path: {error}"
        return
    recipe, trained_on = config.masking.recipe, about.preprocessing
    if trained_on not in CROPS.values():
        why = f"{bundle} was trained on crops of {trained_on}, which this version does not cut"
        yield ("model", "path"), f"model.path: {why}; give a bundle of version 0.2 or later"
    elif not trained_on.startswith(f"{recipe}/"):
        other = trained_on.partition("/")[0]
        what = f'the model was trained on crops of "{other}"; write recipe = "{other}"'
        yield ("masking", "recipe"), f'masking.recipe is "{recipe}", and {what}'
    elif recipe == "found" and (problem := finder_problem(about.finder)):
        yield ("model", "path"), f"model.path: {bundle} {problem}"


def _keys(folder: Path) -> Iterator[Obstacle]:
    place = ("model", "trusted_keys")
    if folder == ModelConfig().folder_of_keys:
        return  # the default is wanted only where models come from elsewhere
    with suppress(PermissionError):  # the device's own user may see what this one may not
        if not folder.exists():
            what = "make this folder, and copy into it the .pub files of whoever makes your models"
            yield place, f"model.trusted_keys: {folder} is not there; {what}, or leave the line out"
        elif not folder.is_dir():
            yield place, f"model.trusted_keys: {folder} is a file; write the name of a folder"


def _page(web: WebConfig) -> Iterator[Obstacle]:
    for key, path in (("certificate_file", web.certificate_file), ("key_file", web.key_file)):
        with suppress(PermissionError):
            if path and not Path(path).exists():
                yield ("web", key), f"web.{key}: {path} is not there"
            elif path and Path(path).is_dir():
                yield ("web", key), f"web.{key}: {path} is a folder; write the name of a file"
    folder = Path(web.preview_dir).absolute()
    with suppress(PermissionError):
        there = next(each for each in (folder, *folder.parents) if each.exists())
        if web.preview_dir and not there.is_dir():
            what = f"is a file; write the name of a folder, such as {WebConfig().preview_dir}"
            if there != folder:
                what = f"cannot be a folder, since {there} is a file"
            yield ("web", "preview_dir"), f"web.preview_dir: {folder} {what}"


def _store(path: Path) -> Iterator[Obstacle]:
    place = ("store", "path")
    there = next(each for each in (path, *path.absolute().parents) if each.exists())
    if path.is_dir():
        yield place, f"store.path: {path} is a folder; write the name of a file in it, such as results.db"
    elif there == path and not os.access(path, os.R_OK | os.W_OK):
        yield place, f"store.path: {path} cannot be written by this user"
    elif there == path:
        with path.open("rb") as file:
            head = file.read(100)
        if head.startswith(_SQLITE) and head[_MARK] != _OURS:
            yield place, f"store.path: {path} is the database of another program; write another name"
        elif other := other_kind(path):
            yield place, f"store.path: {path} is {other}, and no result store; write another name"
    elif not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        yield (
            place,
            f"store.path: {path} cannot be made, since {there} is no folder that this user may write to",
        )


def _broker(config: Config) -> Iterator[Obstacle]:
    tls = config.mqtt.tls
    if tls is not None and tls.certificate_file and not tls.key_file and is_hidden():
        # The unit's key, which root alone may see: the rest can be looked at.
        tls = msgspec.structs.replace(tls, certificate_file="")
        config = msgspec.structs.replace(config, mqtt=msgspec.structs.replace(config.mqtt, tls=tls))
    for what in (password, tls_context):
        try:
            what(config.mqtt)
        except ConfigError as error:
            yield ("mqtt",), str(error)
