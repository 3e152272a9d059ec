"""HTML pages that need nothing from elsewhere: one look and one way for all that the trainer writes."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

TEMPLATES = Environment(
    loader=PackageLoader("trainer.reports"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
)


class Table(NamedTuple):
    """A table of text. head: its columns; rows: the first cell of each is its name. long: cells may wrap."""

    caption: str
    head: Sequence[str]
    rows: Iterable[Sequence[str]]
    long: bool = False


def render(template: str, **values: object) -> str:
    """A page from a file in `templates/`. All text is escaped. The same values give the same page."""
    return TEMPLATES.get_template(template).render(values)


def drawn(svgs: Iterable[str]) -> Markup:
    """Our own `<svg>` elements, each in a figure, as they are."""
    return Markup("").join(Markup("<figure>{}</figure>").format(Markup(svg)) for svg in svgs)  # noqa: S704
