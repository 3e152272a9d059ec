"""People, PINs and sessions: kept so that a thief of the file has nothing, and guessing does not pay."""

from __future__ import annotations

import sqlite3
import stat
from contextlib import closing

import pytest

from edge.errors import PeopleError, TooManyGuessesError
from edge.people import People, Person, may, pins
from edge.people.people import GUESSES_FROM_ADDRESS, GUESSES_OF_PERSON, IDLE_S, SESSION_S, WINDOW_S
from edge.people.pins import check_pin

PIN = "471193"
ADDRESS = "192.0.2.7"


class Clock:
    def __init__(self):
        self.now = 1_800_000_000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def people(tmp_path, clock):
    made = People(tmp_path / "people.db", clock)
    made.add("K7", "Amina", "administrator", PIN)
    return made


def test_the_right_pin_is_known_and_a_wrong_one_is_not(people):
    assert people.check("K7", PIN, ADDRESS) == Person("K7", "Amina", "administrator")
    assert people.check("k7", PIN, ADDRESS) == Person("K7", "Amina", "administrator"), "a phone begins large"
    assert people.check("K7", PIN + "0", ADDRESS) is None
    assert people.check("K8", PIN, ADDRESS) is None


def test_the_file_is_for_its_owner_and_holds_neither_pin_nor_token(people, tmp_path):
    token = people.open_session(people.check("K7", PIN, ADDRESS))
    assert people.session(token) is not None
    files = list(tmp_path.iterdir())
    assert files
    for path in files:
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path
        content = path.read_bytes()
        assert PIN.encode() not in content
        assert token.encode() not in content


@pytest.mark.parametrize(
    ("pin", "good"),
    [
        ("471193", True),
        ("a long sentence of words", True),
        ("12345", False),
        ("123456", False),
        ("987654321", False),
        ("000000", False),
        ("121212", False),
        ("4711\n93", False),
        ("x1" * 40, False),
    ],
)
def test_a_pin_that_is_guessed_first_is_refused(pin, good):
    if good:
        check_pin(pin)
        return
    with pytest.raises(PeopleError, match="PIN"):
        check_pin(pin)


def test_a_pin_costs_who_guesses_it_what_owasp_advises(shipped_pin_cost, monkeypatch):
    monkeypatch.setattr(pins, "COST", shipped_pin_cost)
    kept = pins.hash_pin(PIN)
    assert kept.startswith("14$8$5$"), "128 * 8 * 2**14 bytes of memory, five times"
    assert pins.matches(PIN, kept)


@pytest.mark.parametrize(
    ("code", "name", "role", "sentence"),
    [
        ("a b", "", "operator", "letters, digits"),
        ("", "", "operator", "letters, digits"),
        ("x" * 33, "", "operator", "letters, digits"),
        ("K8", "<script>", "operator", "without < and >"),
        ("K8", "two\nlines", "operator", "on one line"),
        ("K8", "", "nurse", "operator, reviewer, administrator"),
        ("K7", "", "operator", "already"),
        ("k7", "", "operator", "already"),
    ],
)
def test_who_cannot_be_added_is_said_why(people, code, name, role, sentence):
    with pytest.raises(PeopleError, match=sentence):
        people.add(code, name, role, PIN)
    assert [each.code for each in people.all()] == ["K7"]


def test_the_first_is_an_administrator_and_the_last_one_stays(tmp_path, people):
    with pytest.raises(PeopleError, match="the first person is an administrator"):
        People(tmp_path / "other.db").add("K1", "", "operator", PIN)
    people.add("K8", "", "operator", PIN)
    with pytest.raises(PeopleError, match="K7 is the last administrator"):
        people.remove("K7")
    people.remove("K8")
    people.remove("K7")
    assert not people.anybody(), "the device is then its owner's again: it serves itself only"


@pytest.mark.parametrize(
    ("role", "allowed"),
    [
        ("operator", {"operator"}),
        ("reviewer", {"operator", "reviewer"}),
        ("administrator", {"operator", "reviewer", "administrator"}),
    ],
)
def test_a_role_includes_those_below_it(role, allowed):
    person = Person("K1", "", role)
    assert {needed for needed in ("operator", "reviewer", "administrator") if may(person, needed)} == allowed


def test_guessing_a_persons_pin_is_ended_and_forgotten_after_a_while(people, clock):
    for number in range(GUESSES_OF_PERSON):
        assert people.check("K7", f"wrong {number}", f"192.0.2.{number}") is None
    with pytest.raises(TooManyGuessesError) as caught:
        people.check("K7", PIN, "192.0.2.99")
    assert 0 < caught.value.retry_s <= WINDOW_S
    clock.now += WINDOW_S + 1
    assert people.check("K7", PIN, ADDRESS) is not None


def test_guessing_many_peoples_pins_from_one_address_is_ended(people, monkeypatch):
    monkeypatch.setattr("edge.people.people.matches", lambda *_: False)  # scrypt takes its time, by design
    for number in range(GUESSES_FROM_ADDRESS):
        assert people.check(f"X{number}", PIN, ADDRESS) is None
    with pytest.raises(TooManyGuessesError):
        people.check("K7", PIN, ADDRESS)


def test_a_lock_survives_a_restart_and_ends_with_a_reset_at_the_device(people, clock, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr("edge.people.people.matches", lambda *_: False)
        for _ in range(GUESSES_OF_PERSON):
            people.check("K7", "wrong", ADDRESS)
    again = People(tmp_path / "people.db", clock)
    with pytest.raises(TooManyGuessesError):
        again.check("K7", PIN, ADDRESS)
    again.reset("K7", "822640")
    assert again.check("K7", PIN, ADDRESS) is None
    assert again.check("K7", "822640", ADDRESS) is not None


def test_a_session_ends_when_it_is_idle_and_after_a_shift(people, clock):
    person = people.check("K7", PIN, ADDRESS)
    idle, used = people.open_session(person), people.open_session(person)
    opened = clock.now
    while clock.now < opened + SESSION_S - IDLE_S:
        clock.now += IDLE_S - 1
        assert people.session(used) == person
    assert people.session(idle) is None
    clock.now = opened + SESSION_S + 1
    assert people.session(used) is None


def test_a_page_that_looks_again_by_itself_keeps_no_session_alive(people, clock):
    token = people.open_session(people.check("K7", PIN, ADDRESS))
    clock.now += IDLE_S - 100
    assert people.session(token, used=False) is not None
    clock.now += 200
    assert people.session(token, used=False) is None


@pytest.mark.parametrize("ahead", [120.0, SESSION_S, 400 * 24 * 3600.0])
def test_a_session_of_a_clock_that_was_ahead_is_none(people, clock, ahead):
    clock.now += ahead
    token = people.open_session(people.check("K7", PIN, ADDRESS))
    assert people.session(token) is not None
    clock.now -= ahead
    assert people.session(token) is None
    people.open_session(people.check("K7", PIN, ADDRESS))  # which forgets it, so that it does not come back
    clock.now += ahead
    assert people.session(token) is None


def test_a_session_that_was_used_under_a_clock_that_was_ahead_is_none(people, clock):
    token = people.open_session(people.check("K7", PIN, ADDRESS))
    clock.now += IDLE_S - 10
    assert people.session(token) is not None
    clock.now -= IDLE_S - 20
    assert people.session(token) is None


def test_a_clock_that_is_set_back_by_a_little_ends_no_session(people, clock):
    token = people.open_session(people.check("K7", PIN, ADDRESS))
    clock.now -= 30
    assert people.session(token) is not None


def test_a_session_is_known_while_its_use_cannot_be_kept(people, clock, tmp_path):
    token = people.open_session(people.check("K7", PIN, ADDRESS))
    clock.now += IDLE_S - 100
    with closing(sqlite3.connect(tmp_path / "people.db", isolation_level=None)) as db:
        db.execute("BEGIN IMMEDIATE")
        assert people.session(token) is not None
        db.execute("ROLLBACK")


@pytest.mark.parametrize("end", ["sign out", "reset", "remove"])
def test_a_session_ends_at_once_with(people, end):
    people.add("K9", "", "administrator", PIN)
    token = people.open_session(people.check("K9", PIN, ADDRESS))
    assert people.session(token) is not None
    {
        "sign out": lambda: people.close_session(token),
        "reset": lambda: people.reset("K9", "822640"),
        "remove": lambda: people.remove("K9"),
    }[end]()
    assert people.session(token) is None


@pytest.mark.parametrize("token", ["", "x", "\x00", "' OR 1=1 --", "\ud800", "x" * 10_000])
def test_a_forged_token_is_nobodys(people, token):
    people.open_session(people.check("K7", PIN, ADDRESS))
    assert people.session(token) is None


def test_the_trail_has_who_did_what_from_where_and_what_came_of_it(people):
    people.check("K7", "wrong", ADDRESS)
    number = people.note("specimen sign", code="K7", address=ADDRESS, about="S-1")
    assert people.trail(1)[0].outcome is None, "what is cut off on its way is seen"
    people.note_outcome(number, "done")
    signed, guessed, added = people.trail()
    assert (signed.action, signed.code, signed.about, signed.outcome) == (
        "specimen sign",
        "K7",
        "S-1",
        "done",
    )
    assert (guessed.action, guessed.address, guessed.outcome) == ("sign-in", ADDRESS, "wrong code or PIN")
    assert added.about == "K7 (administrator)"


def test_a_file_of_another_kind_is_refused_and_stays(tmp_path):
    path = tmp_path / "people.db"
    for content in (b"no database at all" * 100,):
        path.write_bytes(content)
        with pytest.raises(PeopleError, match=r"it is damaged; move it away, .* and add the people again$"):
            People(path).all()
        assert path.read_bytes() == content
    path.unlink()
    other = sqlite3.connect(path)
    other.execute("PRAGMA application_id = 7")
    other.execute("CREATE TABLE t (x)")
    other.close()
    with pytest.raises(PeopleError, match="no file of people"):
        People(path).anybody()
