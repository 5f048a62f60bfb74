"""Bits/dim of the CIFAR-10 runs in results/ over the processor time of their training.

  python -m benchmarks.bits_and_minutes
  python -m benchmarks.bits_and_minutes --runs=results/cifar10/local
  python -m benchmarks.bits_and_minutes --plot

A run's time is the time of one training step with its configuration, measured here on random images, times its steps.
Reading images and evaluations are not counted, and runs that began with the weights of another run (--warm_start) are
left out. The bits/dim are for the validation split. Writes
benchmarks/results/bits_and_minutes.json and docs/bits_and_minutes.png; --runs keeps the results of other runs, and
--plot draws the picture only.
"""

import glob
import os

from benchmarks.step_cost import core_seconds, vqvae_step
from vq_estimator.errors import VQError
from vq_estimator_launch import common
from vq_estimator_launch.common import FLAGS, Group

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
RESULTS = os.path.join(ROOT, "benchmarks", "results", "bits_and_minutes.json")
PICTURE = os.path.join(ROOT, "docs", "bits_and_minutes.png")
RUNS = "results/cifar10/*,results/cifar10_codes/*,results/cifar10_optimizers/*"
STYLES = {"factorised": ("#ee8866", "s"), "autoregressive": ("#4477aa", "o"), "local": ("#228833", "^")}
SHOWN = 5.6  # bits/dim; runs with more are not in the picture


def measure(folder, config, steps):
    """The decoder, steps, bits/dim and core-minutes of a run."""
    from vq_estimator.config.registry import type_name
    from vq_estimator.data.files import read_json

    result = read_json(os.path.join(folder, "eval", "validation.json"))
    seconds = core_seconds(lambda: vqvae_step(config), steps)
    return {
        "decoder": type_name(config.model.decoder),
        "codes": config.model.quantizer.K > 1,
        "steps": result["global_step"],
        "bits_per_dim": result["bits_per_dim"]["total_uniform"],
        "timed_steps": steps,
        "core_seconds_per_step": seconds,
        "core_minutes": seconds * result["global_step"] / 60,
    }


def plot(results):
    """Draws bits/dim over core-minutes, and for each decoder a line through the runs that no cheaper one beats."""
    from vq_estimator.drawing import figures

    figure = figures.new_figure(8.0, 5.0)
    axes = figure.add_subplot()
    for decoder, (color, marker) in STYLES.items():
        mine = [run for run in results.values() if run["decoder"] == decoder]
        runs = sorted((run["core_minutes"], run["bits_per_dim"], run["codes"]) for run in mine)
        best = [run for i, run in enumerate(runs) if all(run[1] < other[1] for other in runs[:i])]
        axes.plot(*zip(*((minutes, bits) for minutes, bits, _ in best)), color=color, alpha=0.5)
        for with_codes, face in ((True, color), (False, "white")):
            points = [(minutes, bits) for minutes, bits, codes in runs if codes == with_codes and bits <= SHOWN]
            if points:
                label = f"{decoder} decoder" + ("" if with_codes else ", without codes (K=1)")
                style = {"color": color, "marker": marker, "markerfacecolor": face, "linestyle": ""}
                axes.plot(*zip(*points), label=label, **style)
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter("{x:g}")
    axes.set_xlabel("core-minutes of training")
    axes.set_ylabel("bits/dim of the validation split, uniform prior")
    axes.set_ylim(top=SHOWN)
    axes.grid(alpha=0.3, which="both")
    axes.legend(loc=(0.02, 0.46))
    figures.hide_spines(axes, "top", "right")
    figures.save_figure(figure, PICTURE)


def main() -> None:
    from vq_estimator.config.serialization import read_config
    from vq_estimator.data.files import read_json, write_json

    known = read_json(RESULTS)["runs"] if os.path.isfile(RESULTS) else {}
    if not FLAGS.plot:
        patterns = FLAGS.runs.split(",")
        folders = sorted(folder for pattern in patterns for folder in glob.glob(os.path.join(ROOT, pattern)))
        for folder in folders:
            name, config = os.path.relpath(folder, ROOT), read_config(os.path.join(folder, "config.json"))
            if config.warm_start:
                continue
            known[name] = found = measure(folder, config, FLAGS.steps)
            minutes, bits = found["core_minutes"], found["bits_per_dim"]
            print(f"{name:40} {minutes:8.1f} core-minutes {bits:6.3f} bits/dim", flush=True)
        write_json(RESULTS, {"cores": os.cpu_count(), "runs": known})
    if not known:
        raise VQError(f"plot: got no {RESULTS!r}, expected the results of a run without --plot")
    plot(known)


def run() -> None:
    group = Group("Cost")
    group.integer("steps", 20, "steps of each configuration that are timed")
    group.string("runs", RUNS, "comma-separated patterns of run directories in this repository")
    group.bool("plot", False, "only draw the picture of the results")
    common.run(main, __doc__)


if __name__ == "__main__":
    run()
