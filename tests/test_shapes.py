"""Images of any height, width and number of channels, in every function of a run."""

import os

import hypothesis
import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from hypothesis import strategies as st

from helpers.codec_runs import write_run
from vq_estimator import drawing
from vq_estimator.data.model_view import View, Viewer
from vq_estimator.errors import VQError
from vq_estimator.inference import codec, export
from vq_estimator.inference.codec import container
from vq_estimator.inference.image_model import ImageModel
from vq_estimator.nn.likelihoods.logistic import LogisticMixture

pytestmark = pytest.mark.once

LIKELIHOODS = ("mse", "logistic", "logistic_mixture", "gaussian", "categorical")


def noise(*shape, seed=0, dtype=np.uint8):
    return np.random.RandomState(seed).randint(0, np.iinfo(dtype).max + 1, shape).astype(dtype)


def run_of(folder, size, channels, layers, likelihood, autoregressive, **settings):
    """A run with random weights."""
    settings.update(image_size=size, channels=channels, hidden_channels=",".join(["4"] * layers), residual_blocks=0)
    if likelihood != "mse":
        settings.update(likelihood=likelihood, objective="elbo")
    if autoregressive:
        settings.update(decoder="autoregressive", decoder_layers=1, decoder_channels=4, decoder_condition_channels=4)
    # Small weights: pixels have means about the middle, so that `likely` images have bits that a file can have too.
    small = dict.fromkeys(("values", "prior_values"), lambda *given: 0.2 * given[-1])
    return write_run(folder, "images", D=4, K=5, classes=0, **small, **settings)


def likely(*shape):
    return 100 + noise(*shape) % 56


def check_run(folder, images):
    """Codes, reconstructions, bits and compressed files of a run agree with each other."""
    with ImageModel(folder) as model:
        m = model.config.model
        codes = model.encode(images)
        assert codes.shape == (len(images), *m.grid)
        decoded = model.decode(codes, seed=3)
        assert decoded.shape == (len(images), *m.shape) and decoded.dtype == np.uint8
        np.testing.assert_array_equal(model.decode(codes[:1], seed=3)[0], decoded[0])
        np.testing.assert_array_equal(model.reconstruct(images, seed=3), decoded)
        samples = model.sample(2, seed=1)
        assert samples.images.shape == (2, *m.shape)
        bits = model.bits_per_dim(images)
        path = os.path.join(folder, "images.vqz")
        done = codec.compress(model, images, path, workers=1)
        np.testing.assert_array_equal(np.stack(codec.decompress(model, path, workers=1).images), images)
        file = container.read(path)
        assert file.header.version == (1 if m.size[0] == m.size[1] else 2)
        coded = 8.0 * (done.bytes - done.header)
        want = float((bits.distortion + bits.rate_prior).sum() * m.dims)
        assert abs(coded - want) < 0.01 * want + 64


@hypothesis.settings(max_examples=3, phases=[hypothesis.Phase.generate])  # seconds each, too many to shrink one
@hypothesis.given(
    st.tuples(st.integers(1, 3), st.integers(1, 3)),
    st.sampled_from([1, 2, 3, 4, 6, 16]),
    st.integers(1, 2),
    st.sampled_from(LIKELIHOODS),
    st.booleans(),
)
def test_codes_pixels_bits_and_files_agree_at_any_size(tmp_path_factory, grid, channels, layers, likelihood, draws):
    autoregressive = draws and likelihood != "mse"
    size = tuple(n * 2**layers for n in grid)
    with tf.Graph().as_default():
        folder = run_of(tmp_path_factory.mktemp("shape") / "run", size, channels, layers, likelihood, autoregressive)
    check_run(folder, likely(3, *size, channels))


@pytest.mark.parametrize("likelihood, autoregressive", [("logistic", False), ("logistic_mixture", True)])
def test_images_of_four_channels_that_are_not_square_are_a_format_2_file(tmp_path, likelihood, autoregressive):
    size = (4, 6) if autoregressive else (16, 24)
    folder = run_of(tmp_path / "run", size, 4, 1, likelihood, autoregressive)
    images = likely(2, *size, 4)
    check_run(folder, images)
    larger = [noise(size[0] + 3, size[1] - 1, 4), images[0]]  # of other sizes, in tiles
    codec.compress(folder, larger, str(tmp_path / "x.vqz"), workers=1)
    codec.decompress(folder, str(tmp_path / "x.vqz"), str(tmp_path / "out"), workers=1)
    for number, image in enumerate(larger):
        np.testing.assert_array_equal(np.load(tmp_path / "out" / f"{number:06d}.npy"), image)


def test_a_format_2_file_needs_a_run_of_its_size(tmp_path):
    wide, square = (run_of(tmp_path / name, size, 1, 1, "mse", False) for name, size in (("a", (4, 6)), ("b", 4)))
    codec.compress(wide, noise(1, 4, 6, 1), str(tmp_path / "x.vqz"), workers=1)
    with pytest.raises(VQError, match="got sizes .4, 6, 1, 2, 3, 1, 5., expected .4, 1, 2, 2, 1, 5."):
        codec.decompress(square, str(tmp_path / "x.vqz"), workers=1)


def test_the_saved_model_has_the_sizes(tmp_path):
    folder = run_of(tmp_path / "run", (4, 6), 5, 1, "logistic", False)
    images = noise(2, 4, 6, 5)
    with ImageModel(folder) as model:
        want = model.reconstruct(images)
        export.export(model.config, model.checkpoint, str(tmp_path / "model"))
    with tf.Graph().as_default(), tf.Session() as session:
        tf.saved_model.load(session, ["serve"], str(tmp_path / "model"))
        np.testing.assert_array_equal(session.run("reconstruct:0", {"images:0": images}), want)


def test_a_mixture_couples_the_channels_of_a_colour_alone():
    """Given other values in the first channel, the table of the second one moves at C = 3 and nowhere else."""
    for channels in (1, 2, 3, 4):
        parameters = tf.constant(np.random.RandomState(0).randn(1, 1, 1, LogisticMixture.parameters(channels, 2)))
        p = LogisticMixture(tf.cast(parameters, tf.float32), channels, 2)
        x = np.zeros((1, 1, 1, channels), np.uint8)
        tables = [p.log_table(channels - 1, tf.constant(x + np.uint8(level))) for level in (0, 200)]
        with tf.Session() as session:
            low, high = session.run(tables)
        assert (np.abs(low - high).max() > 1e-3) == (channels == 3)
        np.testing.assert_allclose(np.exp(low).sum(-1), 1.0, atol=1e-5)


@pytest.mark.parametrize("channels", [2, 4])
def test_the_parts_of_an_uncoupled_mixture_agree(channels):
    """The log probability is the sum of the channels' tables, and draws have their probabilities."""
    rng = np.random.RandomState(channels)
    parameters = tf.constant(0.3 * rng.randn(1, 1, 1, LogisticMixture.parameters(channels, 3)).astype(np.float32))
    x = noise(1, 1, 1, channels)
    p = LogisticMixture(parameters, channels, 3)
    many = LogisticMixture(tf.tile(parameters, [4000, 1, 1, 1]), channels, 3)
    with tf.Session() as session:
        log_p, tables = session.run([p.log_prob(tf.constant(x)), [p.log_table(c) for c in range(channels)]])
        drawn, mean = session.run([many.sample(tf.constant([1, 2], tf.int64)), p.mean()])
    # The scales are about 20 levels, so that few draws fall outside of 0 to 255, where the mean does not look.
    assert np.abs(drawn.mean((0, 1, 2)) / 255.0 - mean[0, 0, 0]).max() < 0.03
    np.testing.assert_allclose(log_p[0], sum(t[0, 0, 0, x[0, 0, 0, c]] for c, t in enumerate(tables)), rtol=1e-5)
    for c, table in enumerate(tables):
        p_c = np.exp(table[0, 0, 0])
        assert abs(drawn[..., c].mean() - (p_c * np.arange(256)).sum()) < 4.0
    correlation = np.corrcoef(drawn.reshape(-1, channels).astype(float).T)
    assert np.abs(correlation - np.eye(channels)).max() < 0.06


@pytest.mark.parametrize("size", [(8, 12), (12, 8), (8, 8)])
def test_the_middle_of_the_models_ratio_is_cut_out(size):
    viewer = Viewer(View(size, 3))
    cut = View(size, 3).cut(40, 40)
    assert max(cut) == 40 and abs(cut[0] * size[1] - cut[1] * size[0]) <= max(size)
    image = np.zeros((1, 40, 40, 3), np.uint8)
    top, left = (40 - cut[0]) // 2, (40 - cut[1]) // 2
    image[:, top : top + cut[0], left : left + cut[1]] = 200
    assert (viewer(image) == 200).all() and viewer(image).shape == (1, *size, 3)
    same = noise(1, *size, 3)
    np.testing.assert_array_equal(viewer(same), same)
    viewer.close()


@pytest.mark.parametrize("channels", [2, 4, 16])
def test_arrays_of_other_channel_counts_are_resized_and_counted(channels):
    viewer = Viewer(View((6, 4), channels))
    same = noise(2, 6, 4, channels)
    np.testing.assert_array_equal(viewer(same), same)
    large = np.repeat(np.repeat(same, 2, 1), 2, 2)
    assert np.abs(viewer(large).astype(int) - same).max() < 120 and viewer(large).shape == same.shape
    for other in (1, 3):
        with pytest.raises(VQError, match=f"images: got {other} channels, expected {channels}, as the model has"):
            viewer(noise(1, 6, 4, other))
    viewer.close()


def test_prepare_takes_the_models_channels(tmp_path):
    with ImageModel(run_of(tmp_path / "run", (4, 6), 4, 1, "mse", False)) as model:
        images = noise(2, 4, 6, 4)
        np.testing.assert_array_equal(model.prepare(images), images)  # the fourth channel is no opacity
        np.testing.assert_array_equal(model.prepare(list(images)), images)
        with pytest.raises(VQError, match=r"images: got uint8 \[1, 4, 6, 3\], expected uint8 or uint16 .* C = 4,"):
            model.prepare(images[:1, :, :, :3])
        deep = images.astype(np.uint16) * 256 + 7
        np.testing.assert_array_equal(model.prepare(deep), images)


def test_other_channel_counts_are_grey_panels():
    images = noise(3, 5, 4, 2)
    shown = drawing.panels(images)
    assert shown.shape == (3, 5, 9, 1)
    np.testing.assert_array_equal(shown[:, :, :4, 0], images[..., 0])
    np.testing.assert_array_equal(shown[:, :, 5:, 0], images[..., 1])
    assert (shown[:, :, 4] == 255).all()
    for channels in (1, 3):
        assert drawing.panels(images[..., :1].repeat(channels, -1)).shape == (3, 5, 4, channels)
