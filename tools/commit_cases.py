"""Trains and draws by the code of one commit, which PYTHONPATH decides; for tools/compare_commits.py.

  python tools/commit_cases.py presets DATA OUT STEPS
  python tools/commit_cases.py command NAME STOP FLAGS...

The first trains every preset of every data set and draws, below OUT. The second runs a script of launch/; its training
gets SIGTERM at step STOP (0: never).

Settings have their names of version 0.1.0 here, and are given to the code by the names that it has for them.
"""

import importlib
import json
import os
import runpy
import signal
import sys

import numpy as np

# Overrides by which each preset takes seconds and keeps its own branches of the code.
SMALL = {"batch_size": 4}
IMAGES = {"image_size": 16, "K": 8, "D": 16, **SMALL}
OLD_PRESETS = {"categorical": "paper"}  # their names in version 0.1.0
PIXEL_CNN = {"decoder_layers": 2, "decoder_maps": 16, "decoder_features": 8}
SAME_AS_IMAGES = ("npy", "tfds:NAME")  # have the presets of images
OVERRIDES = {
    "paper": {"K": 16, "D": 8},
    "factorised": {"K": 16, "D": 48},
    "autoregressive": PIXEL_CNN,
}
SPEECH = {
    "K": 8,
    "D": 8,
    "widths": "8,8,8,8,8,8",
    "window": 512,
    "wavenet_layers": 4,
    "wavenet_maps": 8,
    "wavenet_skip": 16,
    "wavenet_features": 8,
    "wavenet_drop_condition": 0.1,
    **SMALL,
}


def renamed(settings):
    """Settings of version 0.1.0 by the names that the code under test has for them."""
    try:
        names = importlib.import_module("vq_estimator.config.renamed").NEW_NAMES
    except ImportError:  # version 0.1.0 itself
        names = {}
    return {names.get(name, name): value for name, value in settings.items()}


def intervals(steps):
    """One validation at the end, and a checkpoint half way."""
    half = max(steps // 2, 1)
    return {"max_steps": steps, "save_checkpoints_steps": half, "eval_steps": half, "save_summary_steps": half}


def no_network(url, path):
    raise OSError("no network")


def source_of(dataset, data, cache, size):
    """The embedded digits, random images or random recordings."""
    from vq_estimator.data import images, sources, speech_sources

    if dataset in ("fsdd", "wav"):
        return speech_sources.locate("wav", os.path.join(data, "sounds"), cache, 8000)
    if dataset in ("mnist", "fashion_mnist"):
        return sources.locate("mnist", os.path.join(data, "nothing"), cache, fetcher=no_network)
    shape = ((size, size, 3),) if "shape" in images.Wanted._fields else (size, 3)  # of an earlier commit
    return images.locate(os.path.join(data, "images"), cache, images.Wanted(*shape))


def train(dataset, preset, steps, data, cache, folder):
    """Trains one preset in a folder."""
    from vq_estimator import config as config_lib
    from vq_estimator.training import trainer

    speech = dataset in ("fsdd", "wav")
    overrides = OVERRIDES.get(OLD_PRESETS.get(preset, preset), {})
    settings = {**(SPEECH if speech else {**IMAGES, **overrides}), **intervals(steps)}
    config = config_lib.make_config(dataset, preset, **renamed(settings))
    source = source_of(dataset, data, cache, getattr(config.model, "image_size", None))
    name, speakers = (source.name, source.speakers) if speech else (source.spec.name, ())
    config = config_lib.with_data(config, name, speakers)
    trainer.train(config, source, folder)


def open_run(folder):
    """A run as a provided model: `pretrained.load` is what keeps its place in the package."""
    from unittest import mock

    from vq_estimator import pretrained

    with mock.patch.object(pretrained, "folder", lambda name: folder):
        return pretrained.load("mnist")


def draw(folder, speech):
    """Codes of a fixed input and what is drawn from them."""
    rng = np.random.RandomState(0)
    with open_run(folder) as model:
        m = model.config.model
        if speech:
            codes = model.encode(rng.randint(0, 256, 1500).astype(np.uint8))
            return {"codes": codes, "drawn": model.decode(codes, 1, seed=3)}
        shape = (4, m.image_size, m.image_size, m.channels)
        codes = model.encode(rng.randint(0, 256, shape).astype(np.uint8))
        return {"codes": codes, "drawn": model.decode(codes, seed=3)}


DRAWN = ("mnist-autoregressive", "cifar10-autoregressive", "fsdd-wavenet")


def presets(data, out, steps):
    """Trains all presets, each in OUT/<data set>-<preset>, and saves draws as OUT/<...>.npz."""
    from vq_estimator import config as config_lib

    cache = os.path.join(out, "cache")
    for dataset, known in config_lib.PRESETS_OF.items():
        if dataset in SAME_AS_IMAGES:
            continue
        for preset in known:
            case = f"{dataset}-{OLD_PRESETS.get(preset, preset)}"
            folder = os.path.join(out, case)
            train(dataset, preset, int(steps), data, cache, folder)
            if case in DRAWN:
                np.savez(os.path.join(out, case + ".npz"), **draw(folder, dataset == "fsdd"))
            print(json.dumps(case), flush=True)


def stop_at(step):
    """Has each training of this process get SIGTERM at a step, as a user or a scheduler sends it."""
    import tensorflow.compat.v1 as tf
    from tensorflow import estimator

    class Stop(tf.train.SessionRunHook):
        def before_run(self, context):
            return tf.train.SessionRunArgs(tf.train.get_global_step())

        def after_run(self, context, values):
            if values.results == step:
                os.kill(os.getpid(), signal.SIGTERM)

    real = estimator.Estimator.train

    def stopped(self, input_fn, hooks=None, *args, **kwargs):
        return real(self, input_fn, [*(hooks or ()), Stop()], *args, **kwargs)

    estimator.Estimator.train = stopped


def command(name, stop, *flags):
    """Runs a script of launch/ with flags, `name=value`."""
    if int(stop):
        stop_at(int(stop))
    import vq_estimator

    given = renamed(dict(flag.split("=", 1) for flag in flags))
    script = os.path.join(os.path.dirname(os.path.dirname(vq_estimator.__file__)), "launch", name + ".py")
    sys.argv = [script, *(f"--{key}={value}" for key, value in given.items())]
    runpy.run_path(script, run_name="__main__")


def main():
    import vq_estimator

    tree = os.environ["PYTHONPATH"].split(os.pathsep)[0]
    if not os.path.abspath(vq_estimator.__file__).startswith(os.path.join(os.path.abspath(tree), "")):
        sys.exit(f"commit_cases: error: PYTHONPATH: got {tree!r}, but vq_estimator is {vq_estimator.__file__!r}")
    if sys.argv[1] == "presets":
        import tensorflow.compat.v1 as tf

        tf.disable_eager_execution()
        tf.logging.set_verbosity(tf.logging.ERROR)
    {"presets": presets, "command": command}[sys.argv[1]](*sys.argv[2:])


if __name__ == "__main__":
    main()
