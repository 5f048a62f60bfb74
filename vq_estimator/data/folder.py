"""Lists a folder of a user's own images or sounds: its files, their classes and their splits. Decodes nothing.

    FOLDER/*.jpg                         no classes
    FOLDER/<class>/**/*.jpg              one class per folder, numbered in the order of their names
    FOLDER/train|validation|test/...     splits, named as in `data/splits.py`; each arranged as above

A single folder that contains everything is skipped. Without folders for the splits, a hash of a file's path decides its
split, so that a file stays in its split when others are added. A split whose folder is missing is taken from `train` in
the same way. For sounds, classes are speakers. `data/formats.py` has the suffixes of files.
"""

import hashlib
import logging
import os
from typing import Dict, List, NamedTuple, Optional, Sequence, Tuple

from vq_estimator.config import SPLITS, DataConfig
from vq_estimator.config.data import RULES
from vq_estimator.data import formats
from vq_estimator.data import splits as splits_lib
from vq_estimator.data.formats import Formats
from vq_estimator.data.walking import Found, find_files
from vq_estimator.errors import VQError, one_line

log = logging.getLogger("vq_estimator")

NOW = DataConfig(rules=RULES)
RULES_1_FOLDERS = {"train": "train", "validation": "validation", "val": "validation", "test": "test"}
MAX_NAMES = 5  # most names in a message
SHARE = 0.05  # fraction of the files for validation, and for test, without split folders


class Kind(NamedTuple):
    """A kind of files.

    Attributes:
      formats: formats of the files.
      group: the word for a top folder in messages.
      ungrouped: class of a file that is in no top folder; None skips such a file if others are in folders.
    """

    formats: Formats
    group: str
    ungrouped: Optional[str] = None

    @property
    def plural(self) -> str:
        return self.group + ("es" if self.group.endswith("s") else "s")

    def find(self, folder: str, rules: int = RULES, field: str = "input") -> Found:
        """The files below a folder whose suffixes the rules know; `field` is the folder's flag. See `find_files`."""
        return find_files(folder, self.formats.suffixes(rules), self.formats.names(rules), field)

    def arrange(self, found: Found, by: str, rules: int = RULES) -> splits_lib.Tree:
        """The splits of files, following `DataConfig.splits`; see `splits.arrange`."""
        stores = None if self.ungrouped is None else self.formats.suffixes(rules)
        return splits_lib.arrange(list(found), by, self.group, stores)


IMAGES = Kind(formats.IMAGES, "class")
SOUNDS = Kind(formats.SOUNDS, "speaker", "speaker")


class File(NamedTuple):
    """One file.

    Attributes:
      path: path below the folder, with "/" between its parts.
      size, changed: bytes, and modification time in nanoseconds.
      split: "train", "validation" or "test".
      label: index of its class; 0 without classes.
      key: identifier in its data set, independent of folders that contain everything; if empty, the path is.
    """

    path: str
    size: int
    changed: int
    split: str
    label: int
    key: str = ""

    @property
    def hash(self) -> bytes:
        """SHA-256 of its key."""
        return path_hash(self.key or self.path)


class Listing(NamedTuple):
    """The files of a folder, in the order of their paths' hashes (which mixes the classes), and the classes' names."""

    files: Tuple[File, ...]
    class_names: Tuple[str, ...]


def encoded(path: str) -> bytes:
    """Encodes a path as the file system stores it, whatever its characters."""
    return os.fsencode(path)


def pack_names(paths: Sequence[str]) -> bytes:
    """Joins paths with a zero byte after each; no path can contain one."""
    return b"".join(encoded(path) + b"\0" for path in paths)


def unpack_names(content: bytes) -> Tuple[str, ...]:
    """Splits the result of `pack_names`."""
    return tuple(os.fsdecode(name) for name in content.split(b"\0")[:-1])


def path_hash(path: str) -> bytes:
    return hashlib.sha256(encoded(path)).digest()


def drawn_split(path: str, missing: Sequence[str]) -> str:
    """The split of a path by its hash: each of the `missing` splits gets SHARE, and "train" gets the rest."""
    place = int.from_bytes(path_hash(path)[:8], "big") / 2.0**64
    for i, split in enumerate(sorted(missing)):
        if place < (i + 1) * SHARE:
            return split
    return "train"


def read(folder: str, kind: Kind = IMAGES, data: DataConfig = NOW) -> Listing:
    """Lists the files of one kind in a folder, with their splits and classes.

    Skips hidden files and folders, and files without one of the kind's suffixes in upper or lower case.

    Args:
      folder: the folder.
      kind: the kind of files.
      data: the rules, and the user's settings for splits and speakers.

    Raises:
      VQError: the folder does not exist, contains no such file, cannot be read, or its splits are ambiguous.
    """
    if not os.path.isdir(folder):
        names = kind.formats.names(data.rules)
        raise VQError(f"data_dir: got {folder!r}, which is no folder; expected a folder of {names} files")
    found = kind.find(folder, data.rules, "data_dir")
    if data.rules == 1:
        listing = _listing_1(found, kind)
        _compare_rules(listing, found, kind)
        return listing
    tree = kind.arrange(found, data.splits, data.rules)
    listing = _listing(found, kind, tree, data.speaker_level)
    if tree.warning:
        log.warning("%s: %s", one_line(folder), one_line(tree.warning))
    log.info("%s: %s", one_line(folder), _summary(listing, kind, tree))
    return listing


def paths(folder: str, kind: Kind = IMAGES) -> List[str]:
    """The sorted paths of all files of one kind below a folder, of any class and split.

    Raises:
      VQError: no such file exists, or the folder cannot be read.
    """
    return sorted(kind.find(folder))


def named_by(path: str, names: Sequence[str]) -> Optional[int]:
    """The index in `names` of the nearest folder of a path, with "/" between its parts, that has one of these names, or
    None.
    """
    return next((names.index(part) for part in reversed(path.split("/")[:-1]) if part in names), None)


def _listing(found: Found, kind: Kind, tree: splits_lib.Tree, level: int, warn=log.warning) -> Listing:
    if tree.left_out:
        warn("%s: left out", _lies_in_no(tree.left_out, "split"))
    groups = {path: _group(path, part, kind, level) for path, part in tree.below.items()}
    names = tuple(sorted({group for group in groups.values() if group is not None}))
    ungrouped = [path for path, group in groups.items() if group is None and names]
    if ungrouped:
        warn("%s: left out", _lies_in_no(ungrouped, kind.group))
    numbers = {name: i for i, name in enumerate(names)}
    missing = sorted({"validation", "test"} - set(tree.folders))
    files, common = [], splits_lib.common_folders(list(tree.below.values()))
    for path in set(groups) - set(ungrouped):
        below = "/".join(tree.below[path][common:])
        split = tree.splits.get(path)
        key = below if split is None else f"{split}/{below}"
        split = drawn_split(below, missing) if split is None or split == "train" else split
        files.append(File(path, *found[path], split, numbers.get(groups[path] or "", 0), key))
    return Listing(tuple(sorted(files, key=lambda file: (file.hash, file.path))), names)


def _group(path: str, part: Sequence[str], kind: Kind, level: int) -> Optional[str]:
    """The class or speaker of a file, or None.

    Raises:
      VQError: the file is in fewer folders than `speaker_level`.
    """
    folders = part[:-1]
    if kind.ungrouped is None:
        return folders[0] if folders else None
    if len(folders) >= level:
        return folders[level - 1]
    if level > 1:
        raise VQError(f"speaker_level: got {level}, expected at most {len(folders)}: {path!r} has no more folders")
    return kind.ungrouped


def _summary(listing: Listing, kind: Kind, tree: splits_lib.Tree) -> str:
    """Describes the splits, their sizes, and the classes or speakers, in one line."""
    number = {split: sum(file.split == split for file in listing.files) for split in SPLITS}
    sizes = ", ".join(f"{n:,} for {split}" for split, n in number.items())
    by = [f"{split} {', '.join(tree.folders[split])}" for split in SPLITS if split in tree.folders]
    how = f"splits by folders ({'; '.join(by)})" if by else "splits by a hash of each path"
    names = listing.class_names
    some = ", ".join(names[:MAX_NAMES]) + (", ..." if len(names) > MAX_NAMES else "")
    groups = f"{len(names):,} {kind.group if len(names) == 1 else kind.plural}" + (f" ({some})" if names else "")
    return one_line(f"{how}, {sizes}; {groups}")


def _lies_in_no(paths: Sequence[str], group: str) -> str:
    others = f" (and {len(paths) - 1:,} more)" if len(paths) > 1 else ""
    return f"{one_line(min(paths))} lies in no folder of a {group}{others}"


def _listing_1(found: Found, kind: Kind) -> Listing:
    """Lists files as version 0.1.0 did, so that its runs see the same data again."""
    tops = {path.split("/")[0] for path in found if "/" in path}
    splits = RULES_1_FOLDERS if "train" in tops and tops <= set(RULES_1_FOLDERS) else {}
    parts = {path: path.split("/")[1 if splits else 0 :] for path in found}  # without the split's folder
    if splits:
        _drop([path for path in found if path.split("/")[0] not in splits], parts, "split")
    if kind.ungrouped is not None:
        parts = {path: part if len(part) > 1 else [kind.ungrouped, *part] for path, part in parts.items()}
    class_names = tuple(sorted({part[0] for part in parts.values() if len(part) > 1}))
    if class_names:
        _drop([path for path, part in parts.items() if len(part) == 1], parts, kind.group)
    numbers = {name: i for i, name in enumerate(class_names)}
    missing = {"validation", "test"} - {splits[top] for top in tops if splits}
    files = []
    for path in sorted(parts, key=path_hash):
        split = splits.get(path.split("/")[0], "train")
        split = drawn_split(path, sorted(missing)) if split == "train" else split
        files.append(File(path, *found[path], split, numbers[parts[path][0]] if class_names else 0))
    return Listing(tuple(files), class_names)


def _drop(paths: List[str], parts: Dict[str, List[str]], group: str) -> None:
    if paths:
        log.warning("%s: left out", _lies_in_no(paths, group))
    for path in paths:
        del parts[path]


def _compare_rules(listing: Listing, found: Found, kind: Kind) -> None:
    """Warns if the current rules would split or name the files of a 0.1.0 run differently."""

    def meaning(listing):
        return {file.path: (file.split, file.label) for file in listing.files}, listing.class_names

    try:
        tree = kind.arrange(found, "auto")
        if meaning(_listing(found, kind, tree, 1, warn=log.debug)) == meaning(listing):
            return
        why = "other splits or classes"
    except VQError as e:
        why = f"none ({e})"
    log.warning("the run keeps the splits and classes of version 0.1.0; a new run on these files has %s", why)


def counts(files: Sequence[File], splits: Sequence[str]) -> Dict[str, int]:
    """The files of each split.

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
