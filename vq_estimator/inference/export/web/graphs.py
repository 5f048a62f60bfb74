"""The functions that the page computes, each as an ONNX file of its own."""

import math
from typing import Any, List, Optional

import tensorflow.compat.v1 as tf

from vq_estimator.inference.session import OpenRun
from vq_estimator.nn.pixelcnn_layers import convolutions_as_products
from vq_estimator.nn.stepwise import Traced

BITS = 1.0 / math.log(2.0)


def trace(run: OpenRun, scale: Optional[float]) -> List[Traced]:
    """Adds the functions of the page to the graph of a run of images with a factorised decoder.

    Args:
      run: the run.
      scale: the calibrated scale of a likelihood that has none of its own, in levels, or None.

    Returns:
      `encoder` (images uint8 [B, H, W, C] -> z float32 [B, h, w, P, D]), `quantizer` (z -> codes int32 [B, h, w, L]),
      `decoder` (codes, image uint8 [1, H, W, C] -> images, and bits float32 [B], what `image` costs given each map);
      and for a trained prior those of `_trace_prior`.
    """
    m, model = run.config.model, run.vqvae
    images, codes = tf.placeholder(tf.uint8, (None, *m.shape)), tf.placeholder(tf.int32, (None, *m.grid))
    encoded = model.encode_continuous(images)
    z = tf.placeholder(tf.float32, encoded.shape)
    image = tf.placeholder(tf.uint8, (1, *m.shape))
    same = tf.tile(image, tf.stack([tf.shape(codes)[0], 1, 1, 1]))
    p: Any = model.likelihood(codes, same)
    bits = -BITS * (p if scale is None else p.with_scale(scale)).log_prob(same)
    return [
        Traced("encoder", {"images": images}, {"z": encoded}),
        Traced("quantizer", {"z": z}, {"codes": model.quantizer(z, False).codes}),
        Traced("decoder", {"codes": codes, "image": image}, {"images": model.decode(codes), "bits": bits}),
    ] + ([] if run.prior is None else _trace_prior(run, run.prior.config.codes.classes))


@convolutions_as_products()
def _trace_prior(run: OpenRun, classes: int) -> List[Traced]:
    """Adds the functions of the trained prior, which has `classes` classes.

    All take codes int32 [B, h, w, L] and, where the prior has classes, labels int32 [B]. Bits are -log2 p of each code.

    Returns:
      `prior` (-> bits float32 [B, h, w, L]); `tail` (and first int32 [] -> bits [B, h - first, w, L] of the rows from
      `first` on, of maps that agree in the rows before); and `step` (and row, column int32 [], noise float32 [B, L, K]
      and temperature float32 [] -> drawn int32 [B, L], which maximise logits / temperature + noise, and the logits
      float32 [B, L, K] of each code given those drawn before it).
    """
    prior, (height, width, L) = run.code_prior, run.config.model.grid
    found = []

    def inputs():
        named = {"codes": tf.placeholder(tf.int32, (None, height, width, L))}
        return {**named, "labels": tf.placeholder(tf.int32, [None])} if classes else named

    given = inputs()
    found.append(Traced("prior", given, {"bits": -BITS * prior.log_prob(given["codes"], given.get("labels"))}))

    given = {**inputs(), "first": tf.placeholder(tf.int32, [])}
    tail = prior.tail_log_prob(given["codes"], given.get("labels"), given["first"])
    found.append(Traced("tail", given, {"bits": -BITS * tail}))

    given = {**inputs(), "row": tf.placeholder(tf.int32, []), "column": tf.placeholder(tf.int32, [])}
    noise = tf.placeholder(tf.float32, [None, L, run.config.model.quantizer.K])
    temperature = tf.placeholder(tf.float32, [])

    def choose(logits, row, column, level):
        return tf.argmax(logits / temperature + noise[:, level], -1, output_type=tf.int32)

    drawn, logits = prior.choose_position(given["codes"], given.get("labels"), given["row"], given["column"], choose)
    given = {**given, "noise": noise, "temperature": temperature}
    return [*found, Traced("step", given, {"drawn": drawn, "logits": logits})]
