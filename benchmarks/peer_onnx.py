"""ONNX Runtime on the bundle's own network, converted by tf2onnx: as it is, or with all of it in float."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.peer_serving import Job, Loaded, serve
from edge.models.bundle import read_bundle


def load(job: Job) -> Loaded:
    """Convert the network, and give a call from a crop to its class; all outputs are taken, the map's too."""
    import onnxruntime  # noqa: PLC0415 (a peer that may not be there)

    bundle = read_bundle(Path(job.model))
    started = time.monotonic()
    network = _converted(bundle.model, Path(job.folder), job.variant)
    spent = time.monotonic() - started
    options: Any = onnxruntime.SessionOptions()
    options.intra_op_num_threads = job.threads
    options.inter_op_num_threads = 1
    session: Any = onnxruntime.InferenceSession(network, options, providers=["CPUExecutionProvider"])
    place = session.get_inputs()[0].name
    names = [output.name for output in session.get_outputs()]
    logits = names.index(bundle.description.outputs["logits"])
    crops = job.read_crops()

    def call(number: int) -> int:
        return int(session.run(names, {place: crops[number][None]})[logits][0].argmax())

    return Loaded(call, f"onnxruntime {onnxruntime.__version__}", spent)


def _converted(model: bytes, folder: Path, variant: str) -> str:
    """Return the ONNX file. tf2onnx brings TensorFlow along, so it has a process of its own."""
    for package in ("tf2onnx", "tensorflow"):
        if importlib.util.find_spec(package) is None:
            raise ModuleNotFoundError(f"there is no {package}", name=package)
    source, target = folder / f"onnx-{variant}.tflite", folder / f"onnx-{variant}.onnx"
    source.write_bytes(model)
    command = [sys.executable, "-m", "tf2onnx.convert", "--opset", "17"]
    command += ["--tflite", str(source), "--output", str(target)]
    command += ["--dequantize"] if variant == "float" else []
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 (our interpreter)
    if done.returncode:
        raise RuntimeError(f"tf2onnx could not convert the network: {done.stderr.strip()[-150:]}")
    return str(target)


if __name__ == "__main__":
    serve(load)
