"""The installed models: which one is used, which one was before, and which one is on trial.

`models/` beside the results holds each bundle as `<sha256>.tflite`, and `state.json`, which names them. The
state is replaced in one step, and is safely on the disk before anybody acts on it, so a power cut leaves the
old or the new one. Whatever is wrong with the folder, the model that ships can still be used.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from edge import identity
from edge.errors import StoreError
from edge.outputs import last_change
from edge.store.database import sync_folder

if TYPE_CHECKING:
    from collections.abc import Iterator

SHIPPED = "shipped"
"""Stands where a sha256 would for the model that comes with the software."""

_STATE = "state.json"
_LOCK = "lock"
_INCOMING = "incoming-"
_TRIES = 3  # unfinished starts of a new model that are put down to power cuts

Name = Annotated[str, Meta(pattern=r"^([0-9a-f]{64}|shipped)\Z")]


class Installed(Struct, frozen=True):
    """What is known of an installed bundle, besides what is in the bundle itself."""

    name: str
    signed_by: str
    at: str


class Trial(Struct, frozen=True):
    """The current model has not proved itself yet. boot_id, starts: of its starts that did not finish."""

    boot_id: str = ""
    starts: int = 0


class Fallen(Struct, frozen=True):
    """A model that has failed, so that the device went back to another one; why, and when."""

    sha256: Name
    reason: str
    at: str


class State(Struct, frozen=True, omit_defaults=True):
    """Which model is used. former: the one before it, to go back to; untried: it has not proved itself."""

    format: Literal["leukoscope.models/1"] = "leukoscope.models/1"
    current: Name = SHIPPED
    former: Name | None = None
    untried: bool = False
    trial: Trial | None = None
    fallen: Fallen | None = None
    installed: dict[str, Installed] = {}


class ModelStore:
    """The folder of installed models. What is missing of it is made when something is written.

    Its methods raise StoreError where the folder cannot be read or written.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, name: str) -> Path:
        """Return the file of an installed model by its sha256."""
        return self.folder / f"{name}.tflite"

    def state(self) -> State:
        """Return the state; before the first installation, that of the model that ships."""
        path = self.folder / _STATE
        try:
            return msgspec.json.decode(path.read_bytes(), type=State)
        except FileNotFoundError:
            return State()
        except OSError as error:
            raise StoreError(f"{path}: cannot be read: {error.strerror}") from None
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            raise StoreError(
                f"{path}: is damaged ({error}); install a model again, or remove it for the one that ships"
            ) from None

    def last_change(self) -> tuple[int, int] | None:
        """Return a value that differs after each change of the state; None if there is none. Never raises."""
        return last_change(self.folder / _STATE)

    def standing(self) -> State:
        """Return the state as a start would find it: without a current model that is missing or damaged."""
        state = self.state()
        if state.current == SHIPPED or self.whole(state.current):
            return state
        return msgspec.structs.replace(state, current=self._before(state), former=None, trial=None)

    def whole(self, name: str) -> bool:
        """Whether an installed model is on the disk as it was installed."""
        try:
            content = self.path(name).read_bytes()
        except OSError:
            return False
        return hashlib.sha256(content).hexdigest() == name

    @contextmanager
    def incoming(self, content: bytes) -> Iterator[Path]:
        """Return a file with this content in the folder, safely on the disk; it is gone afterwards."""
        with self._changing(), _errors(self.folder):
            for left in self.folder.glob(f"{_INCOMING}*"):  # by a power cut
                if not _is_locked(left):  # by somebody who installs another one at the same time
                    left.unlink()
            handle, name = tempfile.mkstemp(prefix=_INCOMING, suffix=".tflite", dir=self.folder)
            fcntl.flock(handle, fcntl.LOCK_EX)
            locked = os.dup(handle)  # the lock holds until this one is closed, too
        path = Path(name)
        try:
            with _errors(path), os.fdopen(handle, "wb") as file:
                file.write(content)
                file.flush()
                os.fchmod(file.fileno(), 0o644)  # whoever may look at the folder may look at the model
                os.fsync(file.fileno())
            yield path
        finally:
            path.unlink(missing_ok=True)
            os.close(locked)

    def adopt(self, incoming: Path, sha256: str, about: Installed) -> bool:
        """Make a checked file the current model from the next field on, on trial, and keep the present one.

        Returns False, and changes nothing, if it is the current one already.
        """
        with self._changing():
            try:
                state = self.state()
            except StoreError:  # damaged: an installation is the way out
                state = State()
            if state.current == sha256 and self.whole(sha256):
                return False
            with _errors(incoming):
                incoming.replace(self.path(sha256))
                sync_folder(self.folder)
            former: str | None = state.current
            untried = state.trial is not None
            # Keep a former model that has proved itself to go back to, unless it is the one being installed.
            if state.former != sha256 and (untried or state.current == sha256):
                former, untried = state.former, state.untried
            installed = {**state.installed, sha256: about}
            self._write(
                State(current=sha256, former=former, untried=untried, trial=Trial(), installed=installed)
            )
        return True

    def roll_back(self) -> State:
        """Exchange the current and the former model; return the new state. Raises StoreError if none is."""
        with self._changing():
            state = self.state()
            if state.former is None:
                raise StoreError(f"{self.folder}: there is no former model to go back to")
            if state.former != SHIPPED and not self.whole(state.former):
                raise StoreError(f"{self.path(state.former)}: the former model is missing or damaged")
            trial, untried = Trial() if state.untried else None, state.trial is not None
            self._write(
                msgspec.structs.replace(
                    state, current=state.former, former=state.current, untried=untried, trial=trial
                )
            )
            return self.state()

    def begin(self) -> State:
        """Note that the current model is being started, and return the state.

        If it has failed, go back to the former one first. A model on trial has failed if an earlier start of
        it did not finish on this boot, or if `_TRIES` starts did not on others: then it was no power cut.
        """
        if not (self.folder / _STATE).exists():
            return State()
        with self._changing():
            state = self.state()
            if state.current != SHIPPED and not self.whole(state.current):
                state = self._fall(state, "its file is missing or damaged")
            elif (trial := state.trial) is not None:
                here = identity.boot_id()
                if trial.starts and (trial.boot_id == here or trial.starts >= _TRIES):
                    state = self._fall(state, "its first start came to no good end")
                else:
                    state = msgspec.structs.replace(state, trial=Trial(here, trial.starts + 1))
                    self._write(state)
            return state

    def fail(self, name: str, reason: str) -> State:
        """Note that this model has failed, and go back to the former one; return the new state."""
        with self._changing():
            state = self.state()
            return self._fall(state, reason) if state.current == name else state

    def end_trial(self, name: str, *, passed: bool) -> None:
        """End the start of a model on trial: it has proved itself, or was stopped before it could."""
        with self._changing():
            state = self.state()
            if state.current == name and state.trial is not None:
                self._write(msgspec.structs.replace(state, trial=None if passed else Trial()))

    def _fall(self, state: State, reason: str) -> State:
        """Go back to the former model if it is whole, else to the one that ships."""
        fallen = Fallen(state.current, reason, identity.now().isoformat(timespec="seconds"))
        before = self._before(state)
        trial = Trial() if state.untried and before != SHIPPED else None
        state = State(current=before, trial=trial, fallen=fallen, installed=state.installed)
        self._write(state)
        return state

    def _before(self, state: State) -> str:
        """Return the model to go back to."""
        former = state.former or SHIPPED
        return former if former == SHIPPED or self.whole(former) else SHIPPED

    @contextmanager
    def _changing(self) -> Iterator[None]:
        """Keep others from changing the state meanwhile."""
        with _errors(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            lock = (self.folder / _LOCK).open("ab")
        with lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _write(self, state: State) -> None:
        """Replace the state, and remove what it no longer names."""
        kept = {state.current, state.former} - {SHIPPED, None}
        named = {sha: about for sha, about in state.installed.items() if sha in kept}
        state = msgspec.structs.replace(state, installed=named)
        partial = self.folder / f"{_STATE}.partial"
        with _errors(self.folder):
            partial.unlink(missing_ok=True)
            with os.fdopen(
                os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644), "wb"
            ) as file:
                file.write(msgspec.json.format(msgspec.json.encode(state), indent=1))
                file.flush()
                os.fsync(file.fileno())
            partial.replace(self.folder / _STATE)
            sync_folder(self.folder)
        for path in self.folder.glob("*.tflite"):
            if path.stem not in kept and not path.name.startswith(_INCOMING):
                with suppress(OSError):  # it only takes room
                    path.unlink()


def _is_locked(path: Path) -> bool:
    """Return whether a running process has locked a file; a link or a pipe is not waited for."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(handle)
    return False


@contextmanager
def _errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StoreError(f"{path}: cannot be written: {error.strerror or error}") from None
