"""What a trained run of speech can do, measured on the test split of its data.

  python -m benchmarks.speech --model_dir=RUN [--without=RUN_WITH_K1] [--out=results/fsdd/speech.json] [--quick]

or with --pretrained=fsdd. A call keeps in the file what others measured of the same model.

Four parts, of which `--only=bits,generation,content,conversion` picks some:

  bits        bits a sample under the uniform, the unigram and the trained prior; of a run of the same size without
              codes (`--without`: one trained with --K=1); and of FLAC on the same 8-bit levels
  generation  samples a second inside one graph call, compiled by XLA and plain, against one full pass a sample through
              session.run, on the same weights with the same noise; and whether both draw the same samples
  content     from a clip's codes to its digit and its speaker: a linear classifier, and a vote of the codes' majorities
  conversion  test clips in every other voice, as two classifiers hear them that were trained on real recordings

Prints tables and writes one file of JSON. It needs scikit-learn (`pip install ".[bench]"`) for the last two parts.
"""

import argparse
import dataclasses
import inspect
import io
import os
import sys
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import soundfile
import tensorflow.compat.v1 as tf

from benchmarks.speed import report
from vq_estimator import pretrained
from vq_estimator.config import SpeechConfig
from vq_estimator.data import audio, speech
from vq_estimator.data.files import read_json, write_json
from vq_estimator.errors import VQError
from vq_estimator.inference import evaluation
from vq_estimator.inference import speech_exploration as explore
from vq_estimator.inference.session import restored
from vq_estimator.inference.speech import SpeechModel, seeds
from vq_estimator.nn import wavenet
from vq_estimator.nn.likelihoods.pixels import uniform
from vq_estimator.training import run_folder

PARTS = ("bits", "generation", "content", "conversion")
SEED = 3
BATCHES = (1, 16)
REAL_TIME = (8000, 16000)  # samples a second
CONDITIONED = 2  # codes on either side that a code's samples depend on: two convolutions of width 3
QUICK_CLIPS = 4
INVERSE_PENALTIES = (1.0, 10.0, 100.0, 1000.0)  # of the linear classifier; validation picks one
MEL_BANDS, MEL_FRAME, MEL_HOP = 40, 0.032, 0.008  # seconds
STRETCHES = 12  # of a clip, over each of which its log-mel spectrum is averaged


# Bits


def bits(config, checkpoint, source, model_dir: str, without: str) -> dict:
    """Bits a sample of the run, of one without codes where that is given, and of FLAC."""
    found = evaluation.evaluate(config, checkpoint, source, model_dir, "test")
    result = {
        "clips": found["examples"],
        "samples": int(source.splits["test"].lengths.sum()),
        "run": found["bits_per_dim"],
        "prior_conditional_bits_per_clip": (found["prior"] or {}).get("bits_per_image_given_class"),
        "without_codes": None,
        "flac": flac(source.splits["test"], config.model.sample_rate),
    }
    if without:
        other = run_folder.load_config(without)
        check_without(config, other)
        plain = evaluation.evaluate(other, run_folder.find_checkpoint(without), source, without, "test")
        result["without_codes"] = dict(plain["bits_per_dim"], global_step=plain["global_step"])
    b = result["run"]
    rows = [("bits a sample", "total", "distortion", "rate")]
    for prior, name in (("uniform", "uniform prior"), ("unigram", "unigram prior"), ("prior", "trained prior")):
        if b["total_" + prior] is not None:
            rows.append((name, *(f"{b[key]:.4f}" for key in ("total_" + prior, "distortion", "rate_" + prior))))
    if result["without_codes"]:
        rows.append(("without codes (K=1)", "{total_uniform:.4f}".format(**result["without_codes"]), "", ""))
    rows.append(("FLAC, a file a clip", "{bits_per_sample:.4f}".format(**result["flac"]["by_clip"]), "", ""))
    rows.append(("FLAC, a file a speaker", "{bits_per_sample:.4f}".format(**result["flac"]["by_speaker"]), "", ""))
    report.table(rows)
    return result


def check_without(config, other) -> None:
    """Raises VQError unless `other` is `config` but for its codes, of which there is one."""
    ok = isinstance(other.model, SpeechConfig) and other.model.quantizer.K == 1
    if not ok:
        raise VQError("without: got a run with codes, expected one of speech trained with --K=1")
    same = ("sample_rate", "network", "decoder", "speakers")
    differ = [name for name in same if getattr(other.model, name) != getattr(config.model, name)]
    if other.dataset_source != config.dataset_source:
        differ.append("dataset_source")
    if differ:
        raise VQError(f"without: got a run of another {', '.join(differ)}, expected one that differs in K alone")


def flac(clips, sample_rate: int) -> dict:
    """Bits a sample of FLAC files of the mu-law levels as signed 8-bit samples (PCM_S8): level 128 is 0.

    `bits_per_sample` counts whole files; `of_frames` leaves out what stands before the first frame (here mostly
    libsndfile's own name), which weighs in short files.
    """
    by_clip = [clips.clip(i) for i in range(clips.count)]
    by_speaker = [np.concatenate([c for c, s in zip(by_clip, clips.speakers) if s == k]) for k in set(clips.speakers)]
    found = {"samples": int(clips.lengths.sum()), "encoder": soundfile.__libsndfile_version__}
    for name, parts in (("by_clip", by_clip), ("by_speaker", by_speaker)):
        files = [flac_file(part, sample_rate) for part in parts]
        total, frames = sum(map(len, files)), sum(len(file) - flac_head(file) for file in files)
        found[name] = {
            "files": len(files),
            "bits_per_sample": 8.0 * total / found["samples"],
            "of_frames": 8.0 * frames / found["samples"],
        }
    return found


def flac_file(levels: np.ndarray, sample_rate: int) -> bytes:
    """Levels uint8 [T] as a FLAC file, at the highest compression that soundfile lets one ask for."""
    file = io.BytesIO()
    samples = (levels.astype(np.int16) - 128) << 8  # libsndfile takes the upper byte
    most = {"compression_level": 1.0} if "compression_level" in inspect.signature(soundfile.write).parameters else {}
    soundfile.write(file, samples, sample_rate, "PCM_S8", format="FLAC", **most)
    return file.getvalue()


def flac_head(file: bytes) -> int:
    """Bytes before the first frame: the marker, and metadata blocks up to the last one."""
    at = 4
    while True:
        head = file[at]
        at += 4 + int.from_bytes(file[at + 1 : at + 4], "big")
        if head & 0x80:
            return at


# Generation


def generation(config, checkpoint, encoded, seconds: float, passes: int, repeats: int) -> dict:
    """Samples a second: inside the graph, and by one full pass a sample.

    A full pass for each sample is timed on `passes` samples, spread over the recording, each given the samples that
    the plain loop drew before it, and its draw is compared with the loop's. It is done in two ways: over the whole
    recording, and over no more than the samples that the one depends on, the least that a full pass can do.
    """
    m = config.model
    stride, n = m.network.stride, max(round(seconds * m.sample_rate / m.network.stride), 1)
    codes = np.resize(encoded.codes, (max(BATCHES), 1, n, m.quantizer.L))
    speakers = np.arange(max(BATCHES)) % max(len(m.speakers), 1)
    kinds = ("plain", "compiled") if wavenet.XLA else ("plain",)

    def build(model):
        z = tf.placeholder(tf.int32, (None, 1, None, m.quantizer.L))
        who, x = tf.placeholder(tf.int32, [None]), tf.placeholder(tf.uint8, (None, 1, None, 1))
        at, noise = tf.placeholder(tf.int32, []), tf.placeholder(tf.float32, [])
        # The one softmax that is needed, not that of every sample.
        p = tf.nn.softmax(model.likelihood(z, x, who)._logits[:, 0, at, 0])
        drawn = tf.minimum(tf.reduce_sum(tf.cast(tf.cumsum(p, -1) < noise, tf.int32), -1), 255)
        loops = {kind: model.decode(z, SEED, True, who, compiled=kind == "compiled") for kind in kinds}
        everything = uniform(tf.stack([n * stride, 1]), tf.constant([SEED, 0], tf.int64))  # as the decoder has it
        return z, who, x, at, noise, drawn, loops, everything, model.decoder.receptive_field

    result = {"seconds_of_sound": n * stride / m.sample_rate, "sample_rate": m.sample_rate, "loop": {}, "full_pass": {}}
    with restored(config, checkpoint.path, build) as (session, (z, who, x, at, noise, drawn, loops, everything, field)):
        found = {}
        for kind in kinds:
            run = session.make_callable(loops[kind], [z, who])
            for batch in BATCHES:
                first, times = time.perf_counter(), []
                run(codes[:batch], speakers[:batch])
                first = time.perf_counter() - first
                for _ in range(repeats):
                    begin = time.perf_counter()
                    levels = run(codes[:batch], speakers[:batch])
                    times.append(time.perf_counter() - begin)
                rate = batch * n * stride / float(np.median(times))
                result["loop"][f"{kind}, batch {batch}"] = speed(rate, first_call_seconds=first)
                if batch == 1:
                    found[kind] = levels[0, 0, :, 0]
        random, levels = session.run(everything)[:, 0], found["plain"]
        step = session.make_callable(drawn, [z, x, who, at, noise])
        for way in ("whole recording", "what it depends on"):
            spent, same, places = 0.0, 0, np.unique(np.linspace(0, n * stride - 1, passes).astype(int))
            for i, t in enumerate(np.append(places[-1], places)):  # the first is not counted
                first, last = 0, n
                if way != "whole recording":
                    first, last = max((t - field) // stride - CONDITIONED, 0), min(t // stride + CONDITIONED + 1, n)
                before = np.zeros([1, 1, (last - first) * stride, 1], np.uint8)
                before[0, 0, : t - first * stride, 0] = levels[first * stride : t]
                begin = time.perf_counter()
                level = step(codes[:1, :, first:last], before, speakers[:1], t - first * stride, random[t])
                if i:
                    spent += time.perf_counter() - begin
                    same += int(level[0] == levels[t])
            figures = speed(len(places) / spent, samples_timed=len(places), same_samples=same)
            result["full_pass"][way] = figures
    result["receptive_field"] = field
    if "compiled" in found:
        differ = np.flatnonzero(found["plain"] != found["compiled"])
        result["plain_and_compiled_same_until"] = int(differ[0]) if len(differ) else n * stride
    best = max(r["samples_per_second"] for name, r in result["loop"].items() if name.endswith("batch 1"))
    result["faster_than_full_pass"] = {way: best / r["samples_per_second"] for way, r in result["full_pass"].items()}
    rows = [("generation", "samples/s", *(f"x real time, {rate / 1000:g} kHz" for rate in REAL_TIME), "same samples")]
    for name, r in {**result["loop"], **result["full_pass"]}.items():
        same = "{same_samples} of {samples_timed}".format(**r) if "same_samples" in r else ""
        name = name if "batch" in name else "full pass, " + name
        rows.append(
            (name, f"{r['samples_per_second']:,.0f}", *(f"{x:.3f}" for x in r["times_real_time"].values()), same)
        )
    report.table(rows)
    for way, ratio in result["faster_than_full_pass"].items():
        print(
            f"at batch 1 {ratio:,.0f} times as fast as a full pass a sample over the {way}".replace("the what", "what")
        )
    print()
    return result


def speed(rate: float, **more) -> dict:
    """Samples a second, also as a multiple of real time."""
    return dict(samples_per_second=rate, times_real_time={str(r): rate / r for r in REAL_TIME}, **more)


# Content


def content(splits: dict, K: int, kinds: dict) -> dict:
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


# Conversion


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


def conversion(model, source, split: str, clips_at_most: int, every_voice: bool, temperature: float) -> dict:
    """What two classifiers hear in conversions; both were trained on the real training recordings alone.

    Args:
      model: a SpeechModel.
      source: its recordings.
      split: whose clips are converted.
      clips_at_most: so many of them; 0: all.
      every_voice: each to all other voices; otherwise to one of them, drawn by SEED.
      temperature: of the draws of the samples.
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

    def spoken(which):
        each = seeds(SEED, len(which))
        decoded = model.decode_all([codes[i] for i, _ in which], [int(voice) for _, voice in which], each, temperature)
        return heard(levels[: test.lengths[i]] for (i, _), levels in zip(which, decoded))

    own, asked = spoken([(i, test.speakers[i]) for i in chosen]), spoken(pairs)
    of, to = np.array(pairs).T
    result = {"split": split, "clips": int(number), "conversions": len(pairs), "temperature": temperature}
    result["voices_each"] = "every other" if every_voice else "one"
    rows = [("share right of each classifier", *judges)]
    real_share = {kind: float(judge.score(of_test, want)) for kind, (judge, want) in judges.items()}
    own_share = {kind: float(judge.score(own, want[chosen])) for kind, (judge, want) in judges.items()}
    said = judges["speaker"][0].predict(asked)
    right = {"speaker": said == to}
    if "digit" in judges:
        right["digit"] = judges["digit"][0].predict(asked) == test.labels[of]
    share = {kind: float(r.mean()) for kind, r in right.items()}
    result["classifiers_on_real_clips"] = real_share
    result["on_reconstructions"] = own_share
    result["on_conversions"] = {
        **{("asked_speaker" if kind == "speaker" else "same_digit"): value for kind, value in share.items()},
        "original_speaker": float((said == test.speakers[of]).mean()),
        "asked_speaker_by_voice": {
            name: float(right["speaker"][to == k].mean()) for k, name in enumerate(source.speakers) if (to == k).any()
        },
    }
    for name, shares in (("real clips", real_share), ("reconstructions", own_share), ("conversions", share)):
        rows.append((name, *(f"{shares[kind]:.1%}" for kind in judges)))
    report.table(rows)
    print(
        "heard as the original speaker: {original_speaker:.1%} of the conversions\n".format(**result["on_conversions"])
    )
    return result


# The command


def parsed(argv) -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m benchmarks.speech", description=__doc__.split("\n")[0])
    run = parser.add_mutually_exclusive_group(required=True)
    run.add_argument("--model_dir", help="a run of speech")
    run.add_argument("--pretrained", help="a provided model of speech; log/pretrained-<name>")
    parser.add_argument("--without", default="", help="a run of the same size, trained with --K=1")
    parser.add_argument("--checkpoint", default="latest", help="of the run: latest, best, or a path")
    parser.add_argument("--data_dir", default=os.environ.get("VQ_DATA_DIR", "./datasets"))
    parser.add_argument("--only", default=",".join(PARTS), help="some of " + ",".join(PARTS))
    parser.add_argument("--clips", type=int, default=0, help="clips that are converted [all]")
    parser.add_argument("--split", default="test", choices=("validation", "test"), help="whose clips are converted")
    parser.add_argument("--temperature", type=float, default=1.0, help="of their draws")
    parser.add_argument("--voices", default="all", choices=("all", "one"), help="to which each is")
    parser.add_argument("--seconds", type=float, default=1.0, help="of sound that is generated for its speed")
    parser.add_argument("--passes", type=int, default=300, help="full passes that are timed")
    parser.add_argument("--repeats", type=int, default=3, help="times that a loop is timed, of which the median counts")
    parser.add_argument("--quick", action="store_true", help="a smoke run: figures that mean nothing")
    parser.add_argument("--out", default="", help="the file of results [results/<data set>/speech.json]")
    options = parser.parse_args(argv)
    options.only = options.only.split(",")
    if not set(options.only) <= set(PARTS):
        parser.error("--only: expected some of " + ",".join(PARTS))
    if options.quick:
        options.seconds, options.passes, options.repeats = 0.02, 5, 1
        options.clips, options.voices = QUICK_CLIPS, "one"
    return options


def measure(options) -> dict:
    """All parts that are asked for."""
    import pooch

    if options.pretrained:
        options.model_dir = pretrained.place(options.pretrained)
    config = run_folder.load_config(options.model_dir)
    if not isinstance(config.model, SpeechConfig):
        raise VQError(f"model_dir: got {options.model_dir!r}, a run of images, expected one of speech")
    checkpoint = run_folder.find_checkpoint(options.model_dir, options.checkpoint)
    cache = os.environ.get("VQ_CACHE_DIR") or str(pooch.os_cache("vq_estimator"))
    rate = config.model.sample_rate
    source = speech.locate(config.dataset, options.data_dir, cache, rate, wanted=config.dataset_source)
    result = {
        "quick": options.quick,
        "dataset_source": source.name,
        "global_step": checkpoint.step,
        "model": {
            "codes_a_second": rate / config.model.network.stride * config.model.quantizer.L,
            "K": config.model.quantizer.K,
            "decoder": dataclasses.asdict(config.model.decoder),
        },
    }
    splits = ("train", "validation", "test") if "content" in options.only else ("test",)
    if {"content", "generation"} & set(options.only):
        encoded = {split: explore.encode_clips(config, checkpoint, source, split) for split in splits}
    for part in options.only:
        begin, conditions = time.time(), report.conditions()
        if part == "bits":
            found = bits(config, checkpoint, source, options.model_dir, options.without)
        elif part == "generation":
            timed = options.seconds, options.passes, options.repeats
            found = generation(config, checkpoint, encoded["test"], *timed)
        elif part == "content":
            kinds = {"speaker": (lambda e: e.speakers, len(source.speakers))}
            if source.class_names:
                kinds = {"digit": (lambda e: e.labels, len(source.class_names)), **kinds}
            found = content(encoded, config.model.quantizer.K, kinds)
        else:
            with SpeechModel(options.model_dir, checkpoint.path) as model:
                every_voice = options.voices == "all"
                found = conversion(model, source, options.split, options.clips, every_voice, options.temperature)
        result[part] = dict(found, seconds=round(time.time() - begin, 1), conditions=conditions)
    return result


def main(argv=None) -> None:
    options = parsed(argv)
    tf.disable_eager_execution()
    tf.logging.set_verbosity(tf.logging.ERROR)
    try:
        result = measure(options)
    except VQError as e:
        sys.exit(f"speech: error: {e}")
    out = options.out or os.path.join("results", result["dataset_source"].split("-")[0], "speech.json")
    if os.path.isfile(out):  # what other calls measured of the same model stays
        before = read_json(out)
        same = all(before.get(key) == result[key] for key in ("quick", "dataset_source", "global_step", "model"))
        result = {**before, **result} if same else result
    write_json(out, result)
    print(f"results in {out}")


if __name__ == "__main__":
    main()
