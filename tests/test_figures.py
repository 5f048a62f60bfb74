"""Every measured figure on a page is in a JSON file of the tree, in the page's own rounding.

A comment below a paragraph or a table names the sources of its figures, in the order of the text:

    <!-- figures
    vq_estimator/pretrained/mnist: total_uniform distortion rate_uniform total_prior
    results/codec/cifar10.json: bytes 1-{bytes}/{others.png.bytes_each}
    benchmarks/results/speed_training.json#results.mnist-32: "launch path.median"
    -->

A folder stands for its `eval/test.json`, and `#` begins the path of a part of a file. A key is the end of one path in
the JSON, an expression has its keys in braces, `=` begins one that has none (a formula of the page), and `-` skips a
figure that is a setting. A percentage is compared with the value times 100. `<!-- figures: constants -->` marks a
paragraph or table that has settings and limits only.

Figures are decimals, percentages, numbers with a unit of UNITS, and table cells that hold a number and nothing else.
Numbers in code, versions, sections and estimates ("about 5 minutes") are no figures.
"""

import glob
import json
import os
import re
import shlex
import statistics

import pytest

pytestmark = pytest.mark.once

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
GENERATED = ("settings.md", "modules.md")  # by tools/settings_page.py and tools/modules_page.py
UNMARKED = ("docs/architecture.md", "docs/extending.md", "docs/extending_data.md")  # may have figures without a source
PAGES = sorted(
    os.path.relpath(path, ROOT)
    for pattern in ("README.md", "docs/*.md", "vq_estimator/pretrained/*/README.md")
    for path in glob.glob(os.path.join(ROOT, pattern))
    if not path.endswith(GENERATED)
)
UNITS = r"%|times|steps/s|images/s|samples/s|ms|s|minutes|core-\w+|seconds|[kMG]B|bytes|bits|points"
NUMBER = r"\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?"
NAMES = "TensorFlow|Python|PyTorch|CUDA|cuDNN|Pillow|pillow-jxl-plugin|libsndfile|constriction|hypothesis|section"
NAMES += "|sections|CC BY-SA|arXiv|version|versions|equation|capability|capabilities|appendix|NumPy"
NOT_FIGURES = [
    r"`[^`]*`",
    r"!?\[[^\]]*\]\([^)]*\)",  # links and pictures
    r"<!--.*?-->",
    r"\d+\.\d+\.\d+",
    rf"\b(?:{NAMES})(?:'s)? [A-Z]?\d[\d.]*(?:(?:,| and| or| to) \d[\d.]*)*",
    rf"\babout (?:{NUMBER})(?: to (?:{NUMBER}))?",
]
CELL = rf"\s*\**[+-]?(?:{NUMBER})\**\s*"
FIGURE = re.compile(rf"(?<![\w.,])(?<!\w-)[+-]?({NUMBER})(?![\d\w])(\s?(?:{UNITS})(?!\w))?")
COMMENT = re.compile(r"<!-- figures(?P<constants>: constants)?(?P<sources>.*?)-->", re.S)
FUNCTIONS = {"min": min, "max": max, "sum": sum, "abs": abs, "len": len, "mean": statistics.mean}


def figures_of(text):
    """(number as written, decimals, is a percentage) of every figure of a paragraph or a table."""
    for pattern in NOT_FIGURES:
        text = re.sub(pattern, " ~ ", text, flags=re.S)
    found = []
    for line in text.splitlines():
        pieces = [line]
        if line.startswith("|"):
            pieces = [" " + cell + " " for cell in line.strip().strip("|").split("|")]
        for piece in pieces:
            alone = line.startswith("|") and re.fullmatch(CELL, piece)
            for match in FIGURE.finditer(piece):
                number, unit = match.group(1), (match.group(2) or "").strip()
                if alone or unit or "." in number:
                    found.append((number, len(number.partition(".")[2]), unit == "%"))
    return found


def value_at(data, path):
    """The number at a path of JSON data, such as `bits_per_dim.total_prior`; a unique end of the path is enough."""
    found = []

    def walk(value, keys):
        if isinstance(value, (dict, list)):
            pairs = value.items() if isinstance(value, dict) else enumerate(value)
            for key, each in pairs:
                walk(each, keys + [str(key)])
        elif ("." + ".".join(keys)).endswith("." + path):
            found.append((keys, value))

    walk(data, [])
    shortest = min((len(keys) for keys, _ in found), default=0)
    exact = [value for keys, value in found if len(found) == 1 or (len(keys) == shortest and ".".join(keys) == path)]
    assert len(exact) == 1, f"{path!r} is {len(found)} values"
    assert isinstance(exact[0], (int, float)), f"{path!r} is {exact[0]!r}"
    return exact[0]


def load(source):
    """The part of a JSON file that a source names."""
    name, _, part = source.partition("#")
    path = os.path.join(ROOT, name)
    with open(os.path.join(path, "eval", "test.json") if os.path.isdir(path) else path, encoding="utf-8") as f:
        data = json.load(f)
    while part:
        values = data if isinstance(data, dict) else {str(i): value for i, value in enumerate(data)}
        key = next(k for k in sorted(values, key=len, reverse=True) if (part + ".").startswith(k + "."))
        data, part = values[key], part[len(key) + 1 :]
    return data


def evaluate(token, source):
    """The value of a key, or of an expression with keys in braces; a key may name its own source, `{file.json:key}`."""

    def value_of(match):
        other, _, key = match.group(1).rpartition(":")
        return repr(value_at(load(other or source), key))

    if token.startswith("="):
        return eval(token[1:], {"__builtins__": {}}, FUNCTIONS)
    if "{" not in token:
        return value_at(load(source), token)
    return eval(re.sub(r"\{([^}]*)\}", value_of, token), {"__builtins__": {}}, FUNCTIONS)


def expected(comment):
    """(key, source) of each figure that a comment lists; None for one that is skipped."""
    found = []
    for line in comment.strip().splitlines():
        if line.strip():
            source, _, keys = line.partition(": ")
            found += [None if key == "-" else (key, source.strip()) for key in shlex.split(keys)]
    return found


def problems(text):
    """What is wrong with the figures of a page, one line each."""
    text = re.sub(r"^```.*?^```", "", text, flags=re.S | re.M)
    pieces, wrong = [], []  # each paragraph or table with the comment below it, or None
    for block in re.split(r"\n\s*\n", text):
        comment = COMMENT.search(block)
        body = COMMENT.sub("", block)
        if body.strip() and not all(line.startswith("    ") for line in body.strip("\n").splitlines()):
            pieces.append([body, None])
        if comment:
            pieces[-1][1] = comment
    for body, comment in pieces:
        figures = figures_of(body)
        start = body.strip()[:50]
        if comment is None:
            wrong += [f"{start!r}: {number} has no source" for number, _, _ in figures]
        elif not comment.group("constants"):
            keys = expected(comment.group("sources"))
            if len(keys) != len(figures):
                wrong.append(f"{start!r}: {len(figures)} figures {[f[0] for f in figures]}, {len(keys)} sources")
                continue
            for (number, decimals, percent), key in zip(figures, keys):
                if key is None:
                    continue
                try:
                    value = abs(evaluate(*key) * (100.0 if percent else 1.0))
                except (AssertionError, StopIteration, OSError) as e:
                    wrong.append(f"{start!r}: {number}: {key[1]}: {e!r}")
                    continue
                if abs(value - float(number.replace(",", ""))) > 0.5 * 10.0**-decimals + 1e-9:
                    wrong.append(f"{start!r}: {number} is {value:.{decimals + 2}f} in {key[1]} ({key[0]})")
    return wrong


@pytest.mark.parametrize("page", PAGES)
def test_the_figures_of_a_page_are_those_of_its_sources(page):
    with open(os.path.join(ROOT, page), encoding="utf-8") as f:
        found = problems(f.read())
    assert not [line for line in found if page not in UNMARKED or not line.endswith("has no source")]


def test_a_wrong_figure_is_found():
    source = "<!-- figures\nvq_estimator/pretrained/mnist: total_uniform distortion mse\n-->"
    assert problems(f"It has 2.710 bits/dim, 2.642 without codes; its mse is 0.01035.\n\n{source}\n") == []
    (wrong,) = problems(f"It has 2.711 bits/dim, 2.642 without codes; its mse is 0.01035.\n\n{source}\n")
    assert "2.711 is 2.70961" in wrong
    (wrong,) = problems(f"It has 2.710 bits/dim.\n\n{source}\n")
    assert "1 figures ['2.710'], 3 sources" in wrong
    (wrong,) = problems("It makes 214 steps/s with `--beta=0.25` on TensorFlow 2.15, in about 5 minutes.\n")
    assert wrong.endswith("214 has no source")
    assert problems("At most 64 MB.\n\n<!-- figures: constants -->\n") == []
