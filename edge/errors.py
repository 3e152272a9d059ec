"""Every error that a user can cause or meet: one class a cause, one sentence that names what and where.

The command line prints the sentence and exits with `exit_status`; the daemon decides by class whether the
rest of its work can go on.
"""


class LeukoscopeError(Exception):
    """Base of all errors whose message is written for the user."""

    exit_status = 1


class ConfigError(LeukoscopeError):
    """The configuration file is missing, unreadable, or holds a key or value that cannot be."""

    exit_status = 2


class CameraError(LeukoscopeError):
    """The source of frames is not there or cannot go on."""


class CalibrationError(LeukoscopeError):
    """The camera cannot be calibrated, as things stand."""


class UnreadableFrameError(CameraError):
    """One frame cannot be had; the source itself goes on: call `read` again.

    reason: a fixed phrase, by which health counts it.
    """

    def __init__(self, message: str, reason: str = "unreadable") -> None:
        super().__init__(message)
        self.reason = reason


class CameraAwayError(UnreadableFrameError):
    """A live camera gives nothing now, unplugged or stalled; it is waited for: call `read` again."""


class BundleError(LeukoscopeError):
    """The model bundle is damaged, is not a bundle, or does not give its golden answers."""


class SignatureError(LeukoscopeError):
    """A model's signature, or a key to it, is missing, malformed, or by an untrusted key."""


class NoRuntimeError(LeukoscopeError):
    """Neither ai-edge-litert nor tflite-runtime can be imported."""


class OutputError(LeukoscopeError):
    """A file or folder that the user asked for cannot be written."""


class StoreError(LeukoscopeError):
    """The result store cannot be opened or written."""


class SpecimenError(LeukoscopeError):
    """What was asked for cannot be done to this specimen, as it stands."""


class StaleRevisionError(SpecimenError):
    """Somebody else has changed the specimen since the person who asks has seen it."""


class NoSuchRevisionError(SpecimenError):
    """The specimen was not signed as this revision."""


class BrokerError(LeukoscopeError):
    """The MQTT broker cannot be reached, or refused what was sent."""

    exit_status = 3


class PeopleError(LeukoscopeError):
    """What was asked for cannot be done to the people of the device, or their file cannot be used."""


class TooManyGuessesError(PeopleError):
    """Too many wrong PINs. retry_s: in how many seconds it can be tried again."""

    def __init__(self, retry_s: int) -> None:
        super().__init__(f"too many wrong PINs: try again in {-(-retry_s // 60)} minutes")
        self.retry_s = retry_s
