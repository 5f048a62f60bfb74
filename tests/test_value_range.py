"""The 16 bits of an image as 256 levels: ranges, warnings and colours."""

import json
import os

import numpy as np
import pytest
from PIL import Image

from vq_estimator.data.image_decoding import decode_files
from vq_estimator.data.model_view import View, Viewer
from vq_estimator.inference.image_model import ImageModel

pytestmark = pytest.mark.once


def ct(number):
    """A CT-like image: samples 127 to 2191."""
    return np.random.RandomState(number).randint(127, 2192, (16, 16)).astype(np.uint16)


def test_a_range_of_256_values_is_exact(tmp_path):
    values = np.arange(256, dtype=np.uint16).reshape(16, 16) + 1000
    Image.fromarray(values).save(str(tmp_path / "x.png"))
    view = View((16, 16), 1, value_range=(1000, 1255))
    (got,) = decode_files([os.fsencode(str(tmp_path / "x.png"))], view)
    np.testing.assert_array_equal(got.image[..., 0], np.arange(256).reshape(16, 16))
    np.testing.assert_array_equal(Viewer(view)(values[np.newaxis, ..., np.newaxis])[0], got.image)


def test_a_range_is_linear_and_clipped():
    view = View((8, 8), 1, value_range=(127, 2191))
    values = np.random.RandomState(0).randint(0, 4096, (1, 8, 8, 1)).astype(np.uint16)
    want = np.clip((values.astype(float) - 127) * 255 / (2191 - 127), 0, 255)
    assert np.abs(Viewer(view)(values) - want).max() <= 0.51


@pytest.mark.parametrize("given, warned", [((), True), (("--value_range=127,2191",), False)])
def test_few_levels_are_warned_of_and_a_range_is_part_of_the_run(tmp_path, forked, given, warned):
    folder = tmp_path / "ct"
    folder.mkdir()
    for i in range(60):
        Image.fromarray(ct(i)).save(str(folder / f"{i}.png"))
    small = ["--image_size=16", "--channels=1", "--K=8", "--D=8", "--batch_size=4", "--max_steps=2"]
    small += ["--save_checkpoints_steps=2", "--eval_steps=2"]
    args = ["--dataset=images", f"--data_dir={folder}", "--model_dir=run", *small, *given]
    done = forked.script("train", *args, cwd=tmp_path)
    assert done.status == 0, done.stderr
    assert ("become only 9 of 256 levels; --value_range=127,2191 keeps more" in done.stderr) == warned
    with open(str(tmp_path / "run" / "config.json")) as f:
        assert json.load(f)["data"]["value_range"] == ([127, 2191] if given else None)
    with ImageModel(str(tmp_path / "run")) as model:
        seen = model.prepare(ct(0)[np.newaxis, ..., np.newaxis])[0, ..., 0].astype(float)
        np.testing.assert_array_equal(model.prepare([folder / "0.png"])[0, ..., 0], seen)
    want = (ct(0).astype(float) - 127) * 255 / 2064 if given else ct(0) >> 8
    assert np.abs(seen - want).max() <= 0.51
    if given:  # evaluated and resumed by the run's own range
        assert forked.script("evaluate", "--model_dir=run", f"--data_dir={folder}", cwd=tmp_path).status == 0
        other = [*args[:-1], "--value_range=0,4095"]
        assert "value_range" in forked.script("train", *other, cwd=tmp_path).one_line("train")


def test_sixteen_bits_of_colour_are_not_cut_silently(tmp_path):
    """Pillow keeps the upper 8 bits of them, so a range can't be applied."""
    import struct
    import zlib

    rows = b"".join(b"\0" + struct.pack(">12H", *range(i * 1000, i * 1000 + 12)) for i in range(4))

    def chunk(name, body):
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    head = struct.pack(">IIBBBBB", 4, 4, 16, 2, 0, 0, 0)
    content = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    (tmp_path / "x.png").write_bytes(content)
    path = os.fsencode(str(tmp_path / "x.png"))
    (got,) = decode_files([path], View((4, 4), 3, value_range=(0, 100)))
    assert got.startswith("it has 16 bits in colour")
    (got,) = decode_files([path], View((4, 4), 3))
    want = np.array([[range(i * 1000, i * 1000 + 12)] for i in range(4)]).reshape(4, 4, 3) >> 8
    np.testing.assert_array_equal(got.image, want)
