"""Every flag of every script has a bad value here: exit status 1 or 2, and one line that says what is wrong with it.

The flags are asked of the scripts themselves, so that a new one without a row fails.
"""

import json
import os
import re
import shutil

import pytest

from helpers.folders import everything_below
from helpers.forked import ROOT, SCRIPTS
from vq_estimator import pretrained
from vq_estimator.inference import calibration, codec
from vq_estimator.inference.session import open_run

# What stands for these in a row is in the folder that the scripts run in.
RUN, PROVIDED, NOWHERE = "--model_dir=run", "--model_dir=provided", "/dev/null/nowhere"

# Of each flag: what else is given, the bad value, and what the line says. A flag that is a number, a choice, or yes or
# no has a value of another kind as well, which is not written down here.
COUNT = "{}: got {}, expected an integer of 1 or more"
ZERO = [(name, "0", COUNT.format(name, 0)) for name in ("save_checkpoints_steps", "save_summary_steps")]
ZERO += [(name, "0", COUNT.format(name, 0)) for name in ("eval_steps", "log_steps", "max_steps", "batch_size")]
TRAINING = [
    *ZERO,
    ("batch_size", "1000000", "batch_size: got 1000000, expected at most 65536"),
    ("learning_rate", "0", "learning_rate: got 0.0, expected a number above 0"),
    ("learning_rate", "nan", "learning_rate: got nan, expected a number above 0"),
    ("final_decay", "1.5", "final_decay: got 1.5, expected a number from 0 to 1"),
    ("warmup_steps", "-1", "warmup_steps: got -1, expected 0 or more"),
    ("clip_norm", "-1", "clip_norm: got -1.0, expected a number of 0 or more"),
    ("average_decay", "1", "average_decay: got 1.0, expected a number from 0 to below 1"),
    ("seed", "-1", "seed: got -1, expected 0 or more"),
    ("seed", str(2**31), "seed: got 2147483648, expected at most 2147483647"),
]
MODEL = [
    ("dataset", "images", "data_dir: got .*, which has no PNG, .* file"),
    ("preset", "sonnet", "preset: got 'sonnet', expected for mnist one of original, tuned"),
    ("preset", "like", "preset: got 'like', expected --warm_start=RUN with it"),
    (["--preset=like"], "warm_start", "/no/run", "warm_start: got '/no/run', expected a run directory"),
    ("K", "0", "K: got 0, expected an integer of 1 or more"),
    ("K", "9" * 50, "K: got 9+, expected at most 16777216"),
    ("D", "30", "D: got 30, expected a multiple of 4"),
    ("D", "-64", "D: got -64, expected an integer of 1 or more"),
    ("L", "0", "L: got 0, expected an integer of 1 or more"),
    (["--K=512"], "quantizer", "fsq", "K: got 512, expected 1000, the product of the levels of fsq, or no value"),
    (["--quantizer=fsq"], "levels", "8,x", "levels: got '8,x', expected integers of 2 or more, such as 8,5,5,5"),
    ("levels", "8,5", "levels: got '8,5', expected no value: only --quantizer=fsq has"),
    (
        ["--quantizer=residual"],
        "gradient",
        "rotation",
        "gradient: got 'rotation', expected no value: only --quantizer=vq has",
    ),
    ("image_size", "28", "image_size: got 28, expected a multiple of 8"),
    ("image_size", "-8", "image_size: got -8, expected an integer of 1 or more"),
    ("channels", "3", "channels: got 3, expected 1 as mnist has, or no value"),
    ("hidden_channels", "8,x", "hidden_channels: got '8,x', expected the channels of each layer, such as 64,128"),
    ("hidden_channels", "8,0", "hidden_channels: got 0, expected an integer of 1 or more"),
    ("hidden_channels", ",".join("1" * 17), "hidden_channels: got .*, expected 1 to 16 layers"),
    ("residual_blocks", "-1", "residual_blocks: got -1, expected 0 or more"),
    ("residual_blocks", "1000", "residual_blocks: got 1000, expected at most 256"),
    ("residual_channels", "-1", "residual_channels: got -1, expected 0 or more"),
    ("output_channels", "-1", "output_channels: got -1, expected 0 or more"),
    (
        ["--quantizer=fsq"],
        "codebook",
        "ema",
        "codebook: got 'ema', expected no value: only --quantizer=vq and residual have",
    ),
    (["--codebook=ema"], "codebook_decay", "1", "codebook_decay: got 1.0, expected a number from 0 to below 1"),
    ("codebook_decay", "0.9", "codebook_decay: got 0.9, expected no value: only --codebook=ema has"),
    ("kmeans_init_steps", "-1", "kmeans_init_steps: got -1, expected 0 or more"),
    ("dead_entry_threshold", "2", "dead_entry_threshold: got 2.0, expected a number from 0 to 1"),
    (["--dataset=fsdd"], "sample_rate", "0", COUNT.format("sample_rate", 0)),
    ("sample_rate", "8000", "sample_rate: got 8000, expected no value: mnist has no such setting"),
    (["--dataset=fsdd"], "window", "100", "window: got 100, expected a multiple of 64, the downsampling"),
    (["--dataset=fsdd"], "downsampling", "60", "downsampling: got 60, expected a power of 2 from 2 to 65536"),
    (["--dataset=fsdd"], "wavenet_stacks", "0", COUNT.format("wavenet_stacks", 0)),
    (["--dataset=fsdd"], "wavenet_layers", "17", "wavenet_layers: got 17, expected at most 16"),
    (["--dataset=fsdd"], "wavenet_channels", "0", COUNT.format("wavenet_channels", 0)),
    (["--dataset=fsdd"], "wavenet_skip_channels", "0", COUNT.format("wavenet_skip_channels", 0)),
    (
        ["--dataset=fsdd"],
        "wavenet_condition_dropout",
        "1",
        "wavenet_condition_dropout: got 1.0, expected a number from 0 to",
    ),
    (["--dataset=fsdd"], "wavenet_condition_channels", "0", COUNT.format("wavenet_condition_channels", 0)),
    (["--dataset=fsdd"], "preset", "original", "preset: got 'original', expected for fsdd one of wavenet"),
    (["--dataset=fsdd"], "flip", "true", "flip: got True, expected no value: fsdd has no such setting"),
    (["--dataset=wav"], "data_dir", "/no/wav", "data_dir: got '/no/wav', which is no folder"),
    ("decoder", "autoregressive", "likelihood: got 'mse', expected another one with --decoder=autoregressive"),
    ("decoder_kind", "gated", "decoder_kind: got 'gated', expected no value: only --decoder=autoregressive"),
    (["--preset=autoregressive"], "decoder_layers", "0", "decoder_layers: got 0, expected an integer of 1 or more"),
    (["--preset=autoregressive"], "decoder_channels", "0", COUNT.format("decoder_channels", 0)),
    (["--preset=autoregressive"], "decoder_condition_channels", "0", COUNT.format("decoder_condition_channels", 0)),
    ("likelihood", "bernoulli", "likelihood: got 'bernoulli', expected --binarize"),
    ("components", "4", "components: got 4, expected no value: only --likelihood=logistic_mixture"),
    ("objective", "elbo", "objective: got 'elbo', expected a likelihood other than mse"),
    ("beta", "-1", "beta: got -1.0, expected a number of 0 or more"),
    ("beta", "inf", "beta: got inf, expected a number of 0 or more"),
    ("decay_steps", "-1", "decay_steps: got -1, expected 0 or more"),
    ("decay_rate", "1.5", "decay_rate: got 1.5, expected a number above 0 and up to 1"),
    ("warm_start", "/no/run", "warm_start: model_dir: got '/no/run', expected a run folder with a config.json"),
    ("model_dir", NOWHERE, f"model_dir: can't write '{NOWHERE}': Not a directory"),
    ("model_dir", "run[1]", r"model_dir: got 'run\[1\]', expected a path without any of \* \? \[ \]"),
    ("checkpoint", "/no/file", "checkpoint: got '/no/file', expected latest, best or the path of a checkpoint"),
    (["--model_dir=other"], "overwrite", "true", "model_dir: got 'other', whose config.json is not of a run"),
    (["--dataset=images"], "data_dir", "/no/images", "data_dir: got '/no/images', which is no folder"),
    ("max_bad_files", "-1", "max_bad_files: got -1, expected 0 or more"),
    ("require_full_dataset", "true", "mnist: not found below .* Put these files there: .*train-images-idx3-ubyte.gz"),
]
OWN_FILES = [
    (["--dataset=mnist"], "array", "x", "array: got 'x', expected no value: only --dataset=npy has this setting"),
    (["--dataset=npy", "--data_dir=codes.npy"], "array", "x", "array: got 'x', expected no value: 'codes.npy' is a "),
    (["--dataset=images"], "value_range", "5", "value_range: got .5,., expected MIN,MAX"),
    (["--dataset=images"], "value_range", "9,9", "value_range: got .9, 9., expected MIN,MAX"),
    (["--dataset=images"], "value_range", "a,b", "value_range: got 'a,b', expected MIN,MAX"),
    (["--dataset=mnist"], "value_range", "0,255", "value_range: got '0,255', expected no value: only --dataset=images"),
]
OTHER_SPLITS = [
    (name, "codes.npy", f"{name}: got 'codes.npy', expected no value: only --dataset=npy has this file")
    for name in ("validation", "test")
]
OF_A_RUN = [
    ("model_dir", "/no/run", "model_dir: got '/no/run', expected a run folder with a config.json"),
    ("model_dir", "", "model_dir: got '', expected a path"),
    (
        "pretrained",
        "imagenet",
        "pretrained: got 'imagenet', expected one of cifar10, cifar10-factorised, fashion_mnist, ",
    ),
    ("checkpoint", "/no/file", "checkpoint: got '/no/file', expected latest, best or the path of a checkpoint"),
]
DATA = [
    ([PROVIDED], "data_dir", NOWHERE, f"mnist: not found below '{NOWHERE}' .* Put these files there: "),
    *OTHER_SPLITS,
    ("max_bad_files", "-1", "max_bad_files: got -1, expected 0 or more"),
    (
        "require_full_dataset",
        "true",
        "require_full_dataset: the run was trained on mnist-5k, expected one trained on mnist",
    ),
]
OUT = ("out", NOWHERE, f"out: got '{NOWHERE}', expected a path that can be written to .'/dev/null' can't.")
NONE = ("out", "", "out: got '', expected a path")

SCALE = [
    ("cpu_devices", "0", "cpu_devices: got 0, expected an integer of 1 or more"),
    ("cpu_devices", "1000", "cpu_devices: got 1000, expected at most 64"),
]

# Script: what is given to it in each row, and its rows.
TABLE = {
    "train": (
        [],
        [
            *MODEL,
            *TRAINING,
            *SCALE,
            *OWN_FILES,
            *OTHER_SPLITS,
            ("config", "/no/config.json", "config: '/no/config.json' can't be read"),
            (["--config=run/config.json"], "preset", "tuned", "preset: got 'tuned' with --config, expected no value"),
            ("speaker_level", "1", "speaker_level: got 1, expected no value: only --dataset=wav"),
            (["--dataset=wav"], "speaker_level", "0", COUNT.format("speaker_level", 0)),
            (["--dataset=cifar10"], "splits", "hash", "splits: got 'hash', expected no value: only --dataset=images"),
        ],
    ),
    "evaluate": (
        [RUN],
        [
            *OF_A_RUN,
            *DATA,
            ("input", "/no/images", "input: got '/no/images', expected a split, <data set>:<split>, a folder"),
            ("input", "empty", "data_dir: got 'empty', which has no PNG, JPEG, WebP, TIFF, BMP or PGM/PPM/PBM file"),
            ("input", "text.npy", "input: 'text.npy' can't be read as a NumPy array"),
            ("calibrate", "/no/images", "calibrate: got '/no/images', expected a split, <data set>:<split>, a folder"),
            (["--split=test"], "input", "test", "split: got test with --input, expected one of the two"),
            ("speaker", "theo", "speaker: got 'theo', expected no value without --input"),
            (["--input=text.npy"], "speaker", "theo", "speaker: got 'theo', expected no value: images have no speaker"),
        ],
    ),
    "info": (
        [],
        [
            ("input", "", "input: got '', expected a path"),
            ("input", "/no/file", "input: '/no/file' can't be read"),
            ("input", "text.npy", "input: got 'text.npy', expected a run directory, a .npz of codes or a .vqz"),
        ],
    ),
    "explore": (
        [RUN],
        [
            *OF_A_RUN,
            *DATA,
            OUT,
            NONE,
            ("out", "a.jpg", "out: got 'a.jpg', expected the name of a folder to make"),
            ("image", "100", "image: got 100, expected a number from 0 to 99"),
            ("other", "-1", "other: got -1, expected a number from 0 to 99"),
            ("frames", "0", "frames: got 0, expected 1 to 100000"),
            ("guidance", "2", "guidance: got 2.0, expected no value: images have no guidance"),
            ("seed", "-1", "seed: got -1, expected an integer from 0 to 2147483647"),
        ],
    ),
    "train_prior": (
        [RUN],
        [
            *OF_A_RUN,
            *DATA,
            *TRAINING,
            ("decay_steps", "-1", "decay_steps: got -1, expected 0 or more"),
            ("decay_rate", "0.1", "decay_rate: got 0.1, expected no value: it needs --decay_steps above 0"),
            ("layers", "0", "layers: got 0, expected an integer of 1 or more"),
            ("channels", "0", "channels: got 0, expected an integer of 1 or more"),
            ("embedding", "0", "embedding: got 0, expected an integer of 1 or more"),
            ("dropout", "1", "dropout: got 1.0, expected a number from 0 to 0.95"),
            ("stacks", "1", "stacks: got 1, expected no value: a WaveNet is for codes in one row"),
            ("stacks", "-1", "stacks: got -1, expected 0 or more"),
            ("condition", "speaker", "condition: got speaker for .*, expected class: only speech has speakers"),
            ("patience", "-1", "patience: got -1, expected 0 or more"),
        ],
    ),
    "encode": (
        [RUN],
        [
            *OF_A_RUN,
            *DATA,
            ("input", "/no/images", "input: got '/no/images', expected a split, <data set>:<split>, a folder"),
            ("input", "empty", "data_dir: got 'empty', which has no PNG, .* file"),
            ("input", "text.npy", "input: 'text.npy' can't be read as a NumPy array"),
            ("out", "codes.txt", "out: got 'codes.txt', expected NAME.npz"),
            ("out", NOWHERE + ".npz", f"out: got '{NOWHERE}.npz', expected a path that can be written to"),
        ],
    ),
    "compress": (
        [RUN, "--input=test"],
        [
            *OF_A_RUN,
            *DATA,
            ("input", "", "input: got '', expected a path"),
            ("input", "/no/images", "input: got '/no/images', expected a split, <data set>:<split>, a folder, a PNG"),
            ("input", "empty", "data_dir: got 'empty', which has no PNG, .* file"),
            ("input", "text.npy", "input: 'text.npy' can't be read as an array of images"),
            ("input", "codes.npy", r"input: 'codes.npy' can't be read as an array of images \(input: got uint16"),
            OUT,
            NONE,
            ("out", "empty", "out: got 'empty', which is a folder, expected the name of a file"),
            ("out", "images.zip", r"out: got 'images.zip', expected NAME.vqz \(a compressed file\)"),
            ("out", "images.png", "out: got 'images.png', expected NAME.vqz"),
            ("prior", "learned", "prior: got 'learned', which the run does not have; train it with vq-train-prior"),
            ("speaker", "theo", "speaker: got 'theo', expected no value: images have no speaker"),
            ("batch", "-1", "batch: got -1, expected 1 to 200"),
            ("batch", "201", "batch: got 201, expected 1 to 200"),
            ("workers", "9", "workers: got 9, expected 1 to 8"),
        ],
    ),
    "decompress": (
        [RUN, "--input=images.vqz"],
        [
            *OF_A_RUN[1:],
            ("model_dir", "/no/run", "model_dir: got '/no/run', expected a run folder with a config.json"),
            ("model_dir", "", "model_dir: got '', expected a path"),
            ("model_dir", "provided", "images.vqz: was made by the weights .*, got a run with"),
            ("input", "", "input: got '', expected a path"),
            ("input", "/no/file", "/no/file: can't be read .No such file or directory."),
            ("input", "text.npy", "text.npy: is no file of vq-compress"),
            OUT,
            NONE,
            ("out", "empty", "out: 'empty' exists; give the name of a folder to make"),
            ("out", "image.png", "out: got 'image.png' for 3 images, expected a folder to make"),
            (
                "out",
                "image.wav",
                r"out: got 'image.wav', expected NAME.png .*, NAME.npy .* or the name of a folder",
            ),
            ("out", "images.tar.gz", "out: got 'images.tar.gz', expected NAME.png"),
            ("workers", "-1", "workers: got -1, expected 1 to 8"),
        ],
    ),
    "make_tfrecords": (
        ["--dataset=mnist", "--out=shards"],
        [
            (["--require_full_dataset"], "data_dir", NOWHERE, f"mnist: not found below '{NOWHERE}' .* Put these files"),
            ("max_bad_files", "-1", "max_bad_files: got -1, expected 0 or more"),
            ("image_size", "25", "image_size: got 25, expected a multiple of 8"),
            ("channels", "3", "channels: got 3, expected 1 as mnist has, or no value"),
            ("out", "", "out: got '', expected a path"),
            ("out", "a,b.tfrecord", "out: got 'b.tfrecord', expected the name of a folder to make"),
            ("shards", "0", "shards: got 0, expected 1 to 50000"),
            *OTHER_SPLITS,
            *OWN_FILES,
        ],
    ),
    "decode": (
        [RUN, "--input=codes.npy"],
        [
            *OF_A_RUN,
            ("input", "", "input: got '', expected a path"),
            ("input", "/no/codes", "codes: '/no/codes' can't be read .No such file or directory."),
            ("input", "text.npy", "codes: 'text.npy' can't be read .it is no NumPy array."),
            OUT,
            NONE,
            ("out", "empty", "out: 'empty' exists; give the name of a folder to make"),
            (
                "out",
                "picture.jpg",
                "out: got 'picture.jpg', expected NAME.png .*, NAME.npy .* or the name",
            ),
            ("out", "sound.WAV", "out: got 'sound.WAV', expected NAME.png"),
            ("out", "codes.npz", "out: got 'codes.npz', expected NAME.png"),
            ("seed", "-1", "seed: got -1, expected an integer from 0 to 2147483647"),
            ("speaker", "theo", "speaker: got 'theo', expected no value: images have no speaker"),
            ("guidance", "2", "guidance: got 2.0, expected no value: images have no guidance"),
        ],
    ),
    "sample": (
        [PROVIDED],
        [
            *OF_A_RUN,
            ([RUN], "model_dir", "run", "prior: 'run' has none; train it with vq-train-prior --model_dir=run"),
            ("num", "0", "num: got 0, expected 1 or more"),
            ("num", "7", "num: got 7, expected a multiple of 10, the number of classes to sample"),
            ("num", "1000000000", "num: got 1000000000, expected at most 10000"),
            ("out", "samples.jpg", "out: got 'samples.jpg', expected NAME.png"),
            ("label", "10", "label: got '10', expected one of 0, 1, 2, 3, 4, 5, 6, 7, 8, 9$"),
            (["--labels=1,2"], "label", "1", "label: got --labels beside it, expected one of the two"),
            ("labels", "1,x", "labels: got 'x', expected one of 0, 1, 2, 3, 4, 5, 6, 7, 8, 9$"),
            ("labels", "1,1", "labels: got 1 twice, expected each class once"),
            ("temperature", "0", "temperature: got 0.0, expected a number above 0"),
            ("temperature", "nan", "temperature: got nan, expected a number above 0"),
            ("speaker", "theo", "speaker: got 'theo', expected no value: images have no speaker"),
            ("guidance", "2", "guidance: got 2.0, expected no value: images have no guidance"),
            ("seconds", "2", "seconds: got 2.0, expected no value: images take no time"),
            ("top_k", "-1", r"top_k: got -1, expected 0 \(all\) to 20"),
            ("seed", "-1", "seed: got -1, expected an integer from 0 to 2147483647"),
            OUT,
            NONE,
        ],
    ),
    "convert_speech": (
        [RUN, "--input=in.wav", "--speaker=theo"],
        [
            *OF_A_RUN,
            ([], "model_dir", "run", "model_dir: got 'run', a run of images, expected one of speech"),
            ("input", "", "input: got '', expected a path"),
            ("speaker", "", "model_dir: got 'run', a run of images"),
            ("reconstruct", "true", "speaker: got both of --speaker=NAME and --reconstruct, expected one of the two"),
            ("temperature", "0", "temperature: got 0.0, expected a number above 0"),
            ("guidance", "-1", "guidance: got -1.0, expected a number from 0 to 100"),
            ("draws", "0", "draws: got 0, expected 1 to 1000"),
            ("seed", "-1", "seed: got -1, expected an integer from 0 to 2147483647"),
            ("out", "out.mp3", "out: got 'out.mp3', expected NAME.wav"),
            ("out", NOWHERE + ".wav", f"out: got '{NOWHERE}.wav', expected a path that can be written to"),
        ],
    ),
    "export": (
        [RUN, "--export_dir=exported"],
        [
            *OF_A_RUN,
            ("export_dir", "", "export_dir: got '', expected a path"),
            ("export_dir", "empty", "export_dir: 'empty' exists; give the name of a folder to make"),
            ("export_dir", "model.PB", "export_dir: got 'model.PB', expected the name of a folder to make"),
            ("export_dir", NOWHERE, f"export_dir: got '{NOWHERE}', expected a path that can be written to"),
            (["--format=tflite"], "input", "/no/images", "input: got '/no/images', expected a split"),
            *(
                (["--format=tflite", "--input=validation", *(row[0] if len(row) == 4 else [])], *row[-3:])
                for row in DATA
            ),
        ],
    ),
    "import_checkpoint": (
        ["--checkpoint=/no/last.ckpt", "--model_dir=imported"],
        [
            ("checkpoint", "", "checkpoint: got '', expected a path"),
            (
                "checkpoint",
                "/no/file",
                "checkpoint: '/no/file' can't be read .No such file or directory.; exp",
            ),
            ("prior_checkpoint", "/no/file", "prior_checkpoint: '/no/file' can't be read .No such file or directory."),
            ("model_dir", "", "model_dir: got '', expected a path"),
            ("model_dir", "empty", "model_dir: 'empty' exists; give the name of a folder to make"),
            ("model_dir", NOWHERE, f"model_dir: got '{NOWHERE}', expected a path that can be written to"),
        ],
    ),
    "compare": (
        ["--model_dirs=run"],
        [
            ("model_dirs", "", "model_dirs: got '', expected a path"),
            ("model_dirs", "/no/run", "model_dirs: got '/no/run', which is no folder"),
            ("model_dirs", "empty", "model_dir: got 'empty', expected a run folder with a config.json"),
            ("out", "chart.pdf", r"out: got 'chart.pdf', expected NAME.png \(a picture\)"),
            ("out", "empty", "out: got 'empty', which is a folder, expected the name of a file"),
            OUT,
            NONE,
        ],
    ),
}
KINDS = {"int": ("ten", "an integer"), "float": ("x", "a number"), "bool": ("maybe", "true or false")}
FLAGS = """
import json, runpy, sys
from absl import flags
module = runpy.run_path(sys.argv[1], run_name="launched")
ours = [f for m, found in flags.FLAGS.flags_by_module_dict().items() if not m.startswith("absl") for f in found
        if m == "launched" or m.startswith("vq_estimator")]
print(json.dumps({f.name: f.flag_type() for f in ours}))
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory, small_run, digits):
    """Where the scripts run: what the rows name."""
    import numpy as np

    out = tmp_path_factory.mktemp("flags")
    shutil.copytree(small_run[1], str(out / "run"))
    shutil.rmtree(str(out / "run" / "prior"), ignore_errors=True)
    shutil.copytree(pretrained.folder("mnist"), str(out / "provided"))
    (out / "other").mkdir()
    (out / "other" / "config.json").write_text("{}")
    (out / "empty").mkdir()
    (out / "text.npy").write_text("no array")
    np.save(str(out / "codes.npy"), np.zeros([1, 3, 3, 1], np.uint16))
    run = str(out / "run")
    calibration.calibrate(open_run(run), digits)
    codec.compress(run, np.zeros([3, 24, 24, 1], np.uint8), str(out / "images.vqz"), prior="uniform")
    return out


@pytest.fixture(scope="module")
def defined(forked):
    """A function script -> {flag: its kind}."""
    kept = {}

    def flags(script):
        if script not in kept:
            done = forked.code(FLAGS, os.path.join(ROOT, "launch", script + ".py"))
            assert done.status == 0, done.stderr
            kept[script] = json.loads(done.stdout)
        return kept[script]

    return flags


def test_the_table_is_of_all_scripts():
    assert sorted(TABLE) == SCRIPTS


@pytest.mark.parametrize("script", SCRIPTS)
def test_every_flag_has_a_row(script, defined):
    _, rows = TABLE[script]
    named = {row[-3] for row in rows}
    free = {name for name, kind in defined(script).items() if kind not in ("bool", "string enum")}
    assert defined(script) and free - named == set()
    assert named <= set(defined(script))


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_value_of_another_kind(script, defined, forked, folder):
    for name, kind in defined(script).items():
        if kind in ("string", "path"):  # test_shell.py has the paths
            continue
        bad, want = KINDS.get(kind, ("other", "one of "))
        done = forked.script(script, f"--{name}={bad}", cwd=folder)
        assert done.one_line(script).startswith(f"flag --{name}={bad}: expected {want}") and done.status == 2


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_value_that_can_not_be(script, forked, folder):
    given, rows = TABLE[script]
    before = everything_below(folder)
    for *more, name, value, message in rows:
        done = forked.script(script, *given, *(more[0] if more else ()), f"--{name}={value}", cwd=folder)
        assert re.match(message, without_warning(done).one_line(script)), (name, value, done.stderr)
        assert done.status == 1
    assert everything_below(folder) == before


def without_warning(done):
    """Where MNIST's embedded digits stand in for it, a warning of that comes first."""
    lines = done.stderr.splitlines(True)
    return done._replace(stderr="".join(line for line in lines if not line.startswith("WARNING: mnist: not found")))


def test_a_hostile_value_is_shown_harmless(forked, folder):
    for value in ("a\nb", "\x1b[2J", "\u2028", "x" * 100000):
        done = forked.script("evaluate", "--model_dir=" + value, cwd=folder)
        line = done.one_line("evaluate")
        assert line.startswith("model_dir: got '") and len(line) < 2100
        assert forked.script("train", value, cwd=folder).one_line("train").startswith("got the argument '")
