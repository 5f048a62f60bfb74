"""What fine-tuning a provided model to 2,000 images of another data set gains over a training from nothing.

  apt-get install lomiri-wallpapers-16.04 mate-backgrounds
  python benchmarks/fine_tuning.py --photographs=/usr/share/backgrounds

The data are tiles of 32 x 32 pixels of 27 photographs that come with two packages of Debian 12, each brought to 352
pixels on its shorter side. A photograph is in one split. `cifar10-factorised` is fine-tuned by --preset=like, and its
network is trained from nothing by the same settings, for the same numbers of steps; the row of 0 steps is the provided
model itself. Writes benchmarks/results/fine_tuning.json.
"""

import dataclasses
import json
import os
import resource
import subprocess
import sys
import tempfile

from vq_estimator.errors import VQError
from vq_estimator_launch import common
from vq_estimator_launch.common import FLAGS, Group

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
TUNING = Group("Fine-tuning")
TUNING.path("photographs", "/usr/share/backgrounds", "folder below which the photographs of the two packages lie")
TUNING.string("steps", "300", "numbers of steps, with commas between them")
TUNING.path("out", os.path.join(ROOT, "benchmarks", "results", "fine_tuning.json"), "the file to write")
SOURCE, TILE, SIDE = "cifar10-factorised", 32, 352
RATES = (0.0003, 0.0001, 0.003)  # of the last one the provided model was trained from nothing
COUNTS = {"train": 2000, "validation": 300, "test": 1000}
# The photographs in the order of their names, by which `split_of` numbers them.
NAMES = (
    *("Aqua.jpg", "Blinds.jpg", "Bridge_by_Sander_Klootwijk.jpg", "Dragonfly_by_Bolly.jpg", "Dune.jpg"),
    *("FreshFlower.jpg", "Garden.jpg", "GreenMeadow.jpg", "LadyBird.jpg", "Picture_0B_by_freespace.jpg"),
    *("Picture_1A_by_freespace.jpg", "RainDrops.jpg", "Storm.jpg", "TwoWings.jpg", "Wine_by_Jakkub_Mede.jpg"),
    *("Wood.jpg", "YellowFlower.jpg", "aitzgorri_by_Aitzol_Berasategi.jpg", "analogpattern_by_Peter_Nerlich.jpg"),
    *("free_by_Peter_Nerlich.jpg", "friends_by_Aitzol_Berasategi.jpg", "greentock_by_Peter_Nerlich.jpg"),
    *("life_by_Aitzol_Berasategi.jpg", "picosdeeuropa_by_Aitzol_Berasategi.jpg"),
    *("seeding_by_Clements_Engelhardt.jpg", "sunset_by_Aitzol_Berasategi.jpg", "umang_by_Abhishek_Mudgal.jpg"),
)


def split_of(number):
    """The split of a photograph: 13 for training, 7 for validation and 7 for the test."""
    return {0: "test", 1: "validation"}.get(number % 4, "train")


def find_photographs(folder):
    """The path of each photograph."""
    found = {name: os.path.join(top, name) for top, _, names in os.walk(folder) for name in names}
    missing = [name for name in NAMES if name not in found]
    if missing:
        raise VQError(f"photographs: got {folder!r} without {missing[0]}, expected where the two packages put them")
    return [found[name] for name in NAMES]


def write_tiles(photographs, folder):
    """Writes the tiles as PNG files to a folder for each split; the same ones each time."""
    import numpy as np
    from PIL import Image

    tiles = {split: [] for split in COUNTS}
    for number, path in enumerate(photographs):
        with Image.open(path) as image:
            scale = SIDE / min(image.size)
            width, height = (round(n * scale) for n in image.size)
            pixels = np.asarray(image.convert("RGB").resize((width, height), Image.BOX))
        for top in range(0, height - TILE + 1, TILE):
            for left in range(0, width - TILE + 1, TILE):
                tiles[split_of(number)].append(pixels[top : top + TILE, left : left + TILE])
    for split, count in COUNTS.items():
        chosen = np.random.RandomState(0).permutation(len(tiles[split]))[:count]
        assert len(chosen) == count, (split, len(chosen))
        os.makedirs(os.path.join(folder, split))
        for i, number in enumerate(chosen):
            Image.fromarray(tiles[split][number]).save(os.path.join(folder, split, f"{i:04d}.png"))


def train(arguments, cwd):
    """Runs vq-train; returns its core-minutes."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, os.path.join(ROOT, "launch", "train.py"), "--data_dir=tiles"]
    done = subprocess.run([*command, *arguments], cwd=cwd, stdout=subprocess.DEVNULL)
    if done.returncode:
        raise VQError(f"vq-train {' '.join(arguments)}: got status {done.returncode}, expected 0")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) / 60


def write_config_from_nothing(path):
    """The same settings without the weights: the codebooks start by k-means, as those of the provided model did."""
    from vq_estimator import config as config_lib

    config = config_lib.make_config("images", config_lib.LIKE, warm_start=SOURCE, kmeans_init_steps=10)
    with open(path, "w", encoding="utf-8") as f:
        f.write(config_lib.to_json(dataclasses.replace(config, warm_start=None)))


def measured(run):
    """The figures of a run: bits/dim and squared error of the test images, and bits/dim of the validation images."""
    found = {}
    for split in ("validation", "test"):
        with open(os.path.join(run, "eval", split + ".json"), encoding="utf-8") as f:
            found[split] = json.load(f)
    bits = {split: figures["bits_per_dim"]["total_unigram"] for split, figures in found.items()}
    return dict(validation=bits["validation"], test=bits["test"], mse=found["test"]["mse"])


def measured_as_it_is(folder):
    """The same figures of the provided model, its calibration its own."""
    import numpy as np
    from PIL import Image

    from vq_estimator import pretrained

    found = {}
    with pretrained.load(SOURCE) as model:
        model.prior = None  # of CIFAR-10's codes, and dear to compute
        for split in ("validation", "test"):
            files = sorted(os.listdir(os.path.join(folder, split)))
            images = np.stack([np.asarray(Image.open(os.path.join(folder, split, name))) for name in files])
            bits = model.bits_per_dim(images)
            found[split] = float(bits.distortion.mean() + bits.rate_unigram.mean())
        found["mse"] = float(np.mean(np.square((images.astype(float) - model.reconstruct(images)) / 255)))
    return found


def main():
    import tensorflow.compat.v1 as tf

    from vq_estimator.data.files import write_json

    photographs = find_photographs(FLAGS.photographs)
    results = {"tensorflow": tf.__version__, "images": COUNTS, "photographs": len(NAMES)}
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        write_tiles(photographs, os.path.join(folder, "tiles"))
        write_config_from_nothing(os.path.join(folder, "nothing.json"))
        rows.append(
            dict(start=SOURCE, steps=0, learning_rate=None, core_minutes=0.0, **measured_as_it_is(folder + "/tiles"))
        )
        for steps in (int(n) for n in FLAGS.steps.split(",")):
            like = ["--dataset=images", "--warm_start=" + SOURCE, "--preset=like"]
            starts = [(SOURCE, rate, like) for rate in RATES]
            for i, (start, rate, arguments) in enumerate([*starts, ("nothing", RATES[-1], ["--config=nothing.json"])]):
                name = f"run{steps}-{i}"
                given = [f"--max_steps={steps}", f"--learning_rate={rate}", "--model_dir=" + name]
                minutes = train([*arguments, *given], folder)
                row = dict(start=start, steps=steps, learning_rate=rate, core_minutes=round(minutes, 2))
                rows.append(dict(row, **measured(os.path.join(folder, name))))
                print(rows[-1], flush=True)
                write_json(FLAGS.out, dict(results, rows=rows))
    for row in rows:
        print("{start:20} {steps:5} steps  {test:.3f} bits/dim  mse {mse:.5f}  {core_minutes:.1f}".format(**row))


def run():
    common.run(main, __doc__)


if __name__ == "__main__":
    run()
