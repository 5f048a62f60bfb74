"""Makes a trained run one of the models that come with the package.

  python tools/provide.py --model_dir=log/mnist-tuned-K20-D64 --name=mnist --minutes=2.8 --commands="vq-train ..."

Strips the run to what inference needs, evaluates what will be shipped on the test split, and writes the model card. For
maintainers: `--model_dir` holds a run made by the commands that the card will name (one a line).
"""

import json
import os
import shutil
import tempfile
from typing import Any, Callable, Dict, NamedTuple

from vq_estimator.errors import VQError
from vq_estimator_launch import common
from vq_estimator_launch.common import FLAGS, Group

common.run_flags()
PROVIDE = Group("Provided model")
PROVIDE.string("name", None, "its name")
PROVIDE.string("title", None, "what it is, in a few words")
PROVIDE.string("commands", None, "what it was trained by, one command a line")
PROVIDE.string("minutes", None, "how long each took on 2 cores, in words")
PROVIDE.bool("half", False, "store the weights as float16")
PROVIDE.string("licence", None, "of the data and of what is made of it, where it asks for a word")

CARD = """# {name}

{title}

| | |
|---|---|
| data | {dataset_source}: {splits} |
| {input} |
| codes | {grid}, K={K}, D={D} |
| VQ-VAE | {steps:,} steps |
| prior | {prior} |
| time | {minutes} |
| weights | {stored}, {megabytes:.1f} MB in all |{licence}

Trained by

{commands}

Measured on the {examples:,} test {kind} with these weights (`vq-evaluate --pretrained={name}`; all figures in
`eval/test.json`):

| | |
|---|---|
{figures}
"""


def _times(numbers):
    return " x ".join(str(n) for n in numbers)


class Words(NamedTuple):
    """What a card says of a kind of data: what its splits are, its examples, its codes, and what priors know of."""

    splits: str
    input: Callable[[Any], str]
    codes: Callable[[Any], str]
    conditions: Dict[str, str]


def _sound(model):
    names = ", ".join(model.speakers)
    return f"sound | {model.sample_rate:,} samples a second, 256 mu-law levels; the voices are {names}"


WORDS = {
    "image": Words(
        "the training split (all but the last 5,000 of its training examples); chosen on those 5,000",
        lambda model: f"image | {_times(model.shape)}, uint8",
        lambda model: _times(model.grid),
        {"class": "class-conditional"},
    ),
    "recording": Words(
        "the training split; chosen on the validation split",
        _sound,
        lambda model: f"one for {model.network.stride} samples",
        {
            "class": "conditional on the class",
            "speaker": "conditional on the speaker",
            "both": "conditional on the class and the speaker",
        },
    ),
}


def _size(folder):
    return sum(os.path.getsize(os.path.join(f, n)) for f, _, names in os.walk(folder) for n in names)


def _figures(r, unit):
    bits, rows = r["bits_per_dim"], []
    of_draw = " of a draw" if r["reconstruction"] == "draw" else ""
    if r["mse"] is not None:
        rows.append(("mse" + of_draw, "{:.5f}".format(r["mse"])))
    if r["normalized_mse"] is not None:
        rows.append(("mse / variance", "{:.4f}".format(r["normalized_mse"])))
    rows.append(("codes used", "{used} of {size}, perplexity {perplexity:.1f}".format(**r["codebook"])))
    for prior in ("uniform", "unigram", "prior"):
        if bits["total_" + prior] is not None:
            title = f"bits/{unit}, " + ("trained prior" if prior == "prior" else prior + " prior")
            parts = (bits["total_" + prior], bits["distortion"], bits["rate_" + prior])
            rows.append((title, "{:.4f} = {:.4f} + {:.4f}".format(*parts)))
    return "\n".join(f"| {name} | {value} |" for name, value in rows)


def main() -> None:
    for name in ("name", "title", "commands", "minutes"):
        if not FLAGS[name].value:
            raise VQError(f"{name}: got none, expected --{name}=...")
    with tempfile.TemporaryDirectory() as folder:  # the package has it when it is whole
        _provide(folder)


def _provide(folder: str) -> None:
    from vq_estimator import pretrained
    from vq_estimator.inference import evaluation, stripping
    from vq_estimator.inference import trained_prior as prior_lib
    from vq_estimator.inference.session import open_run

    run = common.open_run()
    config, checkpoint, prior = run.config, run.checkpoint, prior_lib.find(run.model_dir, run.checkpoint)
    target = os.path.join(os.path.dirname(os.path.abspath(pretrained.__file__)), FLAGS.name)
    made = os.path.join(folder, FLAGS.name)
    stripping.strip(config, checkpoint, made, prior, FLAGS.half)
    with open_run(made) as stripped:
        config = stripped.config
        result = evaluation.evaluate(stripped, common.data_of_run(config), "test")
    os.remove(os.path.join(made, "eval", "test.npz"))
    m, words, steps = config.model, WORDS[config.model.example], "none"
    if prior is not None:
        of = prior.config.codes
        kind = words.conditions[of.condition] if of.classes else "unconditional"
        steps = f"{kind}, {prior.checkpoint.step:,} steps"
    card = CARD.format(
        name=FLAGS.name,
        title=FLAGS.title,
        dataset_source=config.dataset_source,
        input=words.input(m),
        kind=m.example + "s",
        splits=words.splits,
        grid=words.codes(m),
        K=m.quantizer.K,
        D=m.quantizer.D,
        steps=checkpoint.step,
        prior=steps,
        minutes=FLAGS.minutes,
        licence=f"\n| licence | {FLAGS.licence} |" if FLAGS.licence else "",
        stored="float16 (codebooks float32)" if FLAGS.half else "float32",
        megabytes=_size(made) / 1e6,
        commands="\n".join("    " + line.strip() for line in FLAGS.commands.splitlines()),
        examples=result["examples"],
        figures=_figures(result, m.unit),
    )
    with open(os.path.join(made, pretrained.CARD), "w", encoding="utf-8") as f:
        f.write(card)
    with tempfile.TemporaryDirectory(dir=os.path.dirname(target), prefix=".provide.") as beside:
        shutil.copytree(made, os.path.join(beside, "new"))
        if os.path.isdir(target):
            os.replace(target, os.path.join(beside, "old"))
        os.replace(os.path.join(beside, "new"), target)
    print(evaluation.table([result]))
    print(json.dumps({"folder": target, "megabytes": round(_size(target) / 1e6, 2)}))


if __name__ == "__main__":
    common.run(main, __doc__)
