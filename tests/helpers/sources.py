"""Data sets for tests: files, archives and downloads."""

import hashlib
import io
import os
import tarfile

from vq_estimator.data.files import FileSpec

DATA_DIR = os.environ.get("VQ_DATA_DIR")


def no_network(url, path):
    raise OSError(url + ": no network in tests")


def spec_of(content, path="set/a.bin"):
    return FileSpec(path, len(content), hashlib.sha256(content).hexdigest())


def writer(content):
    def fetch(url, path):
        with open(path, "wb") as f:
            f.write(content)

    return fetch


def archive(members):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        for info, content in members:
            if isinstance(info, str):
                info = tarfile.TarInfo(info)
                info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return out.getvalue()
