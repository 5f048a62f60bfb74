"""The benchmarks: their counts, the equality of the compared networks, and smoke runs. No test measures speed."""

import dataclasses
import io
import json
import os
import subprocess
import sys

import numpy as np
import pytest
import soundfile
import tensorflow.compat.v1 as tf

from helpers import spoken
from vq_estimator.config import make_config
from vq_estimator.data import audio
from vq_estimator.errors import VQError
from vq_estimator.inference.speech_exploration import EncodedClips
from vq_estimator.models import objectives
from vq_estimator.models.vqvae import VQVAE
from vq_estimator.training import optimization

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, ROOT)
pytestmark = pytest.mark.skipif(tf.__version__ < "2", reason="the benchmark is of TensorFlow 2")

SMALL = dict(hidden_channels=(8, 12), D=8, K=16, batch_size=4)
CONFIGS = {
    "original": make_config("cifar10", D=8, K=16, batch_size=4),
    "mixture": make_config(
        "cifar10", "categorical", likelihood="logistic_mixture", codebook="gradient", precision="float32", **SMALL
    ),
}
either = pytest.mark.parametrize("name", sorted(CONFIGS))


def connected(config):
    """(images, loss, train_op) of a training step, without the Estimator."""
    size = config.model.image_size
    images = tf.placeholder(tf.uint8, [config.train.batch_size, size, size, config.model.channels])
    step = tf.train.get_or_create_global_step()
    out = VQVAE(config.model)(images, True, tf.identity(step))
    loss = tf.reduce_mean(objectives.terms(images, out, config.objective, config.model).total)
    return images, loss, optimization.minimize(loss, tf.constant(1e-3), step, out.quantized.update)


def some_images(config):
    size = config.model.image_size
    shape = (config.train.batch_size, size, size, config.model.channels)
    return np.random.RandomState(0).randint(0, 256, shape).astype(np.uint8)


@either
def test_the_counted_arithmetic_is_tensorflows(name):
    from benchmarks.speed import flops

    config = CONFIGS[name]
    images, _, train = connected(config)
    trace = tf.RunMetadata()
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        full = tf.RunOptions(trace_level=tf.RunOptions.FULL_TRACE)
        session.run(train, {images: some_images(config)}, options=full, run_metadata=trace)
    options = tf.profiler.ProfileOptionBuilder(tf.profiler.ProfileOptionBuilder.float_operation())
    options = options.with_empty_output().order_by("float_ops").build()
    root = tf.profiler.profile(tf.get_default_graph(), trace, cmd="scope", options=options)

    found, left = {}, [root]
    while left:
        node = left.pop()
        left += node.children
        if node.name.split("/")[-1].rstrip("_0123456789").startswith(("Conv2D", "conv2d_transpose", "MatMul")):
            found[node.name] = node.float_ops
    del found["gradients/encoder/conv_1/Conv2D_grad/Conv2DBackpropInput"]  # to the images: in the graph, and never run
    assert sum(found.values()) == flops.training_step(config.model, config.train.batch_size)


@either
def test_the_twin_in_pytorch_is_the_same_network(name):
    torch = pytest.importorskip("torch")
    from benchmarks.speed import torch_twin

    config = CONFIGS[name]
    images, loss, _ = connected(config)
    variables = tf.trainable_variables()
    given = some_images(config)
    with tf.Session() as session:
        tf.set_random_seed(0)
        session.run(tf.global_variables_initializer())
        (codebook,) = (v for v in variables if v.op.name.endswith("codebook"))
        session.run(codebook.assign(50.0 * codebook))  # terms that count
        values = session.run({v.op.name: v for v in variables})
        gradients = dict(zip(values, tf.gradients(loss, variables)))
        want = session.run([loss, gradients["encoder/conv_1/w"], gradients["quantizer/codebook"]], {images: given})
    twin = torch_twin.Twin(config)
    twin.load(values)
    assert sum(p.numel() for p in twin.parameters()) == sum(v.size for v in values.values())
    got = twin.loss(torch.from_numpy(given / np.float32(255)).permute(0, 3, 1, 2))
    got.backward()
    np.testing.assert_allclose(got.item(), want[0], rtol=1e-5)
    filters = twin.encoder.conv_1.weight.grad.permute(2, 3, 1, 0)
    np.testing.assert_allclose(filters, want[1], rtol=1e-3, atol=1e-6)
    np.testing.assert_allclose(twin.quantizer.codebook.grad, want[2], rtol=1e-3, atol=1e-6)


def test_the_twin_refuses_another_networks_variables():
    pytest.importorskip("torch")
    from benchmarks.speed import torch_twin

    with pytest.raises(ValueError, match=r"variables: .*encoder/conv_1/w.* are of one side alone"):
        torch_twin.Twin(CONFIGS["original"]).load({})


@pytest.mark.parametrize(
    "op, part",
    [
        ("encoder/conv_1/Conv2D", "encoder"),
        ("gradients/decoder_1/conv_1/Conv2D_grad/Conv2DBackpropFilter", "decoder"),
        ("gradients/quantizer/GatherV2_grad/Reshape", "quantizer"),
        ("gradients/objective/LogSigmoid_grad/mul", "likelihood"),
        ("likelihood/split", "likelihood"),
        ("Adam/update_encoder/conv_1/w/ResourceApplyAdam", "optimizer"),
        ("IteratorGetNext", "input"),
        ("Mean_1", "other"),
    ],
)
def test_an_op_belongs_to_a_part(op, part):
    from benchmarks.speed import profile

    assert profile.part_of(op) == part


def test_both_quantizers_of_the_benchmark_find_the_same_codes():
    from benchmarks.speed.plain_graph import codes_by_broadcasting
    from vq_estimator.nn.quantizers import clustering

    rng = np.random.RandomState(0)
    z, book = (tf.constant(rng.randn(n, 4).astype(np.float32)) for n in (50, 9))
    with tf.Session() as session:
        a, b = session.run([codes_by_broadcasting(z, book), clustering.nearest(z[tf.newaxis], book[tf.newaxis])[0]])
    np.testing.assert_array_equal(a, b)


def smoke(section, out, *more):
    """The results of a section of the command, run for as short as can be."""
    command = [sys.executable, "-m", "benchmarks.speed", "--quick", f"--only={section}", f"--out={out}", *more]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    with open(os.path.join(str(out), f"speed_{section}.json")) as f:
        return json.load(f)["results"]


@pytest.mark.slow
def test_a_smoke_run_of_the_quantizers(tmp_path):
    (point,) = smoke("quantizer", tmp_path)["N"]
    assert point["ours"]["seconds"] > 0 and point["broadcast"]["seconds"] > 0


@pytest.mark.slow
def test_a_smoke_run_of_training(tmp_path, full_data):
    full_data("mnist")
    found = smoke("training", tmp_path, "--data_dir=" + os.environ["VQ_DATA_DIR"])["mnist-32"]
    assert {"launch path", "tf-vqvae-style graph"} <= set(found["contenders"])
    assert found["ratios"]["tf-vqvae-style graph"]["ratio"] > 0
    assert all(len(c["steps_per_second"]) == 1 for c in found["contenders"].values())


@pytest.mark.slow
def test_a_smoke_run_of_monitoring(digits):
    from benchmarks import monitoring

    settings = dict(K=4, D=4, image_size=8, max_steps=30, eval_steps=10, save_checkpoints_steps=10, log_steps=1)
    config = make_config("mnist", save_summary_steps=6, **settings)
    config = dataclasses.replace(config, dataset_source=digits.spec.name)
    total, validations, summaries = monitoring.measure(config, digits)
    assert len(validations) == 3 and min(validations) > 0 and sum(validations) < total
    assert len(summaries) == 5 and summaries[0] > 0  # the first compiles the graph of the summaries


def test_a_smoke_run_of_step_costs():
    from benchmarks import step_cost

    assert step_cost.core_seconds(lambda: step_cost.prior_step(2, 4, batch_size=1, channels=2, layers=1), 2) > 0
    small = dict(image_size=8, D=4, K=4, batch_size=1)
    assert step_cost.core_seconds(lambda: step_cost.image_step(lambda name: True, **small), 2) > 0
    assert step_cost.core_seconds(lambda: step_cost.image_step(lambda name: False, **small), 2) is None


# Speech


def test_flac_files_hold_the_levels_and_their_heads_are_found(spoken_source):
    from benchmarks.speech import bits

    _, source = spoken_source
    levels = source.splits["test"].clip(0)
    file = bits.flac_file(levels, spoken.RATE)
    back, rate = soundfile.read(io.BytesIO(file), dtype="int16")
    np.testing.assert_array_equal((back >> 8) + 128, levels)
    head = bits.flac_head(file)
    assert rate == spoken.RATE and 42 <= head < len(file)
    assert file[head : head + 2] in (b"\xff\xf8", b"\xff\xf9")  # what a frame begins with
    found = bits.flac(source.splits["test"], spoken.RATE)
    clips = [source.splits["test"].clip(i) for i in range(12)]
    total = sum(len(bits.flac_file(clip, spoken.RATE)) for clip in clips)
    assert found["by_clip"]["bits_per_sample"] == 8 * total / sum(map(len, clips))
    assert found["by_speaker"]["files"] == 2 and found["by_clip"]["files"] == 12
    assert 0 < found["by_speaker"]["of_frames"] < found["by_clip"]["bits_per_sample"]


def clips_of(codes, labels):
    """Clips of as many codes each; codes [N, n]."""
    codes, labels = np.array(codes), np.array(labels)
    return EncodedClips(codes.reshape(-1, 1), np.full(len(codes), codes.shape[1]), labels * 0, labels)


def test_votes_and_a_linear_map_find_what_codes_tell():
    pytest.importorskip("sklearn")
    from benchmarks.speech import content

    train = clips_of([[0, 0, 1], [2, 2, 1], [0, 1, 1], [2, 1, 2]], [0, 1, 0, 1])
    test = clips_of([[0, 3, 3], [2, 2, 0], [1, 1, 2]], [0, 1, 0])
    assert content.votes(train, test, 4, train.labels, 2).tolist() == [0, 1, 0]  # a code never seen has no vote
    np.testing.assert_allclose(content.histograms(test, 4)[1], [1 / 3, 0, 2 / 3, 0])
    rng = np.random.RandomState(0)
    labels = np.arange(60) % 3
    splits = dict.fromkeys(
        ("train", "validation", "test"), clips_of(labels[:, None] + 3 * rng.randint(0, 2, (60, 5)), labels)
    )
    found = content.measure(splits, 6, {"digit": (lambda e: e.labels, 3), "speaker": (lambda e: e.speakers, 1)})
    assert found["digit"]["linear"] == found["digit"]["vote"] == 1.0
    assert found["digit"]["chance"] == pytest.approx(1 / 3) and found["speaker"]["linear"] == 1.0


def test_a_tone_is_heard_in_its_band():
    from benchmarks.speech import conversion

    t = np.arange(4000) / 8000
    for hertz in (200.0, 1000.0, 3000.0):
        mel = conversion.log_mel(audio.mu_law(0.5 * np.sin(2 * np.pi * hertz * t)), 8000)
        filters = conversion.mel_filters(256, 8000)
        assert mel.shape == (1 + (4000 - 256) // 64, conversion.MEL_BANDS)
        assert abs(int(mel.mean(0).argmax()) - int(filters[:, round(hertz / 8000 * 256)].argmax())) <= 1
    for length in (1, 100, 257, 5000):  # shorter than a frame too
        assert np.isfinite(conversion.heard_features(np.full(length, 7, np.uint8), 8000)).all()


def test_a_run_to_compare_with_differs_in_its_codes_alone(spoken_source):
    from benchmarks.speech import bits

    def other(**given):
        return spoken.tiny_config(spoken_source[1], **given)

    config = other()
    bits.check_without(config, other(K=1))
    with pytest.raises(VQError, match="without: got a run with codes"):
        bits.check_without(config, other(K=2))
    with pytest.raises(
        VQError, match="without: got a run of another model.decoder.channels, expected one that differs in K alone"
    ):
        bits.check_without(config, other(K=1, wavenet_channels=8))


@pytest.mark.slow
def test_a_smoke_run_of_speech(spoken_source, spoken_run, tmp_path, monkeypatch, capsys):
    pytest.importorskip("sklearn")
    from benchmarks.speech import __main__ as command

    (_, source), (_, _, model_dir) = spoken_source, spoken_run
    monkeypatch.setattr(command.speech_sources, "locate", lambda *args, **given: source)
    out = str(tmp_path / "speech.json")
    command.main(["--model_dir=" + model_dir, "--quick", "--out=" + out])
    with open(out) as f:
        found = json.load(f)
    b = found["bits"]["run"]
    assert b["total_uniform"] == pytest.approx(b["distortion"] + b["rate_uniform"]) and b["total_prior"] is None
    generation = found["generation"]
    assert all(way["same_samples"] == way["samples_timed"] > 1 for way in generation["full_pass"].values())
    assert set(generation["loop"]) == {f"{kind}, batch {n}" for kind in ("plain", "compiled") for n in (1, 16)}
    one = generation["loop"]["plain, batch 1"]
    assert one["times_real_time"]["16000"] == pytest.approx(one["samples_per_second"] / 16000)
    assert {"digit", "speaker"} < set(found["content"]) and found["content"]["speaker"]["chance"] == 0.5
    conversion = found["conversion"]
    assert conversion["classifiers_on_real_clips"] == {"digit": 1.0, "speaker": 1.0}
    assert conversion["conversions"] == conversion["clips"] == 4
    heard = conversion["on_conversions"]
    assert heard["asked_speaker"] + heard["original_speaker"] == pytest.approx(1.0)  # of two voices
    assert "full pass, what it depends on" in capsys.readouterr().out

    with pytest.raises(SystemExit, match="speech: error: without: got a run with codes"):
        command.main(["--model_dir=" + model_dir, "--quick", "--only=bits", "--without=" + model_dir, "--out=" + out])


def test_the_tiles_of_fine_tuning_are_of_one_split_for_each_photograph(tmp_path, monkeypatch):
    from PIL import Image

    from benchmarks import fine_tuning

    for number, name in enumerate(fine_tuning.NAMES):  # each of one colour, by which a tile is known
        (tmp_path / "in").mkdir(exist_ok=True)
        Image.new("RGB", (400 + number, 352), (number * 9, 0, 0)).save(str(tmp_path / "in" / name), "PNG")
    monkeypatch.setattr(fine_tuning, "COUNTS", {"train": 60, "validation": 30, "test": 30})
    fine_tuning.write_tiles(fine_tuning.find_photographs(str(tmp_path / "in")), str(tmp_path / "out"))
    seen = {}
    for split, count in fine_tuning.COUNTS.items():
        tiles = [np.asarray(Image.open(str(path))) for path in sorted((tmp_path / "out" / split).iterdir())]
        assert len(tiles) == count and {tile.shape for tile in tiles} == {(32, 32, 3)}
        seen[split] = {int(tile[0, 0, 0]) // 9 for tile in tiles}
        assert all(fine_tuning.split_of(number) == split for number in seen[split])
    assert len(seen["train"]) > 5
    os.remove(str(tmp_path / "in" / "Wood.jpg"))
    with pytest.raises(VQError, match="photographs: got .* without Wood.jpg"):
        fine_tuning.find_photographs(str(tmp_path / "in"))
