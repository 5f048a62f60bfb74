"""Translation of TensorFlow's errors for full and read-only disks to OSError."""

import contextlib
import errno
import os
from typing import Iterator

import tensorflow.compat.v1 as tf

_REASONS = [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EFBIG, errno.EIO]


@contextlib.contextmanager
def translate_disk_errors(path: str) -> Iterator[None]:
    """In this context a TensorFlow error that the disk caused, for a file below `path`, becomes an OSError.

    TensorFlow's errors have no errno, only the system's text: "/run/model.ckpt-5...; No space left on device".
    """
    try:
        yield
    except tf.errors.OpError as e:
        for number in _REASONS:
            if path in str(e.message) and os.strerror(number) in str(e.message):
                raise OSError(number, os.strerror(number), path) from None
        raise
