"""How long the device rests between two attempts, and how soon it ends: with a clock that stands."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace

import pytest
from counts import message
from mqtt_partners import wait_for
from publisher_clock import STARTED, Attempts, RestingClock
from samples import DEVICE, LABELS, info

from edge.config import MqttConfig
from edge.daemon.health import Machine, Progress
from edge.differential.count import SpecimenCount
from edge.errors import StoreError
from edge.mqtt import publisher as publishing
from edge.mqtt.broker_words import unreachable
from edge.mqtt.connection import ConnectionLostError
from edge.mqtt.publisher import Publisher

# The thread is ended by an exception after the last attempt.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
SERVICE = Path(__file__).parents[3] / "firmware_config/leukoscope.service"


@pytest.fixture
def make(device, tmp_path):
    """Return a function that makes a publisher, as the daemon does."""

    def made(**keywords):
        progress, machine = Progress(), Machine(tmp_path)
        device.publisher = Publisher(
            MqttConfig(),
            store=device.path,
            info=info(),
            health=lambda backlog: progress.health(DEVICE, machine, backlog),
            **keywords,
        )
        return device.publisher

    return made


def run(publisher):
    publisher.start()
    publisher._thread.join(20)  # noqa: SLF001 (to its end)
    assert not publisher._thread.is_alive()  # noqa: SLF001


@pytest.mark.parametrize(("jitter", "share"), [(1.0, 1.0), (0.0, 0.5)])
def test_the_rests_double_from_a_second_to_a_minute_and_are_shortened_by_a_half_at_most(
    make, monkeypatch, jitter, share
):
    attempts = Attempts(monkeypatch, RestingClock(monkeypatch, jitter=jitter), *[0.0] * 9)
    run(make())
    assert attempts.rests() == [share * rest for rest in (1, 2, 4, 8, 16, 32, 60, 60, 60)]


@pytest.mark.parametrize(
    ("failed_before", "lasted_s", "rests_s"),
    [
        (0, 0.0, 1.0),
        (1, 9.5, 2.0),
        (1, 10.5, 1.0),
        (3, 15.0, 8.0),  # two devices of one name: each has its turn while the other one rests
        (3, 17.0, 1.0),
        (8, 119.0, 60.0),
        (8, 121.0, 1.0),
    ],
)
def test_after_a_connection_that_lasted_the_first_rest_is_short_again(
    make, monkeypatch, failed_before, lasted_s, rests_s
):
    attempts = Attempts(monkeypatch, RestingClock(monkeypatch), *[0.0] * failed_before, lasted_s, 0.0)
    run(make())
    *_, before, after, last = attempts.at
    assert after - before - lasted_s == rests_s
    assert last - after == min(2 * rests_s, 60)


def test_an_outage_is_one_line_however_long_it_lasts_and_another_cause_is_another_line(
    make, monkeypatch, caplog
):
    causes = [OSError("No route to host"), TimeoutError(), KeyError("x"), ConnectionLostError("it is gone")]
    ends = [(0.0, cause) for cause in [*causes, StoreError("the disk is full")] for _ in range(3)]
    Attempts(monkeypatch, RestingClock(monkeypatch), *ends)
    publisher = make()
    run(publisher)
    assert all(line.startswith("broker localhost:1883: ") for line in caplog.messages)
    first, second, third, fourth, fifth = (line.partition("1883: ")[2] for line in caplog.messages)
    assert first == "No route to host. Results are kept, and it is tried again"
    assert second == f"{unreachable(TimeoutError(), MqttConfig())} Results are kept, and it is tried again"
    assert third == "KeyError: 'x'. Results are kept, and it is tried again"
    assert fourth == "it is gone. Results are kept, and it is tried again"
    assert fifth == "the disk is full. Results are kept, and it is tried again"
    assert publisher.problem == "broker localhost:1883: the disk is full"


def test_news_do_not_shorten_a_rest(make, monkeypatch):
    clock = RestingClock(monkeypatch, holds_at=100.0)
    attempts = Attempts(monkeypatch, clock, *[0.0] * 8)
    publisher = make()
    publisher.start()
    assert clock.holding.wait(20)
    publisher.notify()
    wait_for(lambda: not publisher._thread.is_alive(), "the last attempt")  # noqa: SLF001
    assert attempts.rests()[-2:] == [60, 60]


def test_at_the_end_it_is_tried_again_after_short_rests_until_the_time_is_up(make, device, monkeypatch):
    device.add(3)
    clock = RestingClock(monkeypatch, holds_at=100.0)
    attempts = Attempts(monkeypatch, clock, *[0.0] * 99)
    publisher = make()
    publisher.start()
    assert clock.holding.wait(20)
    assert attempts.at[-1] == 63.0, "the next one would be at 123"
    assert device.close(4.5) == 3
    assert attempts.at[-4:] == [101.0, 102.0, 103.0, 104.0]
    assert clock.now == STARTED + 104.5


@pytest.mark.parametrize("waits", ["nothing", "a refused field", "a field", "a count"])
def test_at_the_end_it_is_tried_again_for_what_a_broker_may_still_take(make, device, monkeypatch, waits):
    clock = RestingClock(monkeypatch, holds_at=100.0)
    attempts = Attempts(monkeypatch, clock, *[0.0] * 99)
    if waits.endswith("field"):
        (name,) = device.add(1)
        if waits == "a refused field":
            device.store.mark_refused(name, "no")
    publisher = make()
    if waits == "a count":
        publisher.publish_differential(message(SpecimenCount("S", LABELS, 100)))
    publisher.start()
    assert clock.holding.wait(20)
    assert device.close(2.5) == (waits != "nothing")
    assert attempts.at[7:] == ([101.0, 102.0] if waits in {"a field", "a count"} else [])


def test_a_device_that_is_to_end_before_it_has_begun_tries_nothing(make, device, monkeypatch):
    attempts = Attempts(monkeypatch, RestingClock(monkeypatch), 0.0)
    make()
    device.add(1)
    assert device.close(10.0) == 1
    assert attempts.at == []


class Stuck:
    """Stands in for the thread, which waits for the resolver."""

    waited: list[float] = []  # noqa: RUF012

    def __init__(self, **_keywords) -> None:
        self.alive = True

    def start(self) -> None:
        pass

    def is_alive(self) -> bool:
        return self.alive

    def join(self, timeout: float) -> None:
        self.waited.append(timeout)


def test_a_device_that_is_stuck_in_the_resolver_ends_before_systemd_kills_it(make, device, monkeypatch):
    monkeypatch.setattr(publishing, "threading", SimpleNamespace(Thread=Stuck))
    Stuck.waited.clear()
    publisher = make()
    publisher.start()
    assert publisher.close(MqttConfig().drain_s) == 0
    (waited,) = Stuck.waited
    kill_after_s = int(re.search(r"TimeoutStopSec=(\d+)", SERVICE.read_text())[1])
    # An attempt that has just begun takes 5 s, and a farewell 2 s.
    assert 10 + 5 + 2 < waited < kill_after_s
    publisher.notify()  # its ears are still open: it would fall over a closed one when it comes back
    publisher._thread.alive = False  # noqa: SLF001
    assert device.close(0) == 0
    assert Stuck.waited == [waited]


def test_calling_a_device_that_does_not_listen_blocks_nobody(make):
    publisher = make()
    for _ in range(3000):  # more than a socket holds
        publisher.notify()
