"""Makes the data of the provided model `photographs`, of photographs in Debian and Python packages.

  python benchmarks/photographs_data.py --data_dir=DIR --out=/var/tmp/vq_photographs

Downloads the packages of SOURCES to the folder `--out` unless they are there, and writes there

  train.npy, validation.npy   crops of 32 x 32 pixels at several scales, uint8 [N, 32, 32, 3]; the training file also
                              has the training images of CIFAR-10 in `--data_dir`
  test.npy                    the tiles of 32 x 32 pixels of the test photographs
  test/*.png                  the test photographs, 480 x 320 pixels

The photographs of each split come from other packages than those of the other splits. A photograph from a lossy file is
downscaled at least by 2, so that the artefacts of its compression vanish. Nothing is copied into this repository.
"""

import glob
import hashlib
import io
import os
import subprocess
import sys
from typing import Iterator, List, NamedTuple, Tuple

import numpy as np
from PIL import Image, ImageOps

from vq_estimator.data import files
from vq_estimator.errors import VQError
from vq_estimator_launch import common
from vq_estimator_launch.common import FLAGS, Group

DATA = Group("Photographs")
DATA.path("out", "/var/tmp/vq_photographs", "folder for the packages and the arrays, outside of the repository")
DATA.integer("crops", 250000, "number of training crops of the photographs")
DATA.integer("seed", 0, "seed of the crops")
common.data_flags()

SIDE = 32  # pixels of a crop
TEST_SIZE = (480, 320)  # width and height of a test photograph
SCALES = 12  # sizes to which a training photograph is resized
LONGEST, SHORTEST = 1280, 300  # limits of the longer side of a resized photograph
FILTERS = (Image.LANCZOS, Image.BICUBIC, Image.BOX, Image.HAMMING)
LOSSY = ("JPEG", "WEBP", "MPO")


class Package(NamedTuple):
    """A package with photographs.

    Attributes:
      name, version: its name, and the version whose photographs were looked at.
      licence: the licence of its photographs.
      split: "train", "validation" or "test".
      files: patterns of the photographs, below the package's folder.
      registry: "apt" or "pip".
    """

    name: str
    version: str
    licence: str
    split: str
    files: Tuple[str, ...]
    registry: str = "apt"


_PLASMA = ("BytheWater", "ColdRipple", "ColorfulCups", "DarkestHour", "EveningGlow", "FallenLeaf", "Grey", "Kite")
_PLASMA += ("OneStandsOut", "Path", "summer_1am")
_LXQT = ("Butterfly-Kenneth-Wimer.jpg", "Valendas.png", "after-the-rain.jpg", "appleflower.png", "beam.png")
_LXQT += ("butterfly.png", "cloud.png", "drop.png", "flowers.png", "fog.jpg", "this-is-not-windows.jpg")
_LOMIRI = ("Bridge", "Dragonfly", "Picture_0B", "Picture_1A", "Wine", "aitzgorri", "free", "friends", "greentock")
_LOMIRI += ("life", "picosdeeuropa", "seeding", "sunset")
_GCOMPRIS = ("erase", "explore_farm_animals", "explore_monuments", "explore_world_animals")
SOURCES = (
    Package(
        "gcompris-qt-data",
        "3.1-2",
        "CC-BY, CC-BY-SA, GFDL-1.2 and public domain, by file",
        "train",
        tuple(f"usr/share/gcompris-qt/rcc/{name}.rcc" for name in _GCOMPRIS),
    ),
    Package(
        "plasma-workspace-wallpapers",
        "4:5.27.5-2",
        "LGPL-3",
        "train",
        tuple(f"usr/share/wallpapers/{name}/contents/images/2560x1600.jpg" for name in _PLASMA),
    ),
    Package("mate-backgrounds", "1.26.0-1", "GPL-2+", "train", ("usr/share/backgrounds/mate/nature/*.jpg",)),
    Package(
        "scikit-image",
        "0.18.3",
        "public domain and CC0",
        "train",
        tuple(f"skimage/data/{name}.png" for name in ("astronaut", "chelsea", "coffee", "motorcycle_left")),
        "pip",
    ),
    Package(
        "palapeli-data",
        "4:22.12.3-1",
        "Creative Commons and GFDL-1.2+, by file",
        "validation",
        ("usr/share/palapeli/collection/*.jpg",),
    ),
    Package(
        "lomiri-wallpapers-16.04",
        "20.04.0-2",
        "CC-BY-4.0, CC-BY-SA-3.0, CC-BY-SA-4.0 and CC0, by file",
        "test",
        tuple(f"usr/share/backgrounds/{name}_by_*.jpg" for name in _LOMIRI),
    ),
    Package(
        "lomiri-wallpapers-20.04",
        "20.04.0-2",
        "CC-BY-4.0, CC-BY-SA-3.0, CC-BY-SA-4.0 and CC0, by file",
        "test",
        ("usr/share/backgrounds/Kleiber_by_*.jpg",),
    ),
    Package(
        "lxqt-themes",
        "1.2.0-1",
        "CC-BY-SA-3.0",
        "test",
        tuple(f"usr/share/lxqt/wallpapers/{name}" for name in _LXQT),
    ),
)


# For each registry the command that downloads a package to the working folder, the pattern of the file, and the command
# that unpacks it. The data in a wheel does not depend on the version of Python.
_WHEEL = ("--no-deps", "--only-binary=:all:", "--python-version=3.9", "--platform=manylinux2010_x86_64")
COMMANDS = {
    "apt": (("apt-get", "download", "{name}={version}"), "*.deb", ("dpkg-deb", "-x")),
    "pip": (
        (sys.executable, "-m", "pip", "download", "-q", *_WHEEL, "{name}=={version}"),
        "*.whl",
        (sys.executable, "-m", "zipfile", "-e"),
    ),
}


class Photograph(NamedTuple):
    """A photograph, RGB, and whether it was stored with loss."""

    name: str
    image: Image.Image
    lossy: bool


def fetch(package: Package, folder: str) -> str:
    """Downloads and unpacks a package unless that has been done; returns its folder.

    Raises:
      VQError: the registry does not have this version, or a program is missing.
    """
    target = os.path.join(folder, "packages", package.name)
    if not os.path.isdir(target):
        with files.atomic_folder(target) as made:
            download, pattern, unpack = COMMANDS[package.registry]
            execute(package, [part.format(**package._asdict()) for part in download], made)
            (archive,) = glob.glob(os.path.join(glob.escape(made), pattern))
            execute(package, [*unpack, archive, "."], made)
            os.remove(archive)
    return target


def execute(package: Package, command: List[str], folder: str) -> None:
    """Runs a command in a folder."""
    try:
        subprocess.run(command, cwd=folder, check=True)
    except (OSError, subprocess.CalledProcessError) as e:
        want = "apt-get of Debian 12, after apt-get update" if package.registry == "apt" else "pip with a package index"
        raise VQError(f"{package.name} {package.version}: got {e}, expected {want}") from None


def opened(name: str, file) -> Photograph:
    """Reads a photograph from a path or a file object."""
    with Image.open(file) as image:
        return Photograph(name, image.convert("RGB"), image.format in LOSSY)


def in_resources(path: str) -> Iterator[Photograph]:
    """Yields the photographs in a file of Qt resources, WebP files of at least 400 x 400 pixels and 40 kB."""
    with open(path, "rb") as f:
        data = f.read()
    at, number = data.find(b"RIFF"), 0
    while at >= 0:
        size = int.from_bytes(data[at + 4 : at + 8], "little") + 8
        if data[at + 8 : at + 15] == b"WEBPVP8" and 40000 < size <= len(data) - at:
            photograph = opened(f"{os.path.basename(path)[:-4]}_{number:03d}", io.BytesIO(data[at : at + size]))
            if min(photograph.image.size) >= 400:
                number += 1
                yield photograph
        at = data.find(b"RIFF", at + 4)


def photographs(package: Package, folder: str) -> Iterator[Photograph]:
    """Yields the photographs of a package, in the order of their paths."""
    root = fetch(package, folder)
    for pattern in package.files:
        paths = sorted(glob.glob(os.path.join(glob.escape(root), pattern)))
        if not paths:
            raise VQError(f"{package.name}: got no file {pattern}, expected one as in version {package.version}")
        for path in paths:
            if path.endswith(".rcc"):
                yield from in_resources(path)
            else:
                yield opened(os.path.splitext(os.path.basename(path))[0], path)


def largest(photograph: Photograph) -> int:
    """Returns the longer side up to which a photograph shows no artefacts of lossy compression."""
    return min(LONGEST, max(photograph.image.size) // (2 if photograph.lossy else 1))


def resized(image: Image.Image, longest: float, resample: int) -> Image.Image:
    scale = longest / max(image.size)
    return image.resize([max(SIDE, round(n * scale)) for n in image.size], resample)


def crops(photograph: Photograph, number: int, rng: np.random.RandomState) -> np.ndarray:
    """Draws `number` crops uint8 [number, SIDE, SIDE, 3] at SCALES scales, mirrored or not."""
    made, high = [], largest(photograph)
    for k in range(SCALES):
        longest = np.exp(rng.uniform(np.log(min(SHORTEST, high)), np.log(high)))
        x = np.asarray(resized(photograph.image, longest, FILTERS[rng.randint(len(FILTERS))]))
        x = x[:, ::-1] if rng.randint(2) else x
        for _ in range(number * (k + 1) // SCALES - number * k // SCALES):
            top, left = (rng.randint(n - SIDE + 1) for n in x.shape[:2])
            made.append(x[top : top + SIDE, left : left + SIDE])
    return np.stack(made)


def test_photograph(photograph: Photograph) -> Image.Image:
    """Returns the middle of a photograph, upright or not, at TEST_SIZE."""
    upright = photograph.image.height > photograph.image.width
    return ImageOps.fit(photograph.image, TEST_SIZE[::-1] if upright else TEST_SIZE, Image.LANCZOS)


def cifar10() -> np.ndarray:
    """Returns the training images of CIFAR-10, uint8 [N, 32, 32, 3]."""
    from vq_estimator.data import arrays, sources

    return arrays.load(sources.locate("cifar10", FLAGS.data_dir, common.cache_dir()), "train", SIDE).images


def main() -> None:
    rng, out = np.random.RandomState(FLAGS.seed), FLAGS.out
    os.makedirs(os.path.join(out, "test"), exist_ok=True)
    by_split = {split: [p for p in SOURCES if p.split == split] for split in ("train", "validation", "test")}
    tiles: List[np.ndarray] = []
    counts = {"test": 0}
    for package in by_split["test"]:
        for photograph in photographs(package, out):
            image = test_photograph(photograph)
            image.save(os.path.join(out, "test", photograph.name + ".png"))
            counts["test"] += 1
            x = np.asarray(image)
            tiles += [
                x[i : i + SIDE, j : j + SIDE] for i in range(0, x.shape[0], SIDE) for j in range(0, x.shape[1], SIDE)
            ]
    arrays = {"test": np.stack(tiles)}
    for split, number in (("validation", 5000), ("train", FLAGS.crops)):
        images = [x for package in by_split[split] for x in photographs(package, out)]
        counts[split] = len(images)
        share = np.diff(np.linspace(0, number, len(images) + 1).astype(int))
        arrays[split] = np.concatenate([crops(x, n, rng) for x, n in zip(images, share)])
    arrays["train"] = np.concatenate([arrays["train"], cifar10()])
    arrays["train"] = arrays["train"][rng.permutation(len(arrays["train"]))]
    for split, array in arrays.items():
        with files.atomic_path(os.path.join(out, split + ".npy")) as path, open(path, "wb") as f:
            np.save(f, array)
        digest = hashlib.sha256(array.tobytes()).hexdigest()[:16]
        print(f"{split}: {counts[split]} photographs, {len(array):,} arrays, SHA-256 {digest}", flush=True)


if __name__ == "__main__":
    common.run(main, __doc__)
