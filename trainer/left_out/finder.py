"""The finder with a microscope left out: trained on the others, and measured as int8 on its fields."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from edge.cameras.image_files import read_image
from edge.errors import ConfigError, UnreadableFrameError
from edge.finding import RED_CELL_PIXELS
from edge.finding.finder import Finder
from edge.models.recipes import FINDER_VERSION
from trainer.data.datasets import DATASETS, find_set, fingerprint, list_annotated, list_images
from trainer.data.images import DataError
from trainer.data.shipped_finder import finder_version
from trainer.finder.loading import boxed
from trainer.finder.measuring import squares
from trainer.finder.run import FINDER, fit_finder_run
from trainer.left_out.figures import finding_figures
from trainer.left_out.in_turn import Measured

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from trainer.data.images import AnnotatedImage
    from trainer.evaluation.finding import Rectangle
    from trainer.finder.recipe import FinderRecipe

WHITE_CELL = "white cell"


@dataclass(frozen=True)
class FinderHalf:
    """A finder's recipe, on the sets of all microscopes but one.

    The scale is that of the set's red cells, as the ruler of a specimen would have it.
    """

    recipe: FinderRecipe
    name: str = "finder"

    def made_from(self, microscope: str, data: Path) -> str:
        """Return the hash of recipe, finder versions, and of all images, those trained and measured on."""
        _, name, sha256, _ = self._images(microscope, data)
        parts = [msgspec.to_builtins(self.recipe), FINDER_VERSION, name, sha256]
        # The finder that ships draws the boxes of pictures of one cell.
        parts += [finder_version()] if self.recipe.data.cells else []
        for other in (*self.recipe.data.fields, *self.recipe.data.cells):
            if find_set(other).microscope != microscope:
                of_cells = other in self.recipe.data.cells
                parts.append(
                    fingerprint(list_images(data, other) if of_cells else list_annotated(data, other))
                )
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()

    def measure(self, microscope: str, data: Path, folder: Path) -> Measured:
        """Fit and measure. Raises what `fit_finder_run` raises, DataError, ConfigError."""
        images, name, _, single = self._images(microscope, data)
        if not images:  # before the training, not after it
            raise ConfigError(
                f"recipe {self.recipe.name}: of {name} no picture is left to measure on: all are in "
                "data.unseen, or no cell is found in them"
            )
        red_cell = DATASETS[name].red_cell
        if red_cell is None:
            raise ConfigError(f"{name}: the size of its red cells is not known, so it has no scale")
        record = fit_finder_run(self.recipe, data, folder, (microscope,))
        finder = Finder((folder / FINDER).read_bytes(), {"maps": record["output"]})
        found = [self._found(finder, image, RED_CELL_PIXELS / red_cell) for image in images]
        figures, counts = finding_figures(images, found)
        notes: tuple[str, ...] = ()
        if single:
            # What else such a picture shows is not marked.
            figures.pop("precision", None)
            notes = ("pictures of one cell: only that one has a box, where the finder that ships sees it",)
        return Measured(tuple(record["data"]), (name,), counts, figures, notes)

    def _images(self, microscope: str, data: Path) -> tuple[list[AnnotatedImage], str, str, bool]:
        """Return what is measured on: images, their set, its hash, and whether each shows one cell only."""
        unseen = set(self.recipe.data.unseen)
        for name in (*self.recipe.data.fields, *self.recipe.data.cells):
            if find_set(name).microscope != microscope:
                continue
            if name in self.recipe.data.cells:
                cells = list_images(data, name)
                sha256 = fingerprint(cells)
                return boxed(cells, sha256), name, sha256, True
            fields = list_annotated(data, name)
            kept = [field for field in fields if field.path.stem not in unseen]
            return kept, name, fingerprint(fields), False
        raise ConfigError(f"recipe {self.recipe.name}: has no set of {microscope} to measure on")

    def _found(self, finder: Finder, image: AnnotatedImage, scale: float) -> Sequence[Rectangle]:
        """Return the white cells that are found in an image, as squares: [x, y, width, height]."""
        try:
            pixels = read_image(image.path)
        except UnreadableFrameError as error:
            raise DataError(str(error)) from None
        thresholds = self.recipe.thresholds
        cells = finder.find(pixels, scale, thresholds).of(WHITE_CELL, thresholds[WHITE_CELL])
        return squares(cells)
