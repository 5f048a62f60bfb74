"""Makes a trained run one of the provided models. For maintainers.

  python tools/provide.py --model_dir=log/mnist-tuned-K20-D64 --name=mnist --time="about 4 core-minutes" \
      --title="MNIST digits: the tuned preset." --commands="vq-train ..."

Strips the run to what inference needs, evaluates the stripped run on the test split, and writes the model card.
`--model_dir` is a run that the commands on the card made.
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
PROVIDE.string("name", None, "name of the provided model")
PROVIDE.string("title", None, "first sentence of the card")
PROVIDE.string("commands", None, "commands that trained the model, one per line")
PROVIDE.string("time", None, "duration of the training, in words, such as: about 4 core-minutes")
PROVIDE.string("splits", None, "what the model was trained, chosen and tested on, in words; default: the usual splits")
PROVIDE.string("steps", None, "training steps, in words; default: the checkpoint's")
PROVIDE.bool("half", False, "store the weights as float16")
PROVIDE.string("licence", None, "licence of the data and of the model, if the data's licence asks for it")

CARD = """# {name}

{title}

| | |
|---|---|
| data | {dataset_source}: {splits} |
| {input} |
| codes | {grid}, K={K}, D={D} |
| VQ-VAE | {steps} |
| prior | {prior} |
| time | {time} |
| weights | {stored}, about {megabytes:.1f} MB in total |{licence}

Trained by

{commands}

Results on the {examples:,} test {kind} with these weights (`vq-evaluate --pretrained={name}`, in `eval/test.json`):

| | |
|---|---|
{figures}

<!-- figures
vq_estimator/pretrained/{name}: {keys}
-->
"""


def _times(numbers):
    return " x ".join(str(n) for n in numbers)


class Words(NamedTuple):
    """The texts of a card that depend on the kind of data: splits, examples, codes, and the conditions of priors."""

    splits: str
    input: Callable[[Any], str]
    codes: Callable[[Any], str]
    conditions: Dict[str, str]


def _sound(model):
    names = ", ".join(model.speakers)
    return f"sound | sample rate {model.sample_rate:,} Hz, 256 mu-law levels; speakers {names}"


WORDS = {
    "image": Words(
        "trained on all but the last 5,000 training images, chosen on those 5,000",
        lambda model: f"image | {_times(model.shape)}, uint8",
        lambda model: _times(model.grid),
        {"class": "class-conditional"},
    ),
    "recording": Words(
        "trained on the training split, chosen on the validation split",
        _sound,
        lambda model: f"one per {model.network.stride} samples",
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
    """The rows of the table of results, and the keys of its figures in `eval/test.json` (tests/test_figures.py)."""
    bits, rows = r["bits_per_dim"], []
    of_draw = " of a draw" if r["reconstruction"] == "draw" else ""
    if r["mse"] is not None:
        rows.append(("mse" + of_draw, "{:.5f}".format(r["mse"]), "mse"))
    if r["normalized_mse"] is not None:
        rows.append(("mse / variance", "{:.4f}".format(r["normalized_mse"]), "normalized_mse"))
    usage = "{used:,} of {size:,}, perplexity {perplexity:.1f}".format(**r["codebook"])
    rows.append(("entries used", usage, "codebook.perplexity"))
    for prior in ("uniform", "unigram", "prior"):
        if bits["total_" + prior] is not None:
            title = f"bits/{unit}, " + ("trained prior" if prior == "prior" else prior + " prior")
            parts = (bits["total_" + prior], bits["distortion"], bits["rate_" + prior])
            rows.append((title, "{:.4f} = {:.4f} + {:.4f}".format(*parts), f"total_{prior} distortion rate_{prior}"))
    return "\n".join(f"| {name} | {value} |" for name, value, _ in rows), " ".join(key for _, _, key in rows)


def card(config, steps, prior, result, megabytes, name, title, time, commands, half, licence, splits=None):
    """The text of a model card.

    Args:
      config: the run's Config.
      steps: the training steps, in words.
      prior: the prior's PriorConfig and its step, or None.
      result: what `eval/test.json` holds.
      megabytes: size of the model's folder.
      name, title, time, commands, half, licence, splits: the values of the flags.
    """
    m, words, trained = config.model, WORDS[config.model.example], "none"
    if prior is not None:
        codes, step = prior[0].codes, prior[1]
        trained = f"{words.conditions[codes.condition] if codes.classes else 'unconditional'}, {step:,} steps"
    figures, keys = _figures(result, m.unit)
    return CARD.format(
        name=name,
        title=title,
        dataset_source=config.dataset_source,
        input=words.input(m),
        kind=m.example + "s",
        splits=splits or words.splits,
        grid=words.codes(m),
        K=m.quantizer.K,
        D=m.quantizer.D,
        steps=steps,
        prior=trained,
        time=time,
        licence=f"\n| licence | {licence} |" if licence else "",
        stored="float16 (codebooks float32)" if half else "float32",
        megabytes=megabytes,
        commands="\n".join("    " + line.strip() for line in commands.splitlines()),
        examples=result["examples"],
        figures=figures,
        keys=keys,
    )


def main() -> None:
    for name in ("name", "title", "commands", "time"):
        if not FLAGS[name].value:
            raise VQError(f"{name}: got none, expected --{name}=...")
    with tempfile.TemporaryDirectory() as folder:  # the package gets only a complete model
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
    trained = None if prior is None else (prior.config, prior.checkpoint.step)
    steps = FLAGS.steps or f"{checkpoint.step:,} steps"
    flags = (FLAGS.name, FLAGS.title, FLAGS.time, FLAGS.commands, FLAGS.half, FLAGS.licence, FLAGS.splits)
    text = card(config, steps, trained, result, _size(made) / 1e6, *flags)
    with open(os.path.join(made, pretrained.CARD), "w", encoding="utf-8") as f:
        f.write(text)
    with tempfile.TemporaryDirectory(dir=os.path.dirname(target), prefix=".provide.") as beside:
        shutil.copytree(made, os.path.join(beside, "new"))
        if os.path.isdir(target):
            os.replace(target, os.path.join(beside, "old"))
        os.replace(os.path.join(beside, "new"), target)
    print(evaluation.table([result], config.model.unit))
    print(json.dumps({"folder": target, "megabytes": round(_size(target) / 1e6, 2)}))


if __name__ == "__main__":
    common.run(main, __doc__)
