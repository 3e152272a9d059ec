"""What a browser is shown where something cannot be: a sentence in its reader's language, and a way on."""

from __future__ import annotations

import re
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

import pytest
from served import PEOPLE, PIN, Served
from stored import count_into

from edge.people import people_file
from edge.web.languages import LANGUAGES, Words
from edge.web.pages import TEMPLATES, on_this_device

BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
SCRIPT = {"Accept": "application/json"}


def in_language(code, headers=BROWSER):
    return {**headers, "Accept-Language": code}


def words(sentence, code):
    return Words(LANGUAGES[code])(sentence)


@pytest.fixture
def alone(tmp_path):
    """A page of its own, whose files are to be spoilt."""
    served = Served(tmp_path, PEOPLE)
    count_into(served.store, "S-1", 4)
    yield served
    served.close()


def people_of(page):
    return closing(sqlite3.connect(people_file(page.store), isolation_level=None))


def test_a_file_of_people_that_cannot_be_read_is_said_in_a_page_with_its_style(alone):
    cookie = alone.sign_in("ADA")
    people_file(alone.store).write_bytes(b"no database any more" * 1000)
    Path(f"{people_file(alone.store)}-wal").unlink(missing_ok=True)
    sentence = "who may use this device cannot be looked up just now: is its disk full? Its log says more"
    ends = time.monotonic() + 3  # that there are people is believed for a moment, then asked again
    while time.monotonic() < ends:
        for path in ("/", "/specimens/S-1/report"):
            answer = alone.ask("GET", path, cookie=cookie, headers=in_language("ar"))
            assert (answer.status, answer.headers["content-type"]) == (503, "text/html; charset=utf-8")
            assert words(sentence, "ar") in answer.body.decode()
            assert str(alone.folder) not in answer.body.decode()
        answer = alone.ask("GET", "/api/v1/specimens", cookie=cookie, headers=in_language("fr", SCRIPT))
        assert (answer.status, answer.json) == (503, {"error": words(sentence, "fr")})
        assert alone.ask("GET", "/static/page.css").status == 200
        time.sleep(0.3)


def test_who_is_signed_in_looks_on_while_the_file_of_people_cannot_be_written(alone):
    cookie = alone.sign_in("ADA")
    with people_of(alone) as db:
        db.execute("UPDATE sessions SET used_s = used_s - 120")  # that it is used is to be noted again
        db.execute("BEGIN IMMEDIATE")
        begun = time.monotonic()
        answer = alone.ask("GET", "/specimens/S-1/report", cookie=cookie, headers=BROWSER)
        assert (answer.status, time.monotonic() - begun < 5) == (200, True)
        db.execute("ROLLBACK")


def test_an_order_that_is_done_is_not_said_to_have_failed_by_the_trail(alone):
    cookie = alone.sign_in("ADA")
    with people_of(alone) as db:
        db.execute(
            "CREATE TRIGGER full BEFORE UPDATE ON audit BEGIN SELECT RAISE(ABORT, 'disk is full'); END"
        )
    order = {"reason": "too thick"}
    answer = alone.ask("POST", "/api/v1/specimens/S-1/discard", order, cookie=cookie)
    assert (answer.status, answer.json["state"]) == (200, "discarded")
    answer = alone.ask("POST", "/api/v1/specimens/S-1/discard", order, cookie=cookie)
    assert answer.status == 409, "and why one is refused is said, too"
    assert "disk is full" in alone.log.read_text(encoding="utf-8")


@pytest.mark.parametrize("path", ["/specimens/", "/nothing", "/specimens/S-1/nothing", "/static/nothing.css"])
def test_an_address_that_is_mistyped_leads_to_the_start(page, cookies, path):
    answer = page.ask("GET", path, cookie=cookies["OPE"], headers=in_language("bn"))
    assert (answer.status, answer.headers["content-type"]) == (404, "text/html; charset=utf-8")
    assert words("there is no such page", "bn") in answer.body.decode()
    assert '<a class="button" href="/">' in answer.body.decode()
    answer = page.ask("GET", path, cookie=cookies["OPE"], headers=in_language("fr", SCRIPT))
    assert (answer.status, answer.json) == (404, {"error": words("there is no such page", "fr")})


def test_the_api_answers_json_whoever_asks(page, cookies):
    answer = page.ask("GET", "/api/v1/nothing", cookie=cookies["OPE"], headers=BROWSER)
    assert (answer.status, set(answer.json)) == (404, {"error"})


def test_who_is_not_signed_in_is_told_so_in_the_own_language(page):
    for method, path in (("GET", "/api/v1/specimens"), ("GET", "/api/v1/session"), ("GET", "/events")):
        answer = page.ask(method, path, headers=in_language("sw", SCRIPT))
        assert (answer.status, answer.json) == (401, {"error": words("sign in first", "sw")})


ELSEWHERE = (
    *("//evil.example", "/\\evil.example", "/\t/evil.example", "/\n/evil.example", "\t//evil.example"),
    *("https://evil.example", "evil.example", "/\u00a0/evil.example", "javascript:alert(1)", "", "/a\r\nb"),
)


@pytest.mark.parametrize("there", ELSEWHERE)
def test_no_address_leads_from_this_page_to_another_device(page, there):
    answer = page.ask("GET", f"/sign-in?next={quote(there)}")
    assert re.search(r'data-next="([^"]*)"', answer.body.decode())[1] == "/"
    answer = page.ask("GET", f"/language?to=fr&back={quote(there)}")
    assert answer.headers["location"] == "/"


@pytest.mark.parametrize("there", ["/", "/live", "/specimens/S-1?show=doubtful", "/specimens/a%2Fb%20c"])
def test_an_address_of_this_device_stays(there):
    assert on_this_device(there) == there


def test_without_its_script_no_form_writes_a_pin_into_the_address(page):
    forms = [
        form
        for template in TEMPLATES.glob("*.html")
        for form in re.findall(r"<form[^>]*>", template.read_text(encoding="utf-8"))
        if "data-post" in form
    ]
    assert len(forms) > 10
    assert [form for form in forms if 'method="post"' not in form] == []
    # What then comes is refused in a page, and the PIN is nowhere in it.
    headers = {**BROWSER, "Content-Type": "application/x-www-form-urlencoded"}
    answer = page.ask("POST", "/sign-in", raw=f"code=ADA&pin={PIN}".encode(), headers=headers)
    assert (answer.status, PIN in answer.body.decode()) == (405, False)


def test_a_pin_of_letters_can_be_typed_on_a_phone():
    assert [each.name for each in TEMPLATES.glob("*.html") if "numeric" in each.read_text("utf-8")] == []


ODD = "A#1?x%41 &b"


def test_an_id_of_any_signs_has_links_that_lead_to_it(page, cookies):
    """Release 0.1 took them as they came."""
    count_into(page.store, ODD, 4, target=4)
    cookie = cookies["ADA"]
    there = f"/specimens/{quote(ODD, safe='')}"
    seen = {
        path: page.ask("GET", path, cookie=cookie).body.decode()
        for path in ("/", "/specimens", there, f"{there}/review", f"{there}/report")
    }
    for path, html in seen.items():
        links = re.findall(r'(?:href|data-post|data-next)="((?:/api/v1)?/specimens/[^"]+)"', html)
        assert links, path
        for link in links:
            assert link.startswith((there, f"/api/v1{there}")), (path, link)
    for link in set(re.findall(r'href="((?:/api/v1)?/specimens/[^"]+)"', "".join(seen.values()))):
        assert page.ask("GET", link, cookie=cookie).status == 200, link
    sign = re.search(r'data-post="([^"]+/sign)"', seen[f"{there}/review"])[1]
    assert page.ask("POST", sign, {"pin": PIN, "reason": "x"}, cookie=cookie).status == 200
    answer = page.ask("GET", f"{there}/review", headers=BROWSER)
    assert answer.headers["location"] == f"/sign-in?next={quote(f'{there}/review', safe='/')}"
