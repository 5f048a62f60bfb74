import errno
import gzip
import json
import os
import stat
import tarfile

import pytest

from helpers.folders import everything_below
from helpers.sources import archive, spec_of, writer
from vq_estimator.data import downloads, files


def test_atomic_path_leaves_nothing_when_the_block_fails(tmp_path):
    target = tmp_path / "file"
    target.write_text("before")
    with pytest.raises(RuntimeError), files.atomic_path(str(target)) as temporary:
        with open(temporary, "w") as f:
            f.write("half")
        raise RuntimeError
    assert target.read_text() == "before" and everything_below(tmp_path) == ["file"]


def test_errors_name_the_file_and_no_temporary_one(tmp_path):
    target, folder = str(tmp_path / "file"), str(tmp_path / "folder")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "x").write_text("")
    with pytest.raises(OSError) as e, files.atomic_path(folder):  # a file cannot replace a folder
        pass
    assert e.value.filename == folder
    with pytest.raises(OSError) as e, files.atomic_folder(folder):
        pass
    assert e.value.filename == folder
    with pytest.raises(OSError) as e, files.atomic_path(target):
        raise OSError(errno.ENOSPC, "No space left on device")  # write() names no file
    assert e.value.filename == target
    with pytest.raises(OSError) as e, files.atomic_path(target):
        open(str(tmp_path / "other"))
    assert e.value.filename == str(tmp_path / "other") and everything_below(tmp_path) == ["folder/x"]


def test_written_files_have_ordinary_permissions(tmp_path):
    files.write_text(str(tmp_path / "a"), "x")
    (tmp_path / "b").write_text("x")
    assert stat.S_IMODE(os.stat(str(tmp_path / "a")).st_mode) == stat.S_IMODE(os.stat(str(tmp_path / "b")).st_mode)


def test_what_a_killed_process_left_of_a_folder_is_removed(tmp_path):
    fcntl = pytest.importorskip("fcntl")
    left, held = tmp_path / ".cache.abcdefgh", tmp_path / ".cache.held1234"
    for folder in (left, held):
        (folder / "made").mkdir(parents=True)
        (folder / "lock").write_bytes(b"")
    others = tmp_path / ".cache.notours_", tmp_path / ".cache.longer_than_ours"  # no lock; no such name
    for folder in others:
        (folder / "made").mkdir(parents=True)
    with open(str(held / "lock")) as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with files.atomic_folder(str(tmp_path / "cache")) as made:
            (tmp_path / os.path.relpath(made, str(tmp_path)) / "a").write_bytes(b"")
            assert not left.exists() and held.exists()
    assert {p.name for p in tmp_path.iterdir()} == {"cache", held.name, *(p.name for p in others)}
    assert os.listdir(str(tmp_path / "cache")) == ["a"]


def test_write_json_refuses_nan(tmp_path):
    with pytest.raises(ValueError):
        files.write_json(str(tmp_path / "a.json"), {"x": float("nan")})
    assert everything_below(tmp_path) == []


def test_gzip_is_checked_by_its_unpacked_bytes(tmp_path):
    content = b"pixels" * 1000
    spec = spec_of(content, "a.gz")
    for level in (1, 9):  # mirrors compress again
        path = tmp_path / ("%d.gz" % level)
        path.write_bytes(gzip.compress(content, level))
        assert files.content_error(str(path), spec) == ""
    path.write_bytes(gzip.compress(b"x" + content[1:]))
    assert "SHA-256 is" in files.content_error(str(path), spec)
    path.write_bytes(gzip.compress(content)[:-9])
    assert files.content_error(str(path), spec)
    path.write_bytes(b"no gzip")
    assert "can't be read" in files.content_error(str(path), spec)


def test_a_gzip_bomb_is_not_unpacked(tmp_path):
    path = tmp_path / "bomb.gz"
    path.write_bytes(gzip.compress(bytes(50 << 20)))
    assert files.content_error(str(path), spec_of(b"abc", "bomb.gz")) == "holds more than 3 bytes, expected 3"


def test_checksum_cache_reads_a_file_once_and_again_when_it_changes(tmp_path, monkeypatch):
    path = tmp_path / "a.bin"
    path.write_bytes(b"good")
    spec, reads, real = spec_of(b"good"), [], files.content_error
    monkeypatch.setattr(files, "content_error", lambda p, s: reads.append(p) or real(p, s))
    for _ in range(3):  # each a new process, as far as the cache can tell
        assert files.ChecksumCache(str(tmp_path / "cache")).error(str(path), spec) == ""
    assert len(reads) == 1
    path.write_bytes(b"evil")
    os.utime(str(path), ns=(1, 1))
    assert files.ChecksumCache(str(tmp_path / "cache")).error(str(path), spec)


def test_a_broken_or_unwritable_checksum_cache_does_not_matter(tmp_path):
    (tmp_path / "a.bin").write_bytes(b"good")
    (tmp_path / "checksums.json").write_text("[[[")
    assert files.ChecksumCache(str(tmp_path)).error(str(tmp_path / "a.bin"), spec_of(b"good")) == ""
    (tmp_path / "flat").write_text("")
    assert files.ChecksumCache(str(tmp_path / "flat")).error(str(tmp_path / "a.bin"), spec_of(b"good")) == ""


def test_download_goes_on_to_the_next_mirror_and_keeps_only_good_bytes(tmp_path):
    asked = []

    def fetch(url, path):
        asked.append(url)
        if url == "http://a":
            raise OSError("http://a: refused")
        writer(b"good" if url == "http://c" else b"evil")(url, path)

    downloads.download(spec_of(b"good"), ["http://a", "http://b", "http://c", "http://d"], str(tmp_path), fetch)
    assert asked == ["http://a", "http://b", "http://c"]
    assert everything_below(tmp_path) == ["set/a.bin"] and (tmp_path / "set/a.bin").read_bytes() == b"good"


def test_a_failed_download_leaves_nothing_and_says_all_reasons(tmp_path):
    with pytest.raises(OSError, match="http://a: the file SHA-256.*http://b: the file SHA-256"):
        downloads.download(spec_of(b"good"), ["http://a", "http://b"], str(tmp_path), writer(b"evil"))
    assert everything_below(tmp_path) == []


def link(name, target):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = tarfile.SYMTYPE, target
    return info


def test_tar_is_unpacked_by_member_name_only(tmp_path):
    data = tmp_path / "data"
    specs = [spec_of(b"one", "cifar10/batches/a.bin"), spec_of(b"two", "cifar10/batches/b.bin")]
    content = archive(
        [
            ("../evil", b"evil"),
            ("/tmp/evil", b"evil"),
            (link("batches/link", "/etc/passwd"), b""),
            ("batches/a.bin", b"one"),
            ("batches/readme", b"x"),
            ("batches/b.bin", b"two"),
        ]
    )
    downloads.download_tar(specs, ["http://a"], str(data), writer(content))
    assert everything_below(tmp_path) == ["data/cifar10/batches/a.bin", "data/cifar10/batches/b.bin"]


@pytest.mark.parametrize(
    "content, message",
    [
        (archive([("batches/a.bin", b"evi")]), "SHA-256"),
        (archive([("batches/a.bin", b"longer")]), "holds 6 bytes, expected 3"),
        (archive([(link("batches/a.bin", "/etc/passwd"), b"")]), "the archive has no batches/a.bin"),
        (archive([("other", b"one")]), "the archive has no batches/a.bin"),
        (b"no archive", "http://a"),
        (archive([("batches/a.bin", b"one")])[:40], "http://a"),
    ],
    ids=["other bytes", "longer", "link", "another", "no archive", "cut off"],  # of their own: gzip has the time in it
)
def test_bad_archives_leave_nothing(tmp_path, content, message):
    with pytest.raises(OSError, match=message):
        downloads.download_tar([spec_of(b"one", "cifar10/batches/a.bin")], ["http://a"], str(tmp_path), writer(content))
    assert everything_below(tmp_path) == []


def test_fetch_downloads_and_reports_failure_as_oserror(tmp_path):
    import http.server
    import threading

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            found = self.path == "/good"
            self.send_response(200 if found else 404)
            self.send_header("Content-Length", "4")
            self.end_headers()
            self.wfile.write(b"good")

        def log_message(self, *args):
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        url = "http://127.0.0.1:%d" % server.server_port
        downloads.fetch(url + "/good", str(tmp_path / "a"))
        assert (tmp_path / "a").read_bytes() == b"good"
        with pytest.raises(OSError, match="404"):
            downloads.fetch(url + "/bad", str(tmp_path / "b"))
        server.shutdown()
        thread.join()
    with pytest.raises(OSError, match="ConnectionError"):
        downloads.fetch(url + "/good", str(tmp_path / "c"))


def test_write_json_is_strict_json(tmp_path):
    files.write_json(str(tmp_path / "sub" / "a.json"), {"x": [1, 2.5, None]})
    assert json.loads((tmp_path / "sub" / "a.json").read_text()) == {"x": [1, 2.5, None]}
