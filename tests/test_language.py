"""Texts are plain English: phrases that readers stumbled over do not come back.

Reads the README, the pages of docs/, the model cards, and the docstrings, comments, help texts and messages of the
package, the commands, the benchmarks and the tools. Code on a page or in backquotes is left out.
"""

import ast
import glob
import io
import os
import re
import tokenize

import pytest

pytestmark = pytest.mark.once

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PAGES = ["README.md"] + sorted(os.path.relpath(p, ROOT) for p in glob.glob(os.path.join(ROOT, "docs", "*.md")))
SCRIPTS = sorted(
    os.path.relpath(p, ROOT)
    for p in glob.glob(os.path.join(ROOT, "vq_estimator", "inference", "export", "web", "page", "js", "*.js"))
)
PAGES.remove(os.path.join("docs", "modules.md"))  # generated from docstrings, which are read below
MODULES = sorted(
    os.path.relpath(path, ROOT)
    for folder in ("vq_estimator", "launch", "benchmarks", "tools")
    for path in glob.glob(os.path.join(ROOT, folder, "**", "*.py"), recursive=True)
)
CARDS = sorted(
    os.path.relpath(p, ROOT) for p in glob.glob(os.path.join(ROOT, "vq_estimator", "pretrained", "*", "*.md"))
)

# Each: what must not be written, as a regular expression in which a space is any white space, and what to write.
THINGS = "side|sample|second|code|pixel|dimension|step|image|class|clip|row|recording|speaker|draw|position|value|line"
COUNTED = "pixels|bits|codes?|samples|bytes|steps|images|passe?s|numbers|entries|draws|row|one|figures|nats"
PHRASES = [
    (
        rf"({COUNTED}) an? ({THINGS})",
        "per, as in bits per sample",
    ),
    (r"beside", "next to, besides, with"),
    (r"in (the )?place of", "instead of"),
    (r"(is|are|was|been|be) told", "gets, knows, is conditioned on"),
    (r"what [^.,;:]{0,40}(is|are) made of", "name the parameters"),
    (r"pric(es?|ed|ing)", "assigns bits"),
    (r"heard", "recognised, audible"),
    (r"refusals?", "checks, errors"),
    (r"of speech", "speech models, for speech"),
    (r"that of the", "repeat the noun"),
    (r"the same of", "repeat the noun"),
    (r"one (behind|after) the other", "concatenated, in sequence"),
    (r"so (many|much)", "that many, this number"),
    (r"(can|can't|could|may|to) be had", "available"),
    (r"(is|are|be|gives?|with) no numbers?", "is NaN, is not finite"),
    (r"needs? be no", "need not be"),
    (r"on the mean", "on average"),
    (r"feature maps?", "channels"),
    (r"anew", "again"),
    (r"gets? no better", "no longer improves"),
    (r"go(es)? on (by|where|from|as|under)", "resumes, continues"),
    (r"without a word", "silently"),
    (r"who (speaks|calls|sends|wants)", "the speaker, the caller"),
    (r"asked (voice|rate|speaker)", "requested"),
    (r"to the letter", "exactly"),
    (r"by heart", "memorises, overfits"),
    (r"near to a", "close to a"),
    (r"as (long|large|many) as do", "say how many"),
    (r"if ever not", "otherwise"),
    (r"where not each", "unless every"),
    (r"(is|are|be) none", "is not a ..., is invalid"),
    (r"(is|are|be|was) said (of|by|in)", "is described, is reported"),
    (r"(files?|folders?|they|it|where) (lie|lies)", "is in, are stored in"),
    (r"as of ~+", "as in, see"),
    (r"(what|that) (is|are) there", "present, existing"),
    (r"of some [a-z]+s", "of several, of these"),
    (r"(is|are|stays?|always|be) whole", "complete"),
    (r"mend(s|ed)?", "fix, repair"),
    (r"wants (it|its|them|every)", "needs, requires"),
    (r"(gives?|gave) (it|them|the [a-z]+) back", "returns, restores"),
    (r"one's", "your"),
    (r"(those|them|these|which|two) alone", "only"),
    (r"Of (a|an|one|any|several|some) [a-z]", "a sentence with a subject and a verb"),
    (r"a (image|entry|array|example|encoder|autoregressive|Estimator|index|input|output|error|element)", "an"),
]
PATTERNS = [
    (re.compile(r"(?<![\w/.-])(?:" + start.replace(" ", r"\s+") + r")(?![\w-])"), instead)
    for phrase, instead in PHRASES
    for start in dict.fromkeys((phrase, phrase[0].upper() + phrase[1:]))  # also at the beginning of a sentence
]


def texts_of_page(text):
    """(line, text) of a page's prose."""
    for pattern in (r"^```.*?^```", r"<!--.*?-->", r"^    .*?$", r"`[^`\n]*`", r"\]\([^)]*\)"):
        flags = re.S | re.M if pattern.startswith(("^```", "<!--")) else re.M
        text = re.sub(pattern, lambda m: re.sub(r"[^\n]", "~", m.group()), text, flags=flags)
    return [(1, text)]


def texts_of_module(source):
    """(line, text) of every comment, adjacent ones as one, and of every string."""
    found, comment, last = [], [], 0
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            if comment and token.start[0] == last + 1:
                comment[1] += "\n" + token.string.lstrip("# ")
            else:
                comment = [token.start[0], token.string.lstrip("# ")]
                found.append(comment)
            last = token.start[0]
    for node in ast.walk(ast.parse(source)):
        value = getattr(node, "value", None) if isinstance(node, ast.Constant) else getattr(node, "s", None)
        if isinstance(value, str):
            lines = value.count("\n") if not hasattr(node, "end_lineno") else 0  # Python 3.7 has the last line
            found.append((node.lineno - lines, value))
    return [(line, re.sub(r"`[^`\n]*`", lambda m: "~" * len(m.group()), text)) for line, text in found]


def texts_of_script(source):
    """(line, text) of every comment and string of JavaScript."""
    found = re.finditer(r"/\*.*?\*/|//[^\n]*|\"[^\"\n]*\"|`[^`]*`", source, re.S)
    return [
        (source.count("\n", 0, m.start()) + 1, re.sub(r"\$\{.*?\}|^`|`$|(?<=.)`[^`\n]*`", "~", m.group()))
        for m in found
    ]


def stumbles(texts):
    """One line for each phrase that is found."""
    lines = []
    for start, text in texts:
        for pattern, instead in PATTERNS:
            for match in pattern.finditer(text):
                line = start + text.count("\n", 0, match.start())
                phrase = " ".join(match.group().split())
                lines.append(f"line {line}: {phrase!r} (write: {instead})")
    return sorted(set(lines))


def texts_of(path):
    with open(os.path.join(ROOT, path), encoding="utf-8") as f:
        text = f.read()
    readers = {".py": texts_of_module, ".js": texts_of_script, ".md": texts_of_page}
    return readers[os.path.splitext(path)[1]](text)


@pytest.mark.parametrize("path", PAGES + CARDS + MODULES + SCRIPTS)
def test_plain_english(path):
    assert stumbles(texts_of(path)) == []


def test_a_phrase_is_found_with_its_line():
    page = "# A page\n\nIt costs 4 bits a\nsample, `beside` this.\n\n    beside code\n"
    assert stumbles(texts_of_page(page)) == ["line 3: 'bits a sample' (write: per, as in bits per sample)"]
    script = 'const x = told; // this is\nf("is told"); // `is told`\n/** so\n many */\n'
    assert [line.split(" (")[0] for line in stumbles(texts_of_script(script))] == [
        "line 2: 'is told'",
        "line 3: 'so many'",
    ]
    module = 'x = 1  # is fed\n# and is\n# told who speaks\ny = f"a image {x}"\n'
    found = stumbles(texts_of_module(module))
    assert [line.split(" (")[0] for line in found] == ["line 2: 'is told'", "line 3: 'who speaks'", "line 4: 'a image'"]
