"""Compares evaluated runs: a table of bits/dim, and a chart of rate and distortion.

vq-compare --model_dirs=log/a,log/b --out=rate_distortion.png
"""

from vq_estimator.errors import VQError
from vq_estimator_launch import common
from vq_estimator_launch.common import FLAGS, Group

COMPARISON = Group("Comparison")
COMPARISON.path("model_dirs", None, "comma-separated run directories or patterns of them", several=True)
COMPARISON.enum("split", "test", ("train", "validation", "test"), "split of the evaluations")
COMPARISON.path("out", None, "PNG file for the chart; without it only the table is printed")


def main() -> None:
    from vq_estimator import drawing
    from vq_estimator.data import outputs
    from vq_estimator.inference import comparison

    if not FLAGS.model_dirs:
        raise VQError("model_dirs: got none, expected --model_dirs=RUN,RUN, evaluated run directories")
    if FLAGS.out is not None:
        common.check_writable("out", file=True)
        outputs.output_kind("out", FLAGS.out, (outputs.PICTURE,), outputs.PICTURE)
    rows = comparison.load(common.paths.several("model_dirs"), FLAGS.split)
    source = comparison.source(rows)
    print(comparison.table(rows))
    if FLAGS.out:
        names = [(row.name, row.config.model.describe()) for row in rows]
        bits = [row.result["bits_per_dim"] for row in rows]
        parts = {
            "distortion, -log2 p(x | z)": [b["distortion"] for b in bits],
            "rate of the codes, uniform prior": [b["rate_uniform"] for b in bits],
        }
        each = {"dim": "dimension"}.get(rows[0].config.model.unit, rows[0].config.model.unit)
        drawing.stacked_bars(FLAGS.out, names, parts, f"bits per {each} of {source}'s {FLAGS.split} split")
        print(f"\nchart  {FLAGS.out}")


def run() -> None:
    common.run(main, __doc__)


if __name__ == "__main__":
    run()
