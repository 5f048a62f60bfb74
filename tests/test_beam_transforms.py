"""Evaluate, Compress and Decode with Apache Beam: the figures and files of the commands, whatever the shards."""

import io
import json
import math
import os

import numpy as np
import pytest
from PIL import Image

import vq_estimator as vq
from helpers import pipelines
from vq_estimator.data import audio
from vq_estimator.errors import VQError
from vq_estimator.inference import code_files, codec, speech_code_files, speech_inputs
from vq_estimator.inference.image_model import ImageModel

pytest.importorskip("apache_beam", reason="the extra `beam` is not installed")


@pytest.fixture(autouse=True, scope="module")
def small_batches():
    with pipelines.small_batches():
        yield


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """A folder of PNGs in the folders of two classes, one of which is damaged."""
    folder = tmp_path_factory.mktemp("pictures")
    names = pipelines.save_pictures(folder, 140, bad=[10])
    for kind, digit in (("a", "3"), ("b", "7")):
        os.rename(str(folder / kind), str(folder / digit))
    return str(folder), [name.replace("a/", "3/").replace("b/", "7/") for name in names]


def evaluate(source, out, shards=0, run="mnist"):
    pipelines.run(vq.beam.Read(run, source, shards), vq.beam.Evaluate(run, str(out)))
    with open(str(out)) as f:
        return json.load(f)


def numbers(result):
    """The figures of an evaluation, without what identifies its input."""
    return {key: value for key, value in result.items() if key not in ("input", "sha256", "dataset_source", "left_out")}


def assert_close(got, expected):
    assert type(got) is type(expected) or {type(got), type(expected)} == {int, float}
    if isinstance(expected, dict):
        assert got.keys() == expected.keys()
        for key, value in expected.items():
            assert_close(got[key], value)
    elif isinstance(expected, list):
        for a, b in zip(got, expected):
            assert_close(a, b)
    else:
        assert got == (pytest.approx(expected, rel=1e-13) if isinstance(expected, float) else expected)


def test_an_evaluation_has_the_figures_of_vq_evaluate(pictures, tmp_path):
    folder, _ = pictures
    with vq.load("mnist") as model:
        model.keeps_results = False
        expected = model.evaluate(folder)
    got = evaluate(folder, tmp_path / "figures.json", 2)
    assert got["examples"] == 139 and got["prior"]["bits_per_image_given_class"] is not None
    assert [file["name"] for file in got["left_out"]] == ["3/00010.png"]
    assert_close(numbers(got), numbers(expected))


@pytest.mark.parametrize("transform", ["Encode", "Evaluate", "Compress"])
def test_beam_makes_no_schema_of_annotations(pictures, tmp_path, monkeypatch, transform):
    """It would fail at those that aren't fields of a schema, in some processes and not in others."""
    import apache_beam as beam
    from apache_beam.typehints import schemas

    def refuse(types):
        assert not any(getattr(one, "__module__", "").startswith("vq_estimator") for one in types), types
        return union(types)

    union = schemas.union_schema_type
    monkeypatch.setattr(schemas, "union_schema_type", refuse)
    out = {} if transform == "Encode" else {"out": str(tmp_path / "out")}
    beam.Pipeline() | vq.beam.Read("mnist", pictures[0]) | getattr(vq.beam, transform)("mnist", **out)


def test_names_that_are_not_utf_8_pass_through_a_pipeline(tmp_path):
    import apache_beam as beam

    pipelines.save_pictures(tmp_path / "in", 2, bad=[1])
    for old, new in (("a/00000.png", b"good\xff.png"), ("b/00001.png", b"bad\xff.png")):
        os.rename(str(tmp_path / "in" / old), os.path.join(os.fsencode(str(tmp_path / "in")), new))
    names = [os.fsdecode(b"bad\xff.png"), os.fsdecode(b"good\xff.png")]

    def check(row):
        assert row.name == names[1]

    read = vq.beam.Read("mnist", str(tmp_path / "in"))
    pipelines.run(read, vq.beam.Encode("mnist"), beam.Reshuffle(), beam.Map(check))

    def check_left_out(result):
        assert [file["name"] for file in result["left_out"]] == names[:1]

    for work in (vq.beam.Evaluate("mnist"), vq.beam.Encode("mnist", str(tmp_path / "codes"))):
        pipelines.run(vq.beam.Read("mnist", str(tmp_path / "in")), work, beam.Reshuffle(), beam.Map(check_left_out))


def test_sums_do_not_depend_on_their_order():
    from vq_estimator.beam.totals import exact_sum

    values = np.random.RandomState(0).randn(300) * 10.0 ** np.arange(300) ** 0.5
    parts = [exact_sum(part) for part in (values[200:], values[:7], values[7:200])]
    assert sum(parts) == exact_sum(values[::-1]) and float(sum(parts)) == pytest.approx(math.fsum(values), rel=1e-16)


def save_recordings(folder):
    """Saves three recordings of noise by one speaker."""
    for i in range(3):
        (folder / "theo").mkdir(parents=True, exist_ok=True)
        levels = np.random.RandomState(i).randint(100, 156, 900 + 100 * i).astype(np.uint8)
        audio.write_wav(str(folder / "theo" / f"{i}.wav"), levels, 8000)


@pytest.mark.slow
def test_an_evaluation_of_speech(tmp_path):
    save_recordings(tmp_path / "in")
    with vq.load("fsdd") as model:
        model.keeps_results = False
        expected = model.evaluate(speech_inputs.of_folder(model, str(tmp_path / "in")))
    got = evaluate(str(tmp_path / "in"), tmp_path / "e.json", 2, "fsdd")
    assert got["speakers"] == "known"
    assert_close(numbers(got), numbers(expected))


def test_a_prior_needs_shards_of_whole_batches(tmp_path, monkeypatch):
    from vq_estimator.training import prior_trainer

    path = str(tmp_path / "images.npy")
    np.save(path, np.zeros([200, 24, 24, 1], np.uint8))
    monkeypatch.setattr(prior_trainer, "evaluation_batch", lambda of, most: 75)
    read = vq.beam.Read("mnist", path, 2, multiple_of=75)
    assert [shard.first for shard in read.shards] == [0]
    with pytest.raises(VQError, match=r"multiple_of: got .* begins at example 100, expected Read\(multiple_of=75\)"):
        pipelines.run(vq.beam.Read("mnist", path, 2), vq.beam.Evaluate("mnist"))


def test_files_of_a_pipeline_decompress_to_the_images(pictures, tmp_path):
    folder, names = pictures
    work = vq.beam.Compress("mnist", str(tmp_path / "vqz"), prior="uniform", verify=False, workers=1)
    pipelines.run(vq.beam.Read("mnist", folder, 2), work)
    made = pipelines.manifest(tmp_path / "vqz")
    assert [s["examples"] for s in made["shards"]] == [99, 40] and made["left_out"][0]["name"] == "3/00010.png"
    assert pipelines.listing(tmp_path / "vqz") == [f"compressed-0000{i}-of-00002.vqz" for i in range(2)] + [
        "manifest.json"
    ]
    path = str(tmp_path / "vqz" / made["shards"][1]["file"])
    assert os.path.getsize(path) == made["shards"][1]["bytes"]
    assert [item.name for item in codec.read(path).items] == names[100:]
    with vq.load("mnist") as model:
        images = codec.decompress(model, path, workers=1).images
        np.testing.assert_array_equal(np.stack(images), model.prepare([os.path.join(folder, n) for n in names[100:]]))


def test_decoded_codes_are_those_of_vq_decode(pictures, tmp_path, monkeypatch):
    folder, names = pictures
    firsts, real = [], ImageModel.decode

    def watched(self, codes, seed=0, shared=False, first=0):
        firsts.append((first, seed))
        return real(self, codes, seed, shared, first)

    pipelines.run(vq.beam.Read("mnist", folder, 2), vq.beam.Encode("mnist", str(tmp_path / "codes")))
    with vq.load("mnist") as model:
        expected = model.decode(np.stack([row.codes for row in pipelines.rows(tmp_path / "codes")]))
    monkeypatch.setattr(ImageModel, "decode", watched)
    read = vq.beam.ReadCodes("mnist", str(tmp_path / "codes"), 2)
    assert [shard.first for shard in read.shards] == [0, 100]  # the first file of codes has 99
    pipelines.run(read, vq.beam.Decode("mnist", str(tmp_path / "arrays"), "npy", seed=5))
    assert sorted(firsts) == [(0, 5), (100, 5)]
    parts = [np.load(str(tmp_path / "arrays" / s["file"])) for s in pipelines.manifest(tmp_path / "arrays")["shards"]]
    np.testing.assert_array_equal(np.concatenate(parts), expected)
    pipelines.run(vq.beam.ReadCodes("mnist", str(tmp_path / "codes")), vq.beam.Decode("mnist", str(tmp_path / "png")))
    with vq.load("mnist") as model:
        left = [name for name in names if name != "3/00010.png"]
        np.testing.assert_array_equal(model.prepare([str(tmp_path / "png" / name) for name in left]), expected)


@pytest.mark.parametrize("format, shards", [("npz", 2), ("tfrecord", 1)])
def test_decoded_images_without_names_are_named_by_their_position(tmp_path, format, shards):
    np.save(str(tmp_path / "images.npy"), np.random.RandomState(3).randint(0, 256, (120, 24, 24, 1)).astype(np.uint8))
    read = vq.beam.Read("mnist", str(tmp_path / "images.npy"), shards)
    pipelines.run(read, vq.beam.Encode("mnist", str(tmp_path / "codes"), format))
    pipelines.run(vq.beam.ReadCodes("mnist", str(tmp_path / "codes")), vq.beam.Decode("mnist", str(tmp_path / "png")))
    assert pipelines.listing(tmp_path / "png") == [f"{i:09d}.png" for i in range(120)] + ["manifest.json"]


def save_records(path, names, content=None):
    """Saves a TFRecord file of tf.Example with a grey PNG, or other `content`, for each name; None is no name."""
    os.makedirs(os.path.dirname(str(path)), exist_ok=True)
    examples = []
    for i, name in enumerate(names):
        png = io.BytesIO()
        Image.fromarray(np.full((24, 24), 9 * i, np.uint8)).save(png, "PNG")
        examples.append((content or png.getvalue(), None, name))
    pipelines.save_examples(path, examples)


@pytest.mark.parametrize(
    "names, error",
    [
        ([[None, b"a.jpg"], [None, b"b\xff.png"]], None),
        ([[b"a.png", b"b.png"], [b"c.png", b"a.png"]], "got the name 'a.png' twice, expected names that differ"),
        ([[b"a.jpg"], [b"a.jpg.png"]], "got the name 'a.jpg.png' twice"),
        ([[b"a.png"], [b"../b.png"]], r"it has a file '../b.png', expected paths below a folder"),
    ],
)
def test_no_decoded_image_overwrites_another(tmp_path, names, error):
    for i, of_file in enumerate(names):
        save_records(tmp_path / "in" / f"{i}.tfrecord", of_file)
    read = vq.beam.Read("mnist", str(tmp_path / "in" / "*.tfrecord"))
    pipelines.run(read, vq.beam.Encode("mnist", str(tmp_path / "codes")))
    decode = [vq.beam.ReadCodes("mnist", str(tmp_path / "codes")), vq.beam.Decode("mnist", str(tmp_path / "png"))]
    if error is None:
        pipelines.run(*decode)
        expected = [os.fsdecode(name) for name in (b"a.jpg.png", b"b\xff.png")]
        assert pipelines.listing(tmp_path / "png") == ["000000000.png", "000000002.png", *expected, "manifest.json"]
        return
    with pytest.raises(VQError, match=error):
        pipelines.run(*decode)
    assert not (tmp_path / "png").exists()


def test_compressed_examples_keep_their_names(tmp_path):
    save_records(tmp_path / "0.tfrecord", [b"x/a.jpg", None, b"b.png"])
    work = vq.beam.Compress("mnist", str(tmp_path / "vqz"), prior="uniform", verify=False, workers=1)
    pipelines.run(vq.beam.Read("mnist", str(tmp_path / "*.tfrecord")), work)
    (path,) = (tmp_path / "vqz").glob("*.vqz")
    assert [item.name for item in codec.read(str(path)).items] == ["x/a.jpg", "000000001", "b.png"]


@pytest.mark.slow
def test_decoded_recordings_are_those_of_vq_decode(tmp_path, monkeypatch):
    monkeypatch.setattr(speech_code_files, "DECODED_AT_ONCE", 2)
    save_recordings(tmp_path / "in")
    with vq.load("fsdd") as model:
        code_files.encode(model, speech_inputs.of_folder(model, str(tmp_path / "in")), str(tmp_path / "c.npz"))
        codes = speech_code_files.load(model, str(tmp_path / "c.npz"))
        speech_code_files.decode(model, codes, str(tmp_path / "plain"), "jackson", seed=5)
    pipelines.run(vq.beam.Read("fsdd", str(tmp_path / "in")), vq.beam.Encode("fsdd", str(tmp_path / "codes")))
    read = vq.beam.ReadCodes("fsdd", str(tmp_path / "codes"), 2)
    assert [shard.first for shard in read.shards] == [0, 2]
    pipelines.run(read, vq.beam.Decode("fsdd", str(tmp_path / "out"), seed=5, speaker="jackson"))
    assert [shard["examples"] for shard in pipelines.manifest(tmp_path / "out")["shards"]] == [2, 1]
    for i in range(3):
        plain, ours = (tmp_path / folder / "theo" / f"{i}.wav" for folder in ("plain", "out"))
        assert plain.read_bytes() == ours.read_bytes()


@pytest.mark.parametrize(
    "run, given, message",
    [
        ("fsdd", dict(), "speaker: got none, expected one of george, jackson"),
        ("fsdd", dict(speaker="eve"), "speaker: got 'eve', expected one of george, jackson"),
        ("fsdd", dict(speaker="theo", format="npy"), "format: got npy for speech, expected files"),
        ("mnist", dict(speaker="theo"), "speaker: got 'theo' and guidance 1.0, expected none: images have neither"),
    ],
)
def test_settings_that_a_model_does_not_have_are_refused_before_the_pipeline(run, given, message):
    with pytest.raises(VQError, match=message):
        vq.beam.Decode(run, "decoded", **given)


def test_codes_of_other_weights_are_refused(tmp_path):
    np.save(str(tmp_path / "images.npy"), np.zeros([3, 24, 24, 1], np.uint8))
    pipelines.run(vq.beam.Read("mnist", str(tmp_path / "images.npy")), vq.beam.Encode("mnist", str(tmp_path / "codes")))
    with pytest.raises(VQError, match="run: got codes by the weights .*, the run's: name the run that made them"):
        vq.beam.ReadCodes("mnist-original", str(tmp_path / "codes"))
    with pytest.raises(VQError, match="input: got '.*nothing', expected the output folder of Encode"):
        vq.beam.ReadCodes("mnist", str(tmp_path / "nothing"))


@pytest.mark.parametrize("transform", ["Evaluate", "Compress"])
def test_a_shard_of_unreadable_files_counts_towards_the_limit_only(tmp_path, transform):
    for part, content in enumerate([b"no picture", None]):
        save_records(tmp_path / f"{part}.tfrecord", [b"a.png", b"b.png"])
        if content is not None:
            os.remove(str(tmp_path / f"{part}.tfrecord"))
            save_records(tmp_path / f"{part}.tfrecord", [b"bad.png"], content)
    more = {} if transform == "Evaluate" else dict(prior="uniform", verify=False, workers=1)
    work = getattr(vq.beam, transform)("mnist", str(tmp_path / "out"), **more)
    pipelines.run(vq.beam.Read("mnist", str(tmp_path / "*.tfrecord")), work)
    with open(str(tmp_path / "out" / "manifest.json" if transform == "Compress" else tmp_path / "out")) as f:
        made = json.load(f)
    assert made["examples"] == 2 and [file["name"] for file in made["left_out"]] == ["bad.png"]
