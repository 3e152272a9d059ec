from __future__ import annotations

import json

import jsonschema
from hypothesis import given, settings
from hypothesis import strategies as st

from edge import messages
from edge.errors import SpecimenError, StoreError
from edge.messages import decode, encode, json_schema
from edge.messages.commands import REQUESTS
from edge.mqtt.commands import BURST, REFILL_S, REMEMBERED_S, Commands
from edge.store.specimen import Specimen

DEEP = b"[" * 3000


@given(
    st.text(max_size=80),
    st.binary(max_size=80) | st.just(DEEP) | st.just(b'{"correlation_id":' + DEEP),
    st.booleans(),
)
def test_there_is_always_an_answer_that_can_be_sent(name, payload, retained):
    answer = Commands("d").answer(name, payload, retained=retained)
    assert answer.ok is (answer.error is None)
    assert len(messages.encode(answer)) < 4096


def test_a_huge_correlation_id_is_not_sent_back():
    answer = Commands("d").answer("ping", b'{"correlation_id": "%s"}' % (b"x" * 200))
    assert (answer.ok, answer.correlation_id) == (False, None)


def test_an_endless_nest_in_a_key_that_nobody_reads_is_answered():
    payload = b'{"correlation_id":"1","x":' + b"[" * 1500 + b"]" * 1500 + b"}"
    answer = Commands("d").answer("ping", payload)
    assert not answer.ok
    assert answer.error


class Ward:
    """Obeys, and keeps what it was told."""

    def __init__(self, problem: Exception | None = None) -> None:
        self.done: list[object] = []
        self.now = 0.0
        self.problem = problem
        names = [name for name in REQUESTS if name != "ping"]
        self.commands = Commands("d", dict.fromkeys(names, self.obey), clock=lambda: self.now)

    def obey(self, request: object, note: object = None) -> Specimen:  # noqa: ARG002
        self.done.append(request)
        if self.problem is not None:
            raise self.problem
        return Specimen("A", "open", "2026-01-01T00:00:00.000000Z")


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(sorted(REQUESTS)) | st.text(max_size=80),
    st.binary(max_size=200)
    | st.dictionaries(
        st.sampled_from(["specimen_id", "target", "operator", "reason", "correlation_id", "wbc_count", "x"]),
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=70) | st.just([[]]),
    ).map(lambda plain: json.dumps(plain).encode()),
    st.booleans(),
)
def test_whatever_is_sent_it_has_one_answer_and_only_what_is_valid_is_done(name, payload, retained):
    ward = Ward()
    answer = ward.commands.answer(name, payload, retained=retained)
    assert decode(encode(answer)) == answer
    assert answer.ok is (answer.error is None)
    if not answer.ok or name == "ping":
        assert not ward.done
    else:
        (request,) = ward.done
        assert isinstance(request, REQUESTS[name])
        assert answer.specimen.specimen_id == "A"


def test_the_schema_that_is_printed_is_the_one_that_is_asked():
    schema = json_schema()
    for payload, valid in (
        ({"specimen_id": "A", "target": 200, "wbc_count": 7.1}, True),
        ({"specimen_id": "A\n"}, False),
        ({"specimen_id": "A", "path": "/etc/passwd"}, False),
        ({"specimen_id": "A", "wbc_count": -1}, False),
        ({}, False),
    ):
        start = {**schema["commands"]["cmd/specimen/start"], "$defs": schema["$defs"]}
        assert jsonschema.Draft202012Validator(start).is_valid(payload) is valid
        answer = Ward().commands.answer("specimen/start", json.dumps(payload).encode())
        assert answer.ok is valid, answer.error


def test_the_same_request_is_done_once_and_answered_again():
    ward = Ward()
    order = b'{"specimen_id": "A", "correlation_id": "1"}'
    first = ward.commands.answer("specimen/start", order)
    ward.now += REMEMBERED_S - 1
    assert ward.commands.answer("specimen/start", order) == first
    assert len(ward.done) == 1
    other = ward.commands.answer("specimen/start", b'{"specimen_id": "B", "correlation_id": "1"}')
    assert "correlation id" in other.error
    ward.now += 2
    assert ward.commands.answer("specimen/start", order) == first
    assert len(ward.done) == 2, "after the window it is another order"
    ward.commands.answer("specimen/stop", b"{}")
    ward.commands.answer("specimen/stop", b"{}")
    assert len(ward.done) == 4, "without a correlation id nobody can know"


def test_what_the_specimen_does_not_allow_is_remembered_and_a_full_disk_is_not():
    for problem, times in ((SpecimenError("specimen B is open"), 1), (StoreError("the disk is full"), 2)):
        ward = Ward(problem)
        for _ in range(2):
            answer = ward.commands.answer("specimen/stop", b'{"correlation_id": "1"}')
            assert (answer.ok, answer.error, answer.specimen) == (False, str(problem), None)
        assert len(ward.done) == times


def test_a_flood_is_answered_once_and_then_let_by():
    ward = Ward()
    answers = [ward.commands.answer("ping", b"{}") for _ in range(BURST + 50)]
    assert all(answer.ok for answer in answers[:BURST])
    assert answers[BURST].error == "too many commands: send them more slowly"
    assert answers[BURST + 1 :] == [None] * 49
    ward.now += REFILL_S
    assert ward.commands.answer("ping", b"{}").ok
    assert "too many" in ward.commands.answer("ping", b"{}").error
    assert not ward.done


def test_memory_does_not_grow_with_what_was_asked():
    ward = Ward()
    for number in range(1000):
        ward.now += REFILL_S
        assert ward.commands.answer("specimen/stop", b'{"correlation_id": "%d"}' % number).ok
    assert len(ward.commands._answered) <= 257  # noqa: SLF001
