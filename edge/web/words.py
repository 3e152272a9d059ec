"""What the device says in codes and English, for the page to say in its reader's language."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from edge.differential.flags import BLAST, BLAST_LIKE, RULES, UNCLASSIFIED
from edge.slide.contribution import SMEARED, UNSTEADY
from edge.web.languages import left_to_right

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from edge.adaptation.remark import Remark
    from edge.messages.differential import Flag
    from edge.web.languages import Words

    Translate = Callable[..., str]


def mark(text: str) -> str:
    """Return the text: a mark for the test that looks for it in every catalogue."""
    return text


CLASSES = {
    "neutrophil": mark("Neutrophil"),
    "lymphocyte": mark("Lymphocyte"),
    "monocyte": mark("Monocyte"),
    "eosinophil": mark("Eosinophil"),
    "basophil": mark("Basophil"),
    "immature granulocyte": mark("Immature granulocyte"),
    "blast": mark("Blast"),
    "atypical lymphocyte": mark("Atypical lymphocyte"),
    "plasma cell": mark("Plasma cell"),
    "erythroblast": mark("Erythroblast"),
    "smudge cell": mark("Smudge cell"),
    "other": mark("Other cell"),
    "not a white cell": mark("Not a white cell"),
}

_FLAGGED = {
    **CLASSES,
    UNCLASSIFIED: mark("Unclassified"),
    BLAST_LIKE: mark("Cells like blasts"),
}
_ADVICE = {
    BLAST_LIKE: mark("The model counts no blasts: have the smear looked at."),
    BLAST: mark("Have the smear looked at."),
}

REFUSALS = {
    "blank": mark("Nothing is seen here: move to where cells are."),
    "no colour": mark("The picture has no colour: look at the camera's settings."),
    "red and blue swapped": mark("Red and blue are swapped: look at the camera's settings."),
    "too crowded": mark("Cells lie too thick here: move to a thinner part."),
    "too dark": mark("Too dark: give more light."),
    "overexposed": mark("Too bright: give less light."),
    "colour changed": mark("The light's colour has changed: set it back."),
    "motion": mark("The slide moves: hold it still for a moment."),
    "out of focus": mark("Out of focus: turn the fine focus."),
    "stain changed": mark("The stain looks different from before: is it the same slide?"),
}

REMARKS = {
    "other": mark("no white cell that is counted"),
    "unfamiliar": mark("looks like none that the model knows"),
    "uncertain": mark("the model is not sure"),
    "evidence outside the cell": mark("the model looked beside the cell"),
    UNSTEADY: mark("not found again in most of the pictures that show it"),
    SMEARED: mark("its picture is smeared by movement"),
}

CAMERAS = {
    "usb": mark("USB microscope"),
    "picamera2": mark("Raspberry Pi camera"),
    "simulated": mark("A drawn slide"),
    "replay": mark("Pictures from files"),
    "video": mark("A video file"),
}

ADAPTING = {
    "too few": mark("%(label)s: is passed over: %(count)s cells, and at least %(least)s are needed"),
    "seen before": mark(
        "%(count)s of the %(cells)s cells look like ones that the model was trained on or fitted to: how"
        " right it was before is flattered by them"
    ),
    "no picture": mark("specimen %(specimen_id)s: %(count)s named cells have no picture any more"),
    "one without picture": mark("specimen %(specimen_id)s: a named cell has no picture any more"),
    "damaged picture": mark("specimen %(specimen_id)s: the pictures of %(count)s named cells are damaged"),
    "one damaged picture": mark("specimen %(specimen_id)s: the picture of a named cell is damaged"),
    "as other": mark("%(count)s named %(label)s: learnt as other, as the model has no such class"),
    "no such class": mark("%(count)s named %(label)s: passed over, as the model has no such class"),
    "discarded": mark("specimen %(specimen_id)s: is passed over: it is discarded"),
    "drawn": mark("specimen %(specimen_id)s: is passed over: it is of a drawn slide"),
    "of blood": mark(
        "specimen %(specimen_id)s: is passed over: it is of blood, and this device draws its slide"
    ),
}
"""What is to be known of named cells, by the codes of `edge.adaptation.remark`."""

STATES = {
    "open": mark("being counted"),
    "running": mark("being counted"),
    "stopped": mark("waits for review"),
    "preliminary": mark("waits for review"),
    "complete": mark("waits for review"),
    "final": mark("signed"),
    "corrected": mark("changed after signing"),
    "discarded": mark("discarded"),
}

FAMILIARITY = {
    "familiar": mark("The microscope is familiar to the model."),
    "doubtful": mark("Take care with this count: the microscope may be unfamiliar to the model."),
    "unfamiliar": mark("Do not rely on this count: the microscope is not familiar to the model."),
    "unknown": mark("Whether the microscope is familiar to the model cannot be told yet."),
}

ROLES = {
    "operator": mark("Operator: starts, stops, names cells"),
    "reviewer": mark("Reviewer: also signs, discards, sets numbers right and calibrates the camera"),
    "administrator": mark("Administrator: also people, and fitting the model"),
}

EVENTS = {
    "started": mark("started"),
    "resumed": mark("taken up again"),
    "stopped": mark("stopped"),
    "finished": mark("its pictures ended"),
    "signed": mark("signed"),
    "discarded": mark("discarded"),
}


CAUSES = {
    "the id was mistyped": mark("the id was mistyped"),
    "it came later, or was mistyped": mark("it came later, or was mistyped"),
    "they came after the count was final": mark("they came after the count was final"),
}
"""Why the device itself says that a specimen was changed."""


def translated(words: dict[str, str], translate: Translate) -> dict[str, str]:
    """Return a table of words in the reader's language."""
    return {key: translate(text) for key, text in words.items()}


def remark_in_words(remark: Remark, translate: Translate) -> str:
    """Return a remark on named cells as a sentence. One of a code that is not known here stays in English."""
    text = ADAPTING.get(remark.code)
    if text is None:
        return remark.said
    values = {
        name: translate(CLASSES[value]) if name == "label" and value in CLASSES else value
        for name, value in remark.values.items()
    }
    return translate(text, **values)


def flags_in_words(flags: Iterable[Flag], translate: Words) -> list[str]:
    """Return each flag as a sentence. One of a rule that is not known here stays in English."""
    rules = {rule.rule: rule for rule in RULES}
    said = []
    for flag in flags:
        rule = rules.get(flag.rule)
        figures = re.search(r": (.+?); ", flag.sentence)
        if rule is None or figures is None or rule.label not in _FLAGGED:
            said.append(flag.sentence)
            continue
        text = translate(
            mark("%(what)s: more than %(limit)s")
            if rule.side == "more"
            else mark("%(what)s: less than %(limit)s"),
            what=translate(_FLAGGED[rule.label]),
            limit=_figures(f"{rule.limit:g} {rule.unit}", translate),
        )
        possible = "" if flag.certainty == "definite" else f" ({translate(mark('possibly'))})"
        advice = translate(_ADVICE.get(rule.label, mark("Look at the smear by eye.")))
        said.append(f"{text}{possible}: {_figures(figures[1], translate)}. {advice}")
    return said


def _figures(text: str, translate: Words) -> str:
    """Figures with their unit, as they are read: in one run, with the language's decimal sign."""
    text = text.replace(" to ", "\u2013").replace(" ", "\u00a0").replace("10^9", "10\u2079")
    text = text.replace(".", translate.language.decimal)
    return left_to_right(text)
