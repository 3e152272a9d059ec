"""The device itself: how it stands now, its model, its disk."""

from __future__ import annotations

from msgspec import Struct

from edge import __version__
from edge.config.disk import disk_room
from edge.messages import ModelReference
from edge.models.bundle import read_bundle
from edge.specimens.records import MeasuredCalls  # noqa: TC001 (msgspec reads annotations)
from edge.updates.choice import answering
from edge.web.api.endpoint import Call, Endpoint
from edge.web.live import LiveState


class DeviceStatus(Struct, frozen=True, kw_only=True):
    """How the device is. counting: a picture of now is there. disk_free_mb: where the results lie."""

    device_id: str
    version: str
    counting: bool
    by_command: bool
    target: int
    disk_free_mb: float | None


class ModelInUse(Struct, frozen=True, kw_only=True):
    """Which model answers, and why that one."""

    model: ModelReference
    labels: tuple[str, ...]
    why: str


class Measured(Struct, frozen=True):
    """How the model's calls compare with people's names; null: there is no store yet, or no model."""

    calls: MeasuredCalls | None


async def live(call: Call) -> LiveState:
    """What the counter sees now; `GET /events` streams the same."""
    _, state = await call.app.live.now()
    found: LiveState = state
    return found


def measured_calls(call: Call) -> Measured:
    """How right the model was on the cells that people have named since. `calls` is null before the first."""
    return Measured(call.app.service.measured_calls())


async def status(call: Call) -> DeviceStatus:
    """How the device is."""
    config = call.app.config
    _, state = await call.app.live.now()
    try:
        free = disk_room(config.store).free
    except OSError:
        free = None
    return DeviceStatus(
        device_id=config.device,
        version=__version__,
        counting=state.number is not None,
        by_command=config.by_command,
        target=config.specimen.target,
        disk_free_mb=free,
    )


def model(call: Call) -> ModelInUse:
    """Which model answers."""
    chosen = answering(call.app.config)
    bundle = read_bundle(chosen.path)
    about = bundle.description
    return ModelInUse(
        model=ModelReference(about.name, bundle.sha256), labels=tuple(about.labels), why=chosen.why
    )


_TAGS = ("device",)
ENDPOINTS = (
    Endpoint("GET", "/live", live, "What the counter sees now", LiveState, tags=_TAGS),
    Endpoint("GET", "/status", status, "How the device is", DeviceStatus, tags=_TAGS),
    Endpoint(
        "GET", "/measured-calls", measured_calls, "How right it was on named cells", Measured, tags=_TAGS
    ),
    Endpoint("GET", "/model", model, "Which model answers", ModelInUse, tags=_TAGS),
)
