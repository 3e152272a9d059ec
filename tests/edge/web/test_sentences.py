"""What the device says in English is said in the reader's language, with its ids and figures as they are."""

from __future__ import annotations

import re

import pytest
from samples import cell, field

from edge.adaptation.adapting import AdaptationError, _gate
from edge.adaptation.refit import Figures
from edge.adaptation.remark import SENTENCES, Remark, remark
from edge.differential.familiarity import judge
from edge.differential.flags import Figure, raised
from edge.errors import PeopleError, SpecimenError
from edge.messages.commands import ReviewCells, SignSpecimen, StartSpecimen, StopSpecimen
from edge.models.known import KnownMicroscopes, Limits
from edge.people import People, people_file
from edge.slide.contribution import Likeness
from edge.specimens.orders import Orders
from edge.store.fields import Store
from edge.web.api.table import ENDPOINTS
from edge.web.audit_words import ACTIONS
from edge.web.languages import LANGUAGES, Words
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
        lambda: orders.sign(sign),
        lambda: signed_with_a_doubtful_cell(orders, sign),
        lambda: people.remove("ADA"),
        lambda: people.remove("EVE"),
        lambda: people.add("ada", "", "operator", "471193"),
        lambda: people.add("EVE", "", "operator", "123456"),
        lambda: people.add("EVE", "", "operator", "12"),
        lambda: orders.review(review("S-9", doubtful)),
        lambda: orders.review(review("S-1", doubtful, revision=99)),
    ):
        with pytest.raises((SpecimenError, PeopleError)) as refused:
            order()
        said.append(str(refused.value))
    return said


def review(specimen_id, one, revision=None):
    return ReviewCells(
        specimen_id=specimen_id, cell_ids=(one.cell_id,), action="confirm", operator="ADA", revision=revision
    )


def signed_with_a_doubtful_cell(orders, sign):
    orders.stop(StopSpecimen(specimen_id="S-1"))
    orders.sign(sign)


def test_no_refusal_is_left_in_english(tmp_path):
    said = refusals(tmp_path)
    assert [sentence for sentence in said if in_words(sentence, FRENCH) == sentence] == []
    assert [sentence for sentence in said if in_words(sentence, ENGLISH) != sentence] == []
    first = in_words(said[0], FRENCH)
    assert first == "l'échantillon S-1 est en cours : arrêtez-le d'abord"


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
        *judge(cells, known, None).reasons,
        *judge([], known, None).reasons,
        *judge([], None, None).reasons,
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


def test_a_flag_is_written_with_the_readers_decimal_sign():
    flags = raised({"neutrophil": Figure(20.5, 8.66, 29.1)}, None)
    (said,) = flags_in_words(flags, FRENCH)
    assert "20,5" in said
    assert "8,66\u201329,1" in said
