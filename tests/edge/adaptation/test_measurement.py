"""How right a model is on named cells: what is said where there are none. The figures: `test_measure`."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from edge.adaptation.labelled_cells import LabelledCellsError
from edge.adaptation.measurement import measure
from edge.config import SHIPPED_MODEL


def test_where_no_cell_is_found_the_first_image_says_why(tmp_path):
    (tmp_path / "neutrophil").mkdir()
    rng = np.random.default_rng(1)
    for name in ("a", "b"):
        grey = rng.integers(60, 220, (60, 60), dtype=np.uint8)
        picture = cv2.resize(grey, (240, 240), interpolation=cv2.INTER_CUBIC)
        cv2.imwrite(str(tmp_path / "neutrophil" / f"{name}.png"), cv2.cvtColor(picture, cv2.COLOR_GRAY2BGR))
    why = r"no image in it shows a white cell that is found; .*a\.png: .* would not analyse it: no colour"
    with pytest.raises(LabelledCellsError, match=why) as refused:
        measure(tmp_path, SHIPPED_MODEL)
    assert len(refused.value.remarks) > 1
