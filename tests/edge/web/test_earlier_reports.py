"""A report as it was signed, on the page and over HTTP, after the specimen was corrected."""

from __future__ import annotations

import csv
import html
import io
import re
from urllib.parse import quote

import pytest
from served import PIN
from stored import count_into

from edge.store.fields import Store
from edge.web.languages import LANGUAGES, Words

API = "/api/v1/specimens"
MARKUP = '<b onclick="x">9&amp;?#%'  # as release 0.1 allowed


@pytest.fixture(scope="module")
def ask(page, cookies):
    """Return a function that asks as one of the three people, or as nobody."""

    def asked(method, path, body=None, *, who="REV", language="en"):
        return page.ask(
            method,
            path,
            body,
            cookie=cookies.get(who),
            headers={"Accept-Language": language, "Accept": "text/html, application/json"},
        )

    return asked


def change(ask, name, cell, **what):
    body = {"cell_ids": [cell], "reason": "looked again", **what}
    assert ask("POST", f"{API}/{name}/review", body).status == 200


def sign(ask, name) -> int:
    answer = ask("POST", f"{API}/{name}/sign", {"pin": PIN, "reason": "few cells"})
    assert answer.status == 200, answer
    return answer.json["revision"]


@pytest.fixture(scope="module")
def signed(page, ask):
    """Return the first and the second revision that were signed of S-1, and the names of its cells."""
    ids = count_into(page.store, "S-1", 8, target=8)
    first = sign(ask, "S-1")
    change(ask, "S-1", ids[0], action="relabel", label="blast")
    change(ask, "S-1", ids[1], action="exclude")
    return first, sign(ask, "S-1"), ids


def counts(said):
    return {each["label"]: each["count"] for each in said["classes"] if each["count"]}


def plain(text):
    return html.unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", text)))


def test_the_report_as_it_was_signed_comes_over_http_with_what_superseded_it(ask, signed):
    first, second, _ = signed
    now = ask("GET", f"{API}/S-1/report").json
    assert (now["superseded"], now["state"]) == (None, "corrected")
    then = ask("GET", f"{API}/S-1/report?revision={first}").json
    assert (then["revision"], then["state"], then["reviewed"]) == (first, "final", 0)
    assert counts(then) == {"neutrophil": 2, "lymphocyte": 2, "monocyte": 2, "eosinophil": 2}
    assert counts(now) == {"neutrophil": 1, "lymphocyte": 1, "monocyte": 2, "eosinophil": 2, "blast": 1}
    since = then["superseded"]
    assert (since["revision"], since["signature"]["operator"], since["discarded"]) == (second, "REV", None)
    assert (since["corrected"]["why"], since["corrected"]["operator"]) == ("looked again", "REV")
    held = ask("GET", f"{API}/S-1/report?revision={second}").json
    assert (held["superseded"], counts(held)) == (None, counts(now))
    history = ask("GET", f"{API}/S-1/history").json
    assert [each["revision"] for each in history if each["kind"] == "signed"] == [first, second]
    assert history[-1]["revision"] == now["revision"]


def test_the_tables_are_as_they_were_when_it_was_signed(ask, signed):
    first, _, ids = signed
    answer = ask("GET", f"{API}/S-1/report.csv?revision={first}")
    assert f"S-1-revision-{first}-report.csv" in answer.headers["content-disposition"]
    rows = list(csv.DictReader(io.StringIO(answer.body.decode("utf-8-sig"))))
    assert {row["class"]: row["cells"] for row in rows if row["cells"] not in {"", "0"}} == dict.fromkeys(
        ("neutrophil", "lymphocyte", "monocyte", "eosinophil"), "2"
    )
    assert {row["signed_by"] for row in rows} == {"REV"}
    answer = ask("GET", f"{API}/S-1/cells.csv?revision={first}")
    rows = list(csv.DictReader(io.StringIO(answer.body.decode("utf-8-sig"))))
    assert [row["cell"] for row in rows] == ids
    assert {row["reviewed_by"] for row in rows} == {""}
    assert [row["counted_as"] for row in rows[:2]] == ["neutrophil", "lymphocyte"]


@pytest.mark.parametrize("path", ["report", "report.csv", "cells.csv"])
def test_what_is_no_signed_revision_is_not_found_and_said_in_a_sentence(ask, signed, path):
    first, second, _ = signed
    for revision in (0, first + 1, 99):
        answer = ask("GET", f"{API}/S-1/{path}?revision={revision}")
        assert (answer.status, answer.json) == (
            404,
            {"error": f"specimen S-1 has no signed revision {revision}; signed revisions: {first}, {second}"},
        )
    for revision in ("x", "-1", "1.5", str(2**60), ""):
        assert ask("GET", f"{API}/S-1/{path}?revision={revision}").status == 422
    assert ask("GET", f"{API}/none/{path}?revision=1").status == 404
    assert ask("GET", f"{API}/S-1/{path}?revision={first}", who=None).status == 401
    assert ask("GET", f"{API}/S-1/{path}?revision={first}", who="OPE").status == 200


def test_what_the_store_does_not_tell_any_more_is_said_and_not_made_up(page, ask):
    ids = count_into(page.store, "S-lost", 4, target=4)
    first = sign(ask, "S-lost")
    change(ask, "S-lost", ids[0], action="confirm")
    with Store.open(page.store) as store:
        store._db.execute("DELETE FROM reviews WHERE specimen_id = 'S-lost'")  # noqa: SLF001 (damage)
    answer = ask("GET", f"{API}/S-lost/report?revision={first}")
    assert (answer.status, answer.json["error"]) == (
        409,
        f"revision {first} of specimen S-lost cannot be shown: some of what was said of its cells is lost",
    )
    assert "cannot be shown" in ask("GET", f"/specimens/S-lost/report?revision={first}").body.decode()


def test_each_signature_in_the_history_opens_its_report_which_says_what_became_of_it(ask, signed):
    first, second, _ = signed
    review = ask("GET", "/specimens/S-1/review", who="OPE").body.decode()
    links = re.findall(r'<a href="(/specimens/S-1/report\?revision=\d+)">(.*?)</a>', review)
    assert links == [
        (f"/specimens/S-1/report?revision={each}", f"signed (Revision {each})") for each in (first, second)
    ]
    answer = ask("GET", links[0][0], who="OPE")
    shown, said = answer.body.decode(), plain(answer.body.decode())
    assert answer.status == 200
    assert f"Earlier revision {first}, as it was signed." in said
    assert f"Superseded by revision {second}." in said
    assert f"S-1 \u2013 Report \u2013 Revision {first}" in said
    assert "Looked at by a person 0" in said
    assert "Blast" not in said
    assert 'id="print"' in shown
    for table in ("report", "cells"):
        assert f'href="/api/v1/specimens/S-1/{table}.csv?revision={first}"' in shown
    notice = re.search(r'<div class="notice" id="superseded">.*?</div>', shown, re.DOTALL)[0]
    assert shown.index("<article") < shown.index(notice) < shown.index("</article>"), "it is printed, too"
    assert 'href="/specimens/S-1/report"' in notice
    assert f'name="back" value="{links[0][0]}"' in shown, "in another language it is the same report"
    held = ask("GET", links[1][0]).body.decode()
    assert 'id="superseded"' not in held
    assert "Blast" in plain(held)
    assert 'id="superseded"' not in ask("GET", "/specimens/S-1/report").body.decode()


def test_who_signs_in_on_the_way_comes_to_the_report_that_was_asked_for(page, signed):
    path = f"/specimens/S-1/report?revision={signed[0]}"
    answer = page.ask("GET", path)
    assert answer.status == 303
    form = page.ask("GET", answer.headers["location"]).body.decode()
    assert f'"{path}"' in html.unescape(form)
    hostile = page.ask("GET", "/specimens/S-1/report?x=%0d%0aSet-Cookie:a=b&y=\\\\evil.example/")
    assert "set-cookie" not in hostile.headers
    assert hostile.headers["location"].startswith("/sign-in?next=/specimens/S-1/report%3F")


def test_a_correction_that_nobody_has_signed_and_a_discard_stand_on_the_earlier_report(page, ask):
    ids = count_into(page.store, "S-2", 4, target=4)
    first = sign(ask, "S-2")
    change(ask, "S-2", ids[0], action="exclude")
    path = f"/specimens/S-2/report?revision={first}"
    assert "Changed since, and not signed again." in plain(ask("GET", path).body.decode())
    answer = ask("POST", f"{API}/S-2/discard", {"pin": PIN, "reason": "<i>mixed up</i>"})
    assert answer.status == 200, answer
    shown = ask("GET", path).body.decode()
    notice = re.search(r'<div class="notice" id="superseded">.*?</div>', shown, re.DOTALL)[0]
    assert "Discarded: <i>mixed up</i> \N{EN DASH} By REV" in plain(notice)
    assert "<i>" not in notice


@pytest.mark.parametrize("revision", ["0", "99", "x", "-1", "٣", "9" * 40, ""])
def test_a_page_of_no_signed_revision_says_so(ask, signed, revision):
    assert signed
    answer = ask("GET", f"/specimens/S-1/report?revision={quote(revision)}")
    assert answer.status == 404
    said = plain(answer.body.decode())
    assert "has no signed revision" in said or "There is no such page" in said


def test_an_id_with_markup_is_led_to_and_shown_as_it_is(page, ask):
    with Store.open(page.store) as store:
        store.start_specimen(MARKUP, "a")
        store.finish_specimen(MARKUP)
        first = store.ledger.sign("K7", MARKUP, reason="none seen").revision
        store.ledger.discard("<script>", MARKUP, operator="K7")
    path = quote(MARKUP, safe="")
    review = ask("GET", f"/specimens/{path}/review").body.decode()
    (link,) = re.findall(r'<a href="([^"]*\?revision=\d+)"', review)
    assert html.unescape(link) == f"/specimens/{path}/report?revision={first}"
    answer = ask("GET", link)
    shown = answer.body.decode()
    assert answer.status == 200
    assert MARKUP not in shown
    assert "<script>" not in shown
    assert MARKUP in plain(shown)
    assert "default-src 'self'" in answer.headers["content-security-policy"]
    assert (
        quote(f"{MARKUP}-revision-{first}", safe="")
        in (ask("GET", f"{API}/{path}/report.csv?revision={first}").headers["content-disposition"])
    )


@pytest.mark.parametrize("language", [code for code in LANGUAGES if code != "en"])
def test_an_earlier_report_is_in_the_readers_language(ask, signed, language):
    first, second, _ = signed
    said = html.unescape(
        ask("GET", f"/specimens/S-1/report?revision={first}", language=language).body.decode()
    )
    words = Words(LANGUAGES[language])
    assert words("Earlier revision %(number)s, as it was signed.", number=first) in said
    assert words("Superseded by revision %(number)s.", number=second) in said
    answer = ask("GET", f"/specimens/S-1/report?revision={first + 1}", language=language)
    assert "has no signed revision" not in answer.body.decode()
    assert answer.status == 404
