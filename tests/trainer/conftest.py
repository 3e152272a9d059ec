"""Fixtures of the trainer's tests. Nothing is kept between sessions, or taken from the user's own cache."""

from __future__ import annotations

import pytest
from drawn_data import draw_data
from drawn_fields import LEFT, RIGHT, voc_object, write_field, write_labels


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LEUKOSCOPE_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture
def bccd(tmp_path):
    """Two fields: 0 with a neutrophil on the left, 1 with two eosinophils; a red cell on each."""
    folder = tmp_path / "bccd"
    red = voc_object("RBC", (0, 400, 80, 80))
    write_field(folder, 0, [LEFT], red)
    write_field(folder, 1, [LEFT, RIGHT], red)
    write_labels(folder, "NEUTROPHIL", "EOSINOPHIL, Eosinophil")
    return tmp_path


# A tiny run, once a module: of the module's RECIPE, on data drawn with the module's DRAWN.


@pytest.fixture(scope="module")
def data(request, tmp_path_factory):
    return draw_data(tmp_path_factory.mktemp("data"), **request.module.DRAWN)


@pytest.fixture(scope="module")
def recipe(request, tmp_path_factory):
    path = tmp_path_factory.mktemp("recipes") / "tiny.toml"
    path.write_text(request.module.RECIPE, encoding="utf-8")
    return str(path)


@pytest.fixture(scope="module")
def finished(tmp_path_factory, data, recipe):
    from trainer.cli import main

    out = tmp_path_factory.mktemp("runs") / "whole"
    assert main(["fit", "--recipe", recipe, "--data", str(data), "--out", str(out)]) == 0
    return out
