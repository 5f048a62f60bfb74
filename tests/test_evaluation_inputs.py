"""vq-evaluate --input, and `evaluate` of an opened model, on data that the run has not seen."""

import json
import math
import os
import shutil

import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from PIL import Image

from helpers.codec_runs import VOICES, images, sounds, write_run
from helpers.evaluation_keys import KEYS
from vq_estimator import pretrained
from vq_estimator.data import audio, pipeline
from vq_estimator.data.speech import Clips, SpeechSource
from vq_estimator.errors import VQError
from vq_estimator.inference import calibration, evaluation, image_codes, image_inputs, session
from vq_estimator.inference.image_model import ImageModel
from vq_estimator.inference.speech_model import SpeechModel

pytestmark = pytest.mark.once

# What an evaluation says of the examples; the other keys say where they come from.
FIGURES = sorted(KEYS - {"split", "input", "sha256", "dataset_source", "codebook", "bits_per_dim", "prior", "speakers"})


def same_figures(found, want):
    for key in FIGURES:
        if isinstance(want[key], float):
            assert found[key] == pytest.approx(want[key], rel=1e-6), key
        else:
            assert found[key] == want[key], key
    assert found["codebook"] == want["codebook"]
    assert found["bits_per_dim"] == pytest.approx(want["bits_per_dim"], rel=1e-6)


def kept(model_dir, found):
    """The files with a result: what the .json holds, and the arrays of the .npz."""
    (name,) = [
        name[:-5]
        for name in os.listdir(os.path.join(model_dir, "eval"))
        if name.endswith(".json") and json.load(open(os.path.join(model_dir, "eval", name))) == found
    ]
    with np.load(os.path.join(model_dir, "eval", name + ".npz"), allow_pickle=False) as arrays:
        return name, {key: arrays[key] for key in arrays.files}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run of random weights with a class-conditional prior, calibrated, of data that are not here."""
    return write_run(tmp_path_factory.mktemp("inputs") / "run", classes=10, image_size=24)


@pytest.fixture(scope="module")
def split(run, digits):
    """The result of the test split, and its arrays."""
    with ImageModel(run) as model:
        found = evaluation.evaluate(model, digits, "test", save_reconstructions=True)
    return found, kept(run, found)[1]


@pytest.fixture(scope="module")
def model(run, split):
    with ImageModel(run) as found:
        yield found


@pytest.fixture(scope="module")
def digits_28(digits):
    """The test split as it is published, uint8 [500, 28, 28, 1]."""
    with tf.Graph().as_default(), tf.Session() as session:
        dataset = pipeline.examples(digits, "test", (28, 28)).batch(500)
        return session.run(tf.data.make_one_shot_iterator(dataset).get_next())[0]


def write_pngs(folder, pixels, name="{:04d}.png"):
    for i, image in enumerate(pixels):
        path = os.path.join(str(folder), name.format(i))
        os.makedirs(os.path.dirname(path), exist_ok=True)
        Image.fromarray(image[..., 0]).save(path)
    return str(folder)


def test_png_files_of_a_split_have_the_figures_of_the_split(run, split, digits_28, forked, tmp_path):
    """The command on a folder; each image is the one of the split to the bit."""
    folder = write_pngs(tmp_path / "some digits", digits_28)
    done = forked.script("evaluate", f"--model_dir={run}", f"--input={folder}", "--save_reconstructions")
    assert done.status == 0, done.stderr
    path, *table = done.stdout.splitlines()
    with open(path) as f:
        found = json.load(f)
    want, arrays = split
    same_figures(found, want)
    assert set(found) == KEYS and found["split"] is None and found["input"] == folder
    name, own = kept(run, found)
    assert name == found["dataset_source"] == "some_digits-" + found["sha256"][:16] == os.path.basename(path)[:-5]
    assert f"step 1, {name}" in table[0] and "bits/dim, total (unigram prior)" in done.stdout
    assert set(own) == set(arrays) and own["images"].dtype == own["reconstructions"].dtype == np.uint8
    for key in ("images", "codes"):
        np.testing.assert_array_equal(own[key], arrays[key])
    for key in ("mse", "distortion"):
        np.testing.assert_allclose(own[key], arrays[key], rtol=1e-5)


def test_anyone_can_recompute_the_mse(split, model):
    found, arrays = split
    assert arrays["images"].shape == arrays["reconstructions"].shape == (500, 24, 24, 1)
    np.testing.assert_array_equal(arrays["reconstructions"], model.decode(arrays["codes"]))
    errors = np.square((arrays["images"].astype(float) - arrays["reconstructions"]) / 255).mean((1, 2, 3))
    assert arrays["mse"].mean() == found["mse"]
    # A mean that is off by e and rounded by r is off by e + r: its square by 2 e r + r^2 more, where |r| <= 1/510.
    assert (np.abs(errors - arrays["mse"]) <= np.sqrt(arrays["mse"]) / 255 + 1 / 510**2 + 1e-9).all()


def test_arrays_files_and_splits_of_data_sets(model, split, digits, digits_28, tmp_path):
    want, arrays = split
    path = str(tmp_path / "digits.npy")
    np.save(path, digits_28)
    for given in (path, digits_28, list(arrays["images"]), image_inputs.of_split(model, digits, "test")):
        same_figures(model.evaluate(given), want)
    found = model.evaluate(image_inputs.of_split(model, digits, "test"))
    assert (found["split"], found["input"], found["dataset_source"]) == ("test", "mnist-5k:test", "mnist-5k")
    assert found["sha256"] == want["sha256"] and kept(model.model_dir, found)[0].startswith("mnist-5k-test-")
    one = write_pngs(tmp_path, digits_28[:1], "{}.png")
    assert model.evaluate(os.path.join(one, "0.png"))["examples"] == 1


def test_no_two_inputs_and_no_split_have_one_file(model, digits_28, tmp_path):
    before = set(os.listdir(os.path.join(model.model_dir, "eval")))
    names = set()
    for i, parent in enumerate(("a", "b")):
        found = model.evaluate(write_pngs(tmp_path / parent / "test", digits_28[i : i + 3]))
        assert found["examples"] == 3
        names.add(kept(model.model_dir, found)[0])
    assert len(names) == 2 and all(name.startswith("test-") for name in names)
    assert not {name + end for name in names for end in (".json", ".npz")} & before
    assert set(os.listdir(os.path.join(model.model_dir, "eval"))) - before == {
        name + end for name in names for end in (".json", ".npz")
    }
    for name in ("..", "\ud800/\n", "é" * 300, ".hidden", "-another", "a" * 300):
        found = evaluation.input_name(evaluation.Examples(name, 1, lambda: iter([])), "0" * 64)
        assert len(found) < 100 and found.isprintable() and found[0] not in "./" and "/" not in found


def test_the_codes_of_another_image(model, digits_28):
    own, another = (model.evaluate(digits_28[:7], codes=codes) for codes in ("own", "another"))
    (name, arrays), (other_name, other_arrays) = (kept(model.model_dir, found) for found in (own, another))
    assert other_name == name + "-another" and another["codes"] == "another" and another["prior"] is None
    np.testing.assert_array_equal(other_arrays["codes"], np.roll(arrays["codes"], 1, 0))
    assert another["bits_per_dim"]["distortion"] != own["bits_per_dim"]["distortion"]


def test_calibration_is_the_runs_own(small_run, digits, forked, tmp_path):
    """It is fitted on the run's own training data where it was not kept, and on nothing else."""
    copy, black = str(tmp_path / "run"), str(tmp_path / "black.npy")
    shutil.copytree(small_run[1], copy, ignore=shutil.ignore_patterns("calibration", "eval"))
    np.save(black, np.zeros([3, 24, 24, 1], np.uint8))
    with ImageModel(copy) as model, pytest.raises(VQError, match="calibration: the run has none for this checkpoint"):
        model.evaluate(black)
    done = forked.script("evaluate", f"--model_dir={copy}", f"--input={black}")
    assert done.status == 0, done.stderr
    (name,) = os.listdir(os.path.join(copy, "calibration"))
    with open(os.path.join(copy, "calibration", name)) as f:
        fitted = json.load(f)
    with open(done.stdout.splitlines()[0]) as f:
        assert json.load(f)["likelihood_scale"] == fitted["scale"]
    assert (fitted["split"], fitted["dataset_source"]) == ("train", "mnist-5k")
    want = calibration.calibrate(session.open_run(small_run[1]), digits)
    assert fitted["scale"] == want.scale and fitted["code_counts"] == want.counts.tolist()


def test_without_calibration_and_without_the_runs_own_data_one_line_says_what_to_do(forked, tmp_path):
    folder = write_run(tmp_path / "run")  # of "mnist", which is not here
    shutil.rmtree(os.path.join(folder, "calibration"))
    path = str(tmp_path / "images.npy")
    np.save(path, images(2, 8, 1))
    line = forked.script("evaluate", f"--model_dir={folder}", f"--input={path}").one_line("evaluate")
    assert (
        line.startswith(f"calibration: {folder!r} has none for this checkpoint, expected one: ")
        and "--data_dir" in line
    )
    assert not os.path.exists(os.path.join(folder, "eval"))
    both = forked.script("evaluate", f"--model_dir={folder}", f"--input={path}", "--split=test")
    assert both.one_line("evaluate") == "split: got test with --input, expected one of the two"


def test_class_folders_are_labels_where_the_run_has_such_classes(tmp_path):
    run = write_run(tmp_path / "run", classes=3)
    some = images(6, 8, 1)
    labels = [0, 0, 1, 1, 2, 2]
    for i, label in enumerate(labels):
        write_pngs(tmp_path / "known" / str(label), some[i : i + 1], f"{i}.png")
        write_pngs(tmp_path / "unknown" / "abc"[label], some[i : i + 1], f"{i}.png")
    with ImageModel(run) as model:
        known, unknown = (model.evaluate(str(tmp_path / name)) for name in ("known", "unknown"))
        given = model.evaluate(some, labels)
        cost = image_codes.cost(model, model.encode(some), np.array(labels))
        with pytest.raises(VQError, match="labels: got 5, expected 6, one for each image"):
            model.evaluate(some, labels[:5])
    assert known["prior"]["bits_per_image_given_class"] == pytest.approx(cost.given_class.mean() / math.log(2.0))
    assert unknown["prior"] == dict(known["prior"], bits_per_image_given_class=None)
    assert given["prior"] == known["prior"] and given["sha256"] == known["sha256"] != unknown["sha256"]


def test_labels_of_another_data_set_are_none_of_the_runs(digits, tmp_path):
    run = write_run(tmp_path / "run", dataset="fashion_mnist", classes=10)
    with ImageModel(run) as model:
        found = model.evaluate(image_inputs.of_split(model, digits, "test"))
    assert found["dataset_source"] == "mnist-5k" and found["prior"]["bits_per_image_given_class"] is None


def test_an_autoregressive_decoders_reconstructions_are_draws(tmp_path):
    given = dict(decoder="autoregressive", decoder_layers=1, decoder_channels=8, decoder_condition_channels=8)
    run = write_run(tmp_path / "run", likelihood="logistic_mixture", objective="elbo", **given)
    with ImageModel(run) as model:
        found = model.evaluate(images(5, 8, 1), save_reconstructions=True)
    _, arrays = kept(run, found)
    errors = np.square((arrays["images"].astype(float) - arrays["reconstructions"]) / 255)
    assert found["reconstruction"] == "draw" and errors.mean() == pytest.approx(found["mse"], rel=1e-6)


def test_a_provided_models_folder_is_left_as_it_is():
    before = sorted(os.listdir(os.path.join(pretrained.folder("mnist"), "eval")))
    with pretrained.load("mnist") as model:
        found = model.evaluate(np.zeros([2, 28, 28, 1], np.uint8))
    assert found["examples"] == 2 and found["bits_per_dim"]["rate_prior"] > 0
    assert sorted(os.listdir(os.path.join(pretrained.folder("mnist"), "eval"))) == before


def test_recordings_of_a_folder_have_the_figures_of_the_split(tmp_path):
    run, levels = (
        write_run(tmp_path / "run", dataset="wav", classes=3, condition="speaker"),
        sounds([300, 410, 333, 290]),
    )
    speakers = np.array([1, 0, 2, 0], np.int32)
    names = tuple(f"{VOICES[k]}/{i}.wav" for i, k in enumerate(speakers))
    clips = Clips(np.concatenate(levels), np.cumsum([len(x) for x in levels]), speakers, np.zeros(4, np.int32), names)
    with SpeechModel(run) as model:
        source = SpeechSource("wav", model.sample_rate, VOICES, (), {"test": clips})
        want = evaluation.evaluate(model, source, "test")
        for name, recording in zip(names, levels):
            for path in (tmp_path / "named" / name, tmp_path / "flat" / os.path.basename(name)):
                audio.write_wav(str(path), recording, model.sample_rate)
        named, flat = (model.evaluate(str(tmp_path / folder)) for folder in ("named", "flat"))
        anna = model.evaluate(str(tmp_path / "flat"), speaker="anna")
        likeliest = [model.likeliest_speaker(recording) for recording in levels]
        assert model.evaluate(str(tmp_path / "flat" / "0.wav"))["examples"] == 1
        with pytest.raises(VQError, match="save_reconstructions: got it for recordings"):
            evaluation.evaluate(model, source, "test", save_reconstructions=True)
    assert set(named) == KEYS and want["speakers"] == named["speakers"] == anna["speakers"] == "known"
    same_figures(named, want)
    assert named["prior"] == pytest.approx(want["prior"]) and named["prior"]["bits_per_image_given_class"] > 0
    assert flat["speakers"] == "likeliest" and flat["prior"]["bits_per_image_given_class"] is None
    assert kept(run, flat)[1]["speakers"].tolist() == likeliest
    assert flat["bits_per_dim"]["distortion"] < named["bits_per_dim"]["distortion"]
    assert (kept(run, anna)[1]["speakers"] == VOICES.index("anna")).all()
