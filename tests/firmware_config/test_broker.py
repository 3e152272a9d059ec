"""The broker for many devices, as shipped: nobody without a certificate, each device only in its place."""

from __future__ import annotations

import os
import shutil
import ssl
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from cryptography import x509
from mqtt_partners import MOSQUITTO, PATIENCE_S, Mosquitto, wait_for
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from edge.cli import main

FIRMWARE = Path(__file__).parents[2] / "firmware_config"
DEVICES = ("device-a", "device-b", "device-c")
REFUSED = 135  # MQTT 5: not authorized


def certificates(*arguments, path=None):
    command = [FIRMWARE / "certificates.sh", *arguments]
    environment = {**os.environ, "PATH": f"{path or ''}:{os.environ['PATH']}".strip(":")}
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=environment)


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    """Return a folder with certificates: of the broker, devices, people, and of a device that is lost."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    folder = tmp_path_factory.mktemp("authority") / "ca"
    for arguments in (
        ("init", folder),
        ("broker", folder, "localhost", "127.0.0.1"),
        *(
            ("client", folder, name)
            for name in (*DEVICES, "dashboard-1", "operator-1", "caretaker-1", "lost")
        ),
    ):
        done = certificates(*arguments)
        assert done.returncode == 0, done.stderr
    for name in ("device-a", "lost"):  # what a thief has made a copy of
        shutil.copy(folder / f"{name}.key", folder.parent)
        shutil.copy(folder / f"{name}.crt", folder.parent)
    assert certificates("revoke", folder, "lost").returncode == 0
    return folder


def test_a_lost_device_can_be_revoked_when_its_files_are_gone_from_the_authority(tmp_path):
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    folder = tmp_path / "ca"
    for arguments in (("init", folder), ("client", folder, "clinic-7"), ("client", folder, "clinic-70")):
        assert certificates(*arguments).returncode == 0
    number = x509.load_pem_x509_certificate((folder / "clinic-7.crt").read_bytes()).serial_number
    for suffix in ("crt", "key"):  # moved to the device, not copied
        (folder / f"clinic-7.{suffix}").unlink()
    again = certificates("client", folder, "clinic-7")
    assert (again.returncode, "clinic-7 has a certificate already; revoke it first" in again.stderr) == (
        1,
        True,
    )
    done = certificates("revoke", folder, "clinic-7")
    assert done.returncode == 0, done.stderr
    crl = x509.load_pem_x509_crl((folder / "ca.crl").read_bytes())
    assert [one.serial_number for one in crl] == [number]
    assert certificates("client", folder, "clinic-7").returncode == 0
    assert "there is no such certificate: clinic-8" in certificates("revoke", folder, "clinic-8").stderr


def test_an_authority_lies_in_a_folder_of_any_name(tmp_path):
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    folder = tmp_path / "keys #1 = $HOME; \\n 'ward'" / "ca"
    for arguments in (("init", folder), ("broker", folder, "localhost"), ("client", folder, "clinic-7")):
        done = certificates(*arguments)
        assert done.returncode == 0, done.stderr
    assert certificates("revoke", folder, "clinic-7").returncode == 0
    assert len(list(x509.load_pem_x509_crl((folder / "ca.crl").read_bytes()))) == 1
    assert (folder / "broker.crt").is_file()


def test_an_authority_whose_making_was_cut_off_is_none_and_is_made_again(tmp_path):
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl is not installed")
    folder = tmp_path / "ca"
    old = tmp_path / "bin/openssl"  # one that is too old for the last step
    old.parent.mkdir()
    old.write_text(
        f'#!/bin/sh\ncase "$*" in *-gencrl*) echo "unknown option" >&2; exit 1;; esac; exec {openssl} "$@"\n',
        encoding="utf-8",
    )
    old.chmod(0o755)
    for _ in range(2):
        done = certificates("init", folder, path=old.parent)
        assert done.stderr == "certificates.sh: OpenSSL said: unknown option\n"
        assert "there is no authority" in certificates("client", folder, "clinic-7").stderr
    assert certificates("init", folder).returncode == 0
    assert certificates("client", folder, "clinic-7").returncode == 0
    assert "there is an authority already" in certificates("init", folder).stderr


class NetworkBroker(Mosquitto):
    """mosquitto with the shipped configuration, but for its port, its user and where its files lie."""

    def start(self) -> None:
        text = (FIRMWARE / "mosquitto-network.conf").read_text(encoding="utf-8")
        text = text.replace("listener 8883", f"listener {self.port} {self.host}")
        text = text.replace("/etc/mosquitto/leukoscope/", f"{self.folder}/")
        config = self.folder / "mosquitto.conf"
        config.write_text(
            f"user root\npersistence true\npersistence_location {self.folder}/\n{text}", encoding="utf-8"
        )
        with (self.folder / "mosquitto.log").open("ab") as log:
            self._process = subprocess.Popen([str(MOSQUITTO), "-v", "-c", config], stderr=log, stdout=log)
        wait_for(self._answers, "mosquitto to listen")


@pytest.fixture(scope="module")
def network(authority, tmp_path_factory):
    if MOSQUITTO is None:
        pytest.skip("mosquitto is not installed")
    folder = tmp_path_factory.mktemp("network")
    for name in ("ca.crt", "ca.crl", "broker.crt", "broker.key"):
        shutil.copy(authority / name, folder)
    acl = (FIRMWARE / "mosquitto-network.acl").read_text(encoding="utf-8")
    # The examples in it are meant to be used as they stand.
    examples = [line[2:] for line in acl.splitlines() if line.startswith(("# user", "# topic"))]
    (folder / "acl").write_text("\n".join([acl, *examples, ""]), encoding="utf-8")
    broker = NetworkBroker(folder)
    broker.start()
    yield broker
    broker.kill()


class Partner:
    """A client with a certificate; it hears what it is let hear."""

    def __init__(self, broker, folder, name, *, client_id="", certificate=True, will=None):
        self.heard: list[tuple[str, bytes]] = []
        self.reasons: dict[int, int] = {}
        self.ended = threading.Event()
        self._connected = threading.Event()
        self._subscribed = threading.Event()
        self.client = Client(CallbackAPIVersion.VERSION2, client_id, protocol=MQTTProtocolVersion.MQTTv5)
        context = ssl.create_default_context(cafile=folder / "ca.crt")
        if certificate:
            context.load_cert_chain(folder / f"{name}.crt", folder / f"{name}.key")
        self.client.tls_set_context(context)
        if will:
            self.client.will_set(will, b"will", qos=1, retain=True)
        self.client.on_connect = lambda *_: self._connected.set()
        self.client.on_disconnect = lambda *_: self.ended.set()
        self.client.on_subscribe = lambda *_: self._subscribed.set()
        self.client.on_message = lambda _c, _d, message: self.heard.append((message.topic, message.payload))
        self.client.on_publish = lambda _c, _d, mid, reason, _p: self.reasons.__setitem__(mid, reason.value)
        self.client.connect(broker.host, broker.port)
        self.client.loop_start()

    @property
    def connected(self):
        return self._connected.wait(2)

    def subscribe(self, topic):
        assert self._connected.wait(PATIENCE_S)
        self._subscribed.clear()
        self.client.subscribe(topic, qos=1)
        assert self._subscribed.wait(PATIENCE_S)
        return self

    def publish(self, topic, payload=b"x"):
        """Publish; give the broker's reason, 0 or 16 where it took it."""
        assert self._connected.wait(PATIENCE_S)
        sent = self.client.publish(topic, payload, qos=1)
        wait_for(lambda: sent.mid in self.reasons, "an acknowledgement")
        return self.reasons[sent.mid]

    def close(self):
        self.client.disconnect()
        self.client.loop_stop()

    def vanish(self):
        self.client.loop_stop()
        self.client.socket().shutdown(2)


@pytest.fixture
def partner(network, authority):
    partners = []

    def make(name, **options):
        partners.append(Partner(network, authority, name, **options))
        return partners[-1]

    yield make
    for each in partners:
        each.close()


def test_a_device_writes_its_own_topics_and_no_other_devices(partner):
    dashboard = partner("dashboard-1").subscribe("leukoscope/#")
    device = partner("device-a")
    own = [
        f"leukoscope/device-a/{name}"
        for name in ("status", "info", "health", "result/field", "response/ping")
    ]
    for topic in own:
        assert device.publish(topic) < REFUSED
    for topic in [
        *("leukoscope/device-b/status", "leukoscope/device-b/result/field", "leukoscope/device-b/cmd/ping"),
        *(
            "leukoscope/device-a/cmd/ping",
            "leukoscope/device-a",
            "other",
            "$SYS/x",
            "leukoscope/device-a2/status",
        ),
    ]:
        assert device.publish(topic) == REFUSED, topic
    assert device.publish("leukoscope/device-a/result/differential", b"last") < REFUSED
    wait_for(lambda: any(payload == b"last" for _, payload in dashboard.heard), "what came last")
    assert {topic for topic, _ in dashboard.heard} == {*own, "leukoscope/device-a/result/differential"}


def test_a_device_hears_its_own_commands_and_no_other_devices(partner):
    a = partner("device-a").subscribe("leukoscope/device-a/cmd/+")
    b = partner("device-b")
    for topic in ("leukoscope/#", "leukoscope/device-a/cmd/+", "leukoscope/+/cmd/ping", "#"):
        b.subscribe(topic)
    operator = partner("operator-1").subscribe("leukoscope/#")
    assert operator.publish("leukoscope/device-a/cmd/ping", b"for a") < REFUSED
    assert operator.publish("leukoscope/device-b/cmd/ping", b"for b") < REFUSED
    assert a.publish("leukoscope/device-a/result/field", b"a patient's") < REFUSED
    wait_for(lambda: len(operator.heard) >= 3, "all of it at the operator's")
    wait_for(lambda: b.heard, "its own command")
    wait_for(lambda: a.heard, "its own command")
    assert set(a.heard) == {("leukoscope/device-a/cmd/ping", b"for a")}
    assert set(b.heard) == {("leukoscope/device-b/cmd/ping", b"for b")}


def test_a_dashboard_commands_nobody_and_an_operator_says_no_results(partner):
    assert partner("dashboard-1").publish("leukoscope/device-a/cmd/ping") == REFUSED
    assert partner("operator-1").publish("leukoscope/device-a/result/field") == REFUSED


def config_with(network, authority, folder, name, device_id="desk"):
    """Write a configuration with the certificate of that name; give its path."""
    config = folder / f"{name}.toml"
    config.write_text(
        f'device_id = "{device_id}"\n'
        f'[camera]\nkind = "simulated"\n[mqtt]\nhost = "{network.host}"\nport = {network.port}\n'
        f'[mqtt.tls]\nca_file = "{authority}/ca.crt"\ncertificate_file = "{authority}/{name}.crt"\n'
        f'key_file = "{authority}/{name}.key"\n',
        encoding="utf-8",
    )
    return str(config)


def test_a_caretaker_alone_clears_what_a_device_that_is_gone_has_left(
    network, authority, partner, tmp_path, capsys
):
    gone, kept = partner("device-c"), "leukoscope/device-c/result/differential"
    gone.client.publish(kept, b"a count", qos=1, retain=True).wait_for_publish(PATIENCE_S)
    gone.close()

    def forget(name):
        config = config_with(network, authority, tmp_path, name)
        assert main(["mqtt", "forget", "device-c", "--config", config]) == 0
        return capsys.readouterr().out

    nothing = "device-c: the broker keeps nothing of it that this user may read\n"
    assert forget("device-b") == nothing
    assert forget("caretaker-1") == f"{kept}: cleared\n"
    assert forget("caretaker-1") == nothing


@pytest.mark.parametrize(
    ("device_id", "gone"), [("device-b", "device-c"), ("device-b", "device-b"), ("desk", "device-b")]
)
def test_forgetting_with_a_devices_own_certificate_does_not_end_that_devices_connection(
    network, authority, partner, tmp_path, capsys, device_id, gone
):
    b = partner("device-b", will="leukoscope/device-b/status")
    assert b.connected
    config = config_with(network, authority, tmp_path, "device-b", device_id)
    status = main(["mqtt", "forget", gone, "--config", config])
    assert b.publish("leukoscope/device-b/status") < REFUSED
    assert not b.ended.is_set()
    assert status == 2
    assert f"{authority}/device-b.crt: is the certificate of device-b itself" in capsys.readouterr().err


def test_a_will_on_another_devices_topic_is_never_said(partner):
    operator = partner("operator-1").subscribe("leukoscope/+/status")
    thief = partner("device-a", will="leukoscope/device-b/status")
    if thief.connected:
        thief.vanish()
    assert partner("device-b").publish("leukoscope/device-b/status", b"here") < REFUSED
    wait_for(lambda: ("leukoscope/device-b/status", b"here") in operator.heard, "what is true")
    assert ("leukoscope/device-b/status", b"will") not in operator.heard


def test_a_device_cannot_end_anothers_session_by_taking_its_id(partner):
    b = partner("device-b", client_id="leukoscope-device-b")
    assert b.connected
    thief = partner("device-a", client_id="leukoscope-device-b")
    assert thief.connected
    assert thief.publish("leukoscope/device-a/status") < REFUSED
    thief.client.disconnect()
    assert not b.ended.is_set()
    assert b.publish("leukoscope/device-b/status") < REFUSED


def refused(network, folder, name, **options):
    """Whether a client is turned away, by the handshake or right after it."""
    try:
        partner = Partner(network, folder, name, **options)
    except (OSError, ssl.SSLError):
        return True
    try:
        wait_for(lambda: partner.ended.is_set() or partner._connected.is_set(), "an end")  # noqa: SLF001
        return not partner._connected.is_set()  # noqa: SLF001
    finally:
        partner.close()


def test_without_a_certificate_of_ours_nobody_connects(network, authority, tmp_path):
    assert not refused(network, authority, "device-a")
    assert refused(network, authority, "", certificate=False)
    stolen = authority.parent
    shutil.copy(authority / "ca.crt", stolen)
    assert refused(network, stolen, "lost"), "a revoked one"
    assert refused(network, authority, "broker"), "the broker's own is for the broker"
    other = tmp_path / "other"
    assert certificates("init", other).returncode == 0
    assert certificates("client", other, "device-a").returncode == 0
    shutil.copy(authority / "ca.crt", other / "ca.crt")
    assert refused(network, other, "device-a"), "another authority's of the same name"
    plain = Client(CallbackAPIVersion.VERSION2)
    plain.connect(network.host, network.port)
    assert plain.loop(2) != 0 or not plain.is_connected()


def test_a_devices_certificate_makes_no_broker(authority):
    # Else any device could pose as the broker to the others.
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(authority / "device-a.crt", authority / "device-a.key")
    client = ssl.create_default_context(cafile=authority / "ca.crt")
    client.check_hostname = False
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    one = client.wrap_bio(incoming, outgoing)
    two = server.wrap_bio(outgoing, incoming, server_side=True)
    with pytest.raises(ssl.SSLCertVerificationError, match="purpose"):  # noqa: PT012 (a handshake has two ends)
        for _ in range(4):
            for end in (one, two):
                try:
                    end.do_handshake()
                except ssl.SSLWantReadError:
                    continue


def test_keys_are_their_owners_and_a_pair_is_made_once(authority):
    secret = list(authority.rglob("*.key"))
    assert len(secret) >= 5
    assert {path.stat().st_mode & 0o777 for path in secret} == {0o600}
    assert authority.stat().st_mode & 0o777 == 0o700
    for arguments in (("init", authority), ("client", authority, "device-a")):
        done = certificates(*arguments)
        assert done.returncode == 1
        assert "already" in done.stderr
    for name in ("../x", "a/b", "a+b", "#", "", "-x", "broker", "ca", "x" * 65, "a\nb", "a b"):
        done = certificates("client", authority, name)
        assert done.returncode == 1, name
        assert "PRIVATE" not in done.stdout + done.stderr
    assert certificates("revoke", authority, "ca").returncode == 1
    assert (authority / "ca.key").exists()


def test_the_brokers_log_holds_no_key(network, authority):
    log = (network.folder / "mosquitto.log").read_text(encoding="utf-8", errors="replace")
    for path in authority.glob("*.key"):
        line = path.read_text(encoding="ascii").splitlines()[1]
        assert line not in log


def test_the_daemon_says_its_password_to_the_broker_only(idle_broker, listen, tmp_path):
    password = "hunter2-and-more"  # noqa: S105 (a test's)
    tool = shutil.which("mosquitto_passwd") or pytest.skip("mosquitto_passwd is not installed")
    users = idle_broker.folder / "users"
    subprocess.run([tool, "-b", "-c", users, "device", password], check=True, timeout=60, capture_output=True)
    idle_broker.start(f"password_file {users}", anonymous=True)
    secret = tmp_path / "secret"
    config = tmp_path / "leukoscope.toml"
    config.write_text(
        f'device_id = "d"\n[camera]\nkind = "simulated"\ncells = 2\n[mqtt]\nport = {idle_broker.port}\n'
        'username = "device"\npassword_file = "secret"\ndrain_s = 2\n',
        encoding="utf-8",
    )
    listener = listen(idle_broker)
    said = ""
    for content, status in ((f"{password}-wrong", 3), (password, 0)):
        secret.write_text(content, encoding="utf-8")
        secret.chmod(0o600)
        for command in ("run", "--config"), ("config", "check"):
            arguments = [sys.executable, "-m", "edge.cli", *command, config]
            done = subprocess.run(arguments, capture_output=True, text=True, timeout=120, check=False)
            assert done.returncode == (status if command[0] == "run" else 0), done.stderr
            said += done.stdout + done.stderr
    (info,) = listener.of("info")
    assert "mqtt" in info.config
    said += str(info)
    for each in (password, str(secret), "hunter2"):
        assert each not in said
