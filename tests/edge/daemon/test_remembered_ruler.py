"""The scale of a camera goes on from one specimen to the next: said, corrected, and never half kept."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from measuring import KNOWN, count, micrometres, stop

from edge.config import ReplayConfig, UsbConfig
from edge.finding.ruler import SETTLING
from edge.store.fields import Store

NOTHING = 0  # a field without red cells
OTHER = 52  # within what the same lens may differ by


@pytest.fixture
def path(tmp_path):
    return tmp_path / "results.db"


def told(scale):
    return scale.source, scale.micrometres_per_pixel


def measured(path, diameter=KNOWN, **beside) -> None:
    """Count a specimen whose fields agree."""
    assert count(path, f"of {diameter}", *[diameter] * SETTLING, **beside)[-1].settled
    stop(path)


def test_the_next_specimen_begins_with_it_says_so_and_measures_anew(path):
    measured(path)
    scales = count(path, "B", NOTHING, *[OTHER] * SETTLING)
    assert told(scales[0]) == ("remembered", micrometres(KNOWN))
    assert told(scales[1]) == ("remembered", micrometres(KNOWN)), "one field does not outvote a specimen"
    assert told(scales[-1]) == ("red cells", micrometres(OTHER))
    stop(path)
    assert told(count(path, "C", NOTHING)[0]) == ("remembered", micrometres(OTHER)), "the last one's"


def test_a_specimen_that_is_not_sure_leaves_nothing_behind(path):
    measured(path)
    count(path, "B", *[OTHER] * (SETTLING - 1))
    stop(path)
    assert told(count(path, "C", NOTHING)[0]) == ("remembered", micrometres(KNOWN))


@pytest.mark.parametrize("diameter", [KNOWN // 3, 3 * KNOWN])
def test_another_lens_is_measured_by_its_first_field(path, diameter):
    measured(path)
    assert told(count(path, "B", diameter)[0]) == ("red cells", micrometres(diameter))


@pytest.mark.parametrize(
    ("camera", "source"),
    [
        (UsbConfig(device=0, exposure_us=2000), "remembered"),
        (UsbConfig(device=1), "white cells"),
        (UsbConfig(device=0, width=1280, height=960), "white cells"),
        (ReplayConfig(("pictures",)), "white cells"),
    ],
    ids=["other light", "another camera", "another size of picture", "a folder"],
)
def test_it_is_of_one_camera_at_one_size(path, camera, source):
    measured(path)
    assert count(path, "B", NOTHING, camera=camera)[0].source == source


def test_a_folder_leaves_nothing_behind(path):
    folder = ReplayConfig(("pictures",))
    measured(path, camera=folder)
    for camera in (folder, None):
        assert count(path, "B" if camera else "C", NOTHING, camera=camera)[0].source == "white cells"
        stop(path)


def test_what_the_configuration_states_goes_before_it_and_is_not_kept(path):
    measured(path)
    stated = count(path, "B", *[OTHER] * SETTLING, stated=0.3)
    assert {told(scale) for scale in stated} == {("configured", 0.3)}
    stop(path)
    assert told(count(path, "C", NOTHING)[0]) == ("remembered", micrometres(KNOWN))


@pytest.mark.parametrize(("moment", "kept"), [("before", False), ("after", False), ("stored", True)])
def test_whatever_ends_the_process_field_and_ruler_are_kept_together(path, moment, kept):
    script = Path(__file__).parents[1] / "measuring.py"
    killed = subprocess.run([sys.executable, script, path, moment], check=False)
    assert killed.returncode == -signal.SIGKILL
    with Store.open(path) as store:
        assert len(list(store.fields("A"))) == SETTLING - (not kept)
    whole = count(path, "A", *[KNOWN] * (5 if kept else 6))
    assert [scale.settled for scale in whole] == [False] * (SETTLING - 1) + [True] * 6
    stop(path)
    assert told(count(path, "B", NOTHING)[0]) == ("remembered", micrometres(KNOWN))
