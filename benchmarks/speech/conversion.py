"""Test clips in other voices, as two classifiers hear them that were trained on real recordings."""

import numpy as np

from benchmarks.speed import report
from vq_estimator.data import audio
from vq_estimator.inference.speech_sampling import draw_seed, seeds
from vq_estimator.progress import ProgressBar

SEED = 3
MEL_BANDS, MEL_FRAME, MEL_HOP = 40, 0.032, 0.008  # seconds
_RIGHT = {"speaker": "asked_speaker", "digit": "same_digit"}
STRETCHES = 12  # of a clip, over each of which its log-mel spectrum is averaged


def log_mel(levels: np.ndarray, sample_rate: int) -> np.ndarray:
    """ln of the energy in MEL_BANDS bands, [frames, MEL_BANDS], of levels uint8 [T]."""
    size, hop = round(MEL_FRAME * sample_rate), max(round(MEL_HOP * sample_rate), 1)
    wave = audio.from_mu_law(levels)
    wave = np.pad(wave, [(0, max(size - len(wave), 0))])
    starts = np.arange(0, len(wave) - size + 1, hop)[:, np.newaxis]
    power = np.abs(np.fft.rfft(wave[starts + np.arange(size)] * np.hanning(size), axis=1)) ** 2
    return np.log(power @ mel_filters(size, sample_rate).T + 1e-4)


def mel_filters(size: int, sample_rate: int) -> np.ndarray:
    """Triangles, evenly spread on the mel scale up to half the rate, [MEL_BANDS, size / 2 + 1]."""
    top = 2595.0 * np.log10(1.0 + sample_rate / 2 / 700.0)
    edges = 700.0 * (10.0 ** (np.linspace(0, top, MEL_BANDS + 2) / 2595.0) - 1.0)
    hertz = np.fft.rfftfreq(size, 1.0 / sample_rate)
    low, middle, high = (edges[i : i + MEL_BANDS, np.newaxis] for i in range(3))
    return np.maximum(np.minimum((hertz - low) / (middle - low), (high - hertz) / (high - middle)), 0.0)


def heard_features(levels: np.ndarray, sample_rate: int) -> np.ndarray:
    """What a classifier hears of a clip: its log-mel spectrum in STRETCHES of time, its spread, and its length."""
    mel = log_mel(levels, sample_rate)
    edges = np.linspace(0, len(mel), STRETCHES + 1)
    stretches = [mel[int(a) : max(int(np.ceil(b)), int(a) + 1)].mean(0) for a, b in zip(edges, edges[1:])]
    loudness = mel.mean()  # which the microphone's place decides
    return np.concatenate([np.ravel(stretches) - loudness, mel.std(0), [np.log(len(levels) / sample_rate)]])


def measure(
    model,
    source,
    split: str,
    clips_at_most: int,
    every_voice: bool,
    temperature: float,
    guidance: float,
    draws: int,
) -> dict:
    """What two classifiers hear in conversions; both were trained on the real training recordings alone.

    Args:
      model: a SpeechModel.
      source: its recordings.
      split: whose clips are converted.
      clips_at_most: largest number of recordings; 0: all.
      every_voice: each to all other voices; otherwise to one of them, drawn by SEED.
      temperature, guidance: of the draws of the samples.
      draws: of each conversion, of which `SpeechModel.best_draw` is taken; what the first ones
        come to is reported next to it.
    """
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    rate, voices = model.sample_rate, len(model.config.model.speakers)
    if voices < 2:
        print("conversion: the run has one voice; left out\n")
        return {}
    train, test = source.splits["train"], source.splits[split]

    def heard(recordings):
        return np.stack([heard_features(levels, rate) for levels in recordings])

    real = heard(train.clip(i) for i in range(train.count))
    judges = {"speaker": (train.speakers, test.speakers)}
    if len(source.class_names) > 1:
        judges["digit"] = (train.labels, test.labels)
    judges = {
        kind: (make_pipeline(StandardScaler(), SVC(C=10.0)).fit(real, given), want)
        for kind, (given, want) in judges.items()
    }
    of_test = heard(test.clip(i) for i in range(test.count))
    rng, number = np.random.RandomState(SEED), min(clips_at_most or test.count, test.count)
    chosen = np.arange(test.count) if number == test.count else np.sort(rng.permutation(test.count)[:number])
    codes = {i: model.encode(test.clip(i)) for i in chosen}
    pairs = []
    for i in chosen:
        others = np.delete(np.arange(voices), test.speakers[i])
        pairs += [(i, voice) for voice in (others if every_voice else rng.choice(others, 1))]

    def spoken(which, draw=0):
        each = [draw_seed(seed, draw) for seed in seeds(SEED, len(which))]
        spoken_by = [int(voice) for _, voice in which]
        decoded = model.decode_all([codes[i] for i, _ in which], spoken_by, each, temperature, guidance)
        return [levels[: test.lengths[i]] for (i, _), levels in zip(which, decoded)]

    own, first = heard(spoken([(i, test.speakers[i]) for i in chosen])), spoken(pairs)
    asked = first
    if draws > 1:
        tries = [first] + [spoken(pairs, draw) for draw in ProgressBar(range(1, draws), desc="draws")]
        each = ProgressBar(zip(pairs, zip(*tries)), desc="choose", unit="clip", total=len(pairs))
        asked = [model.best_draw(found, codes[i], int(voice)) for (i, voice), found in each]
    of, to = np.array(pairs).T
    result = {"split": split, "clips": int(number), "conversions": len(pairs)}
    result.update(temperature=temperature, guidance=guidance, draws=draws)
    result["voices_each"] = "every other" if every_voice else "one"
    rows = [("share right of each classifier", *judges)]
    real_share = {kind: float(judge.score(of_test, want)) for kind, (judge, want) in judges.items()}
    own_share = {kind: float(judge.score(own, want[chosen])) for kind, (judge, want) in judges.items()}

    def judged(recordings):
        features = heard(recordings)
        said = judges["speaker"][0].predict(features)
        right = {"speaker": said == to}
        if "digit" in judges:
            right["digit"] = judges["digit"][0].predict(features) == test.labels[of]
        figures = {_RIGHT[kind]: float(r.mean()) for kind, r in right.items()}
        figures["original_speaker"] = float((said == test.speakers[of]).mean())
        figures["asked_speaker_by_voice"] = {
            name: float(right["speaker"][to == k].mean()) for k, name in enumerate(source.speakers) if (to == k).any()
        }
        return figures

    result["classifiers_on_real_clips"] = real_share
    result["on_reconstructions"] = own_share
    result["on_conversions"] = judged(asked)
    shown = [("real clips", real_share), ("reconstructions", own_share)]
    if draws > 1:
        result["on_first_draws"] = judged(first)
        shown.append(("conversions, first draws", {kind: result["on_first_draws"][_RIGHT[kind]] for kind in judges}))
    shown.append(("conversions", {kind: result["on_conversions"][_RIGHT[kind]] for kind in judges}))
    for name, shares in shown:
        rows.append((name, *(f"{shares[kind]:.1%}" for kind in judges)))
    report.table(rows)
    print(
        "recognised as the original speaker: {original_speaker:.1%} of the conversions\n".format(
            **result["on_conversions"]
        )
    )
    return result
