"""Codes of recordings: those of a split's windows for a prior, and the cost of complete recordings under it."""

from typing import Optional, Sequence

import numpy as np

from vq_estimator.data import audio, batching, speech
from vq_estimator.data.codes import Codes
from vq_estimator.data.speech import SpeechSource
from vq_estimator.inference import code_cost, speech_segments
from vq_estimator.inference.code_cost import CodeCost
from vq_estimator.inference.measurement import PerExample
from vq_estimator.inference.session import OpenRun
from vq_estimator.progress import ProgressBar
from vq_estimator.training import prior_trainer

BATCH = 50


def _window(run: OpenRun) -> int:
    return run.config.model.prior_grid[1] * run.config.model.network.stride


def count(run: OpenRun, source: SpeechSource, split: str) -> int:
    """Returns the number of windows in a split."""
    return speech.pieces(source.splits[split], _window(run))


def encode(run: OpenRun, source: SpeechSource, split: str) -> Codes:
    """Encodes the windows of a split, with silence after a recording's end; a label is speaker * classes + class."""
    clips, window, t = source.splits[split], _window(run), run.connect()
    parts, labels = [], []
    for i in range(clips.count):
        levels = clips.clip(i)
        missing = -len(levels) % window
        cut = np.pad(levels, [(0, missing)], constant_values=audio.SILENCE).reshape(-1, 1, window, 1)
        parts += [run.session.run(t.codes, {t.images: part}) for part in batching.parts(cut, BATCH)]
        labels += [clips.speakers[i] * max(len(source.class_names), 1) + clips.labels[i]] * len(cut)
    return Codes(np.concatenate(parts).astype(np.int32), np.array(labels, np.int32))


def of_rows(run: OpenRun, codes: Sequence[np.ndarray], labels: Sequence[int]) -> Codes:
    """Divides the codes [n, L] of recordings into windows, with codes of silence after a recording's end.

    `labels` are those of the recordings.
    """
    width, parts, each = run.config.model.prior_grid[1], [], []
    silence = speech_segments.encode(run, np.full(_window(run), audio.SILENCE, np.uint8))
    for one, label in zip(codes, labels):
        padded = np.concatenate([one, silence[: -len(one) % width]])
        parts.append(padded.reshape(-1, 1, width, one.shape[1]))
        each += [label] * len(parts[-1])
    return Codes(np.concatenate(parts).astype(np.int32), np.array(each, np.int32))


def cost_of_examples(run: OpenRun, examples: PerExample) -> CodeCost:
    """Computes what the codes of examples cost under the run's trained prior."""
    codes, labels, speakers = run.prior.config.codes, examples.labels, examples.speakers
    classes = max(codes.classes // max(len(run.config.model.speakers), 1), 1)  # of the data, for a prior of both
    both = None if labels is None or speakers is None else speakers * classes + labels
    conditions = {"class": labels, "speaker": speakers, "both": both}[codes.condition]
    return cost(run, examples.codes, examples.positions, conditions)


def cost(run: OpenRun, codes: np.ndarray, positions: np.ndarray, labels: Optional[np.ndarray] = None) -> CodeCost:
    """Computes the cost of the codes of N recordings under the trained prior, which the run must have.

    Args:
      run: the run.
      codes: int32 [1, 1, M, L], the codes of all recordings, concatenated in time.
      positions: [N], the number of codes of each.
      labels: int32 [N], the conditions of the prior; None if they are unknown.
    """
    of, (z, classes, log_p), parts, start = run.prior.config.codes, code_cost.log_prob(run), [], 0
    for n in ProgressBar(positions, unit="clip", desc="prior"):
        at_once = max(1, prior_trainer.MAX_LOGITS // (n * of.grid[2] * of.K))
        each = np.split(np.arange(max(of.classes, 1)), range(at_once, max(of.classes, 1), at_once))
        given = codes[:, :, start : start + n]
        feeds = [{z: np.repeat(given, len(some), 0), classes: some} for some in each]
        parts.append(np.concatenate([run.session.run(log_p, feed) for feed in feeds]))
        start += n
    return code_cost.mix_classes(np.stack(parts).astype(np.float64), of.classes, labels)
