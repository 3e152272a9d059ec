"""A drawn peripheral blood smear whose every white cell is known: a slide for the simulated camera."""

from edge.cameras.simulation.smear.slide import ADULT, FIELD, Smear, TrueCell
from edge.cameras.simulation.smear.stains import WHITE

__all__ = ["ADULT", "FIELD", "WHITE", "Smear", "TrueCell"]
