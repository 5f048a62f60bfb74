"""Measures a trained speech model on the test split of its data.

  python -m benchmarks.speech --model_dir=RUN [--without=RUN_WITH_K1] [--out=results/fsdd/speech.json] [--quick]

or with --pretrained=fsdd. A call keeps in the file what others measured of the same model.

Four parts, of which `--only=bits,generation,content,conversion` picks some:

  bits        bits per sample under the uniform, the unigram and the trained prior; for a run of the same size without
              codes (`--without`: one trained with --K=1); and for FLAC on the same 8-bit levels
  generation  samples per second in one graph call, compiled by XLA and plain, against one full pass per sample through
              session.run, with the same weights and random numbers; and whether both draw the same samples
  content     from a clip's codes to its digit and its speaker: a linear classifier, and a vote of the codes' majorities
  conversion  test clips in every other voice, as recognised by two classifiers that were trained on real recordings

Prints tables and writes one file of JSON. It needs scikit-learn (`pip install ".[bench]"`) for the last two parts.
"""

import argparse
import dataclasses
import os
import sys
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import tensorflow.compat.v1 as tf

from benchmarks.speech import bits, content, conversion, generation
from benchmarks.speed import report
from vq_estimator import pretrained
from vq_estimator.config import SpeechConfig
from vq_estimator.data import speech_sources
from vq_estimator.data.files import read_json, write_json
from vq_estimator.errors import VQError
from vq_estimator.inference import speech_exploration as explore
from vq_estimator.inference.session import OpenRun
from vq_estimator.inference.speech_model import SpeechModel
from vq_estimator.training import checkpoints, run_folder
from vq_estimator_launch import common

PARTS = ("bits", "generation", "content", "conversion")
QUICK_CLIPS = 4


def parsed(argv) -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m benchmarks.speech", description=__doc__.split("\n")[0])
    run = parser.add_mutually_exclusive_group(required=True)
    run.add_argument("--model_dir", help="a speech run")
    run.add_argument("--pretrained", help="a provided speech model; log/pretrained-<name>")
    parser.add_argument("--without", default="", help="a run of the same size, trained with --K=1")
    parser.add_argument("--checkpoint", default="latest", help="of the run: latest, best, or a path")
    parser.add_argument("--data_dir", default=os.environ.get("VQ_DATA_DIR", "./datasets"))
    parser.add_argument("--only", default=",".join(PARTS), help="some of " + ",".join(PARTS))
    parser.add_argument("--clips", type=int, default=0, help="clips that are converted [all]")
    parser.add_argument("--split", default="test", choices=("validation", "test"), help="whose clips are converted")
    parser.add_argument("--temperature", type=float, default=1.0, help="of their draws")
    parser.add_argument("--guidance", type=float, default=1.0, help="of their draws")
    parser.add_argument("--draws", type=int, default=1, help="of each conversion, of which the best is taken")
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
    if options.pretrained:
        options.model_dir = pretrained.copy_to_run_dir(options.pretrained)
    config = run_folder.load_config(options.model_dir)
    if not isinstance(config.model, SpeechConfig):
        raise VQError(f"model_dir: got {options.model_dir!r}, an image run, expected a speech run")
    checkpoint = checkpoints.find_checkpoint(options.model_dir, options.checkpoint)
    cache = common.cache_dir()
    rate = config.model.sample_rate
    source = speech_sources.locate(config.dataset, options.data_dir, cache, rate, wanted=config.dataset_source)
    result = {
        "quick": options.quick,
        "dataset_source": source.name,
        "global_step": checkpoint.step,
        "weights": checkpoints.fingerprint(checkpoint.path),
        "model": {
            "codes_a_second": rate / config.model.network.stride * config.model.quantizer.L,
            "K": config.model.quantizer.K,
            "decoder": dataclasses.asdict(config.model.decoder),
        },
    }
    splits = ("train", "validation", "test") if "content" in options.only else ("test",)
    if {"content", "generation"} & set(options.only):
        with OpenRun(config, checkpoint) as run:
            encoded = {split: explore.encode_clips(run, source, split) for split in splits}
    for part in options.only:
        begin, conditions = time.time(), report.conditions()
        if part == "bits":
            found = bits.measure(config, checkpoint, source, options.model_dir, options.without)
        elif part == "generation":
            timed = options.seconds, options.passes, options.repeats
            found = generation.measure(config, checkpoint, encoded["test"], *timed)
        elif part == "content":
            kinds = {"speaker": (lambda e: e.speakers, len(source.speakers))}
            if source.class_names:
                kinds = {"digit": (lambda e: e.labels, len(source.class_names)), **kinds}
            found = content.measure(encoded, config.model.quantizer.K, kinds)
        else:
            with SpeechModel(options.model_dir, checkpoint.path) as model:
                which = options.split, options.clips, options.voices == "all"
                found = conversion.measure(model, source, *which, options.temperature, options.guidance, options.draws)
        result[part] = dict(found, seconds=round(time.time() - begin, 1), conditions=conditions)
    return result


def measured_before(path: str, result: dict) -> dict:
    """What other calls measured of the same weights, in the file of results."""
    try:
        before = read_json(path)
    except (OSError, ValueError):
        return {}
    same = isinstance(before, dict) and all(before.get(key) == result[key] for key in ("quick", "weights"))
    return before if same else {}


def main(argv=None) -> None:
    options = parsed(argv)
    tf.disable_eager_execution()
    tf.logging.set_verbosity(tf.logging.ERROR)
    try:
        result = measure(options)
    except VQError as e:
        sys.exit(f"speech: error: {e}")
    if options.quick and not options.out:  # a smoke run does not replace a measured result
        return
    out = options.out or os.path.join("results", result["dataset_source"].split("-")[0], "speech.json")
    write_json(out, {**measured_before(out, result), **result})
    print(f"results in {out}")


if __name__ == "__main__":
    main()
