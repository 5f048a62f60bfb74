"""The codec for speech restores the levels, at the model's bits, for all lengths."""

import contextlib
import json
import os
import shutil
import zlib

import hypothesis
import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from helpers import hostile
from helpers.codec_runs import VOICES, WORDS, images, sounds, write_run
from helpers.sessions import session_scope
from helpers.vqz_files import altered, packed, parts
from vq_estimator.data import audio
from vq_estimator.errors import VQError
from vq_estimator.inference import codec
from vq_estimator.inference.codec import coding, recordings, speech_coding, tiles
from vq_estimator.inference.codec import images as images_lib
from vq_estimator.inference.codec.network import Network
from vq_estimator.inference.speech_model import SpeechModel

LENGTHS = (7, 64, 30, 1, 65, 8, 150)  # a code is of 8 samples
SPEAKERS = (2, 0, 1, 2, 0, 2, 1)
RATE = 8000  # of `wav`
# Classes of the prior and what they are, the prior that codes are under, and more of the run's settings.
CASES = {
    "both": (len(VOICES) * WORDS, "both", "learned", dict(L=2)),
    "unigram": (None, "class", "unigram", dict(quantizer="residual", L=2)),
    "uniform": (None, "class", "uniform", dict()),
    "class": (WORDS, "class", "learned", dict()),
    "speaker": (len(VOICES), "speaker", "learned", dict()),
    "of all": (0, "class", "learned", dict()),
}
FAST = ("both",)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A function name of a case -> the run's folder, made once."""
    folder, made = tmp_path_factory.mktemp("codec"), {}

    def find(name):
        if name not in made:
            classes, condition, _, settings = CASES[name]
            given = dict(settings, classes=classes, condition=condition, values=calm)
            made[name] = write_run(folder / name, "wav", **given)
        return made[name]

    return find


@pytest.fixture(scope="module")
def whole(runs, tmp_path_factory):
    """The bytes of a file of three chunks, of the run "both"."""
    run = codec.open_run(runs("both"))
    path = str(tmp_path_factory.mktemp("whole") / "x.vqz")
    codec.compress(run, of_speakers(run), path, batch=3, workers=2, verify=False)
    with open(path, "rb") as f:
        return f.read()


def calm(name, shape, weights):
    """Random weights under which no level costs more than the 24 bits of a table."""
    del shape
    return weights * (0.3 if "head_2" in name else 1.0)


def of_speakers(run):
    given = recordings.of_levels(sounds(LENGTHS), run.config.model)
    given.items[:] = [item._replace(speaker=s) for item, s in zip(given.items, SPEAKERS)]
    return given


def same(found, want):
    assert len(found) == len(want)
    for a, b in zip(found, want):
        assert a.dtype == np.uint8
        np.testing.assert_array_equal(a, b)


@contextlib.contextmanager
def prior_of(run):
    """A function (codes [n, L], labels [k]) -> ln p(codes | each label), float32 [k], by the full pass; or None."""

    def build(model, code_prior):
        del model
        z, of = tf.placeholder(tf.int32, [1, 1, None, run.config.model.quantizer.L]), tf.placeholder(tf.int32, [None])
        given = of if run.prior.config.codes.classes else None
        log_p = code_prior.log_prob(tf.tile(z, tf.stack([tf.size(of), 1, 1, 1])), given)
        return z, of, tf.reduce_sum(log_p, [1, 2, 3])

    if run.prior is None:
        yield None
        return
    with session_scope(run.config, run.checkpoint.path, build, run.prior) as (session, (z, of, log_p)):
        yield lambda codes, labels: session.run(log_p, {z: codes[np.newaxis, np.newaxis], of: labels})


def bits_of(run, model, prior, log_p):
    """What the recordings cost by the full pass of the model and, of the codes, by that of its prior."""
    total, q, config = 0.0, run.config.model.quantizer, run.prior and run.prior.config
    for levels, speaker in zip(sounds(LENGTHS), SPEAKERS):
        codes = model.encode(levels)
        total += model.bits_per_sample(levels, speaker) * len(levels)
        if prior == "uniform":
            total += codes.size * np.log2(q.K)
        elif prior == "unigram":
            total -= np.log2(run.calibration.code_probabilities()[np.arange(q.L), codes]).sum()
        else:
            labels = np.arange(max(config.codes.classes, 1))
            if config.codes.condition == "speaker":
                labels = labels[[speaker]]
            if config.codes.condition == "both":
                labels = labels[speaker * WORDS : (speaker + 1) * WORDS]

            each = log_p(codes, labels).astype(np.float64)
            total -= (np.logaddexp.reduce(each) - np.log(len(each))) / np.log(2.0)
    return total


@pytest.mark.parametrize(
    "name", [name if name in FAST else pytest.param(name, marks=pytest.mark.slow) for name in sorted(CASES)]
)
def test_levels_come_back_and_cost_what_the_model_says(name, runs, tmp_path):
    run, prior, path = codec.open_run(runs(name)), CASES[name][2], str(tmp_path / "x.vqz")
    done = codec.compress(run, of_speakers(run), path, prior=prior, batch=3, workers=2, verify=False)
    assert (done.images, done.dims, done.prior) == (len(LENGTHS), sum(LENGTHS), prior)
    found = codec.read(path)
    assert found.header.sample_rate == RATE and found.header.decoder == "wavenet" and len(found.entries) == 3
    assert [(item.width, item.speaker) for item in found.items] == list(zip(LENGTHS, SPEAKERS))
    with SpeechModel(runs(name)) as model, prior_of(run) as log_p:
        same(codec.decompress(model, path).images, sounds(LENGTHS))
        want = bits_of(run, model, prior, log_p) / 8
    got = done.bytes - done.header
    assert want * 0.999 - 4 <= got <= want * 1.001 + 3 * 8, (got, want)


@pytest.mark.slow
def test_1000_altered_files_are_refused(runs, tmp_path):
    run, path = codec.open_run(runs("both")), str(tmp_path / "x.vqz")
    codec.compress(run, of_speakers(run), path, prior="learned", batch=3)
    with open(path, "rb") as f:
        whole = f.read()

    @altered(1000)
    @hypothesis.given(hostile.damaged(whole))
    def check(content):
        bad, found = hostile.refused(codec.decompress, run, hostile.write(path, content))
        if not bad:
            assert content == whole
            same(found.images, sounds(LENGTHS))

    check()


def test_what_is_coded_does_not_depend_on_the_neighbours(runs, tmp_path):
    """A recording alone has the codes and the samples' tables that it has in a batch with longer ones."""
    run, x = codec.open_run(runs("both")), sounds(LENGTHS)
    network = Network(run, "learned", None)
    try:
        layout = tiles.Layout(run.config.model, len(x), None, of_speakers(run).items)
        frame = layout.frame(0, 4)
        assert list(layout.order) == [6, 4, 1, 2, 0, 5, 3][:4] + list(layout.order[4:]) and frame.shape == (1, 152)
        several = next(tiles.cut((x[i][np.newaxis, :, np.newaxis] for i in layout.order), layout, 4))
        codes = network.encode(several.images, frame)
        (given,) = network._conditions(codes, frame, frame.speakers).values()
        for k, number in enumerate(layout.order[:4]):
            alone = x[number][np.newaxis, np.newaxis, :, np.newaxis]
            only = tiles.Frame((1, -(-len(x[number]) // 8) * 8), frame.extents[k : k + 1], frame.speakers[k : k + 1])
            own = network.encode(alone, only)
            columns = own.shape[2]
            np.testing.assert_array_equal(codes[k, :, :columns], own[0])
            assert not codes[k, :, columns:].any() and not given[k, :, columns:].any()
            (own_given,) = network._conditions(own, only, only.speakers).values()
            np.testing.assert_array_equal(given[k, :, :columns], own_given[0])
    finally:
        network.close()


@pytest.mark.once
def test_a_long_recording_is_several_tiles(runs, tmp_path, monkeypatch):
    monkeypatch.setattr(speech_coding, "LONGEST", 64)
    run, path, lengths = codec.open_run(runs("uniform")), str(tmp_path / "x.vqz"), (20, 200, 64, 65)
    codec.compress(run, recordings.of_levels(sounds(lengths), run.config.model, "ben"), path, batch=2, verify=False)
    assert len(codec.read(path).entries) == 4  # of 1, 4, 1 and 2 tiles
    content = bytearray(open(path, "rb").read())
    content[codec.read(path).starts[1]] ^= 1  # the second half of the longest one
    with pytest.raises(VQError, match="chunk 1 of 4 is damaged"):
        codec.decompress(run, hostile.write(path, content))
    found = codec.decompress(run, path, keep_going=True)
    assert found.lost == [1] and found.images[1] is None
    same([found.images[i] for i in (0, 2, 3)], [sounds(lengths)[i] for i in (0, 2, 3)])


@pytest.mark.once
def test_a_damaged_chunk_and_the_rest(whole, runs, tmp_path):
    run, path = codec.open_run(runs("both")), hostile.write(tmp_path / "x.vqz", whole)
    start = codec.read(path).starts[1]
    path = hostile.write(tmp_path / "x.vqz", whole[:start] + bytes([whole[start] ^ 1]) + whole[start + 1 :])
    with pytest.raises(VQError, match="chunk 1 of 3 is damaged"):
        codec.decompress(run, path, str(tmp_path / "out"))
    found = codec.decompress(run, path, str(tmp_path / "out"), keep_going=True)
    order = sorted(range(len(LENGTHS)), key=lambda i: -LENGTHS[i])
    assert found.lost == sorted(order[3:6]) and found.number == len(LENGTHS)
    there = sorted(set(range(len(LENGTHS))) - set(found.lost))
    assert sorted(os.listdir(str(tmp_path / "out"))) == [f"{i:06d}.wav" for i in there]
    for i in there:
        levels = audio.mu_law(audio.read(str(tmp_path / "out" / f"{i:06d}.wav"), RATE))
        np.testing.assert_array_equal(levels, sounds(LENGTHS)[i])


def test_what_does_not_fit_is_one_line(whole, runs, tmp_path):
    run, path = codec.open_run(runs("both")), hostile.write(tmp_path / "x.vqz", whole)
    m, x, picture = run.config.model, sounds((5, 6)), images_lib.of_arrays(images(1, 8, 1), 1)
    for call, message in (
        (lambda: codec.decompress(runs("unigram"), path), "got a run with the weights .{12}, expected"),
        (lambda: codec.decompress(run, path, str(tmp_path / "x.npy")), "x.npy' for recordings of different sizes"),
        (lambda: codec.decompress(run, path, str(tmp_path / "x.wav")), "x.wav' for 7 recordings, expected a folder"),
        (
            lambda: codec.decompress(run, path, str(tmp_path / "x.png")),
            "x.png', expected NAME.wav .* or the name of",
        ),
        (lambda: codec.compress(run, [x[0].astype(float)], path), r"input: got float64 \[5\], expected levels uint8"),
        (lambda: codec.compress(run, x[0], path), r"input: got uint8 \[5\], expected uint8 \[N, T\]"),
        (lambda: codec.compress(run, picture, path), "input: got images, expected recordings"),
        (lambda: codec.compress(run, [], path), "input: got no recording"),
        (lambda: codec.compress(run, [x[0][:0]], path), r"input: got uint8 \[0\]"),
        (lambda: recordings.of_levels(x, m, "dora"), "speaker: got 'dora', expected one of anna, ben, carl"),
        (lambda: codec.compress(run, x, path, batch=500), "batch: got 500, expected 1 to 200"),
        (lambda: codec.compress(run, x, path, prior="unigrams"), "prior: got 'unigrams'"),
    ):
        with pytest.raises(VQError, match=message):
            call()
    other = shutil.copytree(runs("both"), str(tmp_path / "other"))
    for old, new, message in (
        ('"sample_rate": 8000', '"sample_rate": 16000', "got sample_rate 8000, expected 16000 as in the run"),
        ('"anna",', '"anna", "anne",', "does not fit config.json"),
    ):
        with open(os.path.join(runs("both"), "config.json"), encoding="utf-8") as f:
            text = f.read()
        assert old in text
        with open(os.path.join(other, "config.json"), "w", encoding="utf-8") as f:
            f.write(text.replace(old, new))
        with pytest.raises(VQError, match=message):
            codec.decompress(other, path)


def test_an_index_that_lies(whole, runs, tmp_path, monkeypatch):
    run, (version, header, index, entries, rest) = codec.open_run(runs("both")), parts(whole)
    items = json.loads(zlib.decompress(index))
    for change, message in (
        (lambda i: i[0].__setitem__(2, len(VOICES)), "got speaker 3, expected 0 to 2 as in the run"),
        (lambda i: i[0].__setitem__(2, -1), "its index has an invalid entry"),
        (lambda i: i[0].__setitem__(1, 0), "its index has an invalid entry"),
        (lambda i: i[0].__setitem__(1, 1 << 20), "got 3 chunks, expected 5"),
        (lambda i: i[0].pop(), "its index has an invalid entry"),
        (lambda i: i.pop(), "its index does not have one entry per image"),
    ):
        changed = json.loads(json.dumps(items))
        change(changed)
        content = packed(version, header, zlib.compress(json.dumps(changed).encode()), entries, rest)
        with pytest.raises(VQError, match=message):
            codec.decompress(run, hostile.write(tmp_path / "x.vqz", content))
    monkeypatch.setattr(coding, "MAX_FLOATS", 100)
    with pytest.raises(VQError, match="got 3 recordings per chunk, expected at most 1 of this length"):
        codec.decompress(run, hostile.write(tmp_path / "x.vqz", whole))


def test_altered_files_are_refused(whole, runs, tmp_path):
    run = codec.open_run(runs("both"))

    @altered(100)
    @hypothesis.given(hostile.damaged(whole))
    def check(content):
        path = hostile.write(tmp_path / "x.vqz", content)
        if content != whole:
            assert hostile.refused(codec.decompress, run, path)[0]

    check()
