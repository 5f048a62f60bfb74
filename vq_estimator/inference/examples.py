"""Batches of examples as a model sees them, wherever they come from."""

from typing import Callable, Iterator, NamedTuple, Optional

import numpy as np


class Batch(NamedTuple):
    """Examples as a model sees them.

    Attributes:
      images: uint8 [B, H, W, C]; a recording is [1, 1, T, 1].
      labels: int32 [B], or None if they are unknown.
      speakers: int32 [B], or None for images.
      codes: int32 [B, h, w, L], codes that replace those of the images in decoding, or None.
      files: text [B], the path of each file below its folder; None if the examples are not files.
    """

    images: np.ndarray
    labels: Optional[np.ndarray] = None
    speakers: Optional[np.ndarray] = None
    codes: Optional[np.ndarray] = None
    files: Optional[np.ndarray] = None


class Examples(NamedTuple):
    """A source of batches.

    Attributes:
      name: the name of the split, folder or file.
      total: the number of examples, with unreadable files; None if it is unknown.
      batches: a function that starts a pass over the examples.
      origin: a path, or <data set>:<split>.
      source: the name of the data set of which they are a split, or None.
    """

    name: str
    total: Optional[int]
    batches: Callable[[], Iterator[Batch]]
    origin: str = ""
    source: Optional[str] = None

    def changed(self, change: Callable[[Batch, int], Batch]) -> "Examples":
        """Returns the same examples with each batch changed by a function (batch, position of its first example)."""

        def batches():
            start = 0
            for batch in self.batches():
                yield change(batch, start)
                start += len(batch.images)

        return self._replace(batches=batches)
