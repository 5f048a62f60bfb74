"""Runs for the codec, under each decoder, likelihood, quantizer and prior."""

import numpy as np

from helpers.codec_runs import images, write_run

SMALL = dict(decoder="autoregressive", decoder_layers=1, decoder_channels=8, decoder_condition_channels=8)
RESIDUAL = dict(dataset="cifar10", quantizer="residual", L=3)
LOCAL = dict(decoder="local", decoder_reach=2, decoder_layers=1, decoder_channels=8, decoder_condition_channels=8)
# Settings of the run, classes of its prior, and the prior that codes are under.
CASES = {
    "mse": (dict(), None, "unigram"),
    "mse, learned": (dict(), 0, "learned"),
    "mse, classes": (dict(), 3, "learned"),
    "gaussian": (dict(likelihood="gaussian", objective="elbo"), None, "uniform"),
    "logistic": (dict(likelihood="logistic", objective="elbo", L=2), 2, "learned"),
    "mixture": (dict(dataset="cifar10", likelihood="logistic_mixture", components=2), None, "unigram"),
    "categorical": (dict(RESIDUAL, likelihood="categorical"), None, "unigram"),
    "categorical, learned": (
        dict(RESIDUAL, likelihood="categorical"),
        0,
        "learned",
    ),
    "bernoulli": (dict(likelihood="bernoulli", binarize=True), None, "uniform"),
    "fsq": (dict(quantizer="fsq", levels=(3, 3), K=None, D=2), None, "unigram"),
    "one code": (dict(K=1), None, "uniform"),
    "autoregressive": (dict(SMALL, dataset="cifar10", likelihood="logistic_mixture", L=2), 3, "learned"),
    "autoregressive, residual": (dict(SMALL, decoder_kind="residual", likelihood="logistic"), None, "unigram"),
    "autoregressive, categorical": (dict(SMALL, likelihood="categorical", quantizer="residual", L=2), 0, "learned"),
    "local": (dict(LOCAL, dataset="cifar10", likelihood="logistic_mixture", components=3, L=2), 3, "learned"),
    "local, grey": (dict(LOCAL, likelihood="logistic_mixture", image_size="8x16"), None, "unigram"),
    "local, categorical": (dict(LOCAL, likelihood="categorical", decoder_embedded_neighbours=3), None, "uniform"),
    "local, bernoulli": (dict(LOCAL, likelihood="bernoulli", binarize=True), None, "uniform"),
    "autoregressive, bernoulli": (dict(SMALL, likelihood="bernoulli", binarize=True), None, "uniform"),
}


def maker(folder):
    """Returns a function name -> (run directory, images [7, 8, 8, C], prior), which makes each once below a folder."""
    made = {}

    def find(name):
        if name not in made:
            settings, classes, prior = CASES[name]
            path = write_run(folder / str(len(made)), classes=classes, **settings)
            channels = 3 if settings.get("dataset") == "cifar10" else 1
            x = images(7, 8, channels, binary="binarize" in settings)
            made[name] = path, np.concatenate([x, x[::-1]], 2) if "image_size" in settings else x, prior
        return made[name]

    return find
