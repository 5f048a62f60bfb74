"""Packs the SHA-256 of the Free Spoken Digit Dataset's recordings: vq_estimator/data/fsdd.sha256.

  python tools/fsdd_sums.py SHA256SUMS

SHA256SUMS is what `sha256sum *.wav` prints in its folder `recordings`. For maintainers, when the commit changes.
"""

import os
import sys

from vq_estimator.data import fsdd
from vq_estimator.data.files import atomic_path


def main(path: str) -> None:
    with open(path, encoding="utf-8") as f:
        sums = {name.lstrip("*"): digest for digest, name in (line.split() for line in f)}
    names = [r.name for r in fsdd.recordings()]
    if sorted(sums) != sorted(names):
        sys.exit(f"{path}: got {len(sums)} sums, expected those of {names[0]} to {names[-1]}")
    with atomic_path(fsdd.SUMS) as temporary, open(temporary, "wb") as f:
        f.write(b"".join(bytes.fromhex(sums[name]) for name in sorted(names)))
    print(f"{os.path.relpath(fsdd.SUMS)}: {len(names)} sums")


if __name__ == "__main__":
    main(*sys.argv[1:])
