"""Draws the pictures of README and docs from the provided models: `python tools/docs_pictures.py`.

`overview.png` shows MNIST test digits, their codes, reconstructions and samples of the model `mnist`; `model.svg` the
model with the shapes of its tensors; `bits_per_dim.svg` how bits/dim divide into distortion and rate, from
`eval/test.json` of the provided models; `run_directory.svg` the files of a run directory and the command that writes
each. For maintainers; needs the data sets (VQ_DATA_DIR).
"""

import json
import os

import matplotlib
import numpy as np
from matplotlib import pyplot as plt

import vq_estimator as vq

matplotlib.rcParams.update({"svg.hashsalt": "vq_estimator", "font.size": 9})

FOLDER = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "docs", "images")
DIGITS = 8
BLUE, ORANGE, GREY = "#4477aa", "#ee8866", "#888888"
NO_DATE = {"Date": None}


def overview(path: str) -> None:
    """Digits in four rows: originals, their 3 x 3 codes, reconstructions, samples."""
    with vq.load("mnist") as model:
        input_fn = vq.inputs.dataset_input_fn("mnist", "test", os.environ.get("VQ_DATA_DIR", "datasets"))
        images = vq.inputs.load_examples(input_fn, model.config, DIGITS).images
        codes = model.encode(images)
        decoded, samples = model.decode(codes), model.sample(DIGITS, labels=range(DIGITS), seed=0).images
    titles = (
        "original\n24 x 24 pixels",
        "codes\n3 x 3 of 20",
        "reconstruction\nfrom the codes",
        "sample\nfrom the prior",
    )
    figure, axes = plt.subplots(4, DIGITS, figsize=(7.2, 3.7), dpi=110)
    for row, (title, line) in enumerate(zip(titles, axes)):
        for column, ax in enumerate(line):
            ax.set(xticks=[], yticks=[])
            if row == 1:
                grid = codes[column, ..., 0]
                ax.imshow(grid, cmap="tab20", vmin=0, vmax=19, alpha=0.55)
                for (i, j), code in np.ndenumerate(grid):
                    ax.text(j, i, str(code), ha="center", va="center", fontsize=8)
            else:
                shown = {0: images, 2: decoded, 3: samples}[row]
                ax.imshow(shown[column, ..., 0], cmap="gray", vmin=0, vmax=255)
        line[0].set_ylabel(title, rotation=0, ha="right", va="center", labelpad=8)
    figure.subplots_adjust(left=0.155, right=0.995, top=0.995, bottom=0.005, wspace=0.05, hspace=0.05)
    figure.savefig(path)


def model_diagram(path: str) -> None:
    """The model with the shapes of its tensors, and those of the provided model `cifar10-factorised` as an example."""
    stages = (
        ("image x", "uint8 [B, H, W, C]", "[B, 32, 32, 3]", GREY),
        ("encoder", "convolutions, strides of 2", "", BLUE),
        ("z_e", "float32 [B, h, w, P, D]", "[B, 8, 8, 1, 48]", GREY),
        ("quantizer", "nearest of K entries", "K = 1,024", BLUE),
        ("codes z", "int32 [B, h, w, L]", "[B, 8, 8, 6]", GREY),
        ("z_q", "float32 [B, h, w, P, D]", "[B, 8, 8, 1, 48]", GREY),
        ("decoder", "p(x | z_q)", "", BLUE),
        ("likelihood", "256 values per dimension", "[B, 32, 32, 3]", GREY),
    )
    figure, ax = plt.subplots(figsize=(8.0, 2.9))
    ax.set(xlim=(0, 4), ylim=(-0.1, 2.35))
    ax.axis("off")
    places = [(i, 1.75) for i in range(4)] + [(3 - i, 0.55) for i in range(4)]
    for (x, y), (name, shape, example, color) in zip(places, stages):
        face = "#dde8f3" if color == BLUE else "#f2f2f2"
        box = {"boxstyle": "round,pad=0.02", "facecolor": face, "edgecolor": color}
        ax.add_patch(matplotlib.patches.FancyBboxPatch((x + 0.08, y - 0.28), 0.8, 0.66, **box))
        ax.text(x + 0.48, y + 0.22, name, ha="center", weight="bold")
        ax.text(x + 0.48, y + 0.0, shape, ha="center", fontsize=8)
        ax.text(x + 0.48, y - 0.2, example, ha="center", fontsize=8, color="#555555")
    arrow = {"arrowstyle": "->", "color": "#333333"}
    for (x, y), (to_x, to_y) in zip(places, places[1:]):
        if y == to_y:
            step = 0.9 if to_x > x else 0.06
            end = to_x + (0.06 if to_x > x else 0.9)
            ax.annotate("", (end, y + 0.05), (x + step, y + 0.05), arrowprops=arrow)
        else:
            ax.annotate("", (x + 0.48, to_y + 0.4), (x + 0.48, y - 0.3), arrowprops=arrow)
    prior = "the prior p(z) gives the rate of codes and draws new ones"
    ax.annotate(prior, (3.48, 0.26), (2.3, -0.02), fontsize=8, arrowprops=arrow, va="center", ha="right")
    figure.subplots_adjust(0, 0, 1, 1)
    figure.savefig(path, metadata=NO_DATE)


def bits_diagram(path: str) -> None:
    """Distortion and rate of the provided models of images, under the uniform and the trained prior."""
    names, rows = ("mnist", "fashion_mnist", "cifar10", "cifar10-factorised"), []
    for name in names:
        with open(os.path.join(vq.pretrained.folder(name), "eval", "test.json"), encoding="utf-8") as f:
            bits = json.load(f)["bits_per_dim"]
        rows += [
            (f"{name}, {prior} prior", bits["distortion"], bits["rate_" + key])
            for prior, key in (("uniform", "uniform"), ("trained", "prior"))
        ]
    labels, distortion, rate = zip(*rows)
    figure, ax = plt.subplots(figsize=(7.6, 3.1))
    y = -np.arange(len(rows)) - 0.4 * (np.arange(len(rows)) // 2)
    ax.barh(y, distortion, color=BLUE, label="distortion -log2 p(x | z_q)")
    ax.barh(y, rate, left=distortion, color=ORANGE, label="rate -log2 p(z)")
    for place, d, r in zip(y, distortion, rate):
        ax.text(d + r + 0.05, place, f"{d + r:.3f} = {d:.3f} + {r:.3f}", va="center", fontsize=8)
    ax.set(yticks=y, yticklabels=labels, xlabel="bits/dim on the test images", xlim=(0, 6.4))
    ax.spines[["top", "right"]].set_visible(False)
    ax.legend(frameon=False, ncol=2, loc="lower left", bbox_to_anchor=(0, 1.0), fontsize=8)
    figure.tight_layout()
    figure.savefig(path, metadata=NO_DATE)


def run_directory_diagram(path: str) -> None:
    """The files of a run directory, in columns by the command that writes them."""
    columns = (
        ("vq-train", "model.ckpt-*, checkpoint", "best/", "config.json", "classes.json", "events.*, eval_validation/"),
        ("vq-train, vq-evaluate", "eval/<split>.json, .npz", "calibration/", "reconstructions.png", "projector/"),
        ("vq-train-prior", "codes/<split>.npz", "prior/model.ckpt-*", "prior/best/", "prior/config.json"),
    )
    readers = "All other commands only read:  vq-sample   vq-explore   vq-encode   vq-compress   vq-export"
    figure, ax = plt.subplots(figsize=(8.0, 2.6))
    ax.set(xlim=(0, 3), ylim=(-0.75, 5.9))
    ax.axis("off")
    ax.text(0.03, 5.45, "log/mnist-tuned-K20-D64/", family="monospace", weight="bold")
    for x, (command, *files) in enumerate(columns):
        box = {"boxstyle": "round,pad=0.02", "facecolor": "#f2f2f2", "edgecolor": GREY}
        ax.add_patch(matplotlib.patches.FancyBboxPatch((x + 0.03, 0.1), 0.92, 4.9, **box))
        ax.text(x + 0.08, 4.45, command + " writes", color=BLUE, weight="bold")
        for row, name in enumerate(files):
            ax.text(x + 0.1, 3.55 - 0.8 * row, name, family="monospace", fontsize=8)
    ax.text(0.03, -0.5, readers, color="#555555", fontsize=8)
    figure.subplots_adjust(0, 0, 1, 1)
    figure.savefig(path, metadata=NO_DATE)


PICTURES = {
    "overview.png": overview,
    "model.svg": model_diagram,
    "bits_per_dim.svg": bits_diagram,
    "run_directory.svg": run_directory_diagram,
}

if __name__ == "__main__":
    os.makedirs(FOLDER, exist_ok=True)
    for name, draw in PICTURES.items():
        draw(os.path.join(FOLDER, name))
        print(name, os.path.getsize(os.path.join(FOLDER, name)), "bytes")
