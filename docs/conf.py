"""How Sphinx builds these pages: `make docs` writes them to build/docs/index.html."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sphinx.application import Sphinx

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

import generated  # noqa: E402

from edge import __version__  # noqa: E402

project = "Leukoscope"
release = __version__
html_title = f"Leukoscope {__version__}"
extensions = ["myst_parser"]
html_theme = "furo"
html_copy_source = False
exclude_patterns = ["_generated"]  # pages include them
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
suppress_warnings = ["config.cache"]
nitpicky = True


def setup(app: Sphinx) -> None:
    """Write the parts of the pages that come from the code before the pages are read."""
    app.connect("builder-inited", lambda _: generated.write(HERE / "_generated"))
