"""Checks that an AIFF file holds all samples that its header announces. libsndfile silently reads a truncated one."""

from typing import BinaryIO

from vq_estimator.data.wav_header import MAX_CHUNKS


def check(f: BinaryIO) -> None:
    """Reads the header of an AIFF or AIFF-C file.

    Raises:
      ValueError: the file has no samples or is truncated.
    """
    there = f.seek(0, 2)
    at = 12
    for _ in range(MAX_CHUNKS):
        f.seek(at)
        head = f.read(8)
        if len(head) < 8:
            raise ValueError("it ends before its samples")
        size = int.from_bytes(head[4:8], "big")
        at += 8
        if head[:4] == b"SSND":
            if at + size > there:
                raise ValueError(f"it ends {at + size - there} bytes before the end of its samples")
            return
        at += size + size % 2
    raise ValueError(f"it has no samples in its first {MAX_CHUNKS} chunks")
