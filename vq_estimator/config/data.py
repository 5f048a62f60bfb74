"""How the files of a user's own data set are read. A run keeps these settings, so that it sees the same data again."""

import dataclasses
from typing import Any, Optional, Tuple

from vq_estimator.config.checks import check
from vq_estimator.config.datasets import IMAGES, NPY, TFDS, WAV, row_of
from vq_estimator.config.fields import FILES, Settings, setting
from vq_estimator.config.values import Choice, Integer, Integers, Text

# The current rules by which a folder's files become examples. Rules 1 are those of version 0.1.0. Rules 2 changed
# splits and cropping, and rules 3 read more formats (data/formats.py).
RULES = 3
SPLITS = ("train", "validation", "test")
CACHES = ("auto", "memory", "tfrecord")  # where training keeps images
SPLITS_BY = ("auto", "folders", "hash")
MAX_LEVEL = 16  # depth of the speaker's folder
MAX_SAMPLE = 2**16 - 1  # largest sample of a 16-bit image


def _only(*datasets: str) -> Any:
    return lambda config: row_of(config.dataset) in datasets


class _Range(Integers):
    """MIN,MAX or None."""

    def check(self, field: str, value: Any) -> None:
        ok = value is None or (isinstance(value, tuple) and len(value) == 2 and all(type(n) is int for n in value))
        check(ok and (value is None or 0 <= value[0] < value[1] <= MAX_SAMPLE), field, value, self.want)


@dataclasses.dataclass(frozen=True)
class DataConfig(Settings):
    """How files become examples; only the user's own images and recordings have settings here.

    Paths are not settings, because a run does not depend on where its files are: `Config.dataset_source` identifies
    their content and which examples are in which split.

    `rules` is the version of the rules for formats, splits and cropping. A run keeps its version; a configuration of
    version 0.1.0 has no entry and gets 1.
    """

    rules: int = 1
    splits: str = setting(
        "auto",
        Choice(SPLITS_BY),
        "folders: top folders are splits; hash: a hash of each path decides; auto: by the folders' names",
        FILES,
        applies=_only(IMAGES, WAV),
        why="only --dataset=images and wav have this setting",
    )
    speaker_level: int = setting(
        1,
        Integer(1, MAX_LEVEL),
        "which folder of a recording's path names the speaker; 1 is the first below its split's folder",
        FILES,
        applies=_only(WAV),
        why="only --dataset=wav has this setting",
    )
    value_range: Optional[Tuple[int, ...]] = setting(
        None,
        _Range(f"MIN,MAX such as 0,4095, with 0 <= MIN < MAX <= {MAX_SAMPLE}"),
        "sample values MIN,MAX of 16-bit images that become 0 and 255; default: the whole range",
        FILES,
        applies=_only(IMAGES, NPY, TFDS),
        why="only --dataset=images, npy and tfds:NAME have this setting",
    )
    array: str = setting(
        "images",
        Text("the name of an array"),
        "name of the array of images in a .npz file",
        FILES,
        applies=_only(NPY),
        why="only --dataset=npy has this setting",
    )

    def check(self) -> None:
        check(self.rules in range(1, RULES + 1), "rules", self.rules, f"1 to {RULES}")
