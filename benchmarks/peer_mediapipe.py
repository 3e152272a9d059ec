"""MediaPipe's ImageClassifier on the bundle as it is.

It takes our file, knows none of its labels, and ranks every output: the map and the features as if they were
classes, too. So the time is that of all three, as ours is.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from benchmarks.peer_serving import Job, Loaded, serve
from edge.models.bundle import read_bundle


def load(job: Job) -> Loaded:
    """Open the bundle, and give a call from a crop to its class. It runs with MediaPipe's own threads."""
    # Where it finds TensorFlow, it loads it, for other tasks' sake: not what a user of this one has.
    sys.modules["tensorflow"] = None  # type: ignore[assignment]
    import mediapipe  # noqa: PLC0415 (a peer that may not be there)
    from mediapipe.tasks.python.core.base_options import BaseOptions  # noqa: PLC0415
    from mediapipe.tasks.python.vision import ImageClassifier, ImageClassifierOptions  # noqa: PLC0415

    classes = len(read_bundle(Path(job.model)).description.labels)
    options = ImageClassifierOptions(
        base_options=BaseOptions(model_asset_buffer=Path(job.model).read_bytes())
    )
    classifier: Any = ImageClassifier.create_from_options(options)
    crops = job.read_crops()

    def call(number: int) -> int:
        image = mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=crops[number])
        heads = classifier.classify(image).classifications
        logits = next(head for head in heads if len(head.categories) == classes)
        return int(logits.categories[0].index)

    return Loaded(call, f"mediapipe {mediapipe.__version__}")


if __name__ == "__main__":
    serve(load)
