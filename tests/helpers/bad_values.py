"""A bad value of every flag of every command: what else is given, the value, and what the one line says."""

import importlib.util

import tensorflow.compat.v1 as tf

# What stands for these in a row is in the folder that the scripts run in.
RUN, PROVIDED, NOWHERE = "--model_dir=run", "--model_dir=provided", "/dev/null/nowhere"

# Of each flag: what else is given, the bad value, and what the line says. A flag that is a number, a choice, or yes or
# no has a value of another kind as well, which is not written down here.
COUNT = "{}: got {}, expected an integer of 1 or more"
TRAINING = [
    ("learning_rate", "nan", "learning_rate: got nan, expected a number above 0"),
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
    (["--K=512"], "quantizer", "fsq", "K: got 512, expected 1000, the product of the levels of fsq, or no value"),
    (["--quantizer=fsq"], "levels", "8,x", "levels: got '8,x', expected integers of 2 or more, such as 8,5,5,5"),
    ("image_size", "28", "image_size: got 28, expected a multiple of 8"),
    ("image_size", "-8", "image_size: got -8, expected an integer of 1 or more"),
    ("channels", "3", "channels: got 3, expected 1 as mnist has, or no value"),
    ("hidden_channels", "8,x", "hidden_channels: got '8,x', expected the channels of each layer, such as 64,128"),
    ("hidden_channels", ",".join("1" * 17), "hidden_channels: got .*, expected 1 to 16 layers"),
    (["--dataset=fsdd"], "window", "100", "window: got 100, expected a multiple of 64, the downsampling"),
    (["--dataset=fsdd"], "downsampling", "60", "downsampling: got 60, expected a power of 2 from 2 to 65536"),
    (["--dataset=fsdd"], "preset", "original", "preset: got 'original', expected for fsdd one of wavenet"),
    (["--dataset=wav"], "data_dir", "/no/wav", "data_dir: got '/no/wav', which is no folder"),
    ("decoder", "autoregressive", "likelihood: got 'mse', expected another one with --decoder=autoregressive"),
    ("likelihood", "bernoulli", "likelihood: got 'bernoulli', expected --binarize"),
    ("objective", "elbo", "objective: got 'elbo', expected a likelihood other than mse"),
    ("warm_start", "/no/run", "warm_start: got '/no/run', expected a run directory, or one of the provided models "),
    (["--dataset=wav", "--data_dir=/no"], "warm_start", "/no/run", "warm_start: got '/no/run', "),  # before the data
    (["--dataset=wav"], "model_dir", NOWHERE, f"model_dir: got '{NOWHERE}', expected a path that can be written to"),
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
    ("model_dir", "/no/run", "model_dir: got '/no/run', expected a run directory with a config.json"),
    (
        "pretrained",
        "imagenet",
        "pretrained: got 'imagenet', expected one of cifar10, cifar10-factorised, cifar10-local, cifar10-lossless, ",
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

# Flags of Apache Beam, and a runner that does not exist.
_NEEDS_RUNNER = "{0}: got {1}, expected --runner=NAME with it"
BEAM = [(name, value, _NEEDS_RUNNER.format(name, value)) for name, value in (("features", "x"), ("shards", "2"))]
BEAM.append(("format", "npz", _NEEDS_RUNNER.format("format", "npz")))
_HERE = importlib.util.find_spec("apache_beam") is not None
_RUNNER = "runner: got 'NoRunner', expected a runner of Beam" if _HERE else "beam: Apache Beam can't be imported"
BEAM.append((["--input=codes.npy", "--out=made"], "runner", "NoRunner", _RUNNER))

SCALE = [
    ("cpu_devices", "0", "cpu_devices: got 0, expected an integer of 1 or more"),
    ("cpu_devices", "1000", "cpu_devices: got 1000, expected at most 64"),
]

EXPORT_DATA = [(["--format=tflite"], "input", "/no/images", "input: got '/no/images', expected a split")]
EXPORT_DATA += [
    (["--format=tflite", "--input=validation", *(row[0] if len(row) == 4 else [])], *row[-3:]) for row in DATA
]
if tf.__version__.startswith("1."):  # which has no format that reads data
    message = "format: got 'tflite' with TensorFlow 1.15.5, expected saved_model or TensorFlow 2"
    EXPORT_DATA = [row if row[1] == "max_bad_files" else (*row[:3], message) for row in EXPORT_DATA]

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
            (["--dataset=cifar10"], "splits", "hash", "splits: got 'hash', expected no value: only --dataset=images"),
        ],
    ),
    "evaluate": (
        [RUN],
        [
            *OF_A_RUN,
            *DATA,
            ("input", "/no/images", "input: got '/no/images', expected a split, <data set>:<split>, a folder"),
            ("input", "empty", "input: got 'empty', which has no PNG, JPEG, WebP, TIFF, BMP or PGM/PPM/PBM file"),
            ("input", "text.npy", "input: 'text.npy' can't be read as a NumPy array"),
            ("input", "sound.flac", "input: got 'sound.flac', expected a PNG, .* file, or a .npy or .npz file"),
            ("calibrate", "/no/images", "calibrate: got '/no/images', expected a split, <data set>:<split>, a folder"),
            (["--split=test"], "input", "test", "split: got test with --input, expected one of the two"),
            ("speaker", "theo", "speaker: got 'theo', expected no value without --input"),
            (["--input=text.npy"], "speaker", "theo", "speaker: got 'theo', expected no value: images have no speaker"),
        ],
    ),
    "info": (
        [],
        [
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
            ("decay_rate", "0.1", "decay_rate: got 0.1, expected no value: it needs --decay_steps above 0"),
            ("stacks", "1", "stacks: got 1, expected no value: a WaveNet is for codes in one row"),
            ("condition", "speaker", "condition: got speaker for .*, expected class: only speech has speakers"),
            (
                "codes",
                "/no/codes",
                "codes: got '/no/codes', where no such file is, expected a pattern or folder of .tfr",
            ),
            ("codes", "codes.npy", "codes: 'codes.npy' can't be read"),
            ("validation_codes", "codes.npy", "validation_codes: got 'codes.npy', expected --codes=FILES with it"),
        ],
    ),
    "encode": (
        [RUN],
        [
            *OF_A_RUN,
            *DATA,
            ("input", "/no/images", "input: got '/no/images', expected a split, <data set>:<split>, a folder"),
            ("input", "empty", "input: got 'empty', which has no PNG, .* file"),
            ("input", "text.npy", "input: 'text.npy' can't be read as a NumPy array"),
            ("input", "sound.flac", "input: got 'sound.flac', expected a PNG, .* file, or a .npy or .npz file"),
            ("out", "codes.txt", "out: got 'codes.txt', expected NAME.npz"),
            *BEAM,
            ("out", NOWHERE + ".npz", f"out: got '{NOWHERE}.npz', expected a path that can be written to"),
        ],
    ),
    "compress": (
        [RUN, "--input=test"],
        [
            *OF_A_RUN,
            *DATA,
            ("input", "/no/images", "input: got '/no/images', expected a split, <data set>:<split>, a folder, a PNG"),
            ("input", "empty", "input: got 'empty', which has no PNG, .* file"),
            ("input", "text.npy", "input: 'text.npy' can't be read as an array of images"),
            ("input", "codes.npy", r"input: 'codes.npy' can't be read as an array of images \(input: got uint16"),
            OUT,
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
            ("model_dir", "/no/run", "model_dir: got '/no/run', expected a run directory with a config.json"),
            ("model_dir", "provided", "images.vqz: got a run with the weights .*, expected"),
            ("input", "/no/file", "/no/file: can't be read .No such file or directory."),
            ("input", "text.npy", "text.npy: is not a .vqz file"),
            OUT,
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
            (["--data_dir=/no"], *OUT),
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
            ("input", "/no/codes", "codes: '/no/codes' can't be read .No such file or directory."),
            ("input", "text.npy", "codes: 'text.npy' can't be read .it is no NumPy array."),
            OUT,
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
            ("num", "7", "num: got 7, expected a multiple of 10, the number of classes to sample, such as 10"),
            ("num", "1000000000", "num: got 1000000000, expected at most 10000"),
            ("out", "samples.jpg", "out: got 'samples.jpg', expected NAME.png"),
            ("label", "10", "label: got '10', expected one of 0, 1, 2, 3, 4, 5, 6, 7, 8, 9$"),
            (["--labels=1,2"], "label", "1", "label: got both --label and --labels, expected one of the two"),
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
            ("export_dir", "empty", "export_dir: 'empty' exists; give the name of a folder to make"),
            ("export_dir", "model.PB", "export_dir: got 'model.PB', expected the name of a folder to make"),
            ("export_dir", NOWHERE, f"export_dir: got '{NOWHERE}', expected a path that can be written to"),
            *EXPORT_DATA,
        ],
    ),
    "import_checkpoint": (
        ["--checkpoint=/no/last.ckpt", "--model_dir=imported"],
        [
            (
                "checkpoint",
                "/no/file",
                "checkpoint: '/no/file' can't be read .No such file or directory.; exp",
            ),
            ("prior_checkpoint", "/no/file", "prior_checkpoint: '/no/file' can't be read .No such file or directory."),
            ("model_dir", "empty", "model_dir: 'empty' exists; give the name of a folder to make"),
            ("model_dir", NOWHERE, f"model_dir: got '{NOWHERE}', expected a path that can be written to"),
        ],
    ),
    "compare": (
        ["--model_dirs=run"],
        [
            ("model_dirs", "/no/run", "model_dirs: got '/no/run', which is no folder"),
            ("model_dirs", "empty", "model_dir: got 'empty', expected a run directory with a config.json"),
            ("out", "chart.pdf", r"out: got 'chart.pdf', expected NAME.png \(a picture\)"),
            ("out", "empty", "out: got 'empty', which is a folder, expected the name of a file"),
            OUT,
        ],
    ),
}
