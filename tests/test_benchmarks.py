"""The benchmarks: their counts, the equality of the compared networks, and smoke runs. No test measures speed."""

import dataclasses
import json
import os
import subprocess
import sys

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from vq_estimator.config import make_config
from vq_estimator.errors import VQError
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
