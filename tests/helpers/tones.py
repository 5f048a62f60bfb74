"""Recordings of tones by two speakers, and a small model of them with a prior."""

import numpy as np

from helpers.speech_models import RATE, SMALL
from vq_estimator import config as c
from vq_estimator.data import audio
from vq_estimator.inference import extraction
from vq_estimator.inference.session import open_run
from vq_estimator.training import prior_trainer, trainer


def tone(seed, samples):
    rng, t = np.random.RandomState(seed), np.arange(samples) / RATE
    return (0.5 * np.sin(2 * np.pi * rng.uniform(100, 800) * t) + 0.02 * rng.randn(samples)).astype(np.float32)


def write(folder):
    """Writes recordings of two speakers, each of its own length."""
    for split, number in (("train", 4), ("validation", 1), ("test", 2)):
        for s, speaker in enumerate(("anna", "ben")):
            (folder / split / speaker).mkdir(parents=True)
            for i in range(number):
                audio.write_wav(str(folder / split / speaker / f"{i}.wav"), tone(10 * s + i, 700 + 37 * i), RATE)


def config_of(source):
    return c.with_data(c.make_config("wav", **SMALL), source.name, source.speakers)


def train(source, model_dir):
    """Trains a model for 30 steps, and a prior on speakers."""
    trainer.train(config_of(source), source, model_dir)
    run = open_run(model_dir)
    of = extraction.codes_config(run, source, True, "speaker")
    given = dict(layers=3, channels=8, embedding=4, max_steps=20, save_checkpoints_steps=10, eval_steps=10)
    codes = extraction.extract(run, source)
    codes = {split: extraction.condition_labels(found, "speaker", 1) for split, found in codes.items()}
    prior_config = c.make_prior_config(of, True, batch_size=4, **given)
    prior_trainer.train(prior_config, codes["train"], codes["validation"], model_dir)
