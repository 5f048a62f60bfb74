"""Trees of empty files, and the splits in a listing of one."""

import os

from vq_estimator.data import folder as folder_lib


def make(folder, *names):
    """Makes empty files below a folder; returns its path."""
    for name in names:
        path = os.path.join(str(folder), name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        open(path, "wb").close()
    return str(folder)


def tree(folder, *tops, number=40):
    """Files of each top folder. `{}` in a name is replaced by an index; otherwise the files are in the folder."""
    names = [top.format(i) if "{}" in top else f"{top}/{i}" for top in tops for i in range(number)]
    return make(folder, *(name + ".png" for name in names))


def by_split(listing):
    """The paths of the files of each split."""
    return {s: {f.path for f in listing.files if f.split == s} for s in folder_lib.SPLITS}


def splits_of(listing):
    """The folders of the files of each split."""
    return {s: {os.path.dirname(path) for path in paths} for s, paths in by_split(listing).items()}
