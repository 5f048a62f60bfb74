"""Wrong types and values of arguments of public methods are a VQError in one line.

Every argument of every method is tested with every value of JUNK, so that a new argument without a check fails.
"""

import inspect
import os
import pathlib

import numpy as np
import pytest

from helpers import codec_runs
from helpers.junk import JUNK
from vq_estimator import pretrained
from vq_estimator.config import arguments
from vq_estimator.data import arrays
from vq_estimator.errors import VQError
from vq_estimator.inference import codec
from vq_estimator.inference.image_model import ImageModel
from vq_estimator.inference.session import OpenRun
from vq_estimator.inference.speech_model import SpeechModel


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    return {
        "images": codec_runs.write_run(folder / "images", classes=3),
        "speech": codec_runs.write_run(folder / "speech", dataset="wav", classes=2, wavenet_condition_dropout=0.1),
    }


@pytest.fixture(scope="module")
def image_model(runs):
    with ImageModel(runs["images"]) as model:
        yield model


@pytest.fixture(scope="module")
def speech_model(runs):
    with SpeechModel(runs["speech"]) as model:
        yield model


IMAGES, CODES = codec_runs.images(2, 8, 1), np.zeros([2, 1, 1, 1], np.int32)
LEVELS, SPOKEN = codec_runs.sounds([40])[0], np.zeros([5, 1], np.int32)
# Of each method good arguments, and the names of those junk values that are good for one of them.
OF_IMAGES = {
    "encode": dict(images=IMAGES),
    "decode": dict(codes=CODES, seed=1, shared=False, first=100, compiled=False),
    "reconstruct": dict(images=IMAGES, seed=1),
    "sample": dict(num=3, labels=[0, 1, 2], temperature=0.5, top_k=2, seed=1),
    "bits_per_dim": dict(images=IMAGES, codes=CODES),
    "evaluate": dict(images=IMAGES, labels=[0, 1], codes="own", save_reconstructions=False, max_bad_files=0),
}
OF_SPEECH = {
    "speaker": dict(name="ben"),
    "read": dict(path="none.wav"),
    "encode": dict(levels=LEVELS),
    "decode": dict(codes=SPOKEN, speaker=1, seed=1, temperature=0.5, guidance=2.0),
    "decode_all": dict(codes=[SPOKEN], speakers=[1], seed=[1], temperature=0.5, guidance=2.0),
    "convert": dict(levels=LEVELS, speaker=1, seed=1, temperature=0.5, guidance=2.0, draws=2),
    "best_draw": dict(found=[LEVELS, LEVELS], codes=SPOKEN, speaker=1),
    "voice_margin": dict(levels=LEVELS, codes=SPOKEN, speaker=1),
    "bits_per_sample": dict(levels=LEVELS, speaker=1),
    "likeliest_speaker": dict(levels=LEVELS),
    "sample": dict(num=1, seconds=0.01, label=1, speaker=1, temperature=0.5, seed=1, guidance=2.0),
    "evaluate": dict(recordings="none.wav", speaker="ben", max_bad_files=0),
    "check_guidance": dict(guidance=2.0),
    "check_draws": dict(draws=2),
    "check_codes": dict(codes=[SPOKEN]),
}
NUMBERS = ("a float that is an integer", "a fraction")
GOOD = {
    "shared": ("True",),
    "verify": ("True",),
    "keep_going": ("True",),
    "binarize": ("True",),
    "save_reconstructions": ("True",),
    "labels": ("None", "a list of strings"),
    "speakers": ("a list of strings",),
    "label": ("None",),
    "temperature": (*NUMBERS, "a scalar array"),
    "guidance": (*NUMBERS, "a scalar array"),
    "seconds": (*NUMBERS, "a scalar array"),
}
OPTIONAL = {"bits_per_dim.codes", "sample.speaker", "compress.batch", "compress.workers", "decompress.workers"}
OPTIONAL |= {"decompress.out", "load.num", "evaluate.speaker"}


def junk_of(calls):
    for method, good in calls.items():
        for name in good:
            for kind in JUNK:
                if kind not in GOOD.get(name, ()) and not (kind == "None" and f"{method}.{name}" in OPTIONAL):
                    yield method, name, kind


def refused(function, given):
    with pytest.raises(VQError) as e:
        function(**given)
    text = str(e.value)
    assert text.isprintable() and ": " in text and len(text) < 400, text
    return text


def check_all(calls, methods):
    """Each argument of each method with each value of JUNK."""
    for method, name, kind in junk_of(calls):
        try:
            refused(methods(method), dict(calls[method], **{name: JUNK[kind]}))
        except BaseException as e:
            raise AssertionError(f"{method}({name}={kind}): {type(e).__name__}: {e}") from e


def test_every_argument_is_in_the_tables():
    for kind, calls in ((ImageModel, OF_IMAGES), (SpeechModel, OF_SPEECH)):
        for method, function in inspect.getmembers(kind, inspect.isfunction):
            if method.startswith("_") or method in (*vars(OpenRun), "close", "calibrated", "prepare", "export"):
                continue
            assert set(inspect.signature(function).parameters) - {"self"} == set(calls[method]), method


def test_good_arguments_are_good(image_model, speech_model):
    for model, calls in ((image_model, OF_IMAGES), (speech_model, OF_SPEECH)):
        for method, given in calls.items():
            if "none.wav" not in (given.get("path"), given.get("recordings")):
                getattr(model, method)(**given)


def test_a_model_of_images_refuses_junk(image_model):
    check_all(OF_IMAGES, lambda method: getattr(image_model, method))


def test_a_model_of_speech_refuses_junk(speech_model):
    check_all(OF_SPEECH, lambda method: getattr(speech_model, method))


def test_the_codec_refuses_junk(runs, tmp_path):
    out = str(tmp_path / "a.vqz")
    codec.compress(runs["images"], IMAGES, out)
    calls = {
        "compress": dict(run=runs["images"], images=IMAGES, path=out, prior="auto", verify=False, batch=2, workers=1),
        "decompress": dict(run=runs["images"], path=out, out=str(tmp_path / "o"), keep_going=False, workers=1),
        "open_run": dict(model_dir=runs["images"], which="latest"),
        "read": dict(path=out),
        "made_by": dict(run=runs["images"], model="abc"),
    }
    before = sorted(os.listdir(str(tmp_path)))
    junk = [c for c in junk_of(calls) if not (c[1] == "path" and isinstance(JUNK[c[2]], str)) and c[1] != "out"]
    junk = [c for c in junk if not (c[:2] == ("made_by", "model") and isinstance(JUNK[c[2]], str))]
    for method, name, kind in junk:
        refused(getattr(codec, method), dict(calls[method], **{name: JUNK[kind]}))
    for value in ("", "a\0b", 3, True, b"a", []):
        refused(codec.compress, dict(calls["compress"], path=value))
        refused(codec.decompress, dict(calls["decompress"], out=value))
    assert "folder" in refused(codec.compress, dict(calls["compress"], path=str(tmp_path)))
    assert sorted(os.listdir(str(tmp_path))) == before  # nothing half-written
    for bad in (b"levels", 3, None, {}, [LEVELS.astype(float)], [None], (), np.zeros([2, 2, 2], np.uint8)):
        refused(codec.compress, dict(run=runs["speech"], images=bad, path=out))


def test_paths_are_taken_as_objects_too(runs, tmp_path):
    out = tmp_path / "a.vqz"
    codec.compress(pathlib.Path(runs["images"]), IMAGES, out, workers=np.int64(1), batch=np.uint8(2))
    back = codec.decompress(pathlib.Path(runs["images"]), out).images
    np.testing.assert_array_equal(np.stack(back), IMAGES)
    with ImageModel(pathlib.Path(runs["images"])) as model:
        assert model.encode(IMAGES).shape == (2, *model.config.model.grid)


@pytest.mark.parametrize("kind", ["images", "speech"])
def test_no_junk_is_opened(runs, kind):
    opened = {"images": ImageModel, "speech": SpeechModel}[kind]
    for name in ("model_dir", "which"):
        for junk in JUNK.values():
            refused(opened, dict({"model_dir": runs[kind], "which": "latest"}, **{name: junk}))


def test_provided_models_and_arrays_refuse_junk(digits):
    for junk in [*JUNK.values(), "MNIST", "mnist/", "../pretrained/mnist", ("mnist",), np.array("mnist")]:
        for function in (pretrained.load, pretrained.card, pretrained.folder, pretrained.copy_to_run_dir):
            assert refused(function, dict(name=junk)).startswith("pretrained: got ")
    calls = {"load": dict(source=digits, split="test", image_size=8, num=3, binarize=False)}
    check_all(calls, lambda method: getattr(arrays, method))
    found = arrays.load(digits, "test", np.int64(8), np.uint8(3), np.bool_(True))
    assert found.images.shape == (3, 8, 8, 1) and set(np.unique(found.images)) <= {0, 255}
    for bad in (dict(split="Test"), dict(num=0), dict(image_size=0), dict(image_size=10**6)):
        refused(arrays.load, dict(calls["load"], **bad))


def test_values_out_of_range_are_refused(image_model, speech_model):
    K = image_model.config.model.quantizer.K
    wide = image_model.config.model.grid
    for method, bad in (
        ("decode", dict(codes=np.full([1, *wide], K))),
        ("decode", dict(codes=np.full([1, *wide], -1))),
        ("decode", dict(codes=np.full([1, *wide], 2**63, np.uint64))),
        ("decode", dict(codes=np.zeros(wide, int))),
        ("decode", dict(codes=CODES, seed=2**31)),
        ("decode", dict(codes=CODES, first=7)),
        ("decode", dict(codes=CODES, first=-100)),
        ("sample", dict(num=0)),
        ("sample", dict(num=4)),
        ("sample", dict(num=10**9)),
        ("sample", dict(num=3, labels=[0, 1, 3])),
        ("sample", dict(num=3, labels=[0, 0, 1])),
        ("sample", dict(num=3, labels=3)),
        ("sample", dict(num=3, labels=[-1])),
        ("sample", dict(num=3, labels=["cat"])),
        ("sample", dict(num=3, labels="0,1")),
        ("sample", dict(num=3, labels=np.array([0.0]))),
        ("sample", dict(num=3, temperature=0)),
        ("sample", dict(num=3, temperature=1e-50)),
        ("sample", dict(num=3, top_k=K + 1)),
        ("bits_per_dim", dict(images=IMAGES, codes=CODES[:1])),
        ("bits_per_dim", dict(images=IMAGES[:, :4])),
    ):
        refused(getattr(image_model, method), bad)
    for method, bad in (
        ("decode", dict(codes=SPOKEN, speaker=3)),
        ("decode", dict(codes=SPOKEN, speaker="eve")),
        ("decode", dict(codes=SPOKEN[:, 0], speaker=1)),
        ("decode_all", dict(codes=[SPOKEN], speakers=[1, 2])),
        ("decode_all", dict(codes=[SPOKEN], speakers=1)),
        ("decode_all", dict(codes=[SPOKEN], speakers=[1], seed=[1, 2])),
        ("decode_all", dict(codes=[], speakers=[])),
        ("best_draw", dict(found=[], codes=SPOKEN, speaker=1)),
        ("convert", dict(levels=LEVELS, speaker=1, draws=0)),
        ("convert", dict(levels=LEVELS, speaker=1, seed=2**31)),
        ("sample", dict(num=1, seconds=0)),
        ("sample", dict(num=1, seconds=10**6)),
        ("sample", dict(num=1, label=2)),
        ("bits_per_sample", dict(levels=LEVELS[np.newaxis], speaker=0)),
    ):
        refused(getattr(speech_model, method), bad)


def test_numpy_scalars_give_what_plain_numbers_give(image_model, speech_model):
    plain = image_model.sample(3, [0, 1, 2], 0.5, 2, 7)
    for kind in (np.int32, np.int64, np.uint8):
        labels = np.arange(3, dtype=kind)
        same = image_model.sample(kind(3), labels, np.float32(0.5), kind(2), kind(7))
        np.testing.assert_array_equal(same.images, plain.images)
        np.testing.assert_array_equal(
            image_model.decode(CODES, kind(7), np.bool_(False), kind(100)), image_model.decode(CODES, 7, first=100)
        )
        one = speech_model.convert(LEVELS, kind(1), kind(7), np.float32(0.5), np.float64(2.0), kind(2))
        np.testing.assert_array_equal(one, speech_model.convert(LEVELS, 1, 7, 0.5, 2.0, 2))
    several = [speech_model.decode_all([SPOKEN] * 2, np.array([0, 1]), np.array(seeds)) for seeds in ([3, 4], [3, 4])]
    np.testing.assert_array_equal(several[0][1], several[1][1])


def test_floats_are_told_what_to_do(image_model):
    text = refused(image_model.encode, dict(images=IMAGES / np.float32(255)))
    assert text.startswith("images: got float32 [2, 8, 8, 1], expected uint8 [N, 8, 8, 1]")
    assert "255" in text and "prepare" not in text
    again = np.rint(IMAGES / np.float32(255) * 255).astype(np.uint8)  # what it says
    np.testing.assert_array_equal(image_model.encode(again), image_model.encode(IMAGES))
    assert "prepare" in refused(image_model.encode, dict(images=np.zeros([1, 9, 9, 1], np.uint8)))


def test_after_close_everything_is_refused_and_a_second_close_is_fine(runs):
    for kind, opened, calls in (("images", ImageModel, OF_IMAGES), ("speech", SpeechModel, OF_SPEECH)):
        model = opened(runs[kind])
        if kind == "images":  # sessions of the prior too
            model.sample(3)
            model.bits_per_dim(IMAGES)
        model.close()
        model.close()
        for method, given in calls.items():
            if method not in ("speaker", "read") and not method.startswith("check_"):  # which need no session
                assert "close()" in refused(getattr(model, method), given), method
        with model:  # leaving it is a third close
            pass


def test_checks_return_plain_values():
    assert (
        type(arguments.integer("n", np.uint8(3))) is int and type(arguments.real("x", np.float32(2), 0, 3, "")) is float
    )
    assert arguments.path("p", pathlib.PurePosixPath("a/b")) == "a/b"
    with pytest.raises(VQError, match="n: got 4, expected an integer from 0 to 3"):
        arguments.integer("n", 4, 0, 3)
