"""How the files of a user's own data set are read: what a run keeps so that it sees the same data again."""

import dataclasses
from typing import Optional, Tuple

from vq_estimator.config.checks import check, positive_int

RULES = 2  # the current rules of splits and cropping; 1 are those of version 0.1.0
SPLITS_BY = ("auto", "folders", "hash")
MAX_LEVEL = 16  # folders deep
MAX_SAMPLE = 2**16 - 1  # of a 16-bit image


@dataclasses.dataclass(frozen=True)
class DataConfig:
    """How files become examples. Only a user's own images and recordings have a choice here.

    Attributes:
      rules: version of the rules by which splits are found and images are cropped. A run keeps the version that it was
        made with; configurations of version 0.1.0, which have no entry, are of version 1.
      splits: "folders" (the top folders are named train, validation and test), "hash" (a hash of a file's path decides,
        and top folders are classes or speakers), or "auto" (by the names of the top folders).
      speaker_level: which folder of a recording's path names the speaker; 1 is the first below the split's folder.
      value_range: (minimum, maximum) of the sample values of 16-bit images that become 0 and 255; None: all.
    """

    rules: int = 1
    splits: str = "auto"
    speaker_level: int = 1
    value_range: Optional[Tuple[int, ...]] = None

    def __post_init__(self):
        check(self.rules in range(1, RULES + 1), "rules", self.rules, f"1 to {RULES}")
        check(self.splits in SPLITS_BY, "splits", self.splits, "one of " + ", ".join(SPLITS_BY))
        positive_int("speaker_level", self.speaker_level, MAX_LEVEL)
        if self.value_range is not None:
            ok = len(self.value_range) == 2 and all(type(n) is int for n in self.value_range)
            ok = ok and 0 <= self.value_range[0] < self.value_range[1] <= MAX_SAMPLE
            want = f"MIN,MAX with 0 <= MIN < MAX <= {MAX_SAMPLE}"
            check(ok, "value_range", self.value_range, want)
