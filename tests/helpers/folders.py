"""What folders contain."""

import os


def everything_below(folder):
    return sorted(
        os.path.relpath(os.path.join(d, n), str(folder)) for d, _, names in os.walk(str(folder)) for n in names
    )


def size_of(folder):
    """Bytes of the files below a folder."""
    return sum(os.path.getsize(os.path.join(f, name)) for f, _, names in os.walk(folder) for name in names)
