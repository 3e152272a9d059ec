from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from edge import messages
from edge.commands import Commands

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
