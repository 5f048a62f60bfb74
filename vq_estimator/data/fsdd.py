"""The files, speakers and splits of the Free Spoken Digit Dataset (Zohar Jackson et al., CC BY-SA 4.0).

Six speakers say each digit 50 times. A recording is `{digit}_{speaker}_{index}.wav`, at 8 kHz. Indices 0 to 4 are the
test split. The recordings, and works derived from them, are under the same share-alike licence.
"""

import os
from typing import List, NamedTuple

from vq_estimator.data.files import FileSpec

NAME = "fsdd"
HALF = "fsdd-half"  # the recordings with an index below 25
DIGITS = tuple(str(d) for d in range(10))
SPEAKERS = ("george", "jackson", "lucas", "nicolas", "theo", "yweweler")
INDICES = {NAME: 50, HALF: 25}
FOLDER = "fsdd/recordings"  # folder below data_dir
COMMIT = "26eb9aaf76e81b692f806f9140c2d2777410d7a1"
ARCHIVES = (
    f"https://codeload.github.com/Jakobovski/free-spoken-digit-dataset/tar.gz/{COMMIT}",
    f"https://github.com/Jakobovski/free-spoken-digit-dataset/archive/{COMMIT}.tar.gz",
)
SUMS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "fsdd.sha256")  # 32 bytes each, in order of the names


class Recording(NamedTuple):
    """One file, by digit, speaker and index."""

    digit: int
    speaker: int
    index: int  # type: ignore[assignment]  # hides tuple.index

    @property
    def name(self) -> str:
        return f"{self.digit}_{SPEAKERS[self.speaker]}_{self.index}.wav"

    @property
    def path(self) -> str:
        """Below data_dir."""
        return f"{FOLDER}/{self.name}"

    @property
    def split(self) -> str:
        return "test" if self.index < 5 else "validation" if self.index < 8 else "train"


def recordings(name: str = NAME) -> List[Recording]:
    """The files of NAME or HALF, in the order of index, digit, speaker, so that any stretch has all speakers."""
    numbers = range(INDICES[name]), range(len(DIGITS)), range(len(SPEAKERS))
    return [Recording(d, s, i) for i in numbers[0] for d in numbers[1] for s in numbers[2]]


def specs(chosen: List[Recording]) -> List[FileSpec]:
    """Path and SHA-256 of each file; their sizes are not known."""
    with open(SUMS, "rb") as f:
        sums = f.read()
    place = {name: i for i, name in enumerate(sorted(r.name for r in recordings()))}
    digests = (sums[32 * place[r.name] : 32 * (place[r.name] + 1)].hex() for r in chosen)
    return [FileSpec(r.path, None, digest) for r, digest in zip(chosen, digests)]
