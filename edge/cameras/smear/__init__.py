"""A drawn peripheral blood smear whose every white cell is known: a slide for the simulated camera."""

from edge.cameras.smear.slide import ADULT, FIELD, Smear, TrueCell
from edge.cameras.smear.stains import WHITE

__all__ = ["ADULT", "FIELD", "WHITE", "Smear", "TrueCell"]
