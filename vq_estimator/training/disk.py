"""What a disk refuses, as an OSError, whether Python met it or TensorFlow."""

import contextlib
import errno
import os
from typing import Iterator

import tensorflow.compat.v1 as tf

_REASONS = [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EFBIG, errno.EIO]


@contextlib.contextmanager
def translate_disk_errors(path: str) -> Iterator[None]:
    """Within it TensorFlow's error for a file below `path` that the disk refuses is an OSError.

    TensorFlow's errors have no number but the system's text: "/run/model.ckpt-5...; No space left on device".
    """
    try:
        yield
    except tf.errors.OpError as e:
        for number in _REASONS:
            if path in str(e.message) and os.strerror(number) in str(e.message):
                raise OSError(number, os.strerror(number), path) from None
        raise
