"""What the device says in English is said in the reader's language, with its ids and figures as they are."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest
from said import Module
from samples import cell, field

import edge
from edge.adaptation.adapting import AdaptationError, _gate
from edge.adaptation.refit import Figures
from edge.adaptation.remark import SENTENCES, Remark, remark
from edge.differential.familiarity import Signs, judge
from edge.differential.flags import BLAST_LIKE, RULES, Figure, raised
from edge.errors import PeopleError, SpecimenError, TooManyGuessesError
from edge.messages.commands import ReviewCells, SignSpecimen, StartSpecimen, StopSpecimen
from edge.models.known import KnownMicroscopes, Limits
from edge.people import People, people_file
from edge.slide.contribution import Likeness
from edge.specimens.orders import Orders
from edge.store.event_words import TIMES_SET_RIGHT, clock_in_words
from edge.store.fields import Store
from edge.web.api.endpoint import in_words as refused_in_words
from edge.web.api.orders import Rename, Review, Start
from edge.web.api.table import ENDPOINTS
from edge.web.audit_words import ACTIONS
from edge.web.languages import LANGUAGES, Words
from edge.web.pages import TEMPLATES
from edge.web.sentences import in_words
from edge.web.words import ADAPTING, flags_in_words, remark_in_words

ENGLISH = Words(LANGUAGES["en"])
FRENCH = Words(LANGUAGES["fr"])


def refusals(folder) -> list[str]:
    """Provoke what a person at the page provokes, and return what is said."""
    orders = Orders(folder / "results.db", by_command=True, target=100)
    people = People(people_file(folder / "results.db"))
    people.add("ADA", "", "administrator", "471193")
    people.add("OPE", "", "operator", "471193")
    orders.start(StartSpecimen(specimen_id="S-1"))
    with Store.open(folder / "results.db") as store:
        doubtful = cell("neutrophil", rejected="uncertain")
        store.add(field(store.next_sequence(), doubtful, specimen_id="S-1"))
    sign = SignSpecimen(specimen_id="S-1", operator="ADA")
    said = []
    for order in (
        lambda: orders.start(StartSpecimen(specimen_id="S-2")),
        lambda: orders.start(StartSpecimen(specimen_id="S-2", wbc_count="lots")),
        lambda: orders.start(StartSpecimen(specimen_id="S-2", wbc_count="6800 10^9/L")),
        lambda: orders.start(StartSpecimen(specimen_id="S-2", wbc_count="0")),
        lambda: orders.start(StartSpecimen(specimen_id="S-2", wbc_count="6.800 /uL")),
        lambda: orders.sign(sign),
        lambda: signed_with_a_doubtful_cell(orders, sign),
        lambda: orders.stop(StopSpecimen(specimen_id="S-1")),
        lambda: orders.start(StartSpecimen(specimen_id="S-1")),
        lambda: orders.start(StartSpecimen(specimen_id="S-9", resume=True)),
        lambda: orders.review(review("S-1", doubtful, action="undo")),
        lambda: orders.review(review("S-1", cell("neutrophil"))),
        lambda: people.remove("ADA"),
        lambda: people.remove("EVE"),
        lambda: people.add("ada", "", "operator", "471193"),
        lambda: people.add("EVE", "", "operator", "123456"),
        lambda: people.add("EVE", "", "operator", "12"),
        lambda: people.add("EVE", "<Eve>", "operator", "471193"),
        lambda: people.add("E V E", "", "operator", "471193"),
        lambda: guess(people),
        lambda: orders.review(review("S-9", doubtful)),
        lambda: orders.review(review("S-1", doubtful, revision=99)),
    ):
        with pytest.raises((SpecimenError, PeopleError)) as refused:
            order()
        said.append(str(refused.value))
    return said


def review(specimen_id, one, revision=None, action="confirm"):
    return ReviewCells(
        specimen_id=specimen_id, cell_ids=(one.cell_id,), action=action, operator="ADA", revision=revision
    )


def guess(people):
    for _ in range(9):
        people.check("OPE", "000000", "192.0.2.7")


def signed_with_a_doubtful_cell(orders, sign):
    orders.stop(StopSpecimen(specimen_id="S-1"))
    orders.sign(sign)


def test_no_refusal_is_left_in_english(tmp_path):
    said = refusals(tmp_path)
    assert [sentence for sentence in said if in_words(sentence, FRENCH) == sentence] == []
    assert [sentence for sentence in said if in_words(sentence, ENGLISH) != sentence] == []
    first = in_words(said[0], FRENCH)
    assert first == "l'échantillon S-1 est en cours : arrêtez-le d'abord"
    assert "6800/uL" in in_words(said[2], FRENCH)
    assert in_words(said[4], FRENCH).startswith("« 6.800 /uL »")


EDGE = Path(edge.__file__).parent
ROOMS = (
    *sorted((EDGE / "web" / "api").glob("*.py")),
    *sorted((EDGE / "people").glob("*.py")),
    *(EDGE / name for name in ("web/security/body.py", "messages/wbc_count.py", "store/database.py")),
    *(EDGE / "specimens" / name for name in ("orders.py", "service.py", "calibrating.py")),
    *(EDGE / "store" / name for name in ("specimens.py", "specimen_reviews.py")),
    *(EDGE / "cameras" / name for name in ("image_files.py", "calibration/calibrating.py")),
    EDGE / "cameras" / "calibration" / "exposure.py",
)
"""What speaks to who uses the page, beside what adapts the model."""

RAISED = {
    *("SpecimenError", "StaleRevisionError", "PeopleError", "CalibrationError", "CameraError", "StoreError"),
    *("UnreadableFrameError", "HTTPException", "ValueError"),
}

SAID_BY_THE_SCRIPT = {"wrong PIN", "wrong code or PIN"}
NOT_MET_AT_THE_PAGE = {
    # What no form of the page sends.
    "send JSON, with the content type application/json",
    "this is no JSON",
    "this is nested too deeply",
    "there is no such 7",
    "picture: the form has no such file",
    "send a form with the picture's file",
    'label: is for the action "relabel", and only for it',
    "label: there is no class 77; there are 7",
    "label: say what the cells are",
    "shown: give one name for each of the cells",
    "role: 7 is none; there is: 7",
    "7 specimens wait for a signature (7): say which to 7",
    # A picture that is not there is not shown; without a session there is the sign-in.
    "there is no map of this cell",
    "there is no picture of this cell",
    "there is no such picture",
    # What only the daemon or an administrator at the device meets.
    "7: is no file of people of this release",
    "7: is in use by another leukoscope",
    "7: is the database of another program, not a result store",
    "7: was written by a newer leukoscope (store version 7)",
    "7: the result store cannot be 7: 7",  # opened, read and written are tried below
    # Nor can the people be read who lie in the same folder: nobody is signed in.
    (
        "7: the result store cannot be 7: 7 cannot be written here, and even to read it a file has to be made"
        " beside it; copy the whole folder to another place, and read it there"
    ),
    # Of files on a disk: a photograph comes over the network, within bounds and as what can be read.
    "7: cannot be read: 7",
    "7: is larger than 77 MB",
    "7: is a pipe or a device; a picture is read from a file",
    "7: is a BigTIFF, which is not read; save it as an ordinary TIFF, PNG or JPEG",
}


def raised_sentences() -> set[str]:
    found = set()
    for path in ROOMS:
        before = "wbc_count: " if path.name == "wbc_count.py" else ""  # as the order puts it
        found |= {before + said for said in Module(path, RAISED).sentences()}
    words = re.compile("[a-z]{2}", re.IGNORECASE)  # the rest passes on what something else has said
    return {said for said in found if words.search(said)} - {"wbc_count: 7"}


def test_the_sentences_are_found_in_the_code_at_all():
    found = raised_sentences()
    assert {
        "no specimen is open",
        "specimen 7 is still counted, and can be signed when its source has ended",
        "wbc_count: 7: a white count is above 0 and at most 7 10^9/L; if it is per microlitre, write 7/uL",
        "specimen 7 is there already and is open: give another id",
        "the request came too slowly",
        "a cell is called 7 by now, not 7: look again",
        "7: its pixels are floating point numbers; save it with 8 or 16 bits a channel",
    } <= found
    assert len(found) > 80


def test_no_sentence_of_the_code_is_left_in_english():
    english = {said for said in raised_sentences() if in_words(said, FRENCH) == said}
    assert english - SAID_BY_THE_SCRIPT - NOT_MET_AT_THE_PAGE == set()
    assert (SAID_BY_THE_SCRIPT | NOT_MET_AT_THE_PAGE) - english == set(), "said no longer, or translated"
    base = (TEMPLATES / "base.html").read_text(encoding="utf-8")
    assert [said for said in SAID_BY_THE_SCRIPT if f'"{said}": _(' not in base] == []


@pytest.mark.parametrize(
    "sentence",
    [
        *(f"/data/results.db: the result store cannot be {what}: disk full" for what in ("read", "written")),
        str(TooManyGuessesError(600)),
        "too many requests: wait a little",
        "there is no such page",
        "the target of 100 cells is reached",
        "every interval is at most 7.5 percent points wide",
        "counting was resumed",
        "with --resume; it was complete, 3 fields with 20 cells of the same source",
        "with --resume; it was complete, 3 fields with 20 cells of folder:a, b, now folder:c",
    ],
)
def test_what_is_said_in_other_ways_is_said_in_the_readers_language(sentence):
    said = in_words(sentence, FRENCH)
    assert said != sentence
    assert re.findall(r"\d+", said) == re.findall(r"\d+", sentence)
    assert "complete" not in said


@pytest.mark.parametrize(
    ("kind", "given", "french"),
    [
        (Start, {"specimen_id": "Amina Hassan"}, "Numéro de l'échantillon : au plus 64 caractères, lettres"),
        (Rename, {"new_id": "a/b"}, "Numéro correct : au plus 64 caractères, lettres"),
        (
            Review,
            {"cell_ids": ["a"], "action": "confirm", "reason": "x" * 201},
            "Motif : au plus 200 caractères",
        ),
    ],
)
def test_what_is_typed_wrongly_is_said_with_the_name_of_its_place(kind, given, french):
    with pytest.raises(msgspec.ValidationError) as refused:
        msgspec.convert(given, kind)
    assert in_words(refused_in_words(refused.value), FRENCH).startswith(french)


@pytest.mark.parametrize(
    ("english", "french"),
    [
        ("2 confirmed as neutrophil", "2 confirmées : Neutrophile"),
        (
            "1 renamed from monocyte to blast, 2 confirmed as lymphocyte",
            "1 renommées de Monocyte en Blaste, 2 confirmées : Lymphocyte",
        ),
        ("renamed from S-1", "renommé, avant S-1"),
        (
            "cells were called by another model, a, b",
            "des cellules ont été nommées par un autre modèle, a, b",
        ),
        ("There is no specimen S-9", "il n'y a pas d'échantillon S-9"),
        ("a sentence, of which nobody knows", "a sentence, of which nobody knows"),
    ],
)
def test_what_was_done_is_said_class_by_class(english, french):
    assert in_words(english, FRENCH) == french


def test_why_a_microscope_is_doubted_is_said_with_its_figures():
    cells = [Likeness(probability=0.3, distance=9.0, rejected=None)] * 30
    known = KnownMicroscopes(
        on="slides",
        unlike=1.0,
        unsure=0.5,
        usual=dict.fromkeys(("unlike", "unsure", "refused", "other"), 0.03),
        limits=dict.fromkeys(("unlike", "unsure", "refused", "other"), Limits(0.1, 0.2)),
        wrong_calls=0.21,
    )
    reasons = [
        *judge(Signs(known, cells)).reasons,
        *judge(Signs(known)).reasons,
        *judge(Signs(None)).reasons,
    ]
    assert len(reasons) == 5
    for reason in reasons:
        said = in_words(reason, FRENCH)
        assert said != reason
        assert re.findall(r"\d+", said) == re.findall(r"\d+", reason)


def test_what_is_to_be_known_of_named_cells_is_said_by_its_code():
    assert {"image": "%(text)s", **ADAPTING} == SENTENCES
    few = remark("too few", label="neutrophil", count=3, least=5)
    assert remark_in_words(few, ENGLISH) == "Neutrophil: is passed over: 3 cells, and at least 5 are needed"
    assert remark_in_words(few, FRENCH) == "Neutrophile : laissé de côté : 3 cellules, il en faut au moins 5"
    newer = Remark("of later", {}, "something new")
    assert remark_in_words(newer, FRENCH) == "something new"


@pytest.mark.parametrize(
    ("named", "counted"),
    [("3 of neutrophil, 1 of other", "Neutrophile: 3, Autre cellule: 1"), ("none", "aucune")],
)
def test_too_few_named_cells_are_counted_in_the_readers_language(named, counted):
    english = (
        f"the cells that people have named: too few named cells: {named}; at least 5 of a class are needed"
    )
    french = f"trop peu de cellules nommées : {counted} ; il en faut au moins 5 d'une classe, et deux classes"
    assert in_words(f"{english}, and two classes", FRENCH) == french


def test_why_an_adapted_model_is_not_used_is_said_with_its_figures():
    figures = Figures({}, 0.8125, 65, 80, 0.4)
    with pytest.raises(AdaptationError) as refused:
        _gate(figures, figures, ())
    said = in_words(str(refused.value), FRENCH)
    assert "65 sur 80 justes, rappel moyen 81.2\u00a0% avant" in said


def test_all_that_is_audited_has_a_name_on_the_page():
    assert {endpoint.audited for endpoint in ENDPOINTS if endpoint.audited} - {*ACTIONS} == set()


@pytest.mark.parametrize("code", [code for code in LANGUAGES if code != "en"])
@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.rule)
def test_every_flag_is_said_in_every_language(rule, code):
    value = rule.limit * (1.1 if rule.side == "more" else 0.9) or 1.0
    figure = {rule.label: Figure(value, value * 0.9, value * 1.1)}
    flags = raised(figure, figure, [rule])
    (said,) = flags_in_words(flags, Words(LANGUAGES[code]))
    (english,) = flags_in_words(flags, ENGLISH)
    # The unit is all that they have in common; with its number it reads from left to right in each of them.
    limit = f"{rule.limit:g}\u00a0{rule.unit}".replace("10^9", "10\u2079")
    limit = limit.replace(".", LANGUAGES[code].decimal)
    assert f"\u2066{limit}\u2069" in said
    words = set(re.findall(r"[a-z]{4,}", english.lower())) - set(re.findall(r"[^\W\d]+", said.lower()))
    assert {"more", "less"} & words
    assert {"smear", "look", "looked"} & words
    assert flags[0].sentence != english


def test_blasts_have_an_advice_of_their_own():
    (said,) = flags_in_words(raised({BLAST_LIKE: Figure(20.5, 12.0, 29.1)}, None), ENGLISH)
    assert said.startswith("Cells like blasts: more than")
    assert said.endswith("The model counts no blasts: have the smear looked at.")


def test_a_flag_is_written_with_the_readers_decimal_sign():
    flags = raised({"neutrophil": Figure(20.5, 8.66, 29.1)}, None)
    (said,) = flags_in_words(flags, FRENCH)
    assert "20,5" in said
    assert "8,66\u201329,1" in said


@pytest.mark.parametrize(("behind_s", "words"), [(3661, "retardait"), (-3661, "avançait")])
def test_that_a_clock_was_set_later_is_said_in_the_readers_language(behind_s, words):
    assert in_words(TIMES_SET_RIGHT, FRENCH) == "ses heures ont été corrigées"
    said = in_words(clock_in_words(behind_s), FRENCH)
    assert said == f"l'horloge de l'appareil a été réglée ; jusque-là elle {words} de 1 h 1 min 1 s"
