"""Brokers that do not take what the device sends: each is told of in a sentence that says what to change."""

from __future__ import annotations

import contextlib
import socket
import ssl
import subprocess
import threading

import pytest
from mqtt_partners import PATIENCE_S, wait_for
from samples import DEVICE

from edge.config import MqttConfig, TlsConfig
from edge.mqtt.broker_words import unreachable

ACL = "acl_file {folder}/acl"
MINE = f"leukoscope/{DEVICE}"


def rules(broker, text):
    path = broker.folder / "acl"
    path.write_text(text)
    path.chmod(0o644)


def told(device, broker, **config):
    """Let a device deliver two fields and a count, wait for what it complains of, and give that."""
    device.add(2)
    publisher = device.start(broker, **config)
    device.say_differential()
    wait_for(lambda: publisher.problem, "a complaint")
    problem = publisher.problem
    assert device.close(0.2) > 0, "the results wait"
    assert problem.startswith(f"broker {broker.host}:{broker.port}: ")
    return problem.partition(": ")[2]


@pytest.mark.parametrize(
    ("protocol", "lines", "sentence", "way_out"),
    [
        (
            "5",
            ["retain_available false"],
            "it keeps no retained messages; set mqtt.retain = false",
            {"retain": False},
        ),
        (
            "3.1.1",
            ["retain_available false"],
            "take no retained messages (mqtt.retain = false)",
            {"retain": False},
        ),
        ("5", ["max_qos 0"], "it takes no messages with QoS 1; set mqtt.qos = 0", {"qos": 0}),
        ("3.1.1", ["max_qos 0"], "or no QoS 1 (mqtt.qos = 0)", {"qos": 0}),
        (
            "5",
            ["retain_available false", "max_qos 0"],
            "it keeps no retained messages; set mqtt.retain = false",
            {"qos": 0, "retain": False},
        ),
    ],
)
def test_a_broker_without_retain_or_qos_1_is_named_and_can_be_done_with(
    idle_broker, listen, device, protocol, lines, sentence, way_out
):
    idle_broker.start(*lines)
    listener = listen(idle_broker)
    assert sentence in told(device, idle_broker, protocol=protocol)
    device.start(idle_broker, protocol=protocol, **way_out)
    device.say_differential()
    assert device.close() == 0
    wait_for(lambda: len(listener.fields()) == 2 and listener.state("status") == "offline", "the results")
    assert listener.counted() == 2
    assert device.store.backlog() == 0


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_a_login_that_is_refused(idle_broker, device, tmp_path, protocol):
    users, password = idle_broker.folder / "users", tmp_path / "password"
    create = ["mosquitto_passwd", "-b", "-c", str(users), "me", "right"]
    subprocess.run(create, check=True, timeout=PATIENCE_S)
    idle_broker.start(f"password_file {users}", anonymous=False)
    assert told(device, idle_broker, protocol=protocol) == (
        "it lets nobody in without a user and a password; set mqtt.username and mqtt.password_file"
    )
    password.write_text("wrong\n")
    password.chmod(0o600)
    login = {"username": "me", "password_file": str(password)}
    assert told(device, idle_broker, protocol=protocol, **login) == (
        'it does not take the user "me" with this password; see mqtt.username and the file that'
        " mqtt.password_file names"
    )
    password.write_text("right\n")
    device.start(idle_broker, protocol=protocol, **login)
    assert device.close() == 0


def test_topics_that_are_refused(idle_broker, device, caplog):
    rules(idle_broker, f"topic write {MINE}/status\ntopic write {MINE}/info\n")
    idle_broker.start(ACL.format(folder=idle_broker.folder))
    problem = told(device, idle_broker)
    assert problem.startswith(f"it does not let this device write to {MINE}/result/")
    assert f"(mosquitto: topic write {MINE}/#)" in problem
    said = [message for message in caplog.messages if "does not let this device write" in message]
    assert len(said) == 2, "one line for the fields and one for the count"


@pytest.mark.parametrize(
    "text",
    [
        "topic read nothing\n",
        f"topic write {MINE}/status\n",  # nobody can know whether more than that is let through
        f"topic read {MINE}/status\n",
    ],
)
def test_over_mqtt_3_1_1_an_access_list_that_denies_is_found_out(idle_broker, device, text):
    rules(idle_broker, text)
    idle_broker.start(ACL.format(folder=idle_broker.folder))
    problem = told(device, idle_broker, protocol="3.1.1")
    assert problem.startswith("it takes this device's messages and drops them: its access list")
    assert 'mqtt.protocol = "5"' in problem
    assert device.errors() == [None, None]
    idle_broker.kill()
    # As the sentence says it:
    rules(idle_broker, f"topic write {MINE}/#\ntopic read {MINE}/status\nuser listener\ntopic read #\n")
    idle_broker.start(ACL.format(folder=idle_broker.folder))
    device.start(idle_broker, protocol="3.1.1")
    assert device.close() == 0


def test_over_mqtt_3_1_1_a_status_of_before_proves_nothing(idle_broker, device):
    rules(idle_broker, f"topic readwrite {MINE}/#\n")
    idle_broker.start(ACL.format(folder=idle_broker.folder))
    device.start(idle_broker, protocol="3.1.1")
    assert device.close() == 0
    rules(idle_broker, f"topic read {MINE}/#\n")
    idle_broker.save()
    idle_broker.kill()
    idle_broker.start(ACL.format(folder=idle_broker.folder))
    assert "drops them" in told(device, idle_broker, protocol="3.1.1")


@pytest.mark.parametrize(
    ("answer", "protocol", "sentence"),
    [
        (b"\x20\x02\x00\x01", "5", 'it does not speak MQTT 5; set mqtt.protocol = "3.1.1"'),
        (
            b"\x20\x02\x00\x02",
            "3.1.1",
            f"it does not take the client id leukoscope-{DEVICE}; set another device_id",
        ),
        (b"", "5", "it hung up before it answered; it may speak TLS only (section [mqtt.tls], mostly"),
        (b"", "5", 'or speak an older protocol only (mqtt.protocol = "3.1.1")'),
    ],
)
def test_brokers_of_another_kind(idle_broker, device, answer, protocol, sentence):
    with contextlib.closing(socket.create_server((idle_broker.host, idle_broker.port))) as server:

        def greet():
            with contextlib.suppress(OSError):
                while True:
                    guest, _ = server.accept()
                    with guest:
                        guest.recv(4096)
                        guest.sendall(answer)

        threading.Thread(target=greet, daemon=True).start()
        assert sentence in told(device, idle_broker, protocol=protocol)
        server.shutdown(socket.SHUT_RDWR)


def test_a_broker_that_is_not_there(idle_broker, device):
    assert told(device, idle_broker).startswith("nothing answers there; is the broker running")
    device.add(1)
    idle_broker.host = "no-such-computer.invalid"
    assert told(device, idle_broker) == (
        "mqtt.host: no computer of the name no-such-computer.invalid is known to this network"
    )


@pytest.mark.parametrize(
    ("error", "tls", "sentence"),
    [
        (ConnectionResetError(), True, "no encrypted connection came about; is mqtt.port the one for TLS"),
        (
            ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER]"),
            True,
            "no encrypted connection came about; is mqtt.port",
        ),
        (ConnectionResetError(), False, "it hung up before it answered; it may speak TLS only"),
        (
            TimeoutError(),
            False,
            "nothing answers there; are mqtt.host and mqtt.port right, and is the network up?",
        ),
        (OSError(101, "Network is unreachable"), False, "Network is unreachable"),
    ],
)
def test_what_the_network_says_becomes_a_key_to_look_at(error, tls, sentence):
    config = MqttConfig(tls=TlsConfig() if tls else None)
    assert unreachable(error, config).startswith(sentence)
