"""From a clip's codes to its digit and its speaker: a linear classifier, and a vote of the codes' majorities."""

import numpy as np

from benchmarks.speed import report
from vq_estimator.inference import speech_exploration as explore

INVERSE_PENALTIES = (1.0, 10.0, 100.0, 1000.0)  # of the linear classifier; validation picks one


def measure(splits: dict, K: int, kinds: dict) -> dict:
    """How well a clip's codes tell what was said and who says it.

    Args:
      splits: "train", "validation" and "test" to `EncodedClips`.
      K: values of a code.
      kinds: "digit" and "speaker" to (function of EncodedClips -> kinds [N], how many there are).
    """
    result, rows = {}, [("from a clip's codes (test)", "linear", "vote", "chance")]
    for kind, (of, number) in kinds.items():
        want = {split: of(encoded) for split, encoded in splits.items()}
        chance = float(np.bincount(want["test"], minlength=number).max() / len(want["test"]))
        linear, penalty = linear_accuracy({s: histograms(e, K) for s, e in splits.items()}, want)
        vote = float((votes(splits["train"], splits["test"], K, want["train"], number) == want["test"]).mean())
        result[kind] = {"linear": linear, "inverse_penalty": penalty, "vote": vote, "chance": chance}
        rows.append((kind, f"{linear:.1%}", f"{vote:.1%}", f"{chance:.1%}"))
    report.table(rows)
    return result


def histograms(encoded, K: int) -> np.ndarray:
    """The share of each code among a clip's, [N, L * K]."""
    n, row = len(encoded.lengths), encoded.each(np.arange(len(encoded.lengths)))
    counts = [np.bincount(row * K + level, minlength=n * K).reshape(n, K) for level in encoded.codes.T]
    return np.concatenate(counts, 1) / encoded.lengths[:, np.newaxis]


def linear_accuracy(given: dict, want: dict) -> tuple:
    """Accuracy on test of logistic regression on the roots of the shares, and the inverse penalty, by validation."""
    from sklearn.linear_model import LogisticRegression

    if len(np.unique(want["train"])) < 2:
        return 1.0, None
    best = None
    for penalty in INVERSE_PENALTIES:
        judge = LogisticRegression(C=penalty, max_iter=2000).fit(np.sqrt(given["train"]), want["train"])
        score = judge.score(np.sqrt(given["validation"]), want["validation"])
        if best is None or score > best[0]:
            best = score, judge.score(np.sqrt(given["test"]), want["test"]), penalty
    return float(best[1]), best[2]


def votes(train, test, K: int, kinds: np.ndarray, number: int) -> np.ndarray:
    """What most of a clip's codes stand for, [N]: each for the kind that it was seen with most in training, if any."""
    counts = explore.joint_counts(train, K, kinds, number)  # [L, K, number]
    row, found = test.each(np.arange(len(test.lengths))), np.zeros([len(test.lengths), number], np.int64)
    for level, seen in zip(test.codes.T, counts):
        known = seen.sum(-1)[level] > 0
        np.add.at(found, (row[known], seen.argmax(-1)[level[known]]), 1)
    return found.argmax(-1)
