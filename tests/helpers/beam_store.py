"""A file system of Beam with the scheme store://, whose files are in a local folder."""

import os

from apache_beam.io.filesystem import FileMetadata
from apache_beam.io.localfilesystem import LocalFileSystem

SCHEME = "store"


class Store(LocalFileSystem):
    """store://a/b is the file a/b below `root`. A rename replaces nothing, as on HDFS."""

    root = ""

    @classmethod
    def scheme(cls):
        return SCHEME

    def _local(self, path):
        assert path.startswith(SCHEME + "://"), path
        return os.path.join(self.root, path[len(SCHEME) + 3 :])

    def join(self, basepath, *paths):
        return "/".join([basepath.rstrip("/"), *paths])

    def split(self, path):
        head, _, tail = path.rpartition("/")
        return head, tail

    def mkdirs(self, path):
        os.makedirs(self._local(path))

    def _list(self, dir_or_prefix):
        for folder, _, names in os.walk(self._local(dir_or_prefix)):
            for name in names:
                path = os.path.join(folder, name)
                yield self.metadata(f"{SCHEME}://" + os.path.relpath(path, self.root).replace(os.sep, "/"))

    def metadata(self, path):
        local = self._local(path)
        return FileMetadata(path, os.path.getsize(local), os.path.getmtime(local))

    def create(self, path, *args, **given):
        os.makedirs(os.path.dirname(self._local(path)), exist_ok=True)
        return super().create(self._local(path), *args, **given)

    def open(self, path, *args, **given):
        return super().open(self._local(path), *args, **given)

    def rename(self, source_file_names, destination_file_names):
        for source, target in zip(source_file_names, destination_file_names):
            assert not os.path.exists(self._local(target))
            os.rename(self._local(source), self._local(target))

    def exists(self, path):
        return os.path.exists(self._local(path))

    def delete(self, paths):
        for path in paths:
            os.remove(self._local(path))
