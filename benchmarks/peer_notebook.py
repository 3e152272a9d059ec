"""The notebook way: OpenCV, Keras' `predict`, and Grad-CAM by GradientTape (Selvaraju et al. 2017).

The network is built as the bundle's recipe says, with drawn weights: the bundle has the int8 ones only, and
weights take no part in the time.
"""

from __future__ import annotations

import os
from pathlib import Path

import cv2
import numpy as np

from benchmarks.peer_serving import Job, Loaded, serve
from benchmarks.peers import largest_dark
from edge.models.bundle import read_bundle


def load(job: Job) -> Loaded:
    """Build the network, and give a call from a picture's file to its class and the map drawn over it."""
    description = read_bundle(Path(job.model)).description
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    import tensorflow as tf  # noqa: PLC0415 (a peer that may not be there)

    tf.config.threading.set_intra_op_parallelism_threads(job.threads)
    tf.config.threading.set_inter_op_parallelism_threads(job.threads)
    import keras  # noqa: PLC0415

    from trainer.networks.registry import build  # noqa: PLC0415

    cv2.setNumThreads(job.threads)
    network = dict(description.training["recipe"]["network"])
    model = build(network.pop("name"), len(description.labels), network)
    with_activation = keras.Model(model.inputs, [model.get_layer("activation").output, *model.outputs])

    def call(number: int) -> int:
        crop = largest_dark(Path(job.files[number % len(job.files)]))
        image = crop[None].astype(np.float32) / 255
        label = int(model.predict(image, verbose=0)[0].argmax())
        with tf.GradientTape() as tape:
            activation, logits = with_activation(image)
            score = logits[:, label]
        weights = tf.reduce_mean(tape.gradient(score, activation), axis=(0, 1, 2))
        heat = tf.nn.relu(tf.reduce_sum(activation[0] * weights, axis=-1)).numpy()
        heat = (255 * heat / max(heat.max(), 1e-9)).astype(np.uint8)
        colours = cv2.applyColorMap(cv2.resize(heat, crop.shape[1::-1]), cv2.COLORMAP_JET)
        cv2.addWeighted(crop, 0.6, colours, 0.4, 0)
        return label

    return Loaded(call, f"tensorflow {tf.__version__}, keras {keras.__version__}")


if __name__ == "__main__":
    serve(load)
