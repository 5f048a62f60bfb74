"""Synthetic sounds."""

import numpy as np
import soundfile


def tone(seconds=0.5, rate=8000, hertz=440.0, size=0.5):
    return (size * np.sin(2 * np.pi * hertz * np.arange(int(seconds * rate)) / rate)).astype(np.float32)


def save(path, x, rate=8000, subtype="PCM_16", kind="WAV"):
    soundfile.write(str(path), x, rate, subtype, format=kind)
    return str(path)
