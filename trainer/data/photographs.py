"""Which photograph is an augmented image a copy of?

A set such as "Blood Cell Images" holds rotated, mirrored, shifted and sheared copies of a few hundred
photographs. With copies of one photograph on both sides of a split, a test measures memory; so a split must
be drawn over photographs. The file names do not tell the photograph; the pixels do.

Method: ORB keypoints (Rublee et al., ICCV 2011); a bag of visual words, weighed by rarity, shortlists
candidates (Sivic and Zisserman, ICCV 2003); a robust affine fit (RANSAC: Fischler and Bolles, CACM 1981)
decides. ORB does not see through mirroring, so what is searched is described upright and mirrored.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Any, Final

import cv2
import numpy as np

from edge.errors import LeukoscopeError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    Progress = Callable[[int, int], None]

METHOD = 1  # version of the recovery: another one may group otherwise
SCHEMA: Final = "leukoscope.photographs/1"
UNKNOWN: Final = "unknown:"
"""Starts the group of an image that is like no other; the rest is the image's own path."""
CLUSTER: Final = "cluster-"
"""Starts the name of a photograph that is known by its copies only."""
MINIMUM_INLIERS: Final = 30
"""Keypoints, of at most 300, that one affine map must explain.

Measured on 12,515 copies: a copy and its original share 37 and more, two copies of one photograph nearly
always 30 and more, strangers at most 12.
"""

_WORKING_SIDE: Final = 320  # pixels; the copies' own size, for ORB's scales must agree with the originals'
_KEYPOINTS: Final = 300
_WORDS: Final = 2000
_WEDGE_LEVEL: Final = 24  # grey level: stained nuclei lie above it, a black wedge and its JPEG noise below
_WEDGE_MARGIN: Final = 15  # pixels, half an ORB patch: nearer, a descriptor tells the wedge's edge
_RATIO: Final = 0.85  # best to second-best descriptor distance (Lowe, IJCV 2004)
_FAR: Final = 64  # bits of 256
_REPROJECTION: Final = 2.0  # pixels
_STRETCH: Final = 2.0  # the augmentation's shear and zoom stay far below
_CANDIDATES: Final = 5
_NEIGHBOURS: Final = 20
_BLOCK: Final = 64  # rows of one product of word vectors: memory traffic is its cost, not arithmetic


class PhotographError(LeukoscopeError, ValueError):
    """An image cannot be read, originals cannot be told apart, or a file holds no groups."""

    exit_status = 2


@dataclass(frozen=True)
class Match:
    """What was found for one image.

    photograph: the original's file name without suffix; `CLUSTER` and a digest when only copies of it are
    known; None when nothing fits. inliers: keypoints of the best fit, also when too few for a match.
    """

    photograph: str | None
    inliers: int


@dataclass(frozen=True)
class SharedPhotograph:
    """A photograph with copies in two sets that should share none; images are named as in the groups."""

    photograph: str
    in_a: tuple[str, ...]
    in_b: tuple[str, ...]


@dataclass(frozen=True)
class _Features:
    """points: float32 (n, 2), x and y in pixels. descriptors: uint8 (n, 32), 256 bits each."""

    points: NDArray[np.float32]
    descriptors: NDArray[np.uint8]


def find_photographs(
    images: Sequence[Path], originals: Sequence[Path] | None, progress: Progress | None = None
) -> dict[Path, Match]:
    """Find the photograph that each image is a copy of.

    With originals, an image is assigned to one of them; those that fit none are then clustered. Without,
    all images are clustered among themselves. A cluster is named by the digest of its first image, so names
    of different calls never clash; but only within one call do all copies of a photograph get one name.
    Two photographs that overlap on the slide stay two where their originals are given, and may become one
    cluster where not. So `find_photographs(originals, None)` tells which originals overlap widely.

    progress: called with steps done and steps in all; counts anew where clustering follows.
    Raises PhotographError, naming the file, when an image cannot be read or two originals share a name.
    """
    images = list(dict.fromkeys(images))
    if originals is not None and not originals:
        raise PhotographError("no originals: give the photographs, or None to cluster the images themselves")
    threads = cv2.getNumThreads()
    # A step takes about a millisecond: waking a thread pool for it costs more than it saves.
    cv2.setNumThreads(1)
    try:
        if originals is None:
            return _cluster(images, progress)
        matches = _assign(images, originals, progress)
        left = [image for image, match in matches.items() if match.photograph is None]
        clustered = _cluster(left, progress)
        return matches | {image: match for image, match in clustered.items() if match.photograph}
    finally:
        cv2.setNumThreads(threads)


def write_groups(path: Path, matches: Mapping[Path, Match], root: Path) -> None:
    """Write each image's photograph as JSON, keyed by the image's path relative to the directory `root`.

    An image without one becomes a group of its own, marked `UNKNOWN`. Raises ValueError for an image outside.
    """
    groups = {}
    for image, match in matches.items():
        name = image.relative_to(root).as_posix()
        groups[name] = UNKNOWN + name if match.photograph is None else match.photograph
    document = {"schema": SCHEMA, "groups": dict(sorted(groups.items()))}
    path.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def read_groups(path: Path) -> dict[str, str]:
    """Read what `write_groups` wrote: relative image path -> photograph.

    Raises PhotographError when the file is no such document, or one of another version.
    """
    try:
        document: Any = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise PhotographError(f"{path}: is not JSON: {error}") from error
    schema = document.get("schema") if isinstance(document, dict) else None
    if schema != SCHEMA:
        raise PhotographError(f"{path}: its schema is {schema!r}, expected {SCHEMA!r}")
    groups = document.get("groups")
    if not isinstance(groups, dict) or not all(isinstance(name, str) for name in groups.values()):
        raise PhotographError(f"{path}: 'groups' does not map image paths to photographs")
    return groups


def shared_photographs(groups_a: Mapping[str, str], groups_b: Mapping[str, str]) -> list[SharedPhotograph]:
    """List the photographs with copies in both sets, by name: the leaks between them."""
    a, b = _by_photograph(groups_a), _by_photograph(groups_b)
    return [SharedPhotograph(name, tuple(a[name]), tuple(b[name])) for name in sorted(a.keys() & b.keys())]


def _by_photograph(groups: Mapping[str, str]) -> dict[str, list[str]]:
    images: dict[str, list[str]] = {}
    for image, photograph in sorted(groups.items()):
        images.setdefault(photograph, []).append(image)
    return images


def _assign(
    images: Sequence[Path], originals: Sequence[Path], progress: Progress | None
) -> dict[Path, Match]:
    twice = [name for name, times in Counter(path.stem for path in originals).items() if times > 1]
    if twice:
        raise PhotographError(f"{twice[0]}: two originals have this name")
    step = _steps(progress, len(originals) + len(images))
    gallery = _Gallery(originals, step)
    matches = {}
    for image in images:
        features = gallery.describe(_read_grey(image))
        shortlist = np.argsort(-gallery.scores(features))[:_CANDIDATES]
        fits = [(_fit(features, gallery.features[entry]), int(entry)) for entry in shortlist]
        # Photographs of one place on the slide all fit; the one that was copied has the nearest descriptors.
        (inliers, _), entry = max(fits, key=lambda fit: fit[0][1])
        matches[image] = Match(originals[entry // 2].stem if inliers >= MINIMUM_INLIERS else None, inliers)
        step()
    return matches


def _cluster(images: Sequence[Path], progress: Progress | None) -> dict[Path, Match]:
    if not images:
        return {}
    step = _steps(progress, 2 * len(images))
    gallery = _Gallery(images, step)
    strongest = [0] * len(images)
    cluster = np.arange(len(images))
    for start in range(0, len(images), _BLOCK):
        block = range(start, min(start + _BLOCK, len(images)))
        scores = gallery.vectors[2 * start : 2 * block.stop : 2] @ gallery.vectors.T
        for index, row in zip(block, scores, strict=True):
            row[[2 * index, 2 * index + 1]] = -1
            nearest = np.argpartition(-row, min(_NEIGHBOURS, len(row) - 1))[:_NEIGHBOURS]
            for entry in nearest[np.argsort(-row[nearest])]:
                other = int(entry) // 2
                if cluster[other] == cluster[index]:
                    continue
                inliers, _ = _fit(gallery.features[2 * index], gallery.features[entry])
                strongest[index] = max(strongest[index], inliers)
                strongest[other] = max(strongest[other], inliers)
                if inliers >= MINIMUM_INLIERS:
                    cluster[cluster == cluster[other]] = cluster[index]
            step()
    numbers, firsts, sizes = np.unique(cluster, return_index=True, return_counts=True)
    names = {
        number: CLUSTER + hashlib.sha256(images[first].read_bytes()).hexdigest()[:16]
        for number, first, size in zip(numbers, firsts, sizes, strict=True)
        if size > 1
    }
    return {image: Match(names.get(cluster[i]), strongest[i]) for i, image in enumerate(images)}


def _steps(progress: Progress | None, total: int) -> Callable[[], None]:
    done = count(1)
    return lambda: progress(next(done), total) if progress else None


class _Gallery:
    """What is searched: features and word vectors, entry 2i for image i upright, 2i + 1 for it mirrored."""

    def __init__(self, images: Sequence[Path], step: Callable[[], None]) -> None:
        # So low a threshold gives blurred fields their keypoints too.
        self._orb = cv2.ORB.create(_KEYPOINTS, nlevels=6, edgeThreshold=_WEDGE_MARGIN, fastThreshold=5)
        self._matcher = cv2.BFMatcher.create(cv2.NORM_HAMMING)
        self.features: list[_Features] = []
        for image in images:
            grey = _read_grey(image)
            self.features.append(self.describe(grey))
            self.features.append(self.describe(np.ascontiguousarray(grey[:, ::-1])))
            step()
        # Sampled descriptors serve as words as well as cluster centres do here, and cost nothing.
        pool = np.concatenate([np.empty((0, 32), np.uint8), *(entry.descriptors for entry in self.features)])
        self._words = pool[np.random.default_rng(0).permutation(len(pool))[:_WORDS]]
        counts = np.array([self._count_words(entry) for entry in self.features], np.float32)
        self._rarity = np.log(len(counts) / np.maximum(1, (counts > 0).sum(axis=0))).astype(np.float32)
        self.vectors = self._weigh(counts)

    def describe(self, grey: NDArray[np.uint8]) -> _Features:
        kernel = np.ones((_WEDGE_MARGIN, _WEDGE_MARGIN), np.uint8)
        # 255, not 1: ORB shrinks the mask for its pyramid and then takes only what is near 255.
        inside = cv2.erode(np.where(grey > _WEDGE_LEVEL, 255, 0).astype(np.uint8), kernel)
        keypoints, descriptors = self._orb.detectAndCompute(grey, inside)
        if not keypoints:
            return _Features(np.empty((0, 2), np.float32), np.empty((0, 32), np.uint8))
        points = np.array([keypoint.pt for keypoint in keypoints], np.float32)
        return _Features(points, np.asarray(descriptors, np.uint8))

    def scores(self, features: _Features) -> NDArray[np.float32]:
        return np.asarray(self.vectors @ self._weigh(self._count_words(features)), np.float32)

    def _count_words(self, features: _Features) -> NDArray[np.float32]:
        if not len(features.points) or not len(self._words):
            return np.zeros(len(self._words), np.float32)
        words = [match.trainIdx for match in self._matcher.match(features.descriptors, self._words)]
        return np.bincount(words, minlength=len(self._words)).astype(np.float32)

    def _weigh(self, counts: NDArray[np.float32]) -> NDArray[np.float32]:
        vectors = np.sqrt(counts) * self._rarity
        return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-6))


def _fit(image: _Features, other: _Features) -> tuple[int, float]:
    """Count the keypoints that the best affine map explains; add up the bits by which they are near."""
    if len(image.points) < 3 or len(other.points) < 3:
        return 0, 0.0
    pairs = cv2.BFMatcher.create(cv2.NORM_HAMMING).knnMatch(image.descriptors, other.descriptors, k=2)
    distinct = [first for first, second in pairs if first.distance < _RATIO * second.distance]
    if len(distinct) < 3:
        return 0, 0.0
    source = image.points[[match.queryIdx for match in distinct]]
    target = other.points[[match.trainIdx for match in distinct]]
    affine, inliers = cv2.estimateAffine2D(
        source, target, ransacReprojThreshold=_REPROJECTION, maxIters=500, confidence=0.99
    )
    # A map that squeezes one image into a speck "explains" any keypoints that lie close together.
    stretch = (0, 0) if affine is None else np.linalg.svd(affine[:, :2], compute_uv=False)
    if not 1 / _STRETCH < stretch[1] <= stretch[0] < _STRETCH:
        return 0, 0.0
    near = _FAR - np.array([match.distance for match in distinct])[inliers.ravel() > 0]
    return len(near), float(near.clip(0).sum())


def _read_grey(path: Path) -> NDArray[np.uint8]:
    grey = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
    if grey is None:
        raise PhotographError(f"{path}: cannot be read as an image")
    scale = _WORKING_SIDE / max(grey.shape)
    if scale < 1:
        grey = cv2.resize(grey, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return np.asarray(grey, np.uint8)
