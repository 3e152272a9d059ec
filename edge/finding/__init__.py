"""Where the cells of a field are, and how large: white cells, red cells, platelets, by a small network."""

from __future__ import annotations

from edge.finding.decoding import KINDS, RED_CELL_PIXELS, STRIDE, Detections, decode

__all__ = ["KINDS", "RED_CELL_PIXELS", "STRIDE", "Detections", "decode"]
