"""From a float network to full int8, and what the int8 file answers."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter

from edge.errors import LeukoscopeError
from edge.models.runtime import Runtime
from trainer.networks.gradient import in_parts
from trainer.networks.predicting import predict
from trainer.networks.registry import for_device
from trainer.quantization.channels import with_even_channels
from trainer.quantization.equalizing import can_be_equalized, equalized
from trainer.quantization.rounding import can_be_rounded, with_rounded_weights
from trainer.quantization.splicing import spliced

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import keras
    from numpy.typing import NDArray


class ExportError(LeukoscopeError):
    """A gate stopped the export; nothing was written."""


@dataclass(frozen=True)
class Quantized:
    """A flatbuffer and the names of its output tensors by our names.

    exported: the network that was made int8. head: what follows in the file, in float, where anything does.
    turns: in how many quarter turns the device looks at each cell.
    """

    model: bytes
    outputs: dict[str, str]
    exported: keras.Model
    head: keras.Model | None = None
    turns: int = 1


def quantize(model: keras.Model, representative: NDArray[np.uint8]) -> Quantized:
    """Convert to int8 with uint8 input at scale 1/255, one signature, the outputs of `for_device`.

    representative: uint8 (n, 120, 120, 3), crops of training photographs. The channels of `compact` and
    of EfficientNet-Lite0 are equalized first, and of the second the weights rounded and their shifts taken
    back. All of the network becomes int8, but a part named `head` computes in float; its weights are kept as
    float16.
    Raises ExportError when the file has no weights in it, or another input than the camera's bytes.
    """
    if can_be_equalized(model):
        model = equalized(model, representative)
    elif can_be_rounded(model):
        ready = with_rounded_weights(with_even_channels(model, representative), representative)
        answers = run_int8(
            to_int8_file(for_device(ready), representative, model.count_params()), representative
        )
        shifted_by = (answers - predict(model, representative)).mean(axis=0)
        kernel, bias = ready.get_layer("logits").get_weights()
        ready.get_layer("logits").set_weights([kernel, bias - shifted_by])
        model = ready
    exported, head = in_parts(for_device(model))
    return to_int8_file(exported, representative, model.count_params(), head)


def to_int8_file(
    exported: keras.Model,
    representative: NDArray[np.uint8],
    parameters: int,
    head: keras.Model | None = None,
) -> Quantized:
    """Convert a network with named outputs, and in float what follows it in `head`; see `quantize`.

    representative: uint8 (n, h, w, 3). parameters: how many weights must be in the file.
    """

    def batches() -> Iterator[list[NDArray[np.float32]]]:
        for image in with_black_and_white(representative):
            yield [image[None].astype(np.float32) / 255]

    def to_int8(converter: Any) -> None:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = batches
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = tf.uint8

    content = _converted(exported, to_int8)
    if head is not None:
        content = spliced(
            content, _converted(head, _to_float16_weights), {one.name: one.name for one in head.inputs}
        )
    return Quantized(content, _checked_outputs(content, parameters), exported, head)


def with_black_and_white(crops: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return what the calibration sees: the crops, uint8 (n, h, w, 3), with a black and a white pixel.

    These pin the input's range to exactly 0 to 1, so that its scale is 1/255. A picture that is black or
    white all over would do so, too, but widen the ranges to values that no cell has.
    """
    result = crops.copy()
    result[0, 0, :2] = [[0], [255]]
    return result


def float_twin(quantized: Quantized) -> bytes:
    """Convert the same network without quantization: float32 input in 0 to 1.

    Its tensors have the names of the int8 file's, so that the two can be compared tensor by tensor.
    """
    return _converted(quantized.exported, lambda _: None)


def _to_float16_weights(converter: Any) -> None:
    """Halve the file's weights; they are float32 again when the device has opened it."""
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.target_spec.supported_types = [tf.float16]


def _converted(exported: keras.Model, set_up: Callable[[Any], None]) -> bytes:
    """Convert for one image at a time; inputs and outputs have the network's names for them."""
    with tempfile.TemporaryDirectory() as folder:
        # Concrete functions of a Keras 3 model convert "successfully" to a file without weights.
        archive = tf.keras.export.ExportArchive()
        archive.track(exported)
        specs = [tf.TensorSpec((1, *one.shape[1:]), tf.float32, name=one.name) for one in exported.inputs]

        def serve(*inputs: Any) -> Any:
            return exported(inputs if len(inputs) > 1 else inputs[0], training=False)

        archive.add_endpoint("serve", serve, input_signature=specs)
        archive.write_out(folder, verbose=False)
        converter = tf.lite.TFLiteConverter.from_saved_model(folder, signature_keys=["serve"])
        set_up(converter)
        content: bytes = converter.convert()
    return content


def _checked_outputs(content: bytes, parameters: int) -> dict[str, str]:
    if len(content) < parameters:
        raise ExportError(
            f"the converted file has {len(content)} bytes for {parameters} weights: they are not in it"
        )
    interpreter = Interpreter(model_content=content)
    interpreter.allocate_tensors()
    operations = {op["op_name"] for op in interpreter._get_ops_details()}  # noqa: SLF001
    if operations & {"READ_VARIABLE", "VAR_HANDLE"}:
        raise ExportError("the converted file reads its weights from variables that the device has not")
    scale, zero_point = interpreter.get_input_details()[0]["quantization"]
    if abs(scale * 255 - 1) > 1e-4 or zero_point != 0:
        raise ExportError(
            f"the input's scale is {scale} from {zero_point}; the camera's bytes need 1/255 from 0"
        )
    (signature,) = interpreter.get_signature_list()
    details = {d["index"]: d["name"] for d in interpreter.get_output_details()}
    runner = interpreter.get_signature_runner(signature)
    return {name: details[d["index"]] for name, d in runner.get_output_details().items()}


def run_int8(
    quantized: Quantized,
    pixels: NDArray[np.uint8],
    runtime: str = "auto",
    progress: Callable[[], None] = lambda: None,
) -> NDArray[np.float32]:
    """The int8 logits, float32 (n, classes), of crops (n, 120, 120, 3), one by one as on the device."""
    return int8_outputs(quantized, pixels, ("logits",), runtime, progress)["logits"]


def int8_outputs(
    quantized: Quantized,
    pixels: NDArray[np.uint8],
    names: Sequence[str],
    runtime: str = "auto",
    progress: Callable[[], None] = lambda: None,
) -> dict[str, NDArray[np.float32]]:
    """The int8 outputs of these names, float32 (n, ...) each, of crops (n, 120, 120, 3), one by one."""
    opened = Runtime(quantized.model, quantized.outputs, choice=runtime, turns=quantized.turns)
    rows: dict[str, list[NDArray[np.float32]]] = {name: [] for name in names}
    for crop in pixels:
        outputs = opened.run(crop)
        for name in names:
            rows[name].append(outputs[name].copy())
        progress()
    return {name: np.array(values, np.float32) for name, values in rows.items()}
