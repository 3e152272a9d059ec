"""How many cells may be wanted of a specimen: in the configuration, by a command and on the page."""

from __future__ import annotations

MOST_CELLS = 10_000
