"""Answer crops with an int8 file in a process without TensorFlow: MODEL LOGITS RUNTIME CROPS ANSWERS."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from edge.runtime import Runtime


def main(model: str, logits: str, runtime: str, crops: str, answers: str) -> None:
    """Read crops, uint8 (n, 120, 120, 3), and write logits, float32 (n, classes); both are .npy files."""
    opened = Runtime(Path(model).read_bytes(), {"logits": logits}, choice=runtime)
    np.save(answers, np.array([opened.run(crop)["logits"] for crop in np.load(crops)], np.float32))


if __name__ == "__main__":
    main(*sys.argv[1:])
