"""Who started, stopped, renamed, discarded a specimen over the page stays with it and is on its report."""

from __future__ import annotations

import html
import re

import pytest
from served import PIN, Served
from stored import count_into

from edge.store.fields import Store
from edge.web.languages import LANGUAGES, Words


@pytest.fixture(scope="module")
def ask(page, cookies):
    def asked(method, path, body=None, *, who="REV"):
        return page.ask(method, f"/api/v1{path}", body, cookie=cookies[who])

    return asked


@pytest.fixture(scope="module")
def screen(page, cookies):
    """Return a function that gives a screen's text, without its marks."""

    def shown(path, language="en"):
        answer = page.ask("GET", path, cookie=cookies["REV"], headers={"Accept-Language": language})
        assert answer.status == 200, answer
        lines = re.sub(r"</(li|p)>", "\n", answer.body.decode())
        return html.unescape(re.sub(r"<[^>]+>", "", lines))

    return shown


def sign(ask, specimen_id):
    assert ask("POST", f"/specimens/{specimen_id}/sign", {"pin": PIN, "reason": "few"}).status == 200


def test_each_order_is_kept_with_the_specimen_under_who_gave_it(page, ask):
    assert ask("POST", "/specimens", {"specimen_id": "D-1"}, who="OPE").status == 200
    assert ask("POST", "/specimens/D-1/stop", {}, who="OPE").status == 200
    assert ask("POST", "/specimens", {"specimen_id": "D-1", "resume": True}, who="ADA").status == 200
    assert ask("POST", "/specimens/D-1/stop", {}, who="ADA").status == 200
    assert ask("POST", "/specimens/D-1/rename", {"new_id": "D-2"}).status == 200
    assert ask("POST", "/specimens/D-2/discard", {"reason": "clotted"}).status == 200
    history = ask("GET", "/specimens/D-2/history").json
    assert [(each["kind"], each["operator"]) for each in history] == [
        ("started", "OPE"),
        ("stopped", "OPE"),
        ("resumed", "ADA"),
        ("stopped", "ADA"),
        ("renamed", "REV"),
        ("discarded", "REV"),
    ]
    found = ask("GET", "/specimens/D-2").json
    assert [(each["what"], each["operator"]) for each in found["changes"]] == [
        ("it was renamed from D-1", "REV")
    ]
    assert (found["discarded"]["operator"], found["discarded"]["why"]) == ("REV", "clotted")
    with Store.open(page.store) as store:
        assert store.ledger.find("D-2").discarded.operator == "REV"


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_report_says_who_changed_what_and_why_in_every_language(page, ask, screen, language):
    name = f"C-{language}"
    ids = count_into(page.store, f"{name}-typo", 4)
    assert ask("POST", f"/specimens/{name}-typo/rename", {"new_id": name}, who="ADA").status == 200
    sign(ask, name)
    body = {"cell_ids": ids[:1], "action": "relabel", "label": "blast", "reason": "fields were added"}
    assert ask("POST", f"/specimens/{name}/review", body, who="OPE").status == 200
    words = Words(LANGUAGES[language])
    report = screen(f"/specimens/{name}/report", language)
    renamed, corrected = re.findall(r"\d\d:\d\d ([A-Z]{3}): (.+)", report)
    assert renamed == (
        "ADA",
        f"{words('it was renamed from %(id)s', id=f'{name}-typo')} \u2013 {words('the id was mistyped')}",
    )
    assert corrected[0] == "OPE"
    assert corrected[1].endswith(" \u2013 fields were added"), "a person's words stay as they were typed"
    if language != "en":
        assert "mistyped" not in report
    assert ask("POST", f"/specimens/{name}/discard", {"reason": "mixed up", "pin": PIN}).status == 200
    assert re.search(r": mixed up .*REV", screen(f"/specimens/{name}/report", language))
    assert re.search(r": mixed up .*REV", screen(f"/specimens/{name}/review", language))


def test_what_the_device_did_is_said_in_the_readers_language_and_of_nobody(page, screen):
    count_into(page.store, "C-8", 4)
    with Store.open(page.store) as store:
        store.ledger.start("C-8", target=None, wbc_count=None, resume=True)
        store.ledger.stop("C-8", "the target of 4 cells is reached")
    assert re.search(
        "\\d\\d:\\d\\d: arrêté \u2013 l'objectif de 4 cellules est atteint",
        screen("/specimens/C-8/review", "fr"),
    )


def test_a_signed_specimen_is_discarded_with_the_own_pin_only(page, ask):
    ids = count_into(page.store, "G-1", 4)
    sign(ask, "G-1")
    revision = ask("GET", "/specimens/G-1").json["revision"]
    reason = {"reason": "mixed up"}
    for body, status in (
        (reason, 403),
        ({**reason, "pin": "000000"}, 403),
        ({**reason, "pin": PIN, "code": "ADA"}, 403),
        ({"pin": PIN}, 422),
        ({**reason, "pin": PIN, "revision": revision - 1}, 409),
    ):
        assert ask("POST", "/specimens/G-1/discard", body).status == status, body
        assert ask("GET", "/specimens/G-1").json["state"] == "final"
    assert ask("POST", "/specimens/G-1/discard", {**reason, "pin": PIN}, who="OPE").status == 403
    # What was signed and then corrected waits for a signature, and is no easier to be rid of.
    body = {"cell_ids": ids[:1], "action": "exclude", **reason}
    assert ask("POST", "/specimens/G-1/review", body).status == 200
    assert ask("GET", "/specimens/G-1").json["signature"] is None
    assert ask("POST", "/specimens/G-1/discard", reason).status == 403
    body = {**reason, "pin": PIN, "revision": revision + 1}
    assert ask("POST", "/specimens/G-1/discard", body).json["state"] == "discarded"
    entry = next(each for each in page.people.trail() if each.action == "PIN asked again")
    assert (entry.code, entry.outcome) == ("REV", "done")


def test_an_unsigned_specimen_is_discarded_without_a_pin_if_it_is_still_as_it_was_seen(page, ask):
    count_into(page.store, "G-2", 4)
    revision = ask("GET", "/specimens/G-2").json["revision"]
    body = {"reason": "clotted", "revision": revision - 1}
    assert ask("POST", "/specimens/G-2/discard", body).status == 409
    body = {"reason": "clotted", "revision": revision}
    assert ask("POST", "/specimens/G-2/discard", body).json["state"] == "discarded"


def test_the_form_asks_for_the_pin_where_the_order_needs_it(page, ask, cookies):
    count_into(page.store, "G-3", 4)

    def form():
        shown = page.ask("GET", "/specimens/G-3/review", cookie=cookies["REV"]).body.decode()
        return re.search(r'<form[^>]*id="discard".*?</form>', shown, re.DOTALL)[0]

    assert 'name="pin"' not in form()
    sign(ask, "G-3")
    revision = ask("GET", "/specimens/G-3").json["revision"]
    assert re.search(r'name="pin"[^>]* required', form())
    assert f'data-revision="{revision}"' in form()


def test_where_nobody_has_a_pin_a_code_says_who_discards_what_was_signed(tmp_path):
    alone = Served(tmp_path)
    try:
        count_into(alone.store, "G-4", 4)
        assert alone.ask("POST", "/api/v1/specimens/G-4/sign", {"code": "K7", "reason": "few"}).status == 200
        assert 'id="who" name="code"' in alone.ask("GET", "/specimens/G-4/review").body.decode()
        order = "/api/v1/specimens/G-4/discard"
        assert alone.ask("POST", order, {"reason": "mixed up"}).status == 422
        assert alone.ask("POST", order, {"reason": "mixed up", "code": "<b>"}).status == 422
        assert alone.ask("POST", order, {"reason": "mixed up", "code": "K7"}).status == 200
        history = alone.ask("GET", "/api/v1/specimens/G-4/history").json
        assert (history[-1]["kind"], history[-1]["operator"]) == ("discarded", "K7")
    finally:
        alone.close()


def test_people_who_are_added_changed_and_removed_stand_once_each_in_the_audit_trail(ask):
    before = ask("GET", "/audit?limit=1", who="ADA").json[0]["number"]
    new = {"code": "NEW", "role": "operator", "pin": PIN}
    assert ask("POST", "/people", new, who="ADA").status == 200
    assert ask("POST", "/people/NEW/pin", {"pin": PIN[::-1], "own_pin": PIN}, who="ADA").status == 200
    assert ask("DELETE", "/people/NEW", who="ADA").status == 200
    entries = [each for each in ask("GET", "/audit", who="ADA").json if each["number"] > before]
    assert [(each["action"], each["about"], each["outcome"]) for each in reversed(entries)] == [
        ("add person", "NEW (operator)", "done"),
        ("change PIN", "NEW", "done"),
        ("PIN asked again", None, "done"),
        ("remove person", "NEW", "done"),
    ]
    assert {(each["code"], each["address"]) for each in entries} == {("ADA", "127.0.0.1")}
