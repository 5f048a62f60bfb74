"""Samples a second: in one graph call, and by one full pass a sample, on the same weights with the same noise."""

import time

import numpy as np
import tensorflow.compat.v1 as tf

from benchmarks.speed import report
from vq_estimator.inference.session import OpenRun
from vq_estimator.nn import module
from vq_estimator.nn.likelihoods.pixels import uniform

SEED = 3
BATCHES = (1, 16)
REAL_TIME = (8000, 16000)  # samples per second
CONDITIONED = 2  # codes on either side that a code's samples depend on: two convolutions of width 3


def measure(config, checkpoint, encoded, seconds: float, passes: int, repeats: int) -> dict:
    """Samples a second: inside the graph, and by one full pass a sample.

    A full pass for each sample is timed on `passes` samples, spread over the recording, each given the samples that
    the plain loop drew before it, and its draw is compared with the loop's. It is done in two ways: over the whole
    recording, and over no more than the samples that the one depends on, the least that a full pass can do.
    """
    m = config.model
    stride, n = m.network.stride, max(round(seconds * m.sample_rate / m.network.stride), 1)
    codes = np.resize(encoded.codes, (max(BATCHES), 1, n, m.quantizer.L))
    speakers = np.arange(max(BATCHES)) % max(len(m.speakers), 1)
    kinds = ("plain", "compiled") if module.XLA else ("plain",)

    def build():
        model = run.vqvae
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
    with OpenRun(config, checkpoint) as run:
        z, who, x, at, noise, drawn, loops, everything, field = run.op("generation", build)
        session = run.session
        found = {}
        for kind in kinds:
            draw = session.make_callable(loops[kind], [z, who])
            for batch in BATCHES:
                first, times = time.perf_counter(), []
                draw(codes[:batch], speakers[:batch])
                first = time.perf_counter() - first
                for _ in range(repeats):
                    begin = time.perf_counter()
                    levels = draw(codes[:batch], speakers[:batch])
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
    result["faster_than_full_pass"] = {  # which is plain TensorFlow itself
        kind: {
            way: result["loop"][kind + ", batch 1"]["samples_per_second"] / r["samples_per_second"]
            for way, r in result["full_pass"].items()
        }
        for kind in kinds
    }
    rows = [("generation", "samples/s", *(f"x real time, {rate / 1000:g} kHz" for rate in REAL_TIME), "same samples")]
    for name, r in {**result["loop"], **result["full_pass"]}.items():
        same = "{same_samples} of {samples_timed}".format(**r) if "same_samples" in r else ""
        name = name if "batch" in name else "full pass, " + name
        rows.append(
            (name, f"{r['samples_per_second']:,.0f}", *(f"{x:.3f}" for x in r["times_real_time"].values()), same)
        )
    report.table(rows)
    for kind, ratios in result["faster_than_full_pass"].items():
        for way, ratio in ratios.items():
            over = f"the {way}".replace("the what", "what")
            print(f"{kind}, at batch 1: {ratio:,.0f} times as fast as a full pass a sample over {over}")
    print()
    return result


def speed(rate: float, **more) -> dict:
    """Samples a second, also as a multiple of real time."""
    return dict(samples_per_second=rate, times_real_time={str(r): rate / r for r in REAL_TIME}, **more)
