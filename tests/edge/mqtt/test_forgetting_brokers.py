"""Forgetting a device at brokers that are slow, silent, or refuse: on paper, in no time."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from paho.mqtt.client import MQTT_ERR_CONN_LOST, MQTT_ERR_SUCCESS
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.reasoncodes import ReasonCode
from paper_connection import StoppedClock

from edge.config import MqttConfig
from edge.errors import BrokerError
from edge.messages import Status, encode
from edge.mqtt import forgetting

OK, REFUSED = 0x00, 0x87
ROOT = "leukoscope/gone"


class PaperClient:
    """Stands in for paho's client: what a broker does, a step of a tenth of a second each.

    script: when to do what, in seconds from the beginning. acknowledges: the seconds after which it has what
    is published, None for never, and the code of that.
    """

    def __init__(self, clock, script=(), acknowledges=(0.1, OK)) -> None:
        self.clock, self.began = clock, clock.now
        self.script = sorted(script, key=lambda each: each[0])
        self.acknowledges = acknowledges
        self.published: list[tuple[str, bytes, int, bool]] = []
        self.subscribed: list[str] = []
        self.left = self.hung_up = False

    def connect(self, *_given):
        pass

    def disconnect(self):
        self.left = True

    def loop(self, timeout):
        assert not self.left
        self.clock.now += timeout
        while self.script and self.clock.now - self.began >= self.script[0][0]:
            self.script.pop(0)[1](self)
        return MQTT_ERR_CONN_LOST if self.hung_up else MQTT_ERR_SUCCESS

    def subscribe(self, topic, qos):
        assert qos == 1
        self.subscribed.append(topic)

    def publish(self, topic, payload, qos, retain):
        self.published.append((topic, payload, qos, retain))
        number = len(self.published)
        after, code = self.acknowledges
        if after is not None:
            said = ReasonCode(PacketTypes.PUBACK, identifier=code)
            at = self.clock.now - self.began + after * number
            self.script.append((at, lambda client: client.on_publish(client, None, number, said, None)))
        return SimpleNamespace(mid=number)


def lets_in(code=OK):
    said = ReasonCode(PacketTypes.CONNACK, identifier=code)
    return lambda client: client.on_connect(client, None, None, said, None)


def grants(code=1):
    said = ReasonCode(PacketTypes.SUBACK, identifier=code)
    return lambda client: client.on_subscribe(client, None, 1, [said], None)


def hangs_up(client):
    client.hung_up = True


def says(topic, payload=b"x", *, retain=True):
    message = SimpleNamespace(topic=f"{ROOT}/{topic}", payload=payload, retain=retain)
    return lambda client: client.on_message(client, None, message)


@pytest.fixture(params=[0.0, 1000.0])
def forget(request, monkeypatch):
    """Return a function that forgets a device at a broker of that script; the client; the clock."""
    clock = StoppedClock(request.param)
    monkeypatch.setattr(forgetting, "time", clock)

    def run(*script, **keywords):
        client = PaperClient(clock, script, **keywords)
        monkeypatch.setattr(forgetting, "Client", lambda *_given, **_named: client)
        run.client, run.clock, run.began = client, clock, clock.now
        return forgetting.forget(MqttConfig(), "gone")

    return run


def took(forget) -> float:
    return forget.clock.now - forget.began


def test_what_comes_slowly_is_waited_for_and_a_second_of_quiet_is_the_end(forget):
    script = [(0.1, lets_in()), (0.3, grants()), *((0.3 + 0.8 * n, says(f"result/{n}")) for n in range(1, 6))]
    assert forget(*script) == [f"{ROOT}/result/{n}" for n in range(1, 6)]
    assert forget.client.subscribed == [f"{ROOT}/#"]
    assert forget.client.published == [(f"{ROOT}/result/{n}", b"", 1, True) for n in range(1, 6)]
    assert forget.client.left
    assert 4.3 + 0.9 <= took(forget) <= 4.3 + 2.2


def test_a_broker_that_keeps_nothing_is_asked_for_a_second_only(forget):
    assert forget((0.1, lets_in()), (0.3, grants())) == []
    assert 1.2 <= took(forget) <= 2.0
    assert forget.client.left


def test_what_is_said_meanwhile_or_is_cleared_already_is_not_counted(forget):
    script = [(0.1, lets_in()), (0.2, grants())]
    others = [(0.3, says("health", retain=False)), (0.4, says("info", b""))]
    assert forget(*script, *others, (0.5, says("status", b"of another version"))) == [f"{ROOT}/status"]


@pytest.mark.parametrize(
    ("script", "keywords", "sentence"),
    [
        ([], {}, "it did not answer within 10 s"),
        ([(0.1, lets_in())], {}, "it did not answer within 10 s"),
        ([(9.5, lets_in()), (10.5, grants())], {}, "it did not answer within 10 s"),
        (
            [(0.1, lets_in()), (0.2, grants()), (0.3, says("info"))],
            {"acknowledges": (None, OK)},
            "it did not acknowledge within 10 s",
        ),
    ],
)
def test_a_broker_that_does_not_answer_is_left_after_ten_seconds(forget, script, keywords, sentence):
    with pytest.raises(BrokerError, match=f"broker localhost:1883: {sentence}"):
        forget(*script, **keywords)
    assert 9.9 <= took(forget) <= 12.5
    assert forget.client.left


@pytest.mark.parametrize(
    ("script", "sentence"),
    [
        ([(0.3, hangs_up)], r"it hung up before it answered; it may speak TLS only \(section"),
        ([(0.1, lets_in()), (0.3, hangs_up)], "it ended the connection"),
        ([(0.1, lets_in()), (0.2, grants()), (0.4, hangs_up)], "it ended the connection"),
        (
            [(0.1, lets_in()), (0.2, grants()), (0.3, says("info")), (1.35, hangs_up)],
            "it ended the connection",
        ),
    ],
    ids=["at once", "before it grants", "while it says what it keeps", "before it acknowledges"],
)
def test_a_broker_that_hangs_up_is_not_waited_for_nor_taken_for_one_that_keeps_nothing(
    forget, script, sentence
):
    with pytest.raises(BrokerError, match=f"broker localhost:1883: {sentence}"):
        forget(*script, acknowledges=(None, OK))
    assert took(forget) < 2.0
    assert forget.client.left


def test_an_answer_in_the_ninth_second_is_one(forget):
    assert forget((9.0, lets_in()), (9.5, grants()), (9.6, says("info")), acknowledges=(9.0, OK)) == [
        f"{ROOT}/info"
    ]


@pytest.mark.parametrize(
    ("script", "keywords", "sentence"),
    [
        ([(0.1, lets_in(REFUSED))], {}, "it lets nobody in without a user and a password"),
        (
            [(0.1, lets_in()), (0.2, grants(REFUSED))],
            {},
            f"its access list does not let this user read {ROOT}/#",
        ),
        (
            [(0.1, lets_in()), (0.2, grants()), (0.3, says("info")), (0.3, says("status"))],
            {"acknowledges": (0.1, REFUSED)},
            f"its access list does not let this user write {ROOT}/#",
        ),
    ],
)
def test_a_broker_that_refuses_is_told_of_at_once(forget, script, keywords, sentence):
    with pytest.raises(BrokerError, match=f"broker localhost:1883: {sentence}"):
        forget(*script, **keywords)
    assert took(forget) <= 3.0
    assert forget.client.left


@pytest.mark.parametrize("state", ["online", "offline"])
def test_only_a_device_that_is_online_is_not_forgotten(forget, state):
    status = encode(Status(device_id="gone", state=state, boot_id="b"))
    script = [(0.1, lets_in()), (0.2, grants()), (0.3, says("status", status)), (0.3, says("info"))]
    if state == "offline":
        assert forget(*script) == [f"{ROOT}/info", f"{ROOT}/status"]
        return
    with pytest.raises(
        BrokerError, match="device gone is online and would say all of it again; stop it first"
    ):
        forget(*script)
    assert forget.client.published == []
    assert forget.client.left
