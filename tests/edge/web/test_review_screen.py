"""What stands on Review, Report and Start: what a signature still needs, the agreement, counting gone on."""

from __future__ import annotations

import html
import re

import pytest
from samples import LABELS, cell, field
from served import PIN, Served
from stored import count_into

from edge.store.fields import Store
from edge.web.languages import LANGUAGES, Words

NARROW = "every interval is at most 8 percent points wide"
NEEDS = "signing then needs a reason."


@pytest.fixture(scope="module")
def screen(page, cookies):
    """Return a function that gives a screen as it is sent."""

    def shown(path, who="REV", language="en"):
        answer = page.ask("GET", path, cookie=cookies[who], headers={"Accept-Language": language})
        assert answer.status == 200, answer
        return html.unescape(answer.body.decode())

    return shown


def order(page, cookies, path, body, who="REV"):
    return page.ask("POST", f"/api/v1/specimens{path}", body, cookie=cookies[who])


def counted(page, specimen_id, cells, *, target, doubtful=0, why=None):
    """Store a specimen of so many cells, and of doubtful ones beside, and stop it."""
    with Store.open(page.store) as store:
        store.ledger.start(specimen_id, target=target, wbc_count=None, resume=False)
        found = [cell(LABELS[number % 4]) for number in range(cells)]
        found += [cell("monocyte", rejected="uncertain") for _ in range(doubtful)]
        assert store.add(field(store.next_sequence(), *found, specimen_id=specimen_id))
        store.ledger.stop(specimen_id, why)


def asked(shown):
    """Return for what the form of the signature asks a reason; None where it asks for none."""
    found = re.search(r'<label for="reason">([^<]+)</label>', shown)
    return found and found[1]


def conditions(shown):
    items = re.search(r'<ul class="plain conditions">(.*?)</ul>', shown, re.DOTALL)[1].split("</li>")[:-1]
    return [re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", each)).strip() for each in items]


@pytest.mark.parametrize(
    ("specimen_id", "given", "label", "shown"),
    [
        (
            "N-cells",
            {"cells": 8, "target": 9},
            "Why fewer cells are enough",
            [f"!8 of 9 cells \u2013 {NEEDS}", "✓All doubtful cells are looked at."],
        ),
        (
            "N-doubtful",
            {"cells": 8, "target": 8, "doubtful": 2},
            "Why the doubtful cells need no look",
            ["✓8 of 8 cells", f"!Doubtful cells to look at: 2 \u2013 {NEEDS}"],
        ),
        (
            "N-both",
            {"cells": 8, "target": 9, "doubtful": 1},
            "Why fewer cells are enough, and the doubtful ones need no look",
            [f"!8 of 9 cells \u2013 {NEEDS}", f"!Doubtful cells to look at: 1 \u2013 {NEEDS}"],
        ),
        (
            "N-narrow",
            {"cells": 8, "target": 100, "why": NARROW},
            None,
            [f"✓8 of 100 cells \u2013 {NARROW}", "✓All doubtful cells are looked at."],
        ),
        (
            "N-narrow-doubtful",
            {"cells": 8, "target": 100, "doubtful": 1, "why": NARROW},
            "Why the doubtful cells need no look",
            [f"✓8 of 100 cells \u2013 {NARROW}", f"!Doubtful cells to look at: 1 \u2013 {NEEDS}"],
        ),
        (
            "N-nothing",
            {"cells": 8, "target": 8},
            None,
            ["✓8 of 8 cells", "✓All doubtful cells are looked at."],
        ),
    ],
)
def test_the_page_asks_for_a_reason_for_what_is_missing_where_the_ledger_needs_one(
    page, cookies, screen, specimen_id, given, label, shown
):
    counted(page, specimen_id, **given)
    review = screen(f"/specimens/{specimen_id}/review")
    assert asked(review) == label
    assert conditions(review)[1:3] == shown
    answer = order(page, cookies, f"/{specimen_id}/sign", {"pin": PIN})
    assert (answer.status == 200) == (label is None), answer
    answer = order(page, cookies, f"/{specimen_id}/sign", {"pin": PIN, "reason": "no more blood"})
    assert (answer.status == 200) == (label is not None), answer


def test_what_cannot_be_told_yet_does_not_look_fulfilled(page, screen):
    counted(page, "N-unknown", 8, target=8)
    review = screen("/specimens/N-unknown/review")
    told = "Whether the microscope is familiar to the model cannot be told yet."
    assert conditions(review)[3] == f"\u2013{told}"
    assert re.findall('class="mark ([a-z]+)"', review) == ["good", "good", "good", "muted"]


def test_what_is_still_counted_is_told_of_the_reason_that_it_will_need(page, cookies, screen):
    with Store.open(page.store) as store:
        store.ledger.start("N-open", target=9, wbc_count=None, resume=False)
        assert store.add(field(store.next_sequence(), cell("monocyte"), specimen_id="N-open"))
    review = screen("/specimens/N-open/review")
    assert conditions(review)[1].endswith(NEEDS)
    assert asked(review) == "Why fewer cells are enough"
    order(page, cookies, "/N-open/discard", {"reason": "only looked"})


@pytest.mark.parametrize("language", LANGUAGES)
def test_why_a_count_ended_below_its_target_is_said_in_the_readers_language(page, screen, language):
    counted(page, f"E-{language}", 8, target=100, why=NARROW)
    found = conditions(screen(f"/specimens/E-{language}/review", language=language))[1]
    assert found.endswith(
        Words(LANGUAGES[language])("every interval is at most %(width)s percent points wide", width=8)
    )


@pytest.mark.parametrize("path", ["review", "report"])
def test_a_clock_that_nothing_has_set_is_said(page, cookies, screen, path):
    counted(page, f"K-{path}", 8, target=8)
    synced = page.ask("GET", f"/api/v1/specimens/K-{path}", cookie=cookies["REV"]).json["clock_synced"]
    said = "times on this page may be wrong" in screen(f"/specimens/K-{path}/{path}")
    assert said == (not synced)


def test_start_shows_the_newest_that_wait_and_leads_to_the_rest(tmp_path):
    alone = Served(tmp_path)
    try:
        for number in range(25):
            counted(alone, f"Q-{number:02}", 1, target=8)
        html = alone.ask("GET", "/").body.decode()
        assert re.findall(r'href="/specimens/(Q-\d+)/review"', html) == [
            f"Q-{n:02}" for n in range(24, 4, -1)
        ]
        assert '<a href="/specimens">5 more wait: all specimens</a>' in html
        assert re.findall(r"<option>(Q-\d+)</option>", html) == [f"Q-{n:02}" for n in range(24, 4, -1)]
    finally:
        alone.close()


@pytest.mark.parametrize("path", ["review", "report"])
def test_the_agreement_is_shown_class_by_class(page, cookies, screen, path):
    name = f"A-{path}"
    ids = count_into(page.store, name, 8, target=8)
    assert 'class="agreement"' not in screen(f"/specimens/{name}/{path}"), "nobody has looked yet"
    for body in (
        {"cell_ids": ids[:4], "action": "confirm"},
        {"cell_ids": ids[4:5], "action": "relabel", "label": "immature granulocyte"},
        {"cell_ids": ids[5:6], "action": "exclude"},
    ):
        assert order(page, cookies, f"/{name}/review", body).status == 200
    agreement = page.ask("GET", f"/api/v1/specimens/{name}", cookie=cookies["REV"]).json["agreement"]
    shown = re.search(
        r'<table class="agreement">(.*?)</table>', screen(f"/specimens/{name}/{path}"), re.DOTALL
    )[1]
    rows = [re.findall(r">([^<>\n]+)</t[hd]>", row) for row in shown.split("</tr>")]
    assert rows[0] == ["Class", "By the model", "By people", "Both"]
    assert [[row[0].lower(), *map(int, row[1:])] for row in rows[1:-1]] == [
        [each["label"], each["by_model"], each["by_person"], each["both"]] for each in agreement["classes"]
    ]
    assert ["Immature granulocyte", "0", "1", "0"] in rows
    assert ["Not a white cell", "0", "1", "0"] in rows


def test_a_stopped_specimen_is_gone_on_with_from_review_and_from_start(page, cookies, screen):
    counted(page, "R-1", 8, target=400)
    refused = order(page, cookies, "", {"specimen_id": "R-1"}, "OPE")
    assert (refused.status, "was stopped: resume it" in refused.json["error"]) == (409, True)
    review, start = screen("/specimens/R-1/review", "OPE"), screen("/", "OPE")
    fields = r'<form[^>]* data-post="/api/v1/specimens"[^>]*id="resume">.*?</form>'
    for shown in (review, start):
        form = re.search(fields, shown, re.DOTALL)[0]
        assert "Go on counting" in form
        assert 'name="resume" value="true"' in form
    assert 'name="specimen_id" value="R-1"' in re.search(fields, review, re.DOTALL)[0]
    assert "<option>R-1</option>" in re.search(fields, start, re.DOTALL)[0]
    # As the form sends it.
    noted = order(page, cookies, "", {"specimen_id": "R-1", "resume": "true"}, "OPE").json
    assert (noted["specimen_id"], noted["state"]) == ("R-1", "open")
    found = page.ask("GET", "/api/v1/specimens/R-1", cookie=cookies["OPE"]).json
    assert (found["counted"], found["target"]) == (8, 400), "what it had, it has"
    assert 'id="resume"' not in screen("/", "OPE"), "one is open"
    assert 'id="resume"' not in screen("/specimens/R-1/review", "OPE")
    assert order(page, cookies, "/R-1/stop", {}).status == 200
    assert order(page, cookies, "/R-1/sign", {"pin": PIN, "reason": "few"}).status == 200
    assert 'id="resume"' not in screen("/specimens/R-1/review")
    assert "<option>R-1</option>" not in screen("/")
    refused = order(page, cookies, "", {"specimen_id": "R-1", "resume": "yes"}, "OPE")
    assert refused.status == 422


def test_where_nothing_is_started_by_command_nothing_is_gone_on_with(tmp_path):
    alone = Served(tmp_path, camera='kind = "simulated"')
    try:
        count_into(alone.store, "R-2", 4)
        for path in ("/", "/specimens/R-2/review"):
            assert 'id="resume"' not in alone.ask("GET", path).body.decode()
    finally:
        alone.close()
