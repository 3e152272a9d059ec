"""A live camera, and orders at the worst moments: each frame is counted where it belongs, or nowhere."""

from __future__ import annotations

import json
import weakref
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mqtt_partners import wait_for
from samples import LABELS, MODEL, ScriptedAnalyzer, cell, field

from edge.cameras import Frame
from edge.config import Config, MqttConfig, SimulatedConfig, SpecimenConfig, StoreConfig, UsbConfig
from edge.daemon.health import Progress
from edge.daemon.model import Model
from edge.daemon.process import Daemon
from edge.daemon.session import Session
from edge.errors import SpecimenError
from edge.messages import ModelReference, encode
from edge.messages.commands import REQUESTS, DiscardSpecimen, SignSpecimen, StartSpecimen, StopSpecimen
from edge.mqtt.commands import Commands
from edge.specimens.orders import Orders
from edge.specimens.reporting import Reporter
from edge.store.fields import Store


class Microscope:
    """A live camera with an analyzer behind it, both of which are disturbed by orders.

    script: the frames, each its name, what is ordered while it is taken, and what while it is analysed.
    """

    def __init__(self, config: Config, *script: tuple[str, tuple, tuple]) -> None:
        self._orders = Orders(Path(config.store.path), by_command=True, target=200)
        self._script = list(script)
        self._analysing: tuple = ()
        self._analyzer = ScriptedAnalyzer()
        self.daemon = Daemon(config, load=lambda _: Model(self, LABELS, MODEL, "x"), camera=lambda _: self)

    def read(self) -> Frame | None:
        if not self._script:
            self.daemon.stop()
            return None
        name, taking, self._analysing = self._script.pop(0)
        self._obey(taking)
        taken = datetime.now(UTC) - timedelta(seconds="kept ready" in name)
        return Frame(np.full((40, 60, 3), 90, np.uint8), name, taken)

    def analyze(self, pixels, _reference):
        self._obey(self._analysing)
        return self._analyzer.analyze(pixels)

    def learn(self, _logits: object) -> None:
        pass

    def restore(self, scales, remembered, logits) -> None:
        pass

    def close(self) -> None:
        pass

    def _obey(self, orders) -> None:
        for order in orders:
            name = {
                StartSpecimen: "start",
                StopSpecimen: "stop",
                SignSpecimen: "sign",
                DiscardSpecimen: "discard",
            }[type(order)]
            self._orders.handlers()[f"specimen/{name}"](order)


@pytest.fixture
def config(tmp_path, broker):
    return Config(
        SimulatedConfig(),
        device_id="test-1",
        specimen=SpecimenConfig(lifecycle="command"),
        store=StoreConfig(str(tmp_path / "results.db")),
        mqtt=MqttConfig(host=broker.host, port=broker.port),
    )


def test_no_frame_is_counted_into_a_specimen_it_was_not_taken_under(config, broker, listen):
    start_a, start_b, start_c = (StartSpecimen(specimen_id=name) for name in "ABC")
    stop = StopSpecimen()
    listener = listen(broker)
    microscope = Microscope(
        config,
        ("nobody's 1", (), ()),
        ("begun while it was taken", (start_a,), ()),
        ("kept ready since before it was begun", (), ()),
        ("a1", (), ()),
        ("a2, stopped while it was analysed", (), (stop,)),
        ("nobody's 2", (), ()),
        ("begun while it was taken, too", (start_b,), ()),
        ("b1", (), ()),
        ("one ended and another begun", (stop, start_c), ()),
        ("c1", (), ()),
        ("ended and taken up again", (stop, StartSpecimen(specimen_id="C", resume=True)), ()),
        ("c2", (), ()),
        ("c3, the next begun while it was analysed", (), (stop, StartSpecimen(specimen_id="D"))),
        ("d1, discarded while it was analysed", (), (DiscardSpecimen(reason="x"),)),
        ("nobody's 3", (), ()),
    )
    assert microscope.daemon.run() == 0
    with Store.open(Path(config.store.path)) as store:
        sources = {
            one.specimen_id: [f.source for f in store.fields(one.specimen_id)] for one in store.specimens()
        }
    assert sources == {
        "A": ["a1", "a2, stopped while it was analysed"],
        "B": ["b1"],
        "C": ["c1", "c2", "c3, the next begun while it was analysed"],
        "D": [],
    }
    wait_for(lambda: listener.state("status") == "offline", "the end")
    last = {d.specimen_id: d for d in listener.of("result/differential")}
    assert {name: (d.state, d.counted) for name, d in last.items()} == {
        "A": ("preliminary", 2),
        "B": ("preliminary", 1),
        "C": ("preliminary", 3),
        "D": ("discarded", 0),
    }


def test_what_is_discarded_of_a_live_camera_that_is_one_specimen_is_followed_by_the_next(
    config, broker, listen
):
    config = msgspec.structs.replace(
        config, camera=UsbConfig("/dev/none"), specimen=SpecimenConfig(id="S", lifecycle="source")
    )
    path, listener = Path(config.store.path), listen(broker)
    with Store.open(path) as store:  # of another day, and another blood
        store.ledger.start("S-3", target=200, wbc_count=None, resume=False)
        store.ledger.stop()
    discard = {name: DiscardSpecimen(specimen_id=name, reason="too thick") for name in ("S", "S-2")}
    microscope = Microscope(
        config,
        ("s1", (), ()),
        ("s2, discarded while it was analysed", (), (discard["S"],)),
        ("kept ready since before it was discarded", (), ()),
        ("n1", (), ()),
        ("n2", (), ()),
        ("discarded while it was taken", (discard["S-2"],), ()),
        ("m1", (), ()),
    )
    assert microscope.daemon.run() == 0
    wait_for(lambda: listener.state("status") == "offline", "the end")
    last = {d.specimen_id: (d.state, d.counted) for d in listener.of("result/differential")}
    assert last == {
        "S-3": ("preliminary", 0),
        "S": ("discarded", 1),
        "S-2": ("discarded", 2),
        "S-4": ("running", 1),
    }
    assert listener.of("result/differential")[-1].specimen_id == "S-4"
    assert Microscope(config, ("m2", (), ())).daemon.run() == 0, "a restart goes on with the same"
    with Store.open(path) as store:
        assert [f.source for f in store.fields("S")] == ["s1"]
        assert [f.source for f in store.fields("S-2")] == ["n1", "n2"]
        assert [f.source for f in store.fields("S-4")] == ["m1", "m2"]


def test_signed_while_its_last_field_was_in_hand_it_is_corrected_and_to_be_signed_again(
    config, broker, listen
):
    listener = listen(broker)
    microscope = Microscope(
        config,
        ("begun while it was taken", (StartSpecimen(specimen_id="A"),), ()),
        ("a1", (), ()),
        ("a2", (), (StopSpecimen(), SignSpecimen(operator="M1", reason="few"))),
    )
    assert microscope.daemon.run() == 0
    wait_for(lambda: listener.state("status") == "offline", "the end")
    said = listener.of("result/differential")[-1]
    assert (said.state, said.signature, said.counted) == ("corrected", None, 2)
    assert said.changes[0].what == "fields were added"


def test_a_frame_is_given_back_before_the_next_is_read(config):
    alive = []
    shown: list[weakref.ref] = []
    script = [("begun while it was taken", (StartSpecimen(specimen_id="A"),), ()), *[("a", (), ())] * 3]
    microscope = Microscope(config, *script)
    read = microscope.read

    def reading() -> Frame | None:
        alive.append(sum(each() is not None for each in shown))
        frame = read()
        if frame is not None:
            shown.append(weakref.ref(frame.pixels))
        return frame

    microscope.read = reading
    assert microscope.daemon.run() == 0
    assert alive == [0] * 5


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(sorted(REQUESTS)),
            st.fixed_dictionaries(
                {},
                optional={
                    "specimen_id": st.sampled_from(
                        ["A", "B", "Ward 5", "", "\x00", "x" * 64, "\U0001f600", "'; DROP TABLE"]
                    ),
                    "target": st.sampled_from([100, 0, -1, 2**70, 1.5]),
                    "wbc_count": st.sampled_from([7.2, 0, 1e300, "7", "7,2", "7,200/uL", [7]]),
                    "operator": st.sampled_from(["M1", "", "a b", "../../x"]),
                    "reason": st.text(max_size=210),
                    "new_id": st.sampled_from(["A", "C", "Ward 5"]),
                    "resume": st.booleans() | st.just(1),
                    "correlation_id": st.sampled_from(["1", "2", None, 3]),
                },
            ),
        ),
        max_size=12,
    )
)
def test_any_orders_in_any_order_are_each_answered_and_leave_one_specimen_open_at_most(
    tmp_path_factory, orders
):
    path = tmp_path_factory.mktemp("orders") / "results.db"
    commands = Commands("d", Orders(path, by_command=True, target=200).handlers())
    for name, given_ in orders:
        answer = commands.answer(name, json.dumps(given_).encode())
        assert answer.ok is (answer.error is None)
        assert len(encode(answer)) < 4096
    if path.exists():
        with Store.open(path) as store:
            assert sum(one.state == "open" for one in store.specimens()) <= 1


def test_where_the_source_says_the_specimen_it_cannot_be_begun_or_ended_by_command(tmp_path):
    path = tmp_path / "results.db"
    orders = Orders(path, by_command=False, target=200)
    for order in (lambda: orders.start(StartSpecimen(specimen_id="A")), lambda: orders.stop(StopSpecimen())):
        with pytest.raises(SpecimenError, match=r'set specimen\.lifecycle = "command"'):
            order()
    with Store.open(path) as store:
        store.start_specimen("S")
        store.finish_specimen("S")
    assert orders.sign(SignSpecimen(operator="M1", reason="few")).state == "final"


def test_signed_after_an_update_it_is_still_the_former_models(tmp_path):
    config = Config(SimulatedConfig(), device_id="d", store=StoreConfig(str(tmp_path / "results.db")))
    former = ModelReference("former", "1" * 64)
    orders = Orders(tmp_path / "results.db", by_command=True, target=200)
    orders.start(StartSpecimen(specimen_id="A"))
    with Store.open(tmp_path / "results.db") as store:
        each = field(store.next_sequence(), cell(), specimen_id="A")
        assert store.add(msgspec.structs.replace(each, model=former))
        orders.stop(StopSpecimen())
        signed = orders.sign(SignSpecimen(operator="M1", reason="few"))
        assert signed.target == 200
        reporter = Reporter(config, Model(ScriptedAnalyzer(), LABELS, MODEL, "x"))
        said = reporter.differential(reporter.recount(store, signed), signed)
    assert (said.model, said.state) == (former, "final")
    assert said.correction.reason == "cells were called by another model, former"


def test_a_specimen_that_is_given_a_freed_id_knows_nothing_of_the_one_that_had_it(tmp_path):
    class Counting:
        stop_reason = None

        def __init__(self, specimen) -> None:
            self.specimen_id, self.specimen_uuid = specimen.specimen_id, specimen.uuid

        def resume_from(self, before) -> None:
            resumed.append((before.specimen_uuid, self.specimen_uuid))

    resumed: list = []
    config = Config(SimulatedConfig(), specimen=SpecimenConfig(lifecycle="command"))
    with Store.open(tmp_path / "results.db") as store:
        ledger = store.ledger
        session = Session(config, store, ledger.open_by_command, Counting, Announced(), Progress())
        look = partial(session.count, iter(()), lambda: False)
        start = partial(ledger.start, target=200, wbc_count=None)
        first = start("S-7", resume=False)
        look()
        ledger.stop()
        look()
        start("S-7", resume=True)
        look()
        assert resumed == [(first.uuid, first.uuid)], "the slide lies there still"
        ledger.stop()
        look()
        ledger.rename("S-7", "S-8")
        start("S-7", resume=False)
        look()
        assert len(resumed) == 1, "this one is another patient's"


class Announced:
    """Stands for the announcer: nothing is told."""

    def look(self) -> None:
        pass
