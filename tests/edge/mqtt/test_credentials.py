"""What the device proves itself with: from its own files, and an error that names the file or the key."""

from __future__ import annotations

import ssl

import pytest

from edge.config import MqttConfig, TlsConfig
from edge.errors import ConfigError
from edge.mqtt.credentials import credential, is_hidden, password, tls_context


@pytest.fixture
def secret(tmp_path, monkeypatch):
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    path = tmp_path / "password"
    path.write_text("a secret\r\n")
    path.chmod(0o640)
    return path


def config(path="", username="device", **tls):
    return MqttConfig(username=username, password_file=str(path), tls=TlsConfig(**tls) if tls else None)


def test_the_password_is_the_files_without_the_end_of_its_line(secret):
    assert password(config(secret)) == "a secret"
    secret.write_text(" with spaces \n")
    assert password(config(secret)) == " with spaces "
    assert password(config()) is None


def test_the_password_is_systemds_where_no_file_is_named(secret, tmp_path, monkeypatch):
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert credential("mqtt-password") is None
    assert password(config()) is None
    (tmp_path / "mqtt-password").write_text("of systemd")
    (tmp_path / "mqtt-password").chmod(0o400)
    assert credential("mqtt-password") == tmp_path / "mqtt-password"
    assert password(config()) == "of systemd"
    assert password(config(secret)) == "a secret"
    assert password(config(username="")) is None, "a broker without users"


def test_outside_its_unit_it_is_where_the_unit_takes_it_from(tmp_path, monkeypatch):
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    store = tmp_path / "credstore"
    store.mkdir()
    monkeypatch.setattr("edge.mqtt.credentials.CREDSTORE", store)
    assert credential("mqtt-password") is None
    (store / "leukoscope.mqtt-password").write_text("of the store")
    (store / "leukoscope.mqtt-password").chmod(0o600)
    assert password(config()) == "of the store"
    assert not is_hidden()
    monkeypatch.setattr("os.access", lambda path, _: path != store)  # as for everybody but root
    assert is_hidden()
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert not is_hidden()
    assert password(config()) is None, "what systemd passes on is all that there is"


@pytest.mark.parametrize("mode", [0o604, 0o644, 0o606])
def test_a_password_that_everybody_can_read_is_refused_with_what_helps(secret, mode):
    secret.chmod(mode)
    with pytest.raises(ConfigError, match=rf"can be read by everybody on this machine; chmod 640 {secret}"):
        password(config(secret))
    for private in (0o600, 0o640, 0o660):
        secret.chmod(private)
        assert password(config(secret)) == "a secret"


def test_a_password_that_is_none_is_said_in_a_sentence(secret, tmp_path):
    with pytest.raises(ConfigError, match=r"mqtt\.username is not: MQTT needs both"):
        password(config(secret, username=""))
    with pytest.raises(ConfigError, match=r"none: the MQTT password cannot be read: No such file"):
        password(config(tmp_path / "none"))
    with pytest.raises(ConfigError, match="the MQTT password cannot be read: it is not a file"):
        password(config(tmp_path))
    secret.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="the MQTT password cannot be read: it is not text"):
        password(config(secret))


@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_a_password_is_as_long_as_mqtt_allows_and_no_longer(secret, end):
    secret.write_text("x" * 65535 + end)
    assert len(password(config(secret))) == 65535
    for more in (1, 2, 3, 100):
        secret.write_text("x" * (65535 + more) + end)
        with pytest.raises(ConfigError, match="longer than MQTT allows, 65535 bytes"):
            password(config(secret))


def test_without_the_section_nothing_is_encrypted_and_with_an_empty_one_it_is():
    assert tls_context(config()) is None
    context = tls_context(MqttConfig(tls=TlsConfig()))
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)


def test_certificates_and_keys_that_do_not_fit_are_said_in_a_sentence(secret, tmp_path, monkeypatch):
    rubbish = tmp_path / "rubbish.pem"
    rubbish.write_text("no PEM")
    rubbish.chmod(0o600)
    for given, said in (
        ({"ca_file": str(tmp_path / "none")}, "none: mqtt.tls.ca_file cannot be used: No such file"),
        ({"ca_file": str(rubbish)}, "rubbish.pem: mqtt.tls.ca_file cannot be used: "),
        ({"key_file": str(rubbish)}, "key_file is set, but mqtt.tls.certificate_file is not: give both"),
        ({"certificate_file": str(rubbish)}, "certificate_file is set, but mqtt.tls.key_file is not"),
        (
            {"certificate_file": str(rubbish), "key_file": str(rubbish)},
            "rubbish.pem, .*rubbish.pem: certificate and key cannot be used: ",
        ),
        (
            {"certificate_file": str(rubbish), "key_file": str(tmp_path / "none")},
            "none: the TLS key cannot be read: No such file",
        ),
    ):
        with pytest.raises(ConfigError, match=said):
            tls_context(config(secret, **given))
    rubbish.chmod(0o644)
    with pytest.raises(ConfigError, match="the TLS key can be read by everybody"):
        tls_context(config(secret, certificate_file=str(rubbish), key_file=str(rubbish)))
    # The key that systemd passed on is taken where none is named.
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    (tmp_path / "mqtt-key").write_text("no key")
    (tmp_path / "mqtt-key").chmod(0o400)
    with pytest.raises(ConfigError, match="mqtt-key: certificate and key cannot be used"):
        tls_context(config(secret, certificate_file=str(rubbish)))
