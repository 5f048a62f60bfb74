"""Encoding with Apache Beam: the codes of vq-encode from every input to every format, whatever the shards."""

import os

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

import vq_estimator as vq
from helpers import pipelines
from helpers.marks import slow
from helpers.sounds import save, tone
from vq_estimator.data import records
from vq_estimator.data.files import write_json
from vq_estimator.errors import VQError
from vq_estimator.inference import code_files, image_inputs, speech_inputs
from vq_estimator.inference.image_model import ImageModel

pytest.importorskip("apache_beam", reason="the extra `beam` is not installed")
COUNT, BAD = 243, (3, 201)


@pytest.fixture(autouse=True, scope="module")
def small_batches():
    with pipelines.small_batches():
        yield


@pytest.fixture(scope="module")
def model():
    with vq.load("mnist") as opened:
        yield opened


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """A folder of PNGs, two of which are damaged."""
    folder = tmp_path_factory.mktemp("pictures")
    pipelines.save_pictures(folder, COUNT, BAD)
    return str(folder)


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """The path of a `.npy`, and its images."""
    path = str(tmp_path_factory.mktemp("arrays") / "images.npy")
    np.save(path, np.random.RandomState(1).randint(0, 256, (220, 28, 28)).astype(np.uint8))
    return path, np.load(path)[..., np.newaxis]


def tfrecord(content):
    """The bytes of a TFRecord file with one record."""
    length = len(content).to_bytes(8, "little")
    sums = [records.masked_crc32c(np.frombuffer(part, np.uint8)[None])[0].tobytes() for part in (length, content)]
    return length + sums[0] + content + sums[1]


def encode(source, out, run="mnist", shards=0, **given):
    pipelines.run(vq.beam.Read(run, source, shards), vq.beam.Encode(run, str(out), **given))
    return pipelines.manifest(out)


def test_the_batches_of_a_folder_are_those_of_vq_encode(pictures, model, tmp_path, monkeypatch):
    batches, real = [], ImageModel.encode

    def watched(self, given):
        batches.append(given.tobytes())
        return real(self, given)

    monkeypatch.setattr(ImageModel, "encode", watched)
    plain = code_files.compute_codes(model, image_inputs.of_folder(model, pictures))
    expected = batches[:]
    made = encode(pictures, tmp_path / "codes", shards=3)
    assert len(expected) == 3 and sorted(batches[3:]) == sorted(expected)
    rows = pipelines.rows(tmp_path / "codes")
    assert [row.name for row in rows] == plain["files"].tolist()
    np.testing.assert_array_equal(np.stack([row.codes for row in rows]), plain["codes"])
    names = pipelines.save_pictures(tmp_path / "names", COUNT)
    assert [row.index for row in rows] == [names.index(row.name) for row in rows]
    assert made["examples"] == COUNT - 2 and [s["first"] for s in made["shards"]] == [0, 100, 200]
    assert [file["name"] for file in made["left_out"]] == ["b/00003.png", "b/00201.png"]
    assert "it is no PNG" in made["left_out"][0]["reason"]
    assert made["model"]["fingerprint"] == model.fingerprint and made["model"]["K"] == 20


@pytest.mark.parametrize("shards", [slow(1), 2])
def test_an_array_becomes_files_of_vq_encode(images, model, tmp_path, shards):
    path, _ = images
    made = encode(path, tmp_path / "codes", shards=shards, format="npz")
    code_files.encode(model, image_inputs.of_array(model, path), str(tmp_path / "plain.npz"))
    plain = code_files.load(model, str(tmp_path / "plain.npz")).codes
    parts = [code_files.load(model, str(tmp_path / "codes" / s["file"])).codes for s in made["shards"]]
    assert len(parts) == shards and parts[0].dtype == plain.dtype
    np.testing.assert_array_equal(np.concatenate(parts), plain)


def test_parquet_has_the_rows_of_tfrecord_files(images, tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    for format in ("parquet", "tfrecord"):
        encode(images[0], tmp_path / format, format=format)
    table = parquet.read_table(str(tmp_path / "parquet" / "codes-00000-of-00001.parquet"))
    assert table.column_names == ["codes", "shape", "index", "name", "label"] and table.num_rows == 220
    for a, b in zip(pipelines.rows(tmp_path / "parquet"), pipelines.rows(tmp_path / "tfrecord")):
        assert a.index == b.index and a.name is b.name is None and (a.codes == b.codes).all()


def save_our_records(folder, given, labels):
    """Saves images and labels in three files, as vq-make-tfrecords does."""
    os.makedirs(str(folder), exist_ok=True)
    shards = {"train": [f"train-{i:05d}-of-00003.tfrecord" for i in range(3)], "validation": [], "test": []}
    for i, name in enumerate(shards["train"]):
        with records.writer(os.path.join(str(folder), name)) as add:
            for image, label in zip(given[i * 80 : (i + 1) * 80], labels[i * 80 :]):
                add(image, label)
    counts = {"train": len(given), "validation": 1, "test": 1}
    about = {"source": "mine", "shape": [24, 24, 1], "counts": counts, "classes": 10, "class_names": []}
    write_json(os.path.join(str(folder), "shards.json"), dict(about, shards=shards))
    return [os.path.join(str(folder), name) for name in shards["train"]]


@pytest.mark.parametrize("source", ["in", slow("i?/train-*"), "store://in", slow("store://in/train-*")])
def test_our_records_keep_their_labels(images, model, tmp_path, monkeypatch, source):
    from helpers.beam_store import Store

    given = model.prepare(images[1])
    labels = np.arange(len(given)) % 10
    save_our_records(tmp_path / "in", given, labels)
    monkeypatch.setattr(Store, "root", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    encode(source, tmp_path / "codes", shards=2)
    rows = pipelines.rows(tmp_path / "codes")
    assert [row.label for row in rows] == labels.tolist() and [row.index for row in rows] == list(range(len(given)))
    np.testing.assert_array_equal(np.stack([row.codes for row in rows]), model.encode(given))


def test_a_damaged_record_of_ours_is_one_line(images, model, tmp_path):
    """Each record is compared with its checksum: its length alone would let other pixels through."""
    paths = save_our_records(tmp_path / "in", model.prepare(images[1]), np.arange(220))
    with open(paths[1], "r+b") as f:
        f.seek(12 + 4 + 300 + 7 * records.record_bytes((24, 24, 1)))
        f.write(b"x")
    with pytest.raises(VQError, match=r"^input: '.*train-00001-.*' can't be read \(record 7 has a wrong checksum\)"):
        encode(str(tmp_path / "in"), tmp_path / "codes")
    with open(paths[1], "ab") as f:
        f.write(b"x")
    with pytest.raises(VQError, match=r"^input: '.*train-00001-.*' can't be read \(it has \d+ bytes, no multiple of"):
        vq.beam.Read("mnist", str(tmp_path / "in" / "train-*"))


@pytest.mark.parametrize("format", ["npz", "tfrecord", "parquet"])
def test_names_and_labels_that_only_some_examples_have_are_kept(pictures, tmp_path, format, warnings):
    with open(os.path.join(pictures, "a", "00000.png"), "rb") as f:
        png = f.read()
    given = [(png, 2**40, b"a.png"), (png, None, None), (png, 5, b""), (b"x", 1, b"c\xff.png"), (png, 0, b"d\xfe.png")]
    pipelines.save_examples(tmp_path / "0.tfrecord", given)
    encode(str(tmp_path / "*.tfrecord"), tmp_path / "codes", format=format)
    unnamed = ["000000001", "000000002"] if format == "npz" else [None, None]
    rows = pipelines.rows(tmp_path / "codes")
    assert [row.name for row in rows] == ["a.png", *unnamed, os.fsdecode(b"d\xfe.png")]
    assert [row.label for row in rows] == [2**40, None, 5, 0]
    assert pipelines.manifest(tmp_path / "codes")["left_out"][0]["name"] == os.fsdecode(b"c\xff.png")
    assert "c\\udcff.png can't be read and is left out" in warnings.text


def test_tf_examples_keep_names_and_labels(pictures, model, tmp_path):
    names = sorted(os.listdir(os.path.join(pictures, "b")))[:6]
    for part in range(2):
        with tf.python_io.TFRecordWriter(str(tmp_path / f"{part}.tfrecord")) as out:
            for i, name in enumerate(names[part * 3 : part * 3 + 3]):
                with open(os.path.join(pictures, "b", name), "rb") as f:
                    content = tf.train.Feature(bytes_list=tf.train.BytesList(value=[f.read()]))
                label = tf.train.Feature(int64_list=tf.train.Int64List(value=[i]))
                text = tf.train.Feature(bytes_list=tf.train.BytesList(value=[name.encode()]))
                features = tf.train.Features(feature={"png": content, "class": label, "file": text})
                out.write(tf.train.Example(features=features).SerializeToString())
    features = vq.beam.Features("png", "class", "file")
    source = vq.beam.Read("mnist", str(tmp_path / "*.tfrecord"), features=features)
    pipelines.run(source, vq.beam.Encode("mnist", str(tmp_path / "codes"), "npz"))
    made = pipelines.manifest(tmp_path / "codes")
    assert [s["examples"] for s in made["shards"]] == [2, 3] and made["left_out"][0]["name"] == names[1] == "00003.png"
    with np.load(str(tmp_path / "codes" / "codes-00000-of-00002.npz")) as file:
        assert file["files"].tolist() == [names[0], names[2]] and file["labels"].tolist() == [0, 2]
    with pytest.raises(VQError, match="shards: got 3, expected 0: each of the 2 files of tf.Example is a shard"):
        vq.beam.Read("mnist", str(tmp_path / "*.tfrecord"), 3, features=features)


def test_recordings(tmp_path):
    for i in range(5):
        (tmp_path / "in" / f"s{i % 2}").mkdir(parents=True, exist_ok=True)
        save(tmp_path / "in" / f"s{i % 2}" / f"{i}.wav", tone(0.2 + 0.1 * i))
    (tmp_path / "in" / "bad.wav").write_text("no sound")
    made = encode(str(tmp_path / "in" / "**"), tmp_path / "codes", "fsdd", shards=2)
    encode(str(tmp_path / "in"), tmp_path / "npz", "fsdd", format="npz")
    rows = pipelines.rows(tmp_path / "codes")
    with vq.load("fsdd") as model:
        plain = list(speech_inputs.of_folder(model, str(tmp_path / "in")).batches())
        assert [row.name for row in rows] == [batch.files[0] for batch in plain]
        for row, batch in zip(rows, plain):
            np.testing.assert_array_equal(row.codes, model.encode(batch.images[0, 0, :, 0]))
    assert len(made["shards"]) == 2 and [file["name"] for file in made["left_out"]] == ["bad.wav"]
    with np.load(str(tmp_path / "npz" / "codes-00000-of-00001.npz")) as file:
        assert file["lengths"].tolist() == [len(row.codes) for row in rows]
        np.testing.assert_array_equal(file["codes"], np.concatenate([row.codes for row in rows]))


def test_rows_for_the_writers_of_beam(images, model, tmp_path):
    import apache_beam as beam

    out = str(tmp_path / "codes")
    write = beam.io.WriteToTFRecord(out, file_name_suffix=".tfrecord", num_shards=1)
    pipelines.run(vq.beam.Read("mnist", images[0]), vq.beam.Encode("mnist"), beam.Map(vq.beam.to_example), write)
    found = {row.index: row.codes for row in vq.beam.read_codes(out + "-00000-of-00001.tfrecord")}
    expected = model.encode(model.prepare(images[1]))
    np.testing.assert_array_equal(np.stack([found[i] for i in range(220)]), expected)


def test_too_many_bad_files_are_one_line(pictures, tmp_path):
    from vq_estimator.beam import running

    def build(pipeline):
        work = vq.beam.Encode("mnist", str(tmp_path / "codes"), max_bad_files=1)
        pipeline | vq.beam.Read("mnist", pictures, 3) | work

    with pytest.raises(VQError, match=r"^input: got 2 files that can't be read, b/00201.png the last \(it is .*most 1"):
        running.run(build, "DirectRunner", [])
    assert "manifest.json" not in pipelines.listing(tmp_path / "codes")


def test_an_error_in_a_worker_is_one_line_of_the_command(forked, tmp_path):
    pipelines.save_pictures(tmp_path / "in", 3, bad=[1])
    given = ["--pretrained=mnist", "--input=in", "--out=codes", "--runner=DirectRunner", "--max_bad_files=0"]
    line = forked.script("encode", *given, cwd=tmp_path).one_line("encode")
    assert line.startswith("input: b/00001.png: can't be read: ")


@pytest.mark.parametrize(
    "name, content, message",
    [
        ("nothing", None, "input: got '.*nothing', where no such file is, expected a folder or pattern of PNG, JPEG"),
        ("a.npy", b"text", "input: '.*a.npy' can't be read .it is no NumPy array."),
        ("*", None, "input: got files of several kinds .*, expected one kind, or one .npy"),
        ("other.tfrecord", tfrecord(b"\xff\xff\xff text"), "input: '.*' can't be read .record 0 is no tf.Example.$"),
        ("none.tfrecord", b"", "input: got no readable example in '.*none.tfrecord', expected one or more"),
    ],
)
def test_an_input_that_cannot_be_read_is_one_line(tmp_path, name, content, message):
    from vq_estimator.beam import running

    (tmp_path / "x.png").write_bytes(b"x")
    (tmp_path / "y.npy").write_bytes(b"x")
    if content is not None:
        (tmp_path / name).write_bytes(content)

    def build(pipeline):
        pipeline | vq.beam.Read("mnist", str(tmp_path / name)) | vq.beam.Encode("mnist", str(tmp_path / "out"))

    with pytest.raises(VQError, match=message):
        running.run(build, "DirectRunner", [])


@pytest.mark.parametrize(
    "run, split, want",
    [
        ("mnist", "test", r"files: vq-make-tfrecords writes test-\*$"),
        ("cifar10", "cifar100:train", r"files: vq-make-tfrecords writes train-\*$"),
        ("fsdd", "validation", "a folder of sound files$"),
    ],
)
def test_a_split_of_a_data_set_is_one_line_that_says_what_to_do(run, split, want):
    message = f"^input: got the split '{split}', which a pipeline does not read, expected {want}"
    with pytest.raises(VQError, match=message):
        vq.beam.Read(run, split)


def test_a_pattern_enters_a_linked_folder_once(tmp_path):
    pipelines.save_pictures(tmp_path / "in", 4)
    for name, target in (("a/loop", ".."), ("z", "b"), ("gone.png", "nothing.png")):
        os.symlink(target, str(tmp_path / "in" / name))
    (tmp_path / "in" / "zero.png").symlink_to(os.path.join("a", "00000.png"))
    with_links = [shard.input.names for shard in vq.beam.Read("mnist", str(tmp_path / "in" / "**")).shards]
    assert with_links == [shard.input.names for shard in vq.beam.Read("mnist", str(tmp_path / "in")).shards]
    assert len(with_links[0]) == 5
