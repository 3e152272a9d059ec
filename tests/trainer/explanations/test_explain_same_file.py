"""A photograph that lies in two sets of one's own was trained on where either of its files was."""

from __future__ import annotations

import shutil
from types import SimpleNamespace

from drawn_fields import write_image
from rich.progress import Progress

from trainer.data.datasets import list_images
from trainer.explanations import subjects
from trainer.explanations.subjects import held_out
from trainer.recipe import Data, OwnSet


def test_a_file_that_training_showed_in_another_set_is_not_explained_as_held_out(tmp_path, monkeypatch):
    monkeypatch.setattr(subjects._Cutter, "__call__", lambda _, one: (*one, (None, None, None)))  # noqa: SLF001
    shown = tmp_path / "a" / "lymphocyte" / "slide-1" / "x.png"
    write_image(shown, [(90, 80, 120, 120)])
    again = tmp_path / "b" / "lymphocyte" / "slide-2" / "y.png"
    again.parent.mkdir(parents=True)
    shutil.copy(shown, again)
    write_image(again.with_name("z.png"), [(80, 90, 120, 120)])
    own = {name: OwnSet(str(tmp_path / name), layout="slide folders") for name in ("a", "b")}
    asked = Data(("a", "b"), ("lymphocyte", "monocyte"), own=own)
    (kept,) = {image.group for image in list_images(tmp_path, "b", own)}
    run = SimpleNamespace(recipe=SimpleNamespace(data=asked), held_out=(kept,))
    with Progress(disable=True) as progress:
        found = list(held_out(run, tmp_path, tmp_path, progress))
    assert [subject.name.rpartition("/")[2] for subject in found] == ["z.png"]
