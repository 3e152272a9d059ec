"""Fields that were photographed twice stay on one side of every split."""

from __future__ import annotations

from trainer.data.fields import PAIRS, one_name_a_field
from trainer.recipe import load_recipe


def test_both_photographs_of_a_field_get_one_name_and_strangers_keep_theirs():
    images = {f"{a}.jpg": f"BloodImage_{a}" for pair in PAIRS for a in pair}
    names = one_name_a_field({**images, "x": "BloodImage_00000", "y": "cluster-1"})
    for a, b in PAIRS:
        assert names[f"{a}.jpg"] == names[f"{b}.jpg"]
    assert names["x"] == "BloodImage_00000"
    assert names["y"] == "cluster-1"
    assert len({names[image] for image in images}) > 20, "separate fields stay separate"


def test_what_ships_is_not_trained_on_cells_of_the_test_set():
    left_out = load_recipe("clinic").data.leave_out
    # The other sides of these pairs are in TEST: the same white cells, photographed again.
    for twin in ("00257", "00204", "00264", "00377", "00365", "00409"):
        (pair,) = (p for p in PAIRS if twin in p and any(f"BloodImage_{n}" in left_out for n in p))
        assert sum(f"BloodImage_{n}" in left_out for n in pair) == 1
