"""What the device proves itself with at the broker: its password and its key, from files that are its own."""

from __future__ import annotations

import os
import ssl
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from edge.errors import ConfigError

if TYPE_CHECKING:
    from edge.config import MqttConfig

CREDSTORE = Path("/etc/credstore")
"""Where systemd finds what a unit's `LoadCredential=` names; for root only."""

_MAX_PASSWORD = 65535  # bytes, of MQTT


def password(config: MqttConfig) -> str | None:
    """Return the password: of the file, else of the systemd credential `mqtt-password`, else none.

    Raises ConfigError, also where the whole machine may read it.
    """
    path = Path(config.password_file) if config.password_file else credential("mqtt-password")
    if path is None:
        return None
    if not config.username:
        if not config.password_file:
            return None  # one unit file serves brokers with and without passwords
        raise ConfigError("mqtt.password_file is set, but mqtt.username is not: MQTT needs both")
    _check_secret(path, "the MQTT password")
    try:
        text = path.read_bytes()[: _MAX_PASSWORD + 2].decode().rstrip("\r\n")
    except OSError as error:
        raise ConfigError(f"{path}: the MQTT password cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: the MQTT password cannot be read: it is not text") from None
    if len(text.encode()) > _MAX_PASSWORD:
        raise ConfigError(f"{path}: the MQTT password is longer than MQTT allows, {_MAX_PASSWORD} bytes")
    return text


def tls_context(config: MqttConfig) -> ssl.SSLContext | None:
    """Return what encrypts the connection, None where `[mqtt.tls]` is not configured. Raises ConfigError."""
    tls = config.tls
    if tls is None:
        return None
    try:
        context = ssl.create_default_context(cafile=tls.ca_file or None)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(f"{tls.ca_file}: mqtt.tls.ca_file cannot be used: {_reason(error)}") from None
    key = Path(tls.key_file) if tls.key_file else credential("mqtt-key")
    if not tls.certificate_file:
        if tls.key_file:
            raise ConfigError("mqtt.tls.key_file is set, but mqtt.tls.certificate_file is not: give both")
        return context
    if key is None:
        where = f"or put the key into {CREDSTORE}/leukoscope.mqtt-key, which the unit passes on"
        raise ConfigError(
            f"mqtt.tls.certificate_file is set, but mqtt.tls.key_file is not: give both, {where}"
        )
    _check_secret(key, "the TLS key")
    try:
        # With a password of its own, OpenSSL would ask for it on a terminal that nobody sees.
        context.load_cert_chain(tls.certificate_file, key, password=lambda: "")
    except (OSError, ssl.SSLError) as error:
        files = f"{tls.certificate_file}, {key}"
        raise ConfigError(f"{files}: certificate and key cannot be used: {_reason(error)}") from None
    return context


def certificate_name(config: MqttConfig) -> str | None:
    """Return whom the certificate is made out to, which a broker may take for the user; None without one."""
    if config.tls is None or not config.tls.certificate_file:
        return None
    from cryptography import x509  # noqa: PLC0415 (the daemon does not ask)

    try:
        subject = x509.load_pem_x509_certificate(Path(config.tls.certificate_file).read_bytes()).subject
    except (OSError, ValueError):
        return None  # to use it says what is wrong with it
    names = subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    return str(names[0].value) if names else None


def credential(name: str) -> Path | None:
    """Return the file of a credential that systemd passed on, if there is one.

    Outside a unit: where the units take theirs from, as far as this user may look there.
    """
    folder = os.environ.get("CREDENTIALS_DIRECTORY")
    path = Path(folder) / name if folder else CREDSTORE / f"leukoscope.{name}"
    try:
        return path if path.is_file() else None
    except OSError:
        return None


def is_hidden() -> bool:
    """Return whether the units may have credentials that this user cannot see."""
    return (
        "CREDENTIALS_DIRECTORY" not in os.environ and CREDSTORE.is_dir() and not os.access(CREDSTORE, os.X_OK)
    )


def _check_secret(path: Path, what: str) -> None:
    try:
        mode = path.stat().st_mode
    except OSError as error:
        raise ConfigError(f"{path}: {what} cannot be read: {error.strerror}") from None
    if not stat.S_ISREG(mode):
        raise ConfigError(f"{path}: {what} cannot be read: it is not a file")
    if mode & stat.S_IROTH:
        raise ConfigError(f"{path}: {what} can be read by everybody on this machine; chmod 640 {path}")


def _reason(error: OSError) -> str:
    if isinstance(error, ssl.SSLError):
        return error.reason or "it is not PEM"
    return error.strerror or str(error)
