"""Compares what two commits compute on this machine, bit for bit: trained weights, draws, and a run that A began.

  python tools/compare_commits.py A B
  python tools/compare_commits.py 8d8a73d HEAD --steps=50

Trains every preset of every data set for some steps on small random data, draws from autoregressive models of images
and speech, and resumes at B what was stopped half way at A. One line for each case, `same` or the first difference;
exit status 1 where one differs. Each commit runs in a worktree of its own by this Python, in one thread.
"""

import argparse
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile

import numpy as np

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
CASES = os.path.join(ROOT, "tools", "commit_cases.py")
SIGTERM_STATUS = 143
STARTED = []  # processes
SMALL = ("K=8", "D=8", "batch_size=4")
# What A stops and B resumes: the flags of train.py, by their names of version 0.1.0. FOLDER is where the data are.
RESUMED = {
    "mnist-original": ("dataset=mnist", "data_dir=FOLDER/nothing", *SMALL),
    "images-original": ("dataset=images", "data_dir=FOLDER/photos", "image_size=16", *SMALL),
    "wav-wavenet": (
        *("dataset=wav", "data_dir=FOLDER/sounds", "widths=8,8,8,8,8,8", "window=512", "wavenet_layers=4"),
        *("wavenet_maps=8", "wavenet_skip=16", "wavenet_features=8", *SMALL),
    ),
}
# Of these a prior too, with what its classes are.
WITH_PRIOR = {"mnist-original": "class", "wav-wavenet": "speaker"}
PRIOR = ("layers=2", "maps=8", "embedding=8", "batch_size=4", "class_conditional=true")


def write_data(folder):
    """Random images in split folders, photos of several sizes without such folders, and recordings of two speakers."""
    import soundfile
    from PIL import Image

    rng = np.random.RandomState(0)

    def save_image(path, height, width):
        os.makedirs(os.path.dirname(path), exist_ok=True)
        coarse = rng.randint(0, 256, (4, 4, 3)).astype(np.uint8)
        Image.fromarray(coarse).resize((width, height), Image.BILINEAR).save(path)

    for i in range(100):
        split = "train" if i < 60 else "validation" if i < 80 else "test"
        save_image(os.path.join(folder, "images", split, "ab"[i % 2], f"{i}.png"), 16, 16)
        kind = "jpg" if i % 3 else "png"
        save_image(os.path.join(folder, "photos", "ab"[i % 2], f"{i}.{kind}"), *rng.randint(16, 40, 2))
    for i in range(60):
        split = "train" if i < 40 else "validation" if i < 50 else "test"
        path = os.path.join(folder, "sounds", split, ("ann", "bob")[i % 2], f"{i}.wav")
        os.makedirs(os.path.dirname(path), exist_ok=True)
        t = np.arange(rng.randint(600, 1200)) / 8000.0
        wave = 0.4 * np.sin(2 * np.pi * rng.randint(100, 800) * t) + 0.05 * rng.randn(len(t))
        soundfile.write(path, wave, 8000, "PCM_16")
    os.makedirs(os.path.join(folder, "nothing"))


@contextlib.contextmanager
def checkout(commit, folder):
    """The environment of processes that run the code of a commit."""
    tree = os.path.join(folder, "tree")
    git = ["git", "-C", ROOT, "worktree"]
    subprocess.run([*git, "add", "--quiet", "--detach", tree, commit], check=True)
    try:
        packages = os.path.join(folder, "packages")
        os.makedirs(packages)
        os.symlink(os.path.join(tree, "launch"), os.path.join(packages, "vq_estimator_launch"))
        threads = {"TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1", "OMP_NUM_THREADS": "1"}
        where = {"PYTHONPATH": os.pathsep.join((tree, packages)), "VQ_CACHE_DIR": os.path.join(folder, "cache")}
        nowhere = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9")
        yield {**os.environ, **threads, **where, **nowhere, "CUDA_VISIBLE_DEVICES": ""}
    finally:
        subprocess.run([*git, "remove", "--force", tree], check=True)


def start(environment, log, *arguments):
    """A process of commit_cases.py."""
    with open(log, "ab") as said:
        command = [sys.executable, CASES, *map(str, arguments)]
        STARTED.append(subprocess.Popen(command, env=environment, stdout=said, stderr=said, cwd=os.path.dirname(log)))
    return STARTED[-1]


def stop_all():
    """Ends what still runs, so that nothing writes to the temporary folder while it is removed."""
    for process in STARTED:
        if process.poll() is None:
            process.kill()
            process.wait()


def finish(process, log, status=0):
    """Waits for a process; ends the comparison with what it said where it failed."""
    if process.wait() != status:
        with open(log, encoding="utf-8", errors="replace") as said:
            tail = "".join(said.readlines()[-15:])
        sys.exit(f"compare_commits: error: {' '.join(process.args)}: status {process.returncode}\n{tail}")


def tensors(path):
    """The arrays of an .npz file, or of the newest checkpoint in a run directory, by their names."""
    if path.endswith(".npz"):
        with np.load(path) as arrays:
            return {name: arrays[name] for name in arrays.files}
    import tensorflow.compat.v1 as tf

    reader = tf.train.load_checkpoint(path)
    return {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map()}


def difference(a, b):
    """The first difference between two sets of arrays by name, or None."""
    for name in sorted(set(a) | set(b)):
        if name not in a or name not in b:
            return f"{name}: only at {'A' if name in a else 'B'}"
        x, y = np.asarray(a[name]), np.asarray(b[name])
        if (x.shape, x.dtype) != (y.shape, y.dtype):
            return f"{name}: {x.dtype} {list(x.shape)} at A, {y.dtype} {list(y.shape)} at B"
        if x.tobytes() != y.tobytes():
            by = np.abs(x.astype(np.float64) - y.astype(np.float64)).max() if x.dtype.kind in "fiu" else "other bytes"
            return f"{name}: differs by up to {by}"
    return None


class Report:
    """Prints a line for each case and remembers whether one differs."""

    def __init__(self, steps):
        self.differs, self._steps = False, steps

    def add(self, case, found):
        """Says what differs, None: nothing."""
        self.differs |= found is not None
        print(f"{case:32} {found or 'same'}", flush=True)

    def compare(self, case, a, b):
        """Compares the last checkpoints of two runs, or two .npz files."""
        for side, path in (("A", a), ("B", b)):
            if not os.path.exists(path):
                return self.add(case, f"nothing at {side}, which the other has")
        x, y = tensors(a), tensors(b)
        for side, found in (("A", x), ("B", y)):
            if found.get("global_step", self._steps) != self._steps:
                return self.add(case, f"ended at step {found['global_step']} at {side}")
        return self.add(case, difference(x, y))


def compare_presets(report, environments, data, out, steps):
    """Every preset of every data set at both commits, which run side by side."""
    folders = [os.path.join(out, side, "presets") for side in "ab"]
    logs = [os.path.join(out, side, "presets.log") for side in "ab"]
    started = [
        start(environment, log, "presets", data, folder, steps)
        for environment, log, folder in zip(environments, logs, folders)
    ]
    for process, log in zip(started, logs):
        finish(process, log)
    for name in sorted(set().union(*map(os.listdir, folders)) - {"cache"}):
        report.compare(name.replace(".npz", " draws"), *(os.path.join(folder, name) for folder in folders))


def run_to_the_end(environments, script, flags, whole, parts, half):
    """Runs a training by A in the folder `whole`; in `parts` by A to the step `half` and by B from there."""
    logs = [path + ".log" for path in (whole, parts)]
    uninterrupted = start(environments[0], logs[0], "command", script, 0, f"model_dir={whole}", *flags)
    for environment, stop, status in ((environments[0], half, SIGTERM_STATUS), (environments[1], 0, 0)):
        finish(start(environment, logs[1], "command", script, stop, f"model_dir={parts}", *flags), logs[1], status)
    finish(uninterrupted, logs[0])


def compare_resumed(report, environments, data, out, steps):
    """What A stopped half way and B resumed, against the same by A alone: models, and priors over their codes."""
    half = max(steps // 2, 1)
    every = (f"max_steps={steps}", f"eval_steps={half}", f"save_checkpoints_steps={half}", f"save_summary_steps={half}")
    for name, flags in RESUMED.items():
        flags = [flag.replace("FOLDER", data) for flag in flags] + [*every]
        whole, parts, codes = (os.path.join(out, f"{name}-{kind}") for kind in ("whole", "parts", "prior"))
        run_to_the_end(environments, "train", flags, whole, parts, half)
        report.compare(name + " resumed", whole, parts)
        if name in WITH_PRIOR:
            shutil.copytree(whole, codes)
            flags = [flags[1], *PRIOR, f"condition={WITH_PRIOR[name]}", *every]
            run_to_the_end(environments, "train_prior", flags, whole, codes, half)
            report.compare(name + " prior resumed", *(os.path.join(path, "prior") for path in (whole, codes)))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("a", metavar="A", help="the commit before")
    parser.add_argument("b", metavar="B", help="the commit after")
    parser.add_argument("--steps", type=int, default=200, help="training steps of each case [200]")
    given = parser.parse_args()
    if given.steps < 2:
        parser.error(f"steps: got {given.steps}, expected 2 or more")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(SIGTERM_STATUS))  # worktrees are removed then too
    report = Report(given.steps)
    with tempfile.TemporaryDirectory(prefix="compare-commits-") as out, contextlib.ExitStack() as stack:
        data = os.path.join(out, "data")
        write_data(data)
        environments = []
        for side, commit in (("a", given.a), ("b", given.b)):
            os.makedirs(os.path.join(out, side))
            environments.append(stack.enter_context(checkout(commit, os.path.join(out, side))))
        stack.callback(stop_all)
        compare_resumed(report, environments, data, out, given.steps)
        compare_presets(report, environments, data, out, given.steps)
    sys.exit(int(report.differs))


if __name__ == "__main__":
    main()
