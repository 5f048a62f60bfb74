"""Decides which folders of a tree are splits: `train`, `Validation_Set`, `test-clean` and similar names.

Folders that contain everything, as archives leave them, are skipped. Below them the top folders are splits or classes
(speakers). If their names are ambiguous, the user must decide: a test image that is used for training makes every
figure of a run too good, and nothing would show it.
"""

import functools
import re
from typing import Collection, Dict, FrozenSet, List, NamedTuple, NoReturn, Optional, Pattern, Sequence, Tuple

from vq_estimator.errors import VQError

WORDS = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "dev": "validation",
    "devel": "validation",
    "development": "validation",
    "eval": "validation",
    "evaluation": "validation",
    "test": "test",
    "testing": "test",
    "tests": "test",
}
_WORD = "|".join(sorted(WORDS, key=len, reverse=True))
_TOKEN = re.compile(f"((?:{_WORD})+)(?:sets?|data|datasets?|images?|imgs?|files?|folders?|splits?)?")
# Folders that contain speakers' folders and are not speakers themselves; others are called like a suffix of the files.
_STORES = "({}clip|recording|sound)s?|audio|data(set)?|archive|corpus|speech|raw"
Stores = Optional[Pattern[str]]  # None: folders are classes, so a single one has no meaning
MAX_NAMES = 5  # most folders in a message
Parts = Tuple[str, ...]  # the parts of a path


class Name(NamedTuple):
    """The meaning of a folder's name.

    Attributes:
      splits: the splits whose words occur in it.
      begins: whether the first word is one of them, as in `test-clean` but not in `bullet_train`.
    """

    splits: FrozenSet[str]
    begins: bool

    @property
    def split(self) -> Optional[str]:
        """The one split that it names."""
        return min(self.splits) if len(self.splits) == 1 else None


@functools.lru_cache(maxsize=1 << 16)
def parse(name: str) -> Name:
    """Parses a folder's name. Words are separated by anything but letters, or by capitals as in inTest."""
    splits, begins = set(), False
    for text in (name, re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)):
        for i, token in enumerate(re.findall(r"[^\W\d_]+", text.lower())):
            found = _TOKEN.fullmatch(token)
            if found:
                splits |= {WORDS[word] for word in re.findall(_WORD, found.group(1))}
                begins |= i == 0
    return Name(frozenset(splits), begins)


class Tree(NamedTuple):
    """The meaning of the folders of a tree.

    Attributes:
      below: path to its parts below the folders that contain everything and below its split.
      splits: path to its split; empty if folders do not decide it.
      folders: the folders of each split that has any.
      left_out: paths that belong to no split.
      warning: a remark for the user; usually empty.
    """

    below: Dict[str, Parts]
    splits: Dict[str, str]
    folders: Dict[str, List[str]]
    left_out: List[str]
    warning: str = ""


def arrange(paths: Sequence[str], by: str, group: str, suffixes: Optional[Sequence[str]] = None) -> Tree:
    """Finds the splits of a tree.

    Args:
      paths: the files, with "/" between their parts.
      by: "folders", "hash" or "auto", as in `DataConfig.splits`.
      group: the word for other folders in messages.
      suffixes: suffixes of recordings, whose folders name speakers, so that a single folder has a meaning; None for
        other files.

    Raises:
      VQError: folders are named like splits and may mean something else; the message lists the choices.
    """
    parts = {path: tuple(path.split("/")) for path in paths}
    stores: Stores = None
    if suffixes is not None:
        stores = re.compile(_STORES.format("".join(suffix[1:] + "|" for suffix in suffixes)), re.IGNORECASE)
    depth = _descend(list(parts.values()), by, stores)
    below = {path: part[depth:] for path, part in parts.items()}
    names = {part[0]: parse(part[0]) for part in below.values() if len(part) > 1}
    if by == "hash":
        return Tree(below, {}, {}, [])
    if by == "folders":
        names = {top: name for top, name in names.items() if name.split}
        if "train" not in {name.split for name in names.values()}:
            _refuse(f"--splits=folders and {_quoted(names) or 'no folder'} as splits", group, "a folder train")
    else:
        if _is_validation(_sole(list(below.values()))):
            return _one_of_validation(below, group, stores)
        if not _are_splits(below.values(), names, group):
            names = {}
        _check_deeper(below, names, group)
    if not names:
        return Tree(below, {}, {}, [])
    left_out = [path for path, part in below.items() if len(part) == 1 or part[0] not in names]
    for path in left_out:
        del below[path]
    split_of = {top: name.split for top, name in names.items() if name.split}
    splits = {path: split_of[part[0]] for path, part in below.items()}
    folders = {split: sorted(top for top in split_of if split_of[top] == split) for split in set(splits.values())}
    return Tree(_without_splits(below, names, stores), splits, folders, left_out)


def _sole(parts: Sequence[Parts], depth: int = 0) -> Optional[str]:
    """The folder that contains everything below the first `depth` ones, or None."""
    tops = {part[depth] if len(part) > depth + 1 else None for part in parts}
    return tops.pop() if len(tops) == 1 else None


def common_folders(parts: Sequence[Parts]) -> int:
    """The number of nested folders that contain everything."""
    depth = 0
    while _sole(parts, depth) is not None:
        depth += 1
    return depth


def _descend(parts: Sequence[Parts], by: str, stores: Stores, depth: int = 0) -> int:
    """The number of nested folders that contain everything and are not splits."""
    while True:
        top = _sole(parts, depth)
        if top is None:
            return depth
        name = parse(top)
        if by != "hash" and name.splits - (set() if name.begins else {"train"}):
            inner = _descend(parts, by, stores, depth + 1)
            a_test = name.split == "test" and by == "auto"
            return inner if _are_clear(parts, inner) and not a_test else depth
        if stores and not _holds_speakers(parts, depth, stores):
            return depth
        depth += 1


def _are_clear(parts: Sequence[Parts], depth: int) -> bool:
    """Whether all entries at a depth are folders of splits, and there are several."""
    tops = {part[depth] if len(part) > depth + 1 else "" for part in parts}
    splits = {parse(top).split for top in tops}
    return len(tops) > 1 and None not in splits and "train" in splits


def _holds_speakers(parts: Sequence[Parts], depth: int, stores: Pattern[str], within_split: bool = False) -> bool:
    """Whether the only folder at a depth contains speakers' folders; otherwise it is a speaker."""
    folders = {part[depth:-1] for part in parts}
    if not any(len(folder) > 1 for folder in folders):
        return False
    if within_split:
        return all(stores.fullmatch(folder[0]) for folder in folders)
    if len(folders) > 1:
        return True
    only = folders.pop()  # all files are in it: only its name tells which part of the paths is the speaker
    return any(stores.fullmatch(part) for part in only[:-1]) or any(parse(part).splits for part in only)


def _is_validation(top: Optional[str]) -> bool:
    return top is not None and parse(top).split == "validation"


def _one_of_validation(below: Dict[str, Parts], group: str, stores: Stores) -> Tree:
    """A single split such as LibriSpeech's dev-clean, which then has to be used for training."""
    first = top = _sole(list(below.values()))
    while _is_validation(top) or (
        stores and top is not None and _holds_speakers(list(below.values()), 0, stores, True)
    ):
        below = {path: part[1:] for path, part in below.items()}
        top = _sole(list(below.values()))
    if not stores:
        depth = _descend(list(below.values()), "auto", stores)
        below = {path: part[depth:] for path, part in below.items()}
    names = {part[0]: parse(part[0]) for part in below.values() if len(part) > 1}
    if _are_splits(below.values(), names, group):
        _refuse(f"folders of splits within {first!r}", group)
    _check_deeper(below, {}, group)
    return Tree(below, {}, {}, [], f"the only folder is {first!r}: a hash of each path says what is trained on")


def _are_splits(parts: Collection[Parts], names: Dict[str, Name], group: str) -> bool:
    """Whether the top folders are splits, according to their names.

    Raises:
      VQError: the names are ambiguous.
    """
    like = {top: name for top, name in names.items() if name.splits}
    if all(name.splits == {"train"} and not name.begins for name in like.values()):
        return False  # no splits, or classes such as bullet_train
    unclear = [top for top, name in like.items() if not name.split]
    others = sorted(set(names) - set(like))
    loose = sorted(part[0] for part in parts if len(part) == 1)
    if unclear:
        _refuse(f"the folder {min(unclear)!r}, which names several splits", group)
    if others or loose:
        neighbours = f"{_quoted(others)}" if others else f"the file {loose[0]!r}" + _more(len(loose) - 1)
        _refuse(f"{_quoted(like)}, named like a split, next to {neighbours}", group)
    if "train" not in {name.split for name in like.values()}:
        _refuse(f"{_quoted(like)} and no folder train", group, "a folder train")
    return True


def _check_deeper(below: Dict[str, Parts], names: Dict[str, Name], group: str) -> None:
    """Raises a VQError if a folder deeper in the tree is named like another split than that of its files."""
    known: Dict[str, FrozenSet[Optional[str]]] = {}
    for part in below.values():
        own = {"train", names[part[0]].split} if names else {"train"}
        for folder in part[1:-1]:
            if folder not in known:
                known[folder] = parse(folder).splits
            if known[folder] - own:
                wanted = "" if names else f"the splits at the top ({folder}/{part[0]})"
                _refuse(f"the folder {folder!r}, named like a split, within {part[0]!r}", group, wanted)


def _without_splits(below: Dict[str, Parts], names: Dict[str, Name], stores: Stores) -> Dict[str, Parts]:
    """Removes the splits' folders, and a single folder below each that contains all (`train/wav`, `test/wav`)."""
    tops = {path: part[0] for path, part in below.items()}
    rest = {path: part[1:] for path, part in below.items()}
    while rest:
        inside = {}  # type: Dict[str, List[Parts]]
        for path, part in rest.items():
            inside.setdefault(tops[path], []).append(part)
        soles = {top: _sole(parts) for top, parts in inside.items()}
        if None in soles.values() or (stores and not _holds_speakers(list(rest.values()), 0, stores, True)):
            break
        if len(set(soles.values())) > 1 and any(parse(sole).split != names[top].split for top, sole in soles.items()):
            break
        rest = {path: part[1:] for path, part in rest.items()}
    return rest


def _refuse(got: str, group: str, missing: str = "") -> NoReturn:
    folders = "--splits=folders (the folders at the top that are named like splits are these, the rest is left out)"
    way = f"--splits=hash (a hash of each path decides, the folders at the top are each a {group})"
    raise VQError(f"splits: got {got}, expected {missing or folders} or {way}")


def _quoted(names: Collection[str]) -> str:
    return ", ".join(repr(name) for name in sorted(names)[:MAX_NAMES]) + _more(len(names) - MAX_NAMES)


def _more(count: int) -> str:
    return f" (and {count:,} more)" if count > 0 else ""
