"""The results of each provided model for one fixed example. Run as a command, it writes the expected values.

    PYTHONPATH=tests python -m helpers.provided > tests/data/provided.json

Run it after a model was trained again, never to make a test pass.
"""

import json

import numpy as np

from vq_estimator import pretrained
from vq_estimator.config import SpeechConfig
from vq_estimator.data import audio


def picture(size, channels):
    """A disc of changing colour on a gradient, uint8 [1, size, size, channels]."""
    y, x, c = np.mgrid[:size, :size, :channels] / np.array([size, size, 3.0]).reshape(3, 1, 1, 1)
    disc = (x - 0.55) ** 2 + (y - 0.45) ** 2 < 0.08
    return np.where(disc, 235 - 90 * c - 60 * x, 20 + 70 * y * c + 25 * x).astype(np.uint8)[np.newaxis]


def tone():
    """A fifth of a second of a falling, fading tone at 8 kHz: mu-law levels, uint8 [1600]."""
    t = np.arange(1600) / 8000.0
    return audio.mu_law(np.sin(2 * np.pi * (300 * t - 300 * t**2)) * 0.4 * np.exp(-4 * t))


def figures(model):
    """Bits and codes of the model's example, as JSON has them."""
    m = model.config.model
    if isinstance(m, SpeechConfig):
        codes, bits = model.encode(tone()), {"total": model.bits_per_sample(tone(), 0)}
    else:
        image = picture(m.image_size, m.channels)
        codes = model.encode(image)
        bits = {key: value[0] for key, value in model.bits_per_dim(image)._asdict().items() if value is not None}
    return {"bits": {key: float(value) for key, value in bits.items()}, "codes": codes.ravel().tolist()}


def main():
    lines = []
    for name in pretrained.names():
        with pretrained.load(name) as model:
            lines.append(f"{json.dumps(name)}: {json.dumps(figures(model))}")
    print("{\n" + ",\n".join(lines) + "\n}")


if __name__ == "__main__":
    main()
