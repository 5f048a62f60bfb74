"""A folder of a user's own images or sounds: its files, their classes, and the split of each. Nothing is decoded here.

    FOLDER/*.jpg                         no classes
    FOLDER/<class>/**/*.jpg              a class for each folder, numbered in the order of their names
    FOLDER/train|validation|test/...     the splits, where there is `train` and no other folder; inside as above

Without such folders a hash of a file's path decides its split, so that it stays where it is when others are added. A
split whose folder is missing is taken from `train` in the same way. Of sounds (`.wav`, `.flac`) the class is a speaker.
"""

import hashlib
import logging
import os
from typing import Dict, List, NamedTuple, Optional, Sequence, Tuple

from vq_estimator.errors import VQError, one_line

log = logging.getLogger("vq_estimator")

SPLIT_FOLDERS = {"train": "train", "validation": "validation", "val": "validation", "test": "test"}
SHARE = 0.05  # of the files for validation, and as many for test, where the folder does not say


class Kind(NamedTuple):
    """What is looked for.

    Attributes:
      suffixes: of the files, in small letters.
      name: of the files, in words.
      group: what a folder at the top is, in words.
      ungrouped: the class of a file that lies in no such folder; None: it is left out where others do.
    """

    suffixes: Tuple[str, ...]
    name: str
    group: str
    ungrouped: Optional[str] = None


IMAGES = Kind((".png", ".jpg", ".jpeg"), "PNG or JPEG", "class")
SOUNDS = Kind((".wav", ".flac"), "WAV or FLAC", "speaker", "speaker")


class File(NamedTuple):
    """One file.

    Attributes:
      path: below the folder, with "/" between its parts.
      size, changed: bytes, and the time of the last change in nanoseconds.
      split: "train", "validation" or "test".
      label: the number of its class; 0 where there are no classes.
    """

    path: str
    size: int
    changed: int
    split: str
    label: int


class Listing(NamedTuple):
    """The files of a folder, in the order of their paths' hashes (which mixes the classes), and the classes' names."""

    files: Tuple[File, ...]
    class_names: Tuple[str, ...]


def encoded(path: str) -> bytes:
    """A path as the file system has it, whatever its letters."""
    return os.fsencode(path)


def path_hash(path: str) -> bytes:
    return hashlib.sha256(encoded(path)).digest()


def drawn_split(path: str, missing: Sequence[str]) -> str:
    """The split of a path by its hash: SHARE for each of the `missing` ones, "train" for the rest."""
    place = int.from_bytes(path_hash(path)[:8], "big") / 2.0**64
    for i, split in enumerate(sorted(missing)):
        if place < (i + 1) * SHARE:
            return split
    return "train"


def read(folder: str, kind: Kind = IMAGES) -> Listing:
    """Lists the files of one kind in a folder.

    Hidden files and folders are left out, and so is what does not end in the kind's suffixes, in small or capital
    letters.

    Raises:
      VQError: there is no such folder, or it has no such file, or it can't be read.
    """
    if not os.path.isdir(folder):
        raise VQError(f"data_dir: got {folder!r}, which is no folder; expected a folder of {kind.name} files")
    found = _walk(folder, kind.suffixes)
    if not found:
        raise VQError(f"data_dir: got {folder!r}, which has no {kind.name} file; expected a folder of them")
    splits = _split_folders(found)
    parts = {path: path.split("/")[1 if splits else 0 :] for path in found}  # without the split's folder
    if splits:
        _leave_out([path for path in found if path.split("/")[0] not in splits], parts, "split")
    if kind.ungrouped is not None:
        parts = {path: part if len(part) > 1 else [kind.ungrouped, *part] for path, part in parts.items()}
    class_names = tuple(sorted({part[0] for part in parts.values() if len(part) > 1}))
    if class_names:
        _leave_out([path for path, part in parts.items() if len(part) == 1], parts, kind.group)
    numbers = {name: i for i, name in enumerate(class_names)}
    missing = {"validation", "test"} - set(splits.values())

    files = []
    for path in sorted(parts, key=path_hash):
        split = splits.get(path.split("/")[0], "train")
        split = drawn_split(path, sorted(missing)) if split == "train" else split
        files.append(File(path, *found[path], split, numbers[parts[path][0]] if class_names else 0))
    return Listing(tuple(files), class_names)


def paths(folder: str, kind: Kind = IMAGES) -> List[str]:
    """The paths below a folder of all its files of one kind, whatever class or split they are of, in order.

    Raises:
      VQError: there is none, or the folder can't be read.
    """
    found = sorted(_walk(folder, kind.suffixes))
    if not found:
        raise VQError(f"data_dir: got {folder!r}, which has no {kind.name} file; expected a folder of them")
    return found


def _walk(folder: str, suffixes: Tuple[str, ...]) -> Dict[str, Tuple[int, int]]:
    """Path below `folder`: size and time of change, of each such file; links are followed, a folder is entered once."""
    found, entered = {}, {os.path.realpath(folder)}

    def stop(error):
        raise VQError(f"data_dir: {error.filename}: can't be read ({error.strerror})")

    for top, folders, names in os.walk(folder, onerror=stop, followlinks=True):
        below = []
        for name in sorted(folders):
            real = os.path.realpath(os.path.join(top, name))
            if not name.startswith(".") and real not in entered:
                entered.add(real)
                below.append(name)
        folders[:] = below
        for name in names:
            path = os.path.join(top, name)
            if name.startswith(".") or not name.lower().endswith(suffixes) or not os.path.isfile(path):
                continue
            stat = os.stat(path)
            found[os.path.relpath(path, folder).replace(os.sep, "/")] = (stat.st_size, stat.st_mtime_ns)
    return found


def _split_folders(found: Sequence[str]) -> Dict[str, str]:
    """Folder: split, where the folder says which file belongs to which split; otherwise nothing."""
    tops = {path.split("/")[0] for path in found if "/" in path}
    if "train" not in tops or not tops <= set(SPLIT_FOLDERS):
        return {}
    return {top: SPLIT_FOLDERS[top] for top in tops}


def _leave_out(paths: List[str], parts: Dict[str, List[str]], kind: str) -> None:
    if paths:
        log.warning("%s lies in no folder of a %s%s: left out", one_line(min(paths)), kind, _others(len(paths) - 1))
    for path in paths:
        del parts[path]


def _others(count: int) -> str:
    return f" (and {count:,} more)" if count else ""


def counts(files: Sequence[File], splits: Sequence[str]) -> Dict[str, int]:
    """Files of each split.

    Raises:
      VQError: a split would be empty.
    """
    found = {split: sum(f.split == split for f in files) for split in splits}
    for split in splits:
        if not found[split]:
            got = ", ".join(f"{n:,} for {name}" for name, n in found.items())
            hint = "more files, or folders train, validation and test"
            raise VQError(f"data_dir: got {got}, expected at least one for {split}: {hint}")
    return found


def fingerprint(values: Sequence, length: Optional[int] = None) -> str:
    """SHA-256 over the representations of values, in hexadecimal, or its first digits."""
    digest = hashlib.sha256()
    for value in values:
        digest.update(repr(value).encode("utf-8", "surrogateescape") + b"\n")
    return digest.hexdigest()[:length]
