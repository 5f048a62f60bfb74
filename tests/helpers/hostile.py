"""Hypothesis strategies that damage valid bytes and JSON."""

import copy
import json
import os

import hypothesis
from hypothesis import strategies as st

from vq_estimator.errors import VQError

# Values that replace parts of a JSON file.
VALUES = st.sampled_from(
    [
        *(None, True, False, -1, 0, 1, 2, 2**31, 2**63, 10**400, -(10**30)),
        *(0.5, -0.5, 1e308, float("nan"), float("inf")),
        *("", "x", "a\nb", "\x1b[2J", "../../outside", "/dev/zero", "*", "\ud800", "x" * 5000),
        *([], {}, [[]], [1, 2], ["a", None], {"type": []}, {"type": "vq"}),
    ]
)


@st.composite
def damaged(draw, whole):
    """`whole` with bytes changed, cut out, doubled, put in, or cut off."""
    data = bytearray(whole)
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, max(len(data) - 1, 0)))
        upto = min(at + draw(st.integers(1, 64)), len(data))
        kind = draw(st.sampled_from(["flip", "set", "extreme", "remove", "double", "insert", "end"]))
        if kind == "flip" and data:
            data[at] ^= 1 << draw(st.integers(0, 7))
        elif kind == "set":
            new = draw(st.binary(min_size=1, max_size=8))
            data[at : at + len(new)] = new
        elif kind == "extreme":
            width = draw(st.sampled_from([1, 2, 4, 8]))
            data[at : at + width] = draw(st.sampled_from([b"\0", b"\xff", b"\x7f", b"\x80"])) * width
        elif kind == "remove":
            del data[at:upto]
        elif kind == "double":
            data[at:at] = data[at:upto]
        elif kind == "insert":
            data[at:at] = draw(st.binary(min_size=1, max_size=64))
        else:
            del data[at:]
    return bytes(data)


def places(value, path=()):
    """The paths to all parts of a value of JSON."""
    found = [path]
    if isinstance(value, (dict, list)):
        for key, part in value.items() if isinstance(value, dict) else enumerate(value):
            found += places(part, path + (key,))
    return found


@st.composite
def damaged_json(draw, value):
    """The text of a value of JSON, parts of which are replaced, removed or added; or with damaged bytes."""
    if draw(st.integers(0, 3)) == 0:
        return draw(damaged(json.dumps(value, indent=2).encode("utf-8")))
    value = copy.deepcopy(value)
    for _ in range(draw(st.integers(1, 2))):
        path = draw(st.sampled_from(places(value)))
        kind, new = draw(st.sampled_from(["replace", "replace", "remove", "add"])), copy.deepcopy(draw(VALUES))
        if not path:
            if kind == "replace":
                return json.dumps(new).encode("ascii")
            continue
        parent = value
        for key in path[:-1]:
            parent = parent[key]
        if kind == "replace":
            parent[path[-1]] = new
        elif kind == "remove":
            del parent[path[-1]]
        elif isinstance(parent, dict):
            parent["more"] = new
        else:
            parent.append(new)
    return json.dumps(value).encode("ascii")


def refused(call, *arguments):
    """Whether `call` raises VQError, in one line; what it returns otherwise. Any other error is the test's failure."""
    try:
        return False, call(*arguments)
    except VQError as e:
        text = str(e)
        assert text and text.isprintable() and len(text) <= 2000, text
        return True, None


def write(path, content):
    with open(str(path), "wb") as f:
        f.write(content)
    return str(path)


def everything_below(top):
    """Relative path and content of each file."""
    found = {}
    for where, _, names in os.walk(str(top)):
        for name in names:
            path = os.path.join(where, name)
            with open(path, "rb") as f:
                found[os.path.relpath(path, str(top))] = f.read()
    return found


def fewer(by):
    """Settings with 1 of `by` examples of the profile, for what takes long."""
    return hypothesis.settings(max_examples=max(hypothesis.settings.default.max_examples // by, 5))
