"""The names of classes: what is counted, what is not, and how people write them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

OTHER = "other"
"""The class of what is seen and not counted: immature granulocytes, erythroblasts, platelets, artefacts."""

NORMAL_CLASSES = ("neutrophil", "lymphocyte", "monocyte", "eosinophil", "basophil")
"""The differential of normal blood. One that the model has no name for is said to be not assessed."""

RARE_CLASSES = ("immature granulocyte", "blast", "atypical lymphocyte", "plasma cell")
"""White cells that a person may name, and that count, whatever the model has a name for."""

NOT_COUNTED = ("erythroblast", "smudge cell", OTHER)
"""What a person may call a cell that is then not counted as a white cell."""

NOT_WHITE = "not a white cell"
"""What a person says of a platelet, dirt, or anything else that was no cell to count."""


def nameable(labels: Iterable[str]) -> tuple[str, ...]:
    """Return the classes that a person may name a cell: the model's first, then the usual, then the rare."""
    return tuple(dict.fromkeys((*labels, *NORMAL_CLASSES, *RARE_CLASSES, *NOT_COUNTED)))


def counts(label: str) -> bool:
    """Whether cells that a person calls so are part of the differential."""
    return label not in NOT_COUNTED


def plain_name(name: str) -> str:
    """Return a name in small letters, with blanks for `_` and `-`, and without a plural's s."""
    plain = " ".join(name.casefold().replace("_", " ").replace("-", " ").split())
    return plain[:-1] if len(plain) > 3 and plain.endswith("s") else plain


_ALIKE = 0.75  # a slip of the pen: 0.84 and more; basophil and eosinophil, two classes: 0.67


def same_class(name: str, labels: Sequence[str]) -> str | None:
    """Return the label that a name means: `Neutrophils` is `neutrophil`. None where it means none."""
    return next((label for label in labels if plain_name(label) == plain_name(name)), None)


def did_you_mean(name: str, labels: Sequence[str]) -> str:
    """Return `; did you mean neutrophil?` for a label that a name is a slip of the pen for, or nothing."""
    import difflib  # noqa: PLC0415 (only a slip of the pen needs it)

    plain = {plain_name(label): label for label in labels}
    near = difflib.get_close_matches(plain_name(name), plain, 1, _ALIKE)
    return f"; did you mean {plain[near[0]]}?" if near else ""
