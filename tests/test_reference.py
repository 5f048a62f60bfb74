"""The original network with tf-vqvae's own MNIST weights gives its codes, reconstructions, errors and `nll`."""

import dataclasses
import os

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from helpers.reference import REFERENCE
from vq_estimator.config import make_config
from vq_estimator.data import pipeline
from vq_estimator.models.vqvae import VQVAE

pytestmark = pytest.mark.skipif(not os.path.isdir(REFERENCE), reason="no reference checkpoint here")


def mapping():
    names = {}
    for i in (1, 2, 3):
        for part in "wb":
            names["encoder/conv_%d/%s" % (i, part)] = "train/params/enc/conv2d_%d/%s" % (i, part)
            names["decoder/conv_transpose_%d/%s" % (i, part)] = "train/params/dec/tconv2d_%d/%s" % (i, part)
    names["quantizer/codebook"] = "train/params/embed/embed"
    return names


def test_same_codes_reconstructions_errors_and_nll(full_data):
    source = full_data("mnist")
    want = np.load(os.path.join(REFERENCE, "first100.npz"))
    checkpoint = os.path.join(REFERENCE, "tf_vqvae_mnist", "last.ckpt")
    config = make_config("mnist", K=5, D=64)
    records = pipeline.evaluation_dataset(source, "test", (28, 28), 100)
    original = tf.data.make_one_shot_iterator(records).get_next()["image"]
    unit = pipeline.resize(tf.cast(original, tf.float32) / 255.0, (24, 24))  # not rounded, as there
    out = VQVAE(dataclasses.replace(config.model))(unit)
    load = [
        v.assign(tf.train.load_variable(checkpoint, mapping()[v.op.name]).reshape(v.shape.as_list()))
        for v in tf.global_variables()
    ]
    fetches = [
        out.quantized.codes,
        out.likelihood.mean(),
        out.likelihood.squared_error(unit),
        out.likelihood.original_nll(5),
    ]
    with tf.Session() as session:
        session.run(load)
        codes, mean, mse, nll = session.run(fetches)
    assert len(load) == 13
    np.testing.assert_array_equal(codes[..., 0], want["codes"])
    np.testing.assert_allclose(mean, want["recon"], atol=1e-5)
    np.testing.assert_allclose(mse, want["mse"], atol=1e-6)
    np.testing.assert_allclose(nll, want["nll"], rtol=1e-4)
