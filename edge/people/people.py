"""People, their PINs and their sessions, in the file beside the store. Usable from any thread."""

from __future__ import annotations

import hashlib
import logging
import secrets
import time
from pathlib import Path
from typing import TYPE_CHECKING, Self

from edge import identity
from edge.errors import PeopleError, TooManyGuessesError
from edge.people import audit
from edge.people.database import kept_open, opened, reading
from edge.people.person import Person, check_words
from edge.people.pins import check_pin, hash_pin, matches

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable

log = logging.getLogger(__name__)

IDLE_S = 30 * 60.0
"""How long a session lives without being used."""

SESSION_S = 12 * 3600.0
"""How long a session lives at the most: one shift."""

WINDOW_S = 15 * 60.0
"""Over how long wrong PINs are counted."""

GUESSES_OF_PERSON, GUESSES_FROM_ADDRESS = 5, 20
"""How many wrong PINs there may be within it."""

_TOUCH_S = 60.0  # a page asks many times a minute, and each note of it is a write to the card
_TOUCH_WAIT_S = 1.0  # for others who write: a page does not wait longer for what it can do without
_AHEAD_S = 60.0  # a session of later than that is of a clock that was ahead: it would live on for as long
_LOCAL = "the device itself"
_PERSON = "SELECT code, name, role FROM people"


def people_file(store: Path) -> Path:
    """Return where the people of a store's device are kept."""
    return store.with_name("people.db")


class People:
    """The people of a device. All methods raise PeopleError.

    clock: seconds since 1970, which ends sessions and forgets wrong PINs. keep_open: keep what it reads with
    for a moment, for who asks many times a second. noted, where a person is added, removed or given another
    PIN: who calls notes it in the audit trail, as the page does; else it was done on the device itself.
    """

    def __init__(
        self, path: Path, clock: Callable[[], float] = time.time, *, keep_open: bool = False
    ) -> None:
        self._path = path
        self._clock = clock
        self._kept = kept_open(path) if keep_open else None

    @classmethod
    def beside(cls, store: str, *, keep_open: bool = False) -> Self:
        """Return the people of the device whose store is at that path."""
        return cls(people_file(Path(store)), keep_open=keep_open)

    def anybody(self) -> bool:
        """Whether there is a person."""
        if not self._path.is_file():
            return False
        with reading(self._path, self._kept) as db:
            return db.execute("SELECT 1 FROM people").fetchone() is not None

    def all(self) -> list[Person]:
        """Return everybody, by code."""
        if not self._path.is_file():
            return []
        with reading(self._path, self._kept) as db:
            return [Person(*row) for row in db.execute(f"{_PERSON} ORDER BY code").fetchall()]

    def add(self, code: str, name: str, role: str, pin: str, *, noted: bool = False) -> Person:
        """Add a person. The first is an administrator: nobody else could add the second."""
        person = check_words(code, name, role)
        check_pin(pin)
        kept = hash_pin(pin)
        with opened(self._path) as db:
            if _find(db, code) is not None:
                raise PeopleError(f"there is a person {code} already")
            if person.role != "administrator" and not _administrators(db):
                raise PeopleError("the first person is an administrator, who can add the others")
            at = identity.now().isoformat()
            db.execute("INSERT INTO people VALUES (?, ?, ?, ?, ?)", (*person, kept, at))
            if not noted:
                _note_here(db, "person added", f"{code} ({role})")
        return person

    def remove(self, code: str, *, noted: bool = False) -> None:
        """Remove a person, whose sessions end. What they did stays on record."""
        with opened(self._path) as db:
            person = _expected(db, code)
            others = db.execute("SELECT count(*) FROM people WHERE code <> ?", (code,)).fetchone()[0]
            if others and _administrators(db) == [person.code]:
                raise PeopleError(f"{person.code} is the last administrator: add another one first")
            db.execute("DELETE FROM people WHERE code = ?", (code,))
            if not noted:
                _note_here(db, "person removed", person.code)

    def reset(self, code: str, pin: str, *, noted: bool = False) -> None:
        """Set a person's PIN: their sessions end, and wrong PINs so far are forgotten."""
        check_pin(pin)
        kept = hash_pin(pin)
        with opened(self._path) as db:
            person = _expected(db, code)
            db.execute("UPDATE people SET pin = ? WHERE code = ?", (kept, code))
            db.execute("DELETE FROM sessions WHERE code = ?", (code,))
            db.execute("DELETE FROM guesses WHERE code = ?", (code,))
            if not noted:
                _note_here(db, "PIN reset", person.code)

    def check(self, code: str, pin: str, address: str, *, purpose: str = "sign-in") -> Person | None:
        """Return the person whose PIN this is; None where it is not, which is noted, and takes as long.

        Raises TooManyGuessesError after too many wrong ones of this person, or from this address.
        """
        code = code[:64]
        number = self._claim_guess(code, address, purpose)
        with reading(self._path, self._kept) as db:
            row = db.execute("SELECT pin FROM people WHERE code = ?", (code,)).fetchone()
        right = matches(pin, None if row is None else row[0])
        with opened(self._path) as db:
            person = _find(db, code) if right else None
            # The claim stays where the PIN was wrong. A right one clears what this person mistyped from here.
            if person is not None:
                query = "DELETE FROM guesses WHERE number = ? OR code = ? AND address = ?"
                db.execute(query, (number, code, address))
            outcome = "done" if person is not None else "wrong code or PIN"
            audit.note(db, purpose, code=code, address=address, outcome=outcome)
        return person

    def open_session(self, person: Person) -> str:
        """Return the token of a new session, which is kept nowhere: only its hash is."""
        token = secrets.token_urlsafe(32)
        now = self._clock()
        with opened(self._path) as db:
            self._forget_old(db, now)
            db.execute("INSERT INTO sessions VALUES (?, ?, ?, ?)", (_hashed(token), person.code, now, now))
        return token

    def session(self, token: str, *, used: bool = True) -> Person | None:
        """Return whose session this is; None where it has ended or never was.

        used: a person has done something; a page that only looks again by itself keeps no session alive.
        """
        if not self._path.is_file():
            return None
        query = (
            "SELECT people.code, name, role, opened_s, used_s FROM sessions JOIN people USING (code)"
            " WHERE token = ?"
        )
        now = self._clock()
        with reading(self._path, self._kept) as db:
            row = db.execute(query, (_hashed(token),)).fetchone()
        latest = now + _AHEAD_S
        if row is None or not (now - SESSION_S < row[3] < latest and now - IDLE_S < row[4] < latest):
            return None
        if used and now - row[4] > _TOUCH_S:
            try:
                with opened(self._path, wait_s=_TOUCH_WAIT_S) as db:
                    db.execute("UPDATE sessions SET used_s = ? WHERE token = ?", (now, _hashed(token)))
            except PeopleError as error:  # the disk is full: who may look at it is known all the same
                log.warning("that a session is in use cannot be kept, so it may end early: %s", error)
        return Person(*row[:3])

    def close_session(self, token: str) -> None:
        """End a session."""
        with opened(self._path) as db:
            db.execute("DELETE FROM sessions WHERE token = ?", (_hashed(token),))

    def note(self, action: str, *, code: str | None, address: str, about: str | None = None) -> int:
        """Write into the audit trail what is about to be done, and return the entry's number."""
        with opened(self._path) as db:
            return audit.note(db, action, code=code, address=address, about=about)

    def note_outcome(self, number: int, outcome: str) -> None:
        """Add to an entry of the audit trail what came of it."""
        with opened(self._path) as db:
            db.execute("UPDATE audit SET outcome = ? WHERE number = ?", (outcome[:200], number))

    def trail(self, limit: int = 200) -> list[audit.AuditEntry]:
        """Return the latest entries of the audit trail, the newest first."""
        if not self._path.is_file():
            return []
        with reading(self._path, self._kept) as db:
            return audit.entries(db, limit)

    def _claim_guess(self, code: str, address: str, purpose: str) -> int:
        """Count a guess before it is tried: a hundred at once are then a hundred, too."""
        now = self._clock()
        with opened(self._path) as db:
            self._forget_old(db, now)
            for column, value, most in (
                ("code", code, GUESSES_OF_PERSON),
                ("address", address, GUESSES_FROM_ADDRESS),
            ):
                query = f"SELECT count(*), min(at_s) FROM guesses WHERE {column} = ?"  # noqa: S608
                count, first = db.execute(query, (value,)).fetchone()
                if count >= most:
                    raise TooManyGuessesError(max(1, round(first + WINDOW_S - now)))
            guess = db.execute(
                "INSERT INTO guesses (code, address, at_s) VALUES (?, ?, ?)", (code, address, now)
            )
            count = db.execute("SELECT count(*) FROM guesses WHERE code = ?", (code,)).fetchone()[0]
            if count == GUESSES_OF_PERSON:
                audit.note(db, purpose, code=code, address=address, outcome="the last guess for a while")
            return guess.lastrowid or 0

    def _forget_old(self, db: sqlite3.Connection, now: float) -> None:
        # What lies ahead is of a clock that was wrong.
        db.execute("DELETE FROM guesses WHERE at_s < ? OR at_s > ?", (now - WINDOW_S, now + WINDOW_S))
        db.execute("DELETE FROM sessions WHERE opened_s < ? OR used_s < ?", (now - SESSION_S, now - IDLE_S))
        db.execute("DELETE FROM sessions WHERE max(opened_s, used_s) > ?", (now + _AHEAD_S,))


def _note_here(db: sqlite3.Connection, action: str, about: str) -> None:
    audit.note(db, action, code=None, address=_LOCAL, about=about, outcome="done")


def _find(db: sqlite3.Connection, code: str) -> Person | None:
    row = db.execute(f"{_PERSON} WHERE code = ?", (code,)).fetchone()
    return None if row is None else Person(*row)


def _expected(db: sqlite3.Connection, code: str) -> Person:
    person = _find(db, code)
    if person is None:
        raise PeopleError(f"there is no person {code}")
    return person


def _administrators(db: sqlite3.Connection) -> list[str]:
    return [row[0] for row in db.execute("SELECT code FROM people WHERE role = 'administrator'")]


def _hashed(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
