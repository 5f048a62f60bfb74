"""Synthetic recordings of two voices that say two words, and a tiny model of them."""

import itertools
import os

import numpy as np

from vq_estimator import config as c
from vq_estimator.data import audio, speech_sources

RATE, STRIDE, K = 8000, 16, 8
VOICES, WORDS = {"ann": 400.0, "bob": 150.0}, ("rising", "falling")  # the pitch of each
EACH = {"train": 6, "validation": 2, "test": 3}  # of each voice and word
TINY = dict(hidden_channels="4,4,4,4", downsampling=STRIDE, residual_blocks=0, K=K, D=4, window=256, batch_size=2)
TINY.update(
    wavenet_stacks=1,
    wavenet_layers=5,
    wavenet_channels=4,
    wavenet_skip_channels=8,
    wavenet_condition_channels=4,
    warmup_steps=1,
)
TINY.update(max_steps=5, save_checkpoints_steps=5, eval_steps=5, save_summary_steps=5, average_decay=0.0)


def word(pitch, rising, seed):
    """About a tenth of a second: harmonics of a pitch, of which the higher ones come, or go."""
    rng = np.random.RandomState(seed)
    t = np.arange(rng.randint(700, 900)) / RATE
    share = np.linspace(0, 1, len(t)) if rising else np.linspace(1, 0, len(t))
    low, high = np.sin(2 * np.pi * pitch * t), np.sin(2 * np.pi * 6 * pitch * t + rng.uniform(6))
    return (0.4 * low * (1 - share) + 0.3 * high * share + 0.01 * rng.randn(len(t))).astype(np.float32)


def say(folder):
    """Writes all recordings, `<split>/<voice>/<word>_<number>.wav`."""
    seeds = itertools.count()
    for split, number in EACH.items():
        for voice, pitch in VOICES.items():
            for i in range(2 * number):
                path = os.path.join(folder, split, voice, f"{WORDS[i % 2]}_{i // 2}.wav")
                audio.write_wav(path, word(pitch, i % 2 == 0, next(seeds)), RATE)


def source_of(folder, cache_dir):
    """The recordings, with the words as classes, as FSDD has digits."""
    source = speech_sources.locate("wav", folder, cache_dir, RATE)
    splits = {}
    for split, clips in source.splits.items():
        said = [WORDS.index(os.path.basename(name).split("_")[0]) for name in clips.names]
        splits[split] = clips._replace(labels=np.array(said, np.int32))
    return source._replace(class_names=WORDS, splits=splits)


def tiny_config(source, **changed):
    """The configuration of the model; it is trained for 5 steps."""
    return c.with_data(c.make_config("wav", **dict(TINY, **changed)), source.name, source.speakers)
