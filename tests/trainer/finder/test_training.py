"""The finder's training: it learns, goes on where it was, and its int8 file answers in any size."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import numpy as np
import pytest
import tensorflow as tf
from finder_fields import field

from edge.errors import ConfigError
from edge.finding import RED_CELL_PIXELS
from edge.finding.finder import Finder
from trainer.cli import main
from trainer.data.images import DataError
from trainer.finder.canvases import draw_canvas
from trainer.finder.export import quantize_finder
from trainer.finder.recipe import Drawing, FinderData, FinderRecipe, FinderTraining
from trainer.finder.training import UNSURE, chances, fit_finder

RECIPE = FinderRecipe(
    "tiny",
    FinderData(()),
    network={"widths": [8, 8, 16, 16], "depth": [1, 1, 1], "head": 1},
    light={"blur": 0, "noise": 2, "stain": 0.05, "hue": 0.05, "cast": 0.02},
    drawing=Drawing(drawn_in=0.1, scale=0.2),
    training=FinderTraining(
        epochs=6, canvases_per_epoch=160, batch=8, average=0.9, learning_rate=0.015, look_again_after=3
    ),
)


def fields():
    return [field(), replace(field(microscope="two"), incomplete=True)]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    out = tmp_path_factory.mktemp("finder")
    seen = []
    model = fit_finder(RECIPE, fields(), out, lambda e, s, logs: seen.append((e, s, logs)))
    return model, out, seen


@pytest.fixture
def eager():
    """Take fifteen steps as they stand: to make a graph of them takes longer, and three runs make three."""
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


def test_it_learns_and_reports(trained):
    _, _, seen = trained
    losses = [logs["loss"] for _, step, logs in seen if step == -1]
    assert len(losses) == RECIPE.training.epochs
    assert losses[-1] < 0.6 * losses[0]


@pytest.mark.usefixtures("eager")
def test_a_run_that_was_ended_goes_on_to_the_same_weights(tmp_path):
    training = msgspec.structs.replace(RECIPE.training, epochs=3, canvases_per_epoch=40, look_again_after=1)
    short = msgspec.structs.replace(RECIPE, training=training)
    model = fit_finder(short, fields(), tmp_path / "whole")

    class Killed(Exception):  # noqa: N818
        pass

    def kill(epoch, step, _logs):
        if (epoch, step) == (1, 3):  # behind the look for what is not marked
            raise Killed

    with pytest.raises(Killed):
        fit_finder(short, fields(), tmp_path / "ended", kill)
    assert (tmp_path / "ended" / UNSURE).is_file()
    again = fit_finder(short, fields(), tmp_path / "ended")
    assert (tmp_path / "whole" / UNSURE).is_file()
    for one, other in zip(model.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-3)


def test_the_int8_file_finds_the_cell_in_frames_of_any_size_and_shape(trained):
    model, _, _ = trained
    rng = np.random.default_rng(0)
    canvases = np.stack([draw_canvas([field()], np.ones(1), rng, Drawing(drawn_in=0))[0] for _ in range(24)])
    quantized = quantize_finder(model, canvases)
    finder = Finder(quantized.model, quantized.outputs)
    pixels = field().pixels
    for frame in (pixels, pixels[:, 60:360], np.ascontiguousarray(pixels.transpose(1, 0, 2))):
        whole = finder.find(frame, RED_CELL_PIXELS / 36).of("white cell")
        assert len(whole), "the white cell is found"
        red, green, blue = frame[int(whole.centres[0, 1]), int(whole.centres[0, 0])].tolist()
        assert (red, green, blue) == (120, 70, 160)
    small, again = (finder.maps(pixels, (200, 150)) for _ in range(2))
    np.testing.assert_array_equal(small, again)  # also after other sizes


def test_a_microscope_to_leave_out_that_no_set_is_of_is_refused_before_anything_is_written(tmp_path, capsys):
    out = tmp_path / "run"
    arguments = ["fit-finder", "--data", str(tmp_path), "--out", str(out), "--left-out", "ankra"]
    assert main(arguments) == ConfigError.exit_status
    (said,) = capsys.readouterr().err.splitlines()
    assert said.startswith("leukoscope-train: ankra: is no microscope of recipe finder, whose are ankara, ")
    assert said.endswith("; did you mean ankara?")
    assert not out.exists()


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ("[light]\nstains = 1", "stains is no key of [light]: blur, "),
        ("[network]\nwidhts = [8, 8, 16, 16]", "widhts is no key of [network]: depth, head, widths"),
        ("[network]\nwidths = [8]", "[network] or [light] cannot be made"),
        ("[training]\nrestarts = [5, 3]", "training.restarts are epochs after the warmup, in rising order"),
        ('[thresholds]\n"white cell" = 0.4', "[thresholds] must have one of each kind"),
    ],
)
def test_a_recipe_that_cannot_be_is_said_in_a_sentence_before_a_field_is_read(lines, said, tmp_path, capsys):
    recipe = tmp_path / "tiny.toml"
    recipe.write_text(f'[data]\nfields = ["ankara"]\n{lines}\n', encoding="utf-8")
    arguments = ["fit-finder", "--recipe", str(recipe), "--data", str(tmp_path), "--out"]
    assert main([*arguments, str(tmp_path / "run")]) == ConfigError.exit_status
    (told,) = capsys.readouterr().err.splitlines()
    assert said in told
    assert not (tmp_path / "run").exists()


def test_a_folder_of_another_kind_of_run_or_with_a_damaged_record_is_left_as_it_is(tmp_path, capsys):
    recipe = tmp_path / "tiny.toml"
    recipe.write_text('[data]\nfields = ["ankara"]\n', encoding="utf-8")
    for number, name in enumerate(("fitted", "found", "damaged")):
        (tmp_path / name / f"epoch-000{number + 1}").mkdir(parents=True)
    (tmp_path / "fitted" / "run.json").write_text("{}", encoding="utf-8")
    (tmp_path / "found" / "recipe.json").write_text("{}", encoding="utf-8")
    (tmp_path / "damaged" / "recipe.json").write_text('{"recipe":', encoding="utf-8")
    find = ["fit-finder", "--recipe", str(recipe)]
    for command, name, said in (
        (find, "fitted", "holds checkpoints of another kind of run, without recipe.json"),
        (["fit"], "found", "holds checkpoints of another kind of run, without run.json"),
        (find, "damaged", "recipe.json: cannot be read"),
    ):
        before = sorted(tmp_path.rglob("*"))
        arguments = [*command, "--data", str(tmp_path), "--out", str(tmp_path / name)]
        assert main(arguments) == ConfigError.exit_status
        assert said in capsys.readouterr().err
        assert sorted(tmp_path.rglob("*")) == before
    # A record without a checkpoint is of a run that never came to one, and is replaced.
    (tmp_path / "damaged" / "epoch-0003").rmdir()
    assert main([*find, "--data", str(tmp_path), "--out", str(tmp_path / "damaged")]) == DataError.exit_status
    assert "the data set ankara is not there" in capsys.readouterr().err


def test_microscopes_are_drawn_alike_and_a_groups_copies_weigh_once():
    alike = [field(microscope="one")] * 3 + [replace(field(microscope="two"), group=name) for name in "bcd"]
    even = chances(alike, balance=1.0)
    assert even[:3].sum() == pytest.approx(0.5)
    plain = chances(alike, balance=0.0)
    assert plain[:3].sum() == pytest.approx(0.25)  # three copies of one group against three groups
