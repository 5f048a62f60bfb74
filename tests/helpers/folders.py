"""Lists the content of folders."""

import os


def everything_below(folder):
    return sorted(
        os.path.relpath(os.path.join(d, n), str(folder)) for d, _, names in os.walk(str(folder)) for n in names
    )
