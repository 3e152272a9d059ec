"""What waits for the broker and what it keeps, and how another client under this device's id shows itself."""

from __future__ import annotations

import msgspec
import pytest
from counts import message
from samples import DEVICE, LABELS, info

from edge.differential.count import SpecimenCount
from edge.messages import MAX_PAYLOAD, decode, encode
from edge.mqtt.connection import ConnectionLostError, TakenOverError, UnexplainedError
from edge.mqtt.duplicate_clients import DuplicateClientDetector
from edge.mqtt.mailbox import Mailbox, Version
from edge.mqtt.payloads import fitting_info, status_message
from edge.mqtt.retained import RetainedSpecimens


def differential(specimen, state="running", uuid=None):
    made = message(SpecimenCount(specimen, LABELS, 100), state)
    return msgspec.structs.replace(made, specimen_uuid=f"uuid of {specimen}" if uuid is None else uuid)


def test_of_one_specimen_only_the_latest_differential_waits():
    mailbox = Mailbox()
    assert (mailbox.next(), mailbox.settled, mailbox.delivered) == (Version(0, None, 0), True, True)
    for event in (1, 2, 3):
        mailbox.put(differential("A"), event)
    assert (mailbox.next().number, mailbox.next().event) == (3, 3)
    assert (mailbox.settled, mailbox.delivered) == (False, False)
    mailbox.acknowledged = 2
    assert not mailbox.settled
    mailbox.acknowledged = 3
    assert (mailbox.settled, mailbox.delivered) == (True, True)


def test_a_refused_differential_is_settled_and_not_delivered():
    mailbox = Mailbox()
    mailbox.put(differential("A"), 1)
    mailbox.refused = 1
    assert (mailbox.settled, mailbox.delivered) == (True, False)


def test_the_last_word_of_earlier_specimens_goes_before_the_current_one():
    mailbox = Mailbox()
    for specimen in "AABBC":
        mailbox.put(differential(specimen), 0)
    order = []
    while not mailbox.settled:
        version = mailbox.next()
        order.append((version.number, version.differential.specimen_id))
        if version.number == 4:
            mailbox.refused = 4  # one that is refused holds up no other
        else:
            mailbox.acknowledged = version.number
    assert order == [(2, "A"), (4, "B"), (5, "C")]
    assert (mailbox.next().number, len(mailbox.former)) == (5, 0)


def answered(mailbox, *, refused=()):
    """The numbers of all that is offered until nothing is left, these refused and the others taken."""
    offered = []
    while not mailbox.settled or mailbox.former:
        version = mailbox.next()
        if mailbox.settled and version == mailbox.current:
            break
        offered.append(version.number)
        if version.number in refused:
            mailbox.refused = version.number
        else:
            mailbox.take(version)
    return offered


def test_what_was_refused_waits_until_it_is_offered_again_and_the_current_count_comes_last_again():
    mailbox = Mailbox()
    for specimen in "ABC":
        mailbox.put(differential(specimen), 0)
    assert answered(mailbox, refused={1, 3}) == [1, 2, 3]
    assert mailbox.next().number == 3
    assert mailbox.offer_again()
    assert answered(mailbox) == [1, 3]
    assert not mailbox.offer_again(), "the broker has all"
    assert (mailbox.delivered, mailbox.next().number) == (True, 3)


def test_only_the_first_count_of_a_specimen_that_cannot_be_sent_is_one_to_tell_of():
    mailbox = Mailbox()
    told = []
    for specimen in "AABA":
        mailbox.put(differential(specimen), 0)
        told.append(mailbox.pass_over(mailbox.current))
    assert told == [True, False, True, False]
    assert mailbox.settled
    assert not mailbox.delivered


def test_an_older_count_of_a_specimen_does_not_come_again_behind_a_newer_one():
    mailbox = Mailbox()
    for specimen in "AB":
        mailbox.put(differential(specimen), 0)
    assert answered(mailbox, refused={1}) == [1, 2]
    mailbox.put(differential("A", "final"), 0)
    assert answered(mailbox) == [3]
    assert not mailbox.offer_again()
    assert mailbox.next().number == 3


def test_an_earlier_specimen_waits_whatever_its_name_and_the_same_one_never_twice():
    mailbox = Mailbox()
    for specimen in ("B", "A", "A", "C"):
        mailbox.put(differential(f"specimen-{specimen}"), 0)
    assert [version.differential.specimen_id for version in mailbox.former] == ["specimen-B", "specimen-A"]
    mailbox.acknowledged = 1
    assert mailbox.next().number == 3


def test_the_first_count_of_all_waits_like_any_other():
    mailbox = Mailbox()
    mailbox.put(differential("A"), 7)
    assert (mailbox.settled, mailbox.delivered) == (False, False)
    assert (mailbox.next().number, mailbox.next().event) == (1, 7)


def test_a_long_outage_keeps_two_hundred_specimens():
    mailbox = Mailbox()
    for number in range(203):
        mailbox.put(differential(f"S-{number}"), number)
    assert (len(mailbox.former), mailbox.next().differential.specimen_id) == (200, "S-2")


def test_a_specimen_that_stands_still_is_kept_by_the_broker_and_one_that_runs_is_cleared_once():
    kept = RetainedSpecimens("leukoscope/d")
    topic = "leukoscope/d/result/specimen/uuid of A"

    def said(version):
        return kept.message(version, b"" if version.differential is None else encode(version.differential))

    assert said(Version(0, None, 0)) is None
    first = said(Version(1, differential("A"), 0))
    assert (first.topic, first.payload, first.retain) == (topic, b"", True)
    assert first.key == ("specimen", "1")
    assert said(Version(1, differential("A"), 0)) is None, "asked again"
    assert said(Version(2, differential("A"), 0)) is None, "it is cleared already"
    final = said(Version(3, differential("A", "final"), 0))
    assert (final.topic, decode(final.payload).state, final.retain) == (topic, "final", True)
    again = said(Version(4, differential("A"), 0))
    assert (again.topic, again.payload) == (topic, b"")
    assert said(Version(5, differential("B"), 0)).topic.endswith("/uuid of B")
    assert said(Version(6, differential("A"), 0)).payload == b""
    assert said(Version(7, differential("A", "final", uuid=""), 0)) is None, "of an old store"


def test_a_status_is_kept_by_the_broker_and_says_who():
    for state in ("online", "offline"):
        said = status_message("d", state)
        assert (said.topic, said.retain, said.key) == ("leukoscope/d/status", True, ("status", state))
        assert (decode(said.payload).state, decode(said.payload).device_id) == (state, "d")


def test_a_configuration_that_is_too_long_is_left_out_of_what_the_device_says_of_itself():
    plain = msgspec.structs.replace(info(), config={"camera": {"paths": ["x" * 100]}})
    assert decode(fitting_info(plain)).config == plain.config
    long = msgspec.structs.replace(info(), config={"camera": {"paths": ["x" * MAX_PAYLOAD]}})
    assert decode(fitting_info(long)).config == {}
    assert decode(fitting_info(long)).device_id == DEVICE


def test_a_client_that_takes_the_session_over_is_named_at_once_and_an_unexplained_end_the_third_time():
    told = DuplicateClientDetector("leukoscope-d", 60.0)
    told.connection_lost(TakenOverError())
    assert told.notice.startswith("another client uses this device's id, leukoscope-d")
    odd = DuplicateClientDetector("leukoscope-d", 60.0)
    odd.connection_lost(UnexplainedError())
    odd.connection_lost(ConnectionLostError())
    odd.connection_lost(UnexplainedError())
    assert odd.notice is None
    odd.connection_lost(UnexplainedError())
    assert odd.notice.startswith("perhaps another client uses this device's id, leukoscope-d")
    odd.connection_lost(TakenOverError())
    assert odd.notice.startswith("another client")
    odd.connection_lost(UnexplainedError())
    assert odd.notice.startswith("another client"), "what is known is not guessed again"


@pytest.mark.parametrize(("connected_s", "left"), [(0, False), (120, False), (120.1, True), (1e5, True)])
def test_after_twice_its_longest_rest_the_other_client_is_gone(connected_s, left):
    told = DuplicateClientDetector("leukoscope-d", 60.0)
    assert not told.has_left(1e6), "there was none"
    told.connection_lost(UnexplainedError())
    told.connection_lost(TakenOverError())
    assert told.has_left(connected_s) == left
    assert (told.notice is None) == left
    # It is forgotten whole: it takes three odd ends again.
    for _ in range(2):
        told.connection_lost(UnexplainedError())
    assert (told.notice is None) == left
