"""Commands that come again, too fast, or too long, and answers that a process before this one gave."""

from __future__ import annotations

import json

import pytest

from edge.errors import StoreError
from edge.messages import Response, encode
from edge.messages.commands import REQUESTS
from edge.mqtt.command_words import MEANT
from edge.mqtt.commands import BURST, REFILL_S, Commands
from edge.store.command_log import Answer
from edge.store.fields import Store
from edge.store.specimen import Specimen

STOP = b'{"correlation_id": "%d"}'


class Bed:
    """Obeys, and notes the answer with what was done, as the specimens' orders do."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.done: list[object] = []
        names = [name for name in REQUESTS if name.startswith("specimen/")]
        self.answers = None
        self.commands = self.again(names)

    def again(self, names=("specimen/stop", "specimen/sign")):
        """What a new process has."""
        return Commands("d", dict.fromkeys(names, self.obey), clock=lambda: self.now)

    def obey(self, request, note):
        self.done.append(request)
        specimen = Specimen(
            "A", "stopped", "2026-01-01T00:00:00.000000Z", simulated=True, uuid="u", revision=3
        )
        if self.answers is not None:
            note(self.answers, specimen)
        return specimen

    def stop(self, number=1, **keywords):
        return self.commands.answer("specimen/stop", STOP % number, **keywords)

    def pings(self) -> int:
        """How many of a flood are answered."""
        flood = [self.commands.answer("ping", b"{}") for _ in range(2 * BURST)]
        return sum(answer is not None and answer.ok for answer in flood)


@pytest.fixture
def bed():
    return Bed()


@pytest.fixture
def store(tmp_path):
    with Store.open(tmp_path / "results.db") as opened:
        yield opened


def test_after_a_flood_as_many_are_answered_as_time_has_passed_and_never_more_than_a_burst(bed):
    assert bed.pings() == BURST
    for waited_s, answered in (
        (0.0, 0),
        (REFILL_S / 2, 0),
        (REFILL_S / 2, 1),
        (5 * REFILL_S, 5),
        (86400, BURST),
    ):
        bed.now += waited_s
        assert bed.pings() == answered


def test_who_sends_slowly_is_always_answered(bed):
    for _ in range(5 * BURST):
        assert bed.commands.answer("ping", b"{}").ok
        bed.now += REFILL_S


def test_each_flood_is_told_of_once(bed):
    for _ in range(3):
        flood = [bed.commands.answer("ping", b"{}") for _ in range(2 * BURST)]
        assert len([answer for answer in flood if answer is not None and not answer.ok]) == 1
        bed.now += 100


def test_a_payload_of_as_many_bytes_as_the_sentence_says_is_read(bed):
    assert bed.commands.answer("ping", b"{}".ljust(4096)).ok
    answer = bed.commands.answer("ping", b"{}".ljust(4097))
    assert answer.error == "the payload is longer than 4096 bytes"


def test_the_latest_answers_are_remembered_and_the_oldest_make_room(bed):
    for number in range(400):
        bed.now += REFILL_S
        assert bed.stop(number).ok
    assert len(bed.done) == 400
    for number, done in ((399, 400), (350, 400), (200, 400), (0, 401)):
        bed.now += REFILL_S
        assert bed.stop(number).ok
        assert len(bed.done) == done, number


def test_ten_minutes_later_the_same_request_is_another_one(bed):
    for waited_s, done in ((0, 1), (590, 1), (20, 2)):
        bed.now += waited_s
        assert bed.stop().ok
        assert len(bed.done) == done


def test_one_id_for_two_commands_is_refused_whatever_their_names(bed):
    assert bed.stop().ok
    for name in ("specimen/sign", "ping"):
        answer = bed.commands.answer(name, STOP % 1)
        assert answer.error == "its correlation id is that of another command not long ago: give each its own"
    assert len(bed.done) == 1


def test_a_command_that_was_kept_for_whoever_comes_is_never_obeyed(bed):
    assert "a retained command is not obeyed" in bed.stop(retained=True).error
    assert bed.done == []
    assert bed.stop().ok


def test_what_a_former_process_has_done_is_not_done_again_and_its_answer_is_the_same(bed, store):
    bed.answers = store.answers
    first = bed.stop(kept=store.answers)
    assert (first.specimen.specimen_id, first.specimen.simulated, first.specimen.revision) == ("A", True, 3)
    bed.commands = bed.again()
    assert bed.stop(kept=store.answers) == first
    assert len(bed.done) == 1
    assert "another command" in bed.commands.answer("specimen/sign", STOP % 1, kept=store.answers).error
    assert bed.stop(2, kept=store.answers).ok
    assert len(bed.done) == 2
    for _ in range(2):
        assert bed.commands.answer("specimen/stop", b"{}", kept=store.answers).ok
    assert len(bed.done) == 4


def test_a_kept_answer_that_cannot_be_read_makes_the_request_be_looked_at_again(bed, store):
    store.answers.keep(Answer("1", "specimen/stop", b"", b'{"schema": "leukoscope.response/9"}'))
    assert bed.stop(kept=store.answers).ok
    assert len(bed.done) == 1


def test_a_store_that_cannot_be_read_is_said_in_the_answer_and_nothing_is_done(bed):
    class Broken:
        def find(self, _correlation):
            raise StoreError("the disk is gone")

    answer = bed.stop(kept=Broken())
    assert (answer.ok, answer.error, answer.correlation_id) == (False, "the disk is gone", "1")
    assert bed.done == []


@pytest.mark.parametrize(
    ("found", "error"),
    [
        (b"a picture", None),
        (None, "no picture of cell c-1 is kept"),
        (StoreError("the disk is gone"), "the disk is gone"),
    ],
)
def test_a_picture_is_promised_where_there_is_one(bed, found, error):
    def picture(cell_id):
        assert cell_id == "c-1"
        if isinstance(found, Exception):
            raise found
        return found

    answer = bed.commands.answer("cell/image", b'{"cell_id": "c-1", "correlation_id": "7"}', picture=picture)
    assert (answer.ok, answer.error, answer.correlation_id) == (error is None, error, "7")


def test_a_picture_that_was_not_there_is_asked_for_again_under_the_same_id(bed):
    ask = b'{"cell_id": "c-1", "correlation_id": "7"}'
    assert not bed.commands.answer("cell/image", ask).ok
    assert bed.commands.answer("cell/image", ask, picture=lambda _: b"by now").ok


@pytest.mark.parametrize(
    ("name", "payload", "error"),
    [
        ("specimen/start", b'{"specimen_id": "a b"}', "specimen_id: "),
        ("specimen/start", b'{"specimen_id": "A", "target": 0}', "target: write a whole number from 1 to"),
        ("specimen/start", b"{}", "specimen_id: is missing; write an id in quotes"),
        (
            "specimen/start",
            b'{"specimen_id": "A", "wbc_count": 0}',
            'wbc_count: write "7.2" or "7,2" (10^9/L)',
        ),
        ("specimen/stop", b"[]", "the payload is not a JSON object"),
        ("specimen/stop", b'{"id": "A"}', "id: is no key of this command; it has specimen_id, operator"),
        ("specimen/stop", b'{"a - at `$.b": 1}', "a - at `$.b: is no key of this command"),
        (
            "specimen/review",
            b'{"cell_ids": ["a"], "action": "a - at `$.b`"}',
            'action: write "confirm", "relabel"',
        ),
        ("specimen/review", b'{"cell_ids": ["a b"]}', "cell_ids: write a list of 1 to 2000 ids of cells"),
        ("specimen/discard", b'{"reason": ""}', "reason: write a text of 1 to 200 characters"),
        ("ping", b'{"\xff": 1}', "UTF-8"),
        ("ping", b'{"x":' + b"[" * 1200 + b"]" * 1200 + b"}", "is not a JSON object"),
        ("ping", b"nonsense", "is not a JSON object"),
        ("ping", b'{"correlation_id": "\xff"}', "is not a JSON object"),
        ("specimen/begin", b"{}", "there is no such command; known: ping, cell/image, specimen/start"),
    ],
)
def test_what_is_wrong_with_a_command_is_said_in_its_senders_words(bed, name, payload, error):
    answer = bed.commands.answer(name, payload)
    assert not answer.ok
    assert error in answer.error
    assert bed.done == []


@pytest.mark.parametrize("name", sorted(REQUESTS))
def test_of_each_key_of_each_command_it_is_said_what_to_write(bed, name):
    for key in REQUESTS[name].__struct_fields__:
        answer = bed.commands.answer(name, json.dumps({key: {}}).encode())
        assert answer.error == f"{key}: write {MEANT[key]}"
    assert bed.done == []


def test_a_name_of_any_length_is_answered_with_a_message_that_fits():
    answer = Commands("d").answer("x" * 10_000, b"{}")
    assert answer.command == "x" * 64
    assert len(encode(answer)) < 4096
    assert isinstance(answer, Response)
