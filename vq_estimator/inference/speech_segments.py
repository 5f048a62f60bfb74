"""Long recordings in segments, so that memory is bounded: their codes, and their likelihood in several voices."""

from typing import Iterator, Optional, Sequence, Tuple

import numpy as np

from vq_estimator.inference.examples import Batch, Examples
from vq_estimator.inference.measurement import Measured
from vq_estimator.inference.session import OpenRun
from vq_estimator.progress import ProgressBar

VOICES_AT_ONCE = 256  # codes of a recording up to which its likelihood in all voices is computed in one pass
SEGMENT = 4096  # codes that are computed at once
AROUND = 16  # codes on either side of a segment that its codes may depend on


def encode(run: OpenRun, levels: np.ndarray) -> np.ndarray:
    """Encodes a recording uint8 [T] to codes int32 [n, L]."""
    stride, t = run.config.model.network.stride, run.connect()
    parts, n, compute = [], -(-len(levels) // stride), run.compiled(t.codes, [t.images])
    for first in range(0, n, SEGMENT):
        begin, end = max(first - AROUND, 0), min(first + SEGMENT + AROUND, n)
        part = levels[begin * stride : end * stride]
        codes = compute(part[np.newaxis, np.newaxis, :, np.newaxis])[0, 0]
        parts.append(codes[first - begin :][: min(SEGMENT, n - first)])
    return np.concatenate(parts)


def log_prob(run: OpenRun, levels: np.ndarray, codes: np.ndarray, speakers: Sequence[int]) -> np.ndarray:
    """Computes ln p(x | z_q, speaker) of a recording for each of several speakers, float64 in nats.

    A long recording is processed for one speaker at a time. A very long one is processed in segments: ln p of a
    segment, given the samples before it, is ln p of both minus ln p of the samples before it.
    """
    if len(speakers) > 1 and len(codes) > VOICES_AT_ONCE:
        return np.concatenate([log_prob(run, levels, codes, [speaker]) for speaker in speakers])
    stride, t = run.config.model.network.stride, run.connect()
    log_p = run.op("log_prob of levels", lambda: t.likelihood.log_prob(t.images))
    before = -(-run.vqvae.decoder.receptive_field // stride) + AROUND  # codes that a segment may depend on

    def compute(first, last, end):
        z, x = codes[np.newaxis, np.newaxis, first : last + AROUND], levels[first * stride : end * stride]
        feed = {t.codes: np.repeat(z, len(speakers), 0), t.speakers: list(speakers)}
        feed[t.images] = np.repeat(x[np.newaxis, np.newaxis, :, np.newaxis], len(speakers), 0)
        return run.session.run(log_p, feed).astype(np.float64)

    total = np.zeros(len(speakers))
    for start in range(0, len(codes), SEGMENT):
        first, last = max(start - before, 0), min(start + SEGMENT, len(codes))
        total += compute(first, last, last) - (compute(first, last, start) if start else 0.0)
    return total


def measure(run: OpenRun, examples: Examples, scale: Optional[float] = None) -> Iterator[Tuple[Batch, Measured]]:
    """Yields each recording and what it costs; the voice of an unknown speaker is the likeliest one.

    `scale` is None: the likelihood of a recording has no fitted scale.
    """
    del scale
    voices = range(len(run.config.model.speakers))
    with ProgressBar(total=examples.total, unit=run.config.model.example, desc="evaluate " + examples.name) as bar:
        for batch in examples.batches():
            levels = batch.images[0, 0, :, 0]
            codes = encode(run, levels)
            speakers = list(voices if batch.speakers is None else batch.speakers)
            log_p = log_prob(run, levels, codes, speakers)
            best = int(np.argmax(log_p))
            voice = np.array([speakers[best]], np.int32)
            yield batch, Measured(None, -log_p[[best]], None, codes[np.newaxis, np.newaxis], voice)
            bar.update()
