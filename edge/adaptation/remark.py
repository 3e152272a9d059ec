"""Remarks on the cells that a model is adapted to: a code with its values, and a sentence."""

from __future__ import annotations

from msgspec import Struct

SENTENCES = {
    "too few": "%(label)s: is passed over: %(count)s cells, and at least %(least)s are needed",
    "seen before": (
        "%(count)s of the %(cells)s cells look like ones that the model was trained on or fitted to: how"
        " right it was before is flattered by them"
    ),
    "no picture": "specimen %(specimen_id)s: %(count)s named cells have no picture any more",
    "one without picture": "specimen %(specimen_id)s: a named cell has no picture any more",
    "damaged picture": "specimen %(specimen_id)s: the pictures of %(count)s named cells are damaged",
    "one damaged picture": "specimen %(specimen_id)s: the picture of a named cell is damaged",
    "as other": "%(count)s named %(label)s: learnt as other, as the model has no such class",
    "no such class": "%(count)s named %(label)s: passed over, as the model has no such class",
    "discarded": "specimen %(specimen_id)s: is passed over: it is discarded",
    "drawn": "specimen %(specimen_id)s: is passed over: it is of a drawn slide",
    "of blood": "specimen %(specimen_id)s: is passed over: it is of blood, and this device draws its slide",
    "image": "%(text)s",
}
"""By their codes. "image" is of files in a folder, which the page never has."""


class Remark(Struct, frozen=True):
    """One remark. code: which of `SENTENCES`; values: what is put into it. said: the sentence."""

    code: str
    values: dict[str, str | int]
    said: str

    def __str__(self) -> str:
        """The sentence."""
        return self.said


def remark(code: str, **values: str | int) -> Remark:
    """Return a remark, said in English."""
    return Remark(code, values, SENTENCES[code] % values)


def of_image(text: str) -> Remark:
    """Return a remark about a file."""
    return remark("image", text=text)
