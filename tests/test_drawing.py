import numpy as np
import pytest
from PIL import Image

from vq_estimator import drawing
from vq_estimator.drawing import figures, tables

pytestmark = pytest.mark.once


def test_grid_places_row_by_row():
    images = np.arange(5, dtype=np.uint8).reshape(5, 1, 1, 1)
    picture = drawing.grid(images, columns=2, gap=1)
    assert picture.shape == (5, 3, 1)
    np.testing.assert_array_equal(picture[::2, ::2, 0], [[0, 1], [2, 3], [4, 255]])
    assert (picture[1] == 255).all()


def test_side_by_side():
    a, b = np.zeros([2, 3, 1], np.uint8), np.ones([2, 1, 1], np.uint8)
    np.testing.assert_array_equal(drawing.side_by_side(a, b, gap=2)[0, :, 0], [0, 0, 0, 255, 255, 1])


def test_png_of_grey_and_colour(tmp_path):
    for channels in (1, 3):
        picture = np.random.RandomState(0).randint(0, 256, (4, 5, channels)).astype(np.uint8)
        drawing.save_png(str(tmp_path / "a.png"), picture, zoom=2)
        back = np.asarray(Image.open(str(tmp_path / "a.png"))).reshape(8, 10, channels)
        np.testing.assert_array_equal(back[::2, ::2], picture)


def test_bars_are_drawn_whole_or_not_at_all(tmp_path):
    path = str(tmp_path / "bars.png")
    drawing.stacked_bars(path, ["a", "b"], {"x": [1.0, 2.0], "y": [0.5, 0.1]}, "bits")
    with Image.open(path) as picture:
        width, height = picture.size
        assert width > 500 and height > 100
        colors = {color for _, color in picture.convert("RGB").getcolors(1 << 20)}
    assert {(0x44, 0x77, 0xAA), (0xEE, 0x88, 0x66)} <= colors
    with pytest.raises(ValueError):
        drawing.stacked_bars(str(tmp_path / "bad.png"), ["a", "b"], {"x": [1.0, 2.0, 3.0]}, "bits")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["bars.png"]


def test_a_large_picture_is_not_enlarged(tmp_path):
    for side, zoom in ((100, 2), (2600, 1)):
        drawing.save_png(str(tmp_path / "a.png"), np.zeros([10, side, 1], np.uint8), zoom=2)
        assert Image.open(str(tmp_path / "a.png")).size == (zoom * side, zoom * 10)


def test_frames_are_enlarged_one_by_one_and_large_ones_less(tmp_path):
    for side, want in ((24, 96), (200, 400), (600, 600)):
        drawing.save_gif(
            str(tmp_path / "a.gif"), np.random.RandomState(0).randint(0, 256, (3, side, side, 1), np.uint8)
        )
        with Image.open(str(tmp_path / "a.gif")) as gif:
            assert gif.size == (want, want) and gif.n_frames == 3


def test_a_table_keeps_every_pixel(tmp_path):
    images = np.random.RandomState(0).randint(0, 200, (2, 3, 4, 5, 1)).astype(np.uint8)
    path = str(tmp_path / "table.png")
    drawing.table(path, images, ["0,0", "0,1"], ["a", "b", "c"], "position", "value", zoom=3)
    with Image.open(path) as opened:
        picture = np.asarray(opened.convert("L"))
    canvas = drawing.grid(images.reshape(6, 4, 5, 1), 3, tables.GAP)[..., 0].repeat(3, 0).repeat(3, 1)
    bottom, right = picture.shape[0] - 8, picture.shape[1] - 8  # the rim
    found = picture[bottom - canvas.shape[0] : bottom, right - canvas.shape[1] : right]
    assert np.abs(found.astype(int) - canvas).max() <= 1
    assert (picture[:, : right - canvas.shape[1]] < 128).any() and (picture[: bottom - canvas.shape[0]] < 128).any()


def test_a_table_frames_what_is_marked(tmp_path):
    images = np.zeros([2, 3, 8, 8, 3], np.uint8)
    path = str(tmp_path / "table.png")
    for marked, any_frame in (((), False), (((1, 2),), True)):
        drawing.table(path, images, ["x", "y"], ["a", "b", "c"], marked=marked)
        with Image.open(path) as opened:
            picture = np.asarray(opened.convert("RGB")).astype(int)
        frame = np.argwhere(np.abs(picture - (0xEE, 0x66, 0x77)).max(-1) < 8)
        assert bool(len(frame)) == any_frame
    assert frame[:, 1].min() > picture.shape[1] / 2 and frame[:, 0].min() > picture.shape[0] / 2 - 8


def test_log_lines_takes_lines_of_different_lengths(tmp_path):
    lines = {"ours": ((1, 10, 100), (0.1, 0.2, 0.4)), "other": ((1, 10), (0.3, 3.0))}
    path = str(tmp_path / "lines.png")
    drawing.log_lines(path, [[("N", "seconds", lines), ("K", "seconds", lines)], [("N", "MB", lines)]])
    with Image.open(path) as image:
        assert image.format == "PNG" and image.width > image.height > 400


def sound(samples, codes):
    wave = np.sin(np.arange(samples) / 5.0)
    decibels = np.linspace(-70, 0, 33 * 20).reshape(33, 20)
    return drawing.Sound("seven by ann", ["original", "as bob"], [wave, 0.1 * wave], [decibels, -decibels], codes)


def colors_of(path):
    with Image.open(path) as picture:
        return picture.size, {color for _, color in picture.convert("RGB").getcolors(1 << 20)}


def test_recordings_are_a_column_each(tmp_path):
    path, codes = str(tmp_path / "a.png"), np.arange(8)[:, np.newaxis] % 4
    drawing.recordings(path, [sound(800, codes)], 4, 8000, 100)
    (width, height), colors = colors_of(path)
    drawing.recordings(path, [sound(800, codes), sound(333, codes[:4].repeat(3, 1))], 4, 8000, 100)
    (wider, higher), _ = colors_of(path)
    assert wider > width + 300 and higher == height > 400
    for end in ((48, 18, 59), (122, 4, 3)):  # of turbo, which the codes are in
        assert min(np.abs(np.subtract(color, end)).max() for color in colors) <= 1
    with pytest.raises(IndexError):
        drawing.recordings(str(tmp_path / "bad.png"), [], 4, 8000, 100)
    assert [p.name for p in tmp_path.iterdir()] == ["a.png"]


def test_code_shares_go_from_white_to_black_and_rare_codes_are_narrow(tmp_path):
    path = str(tmp_path / "a.png")
    shares = np.array([[1.0, 0.0], [0.5, 0.5], [0.0, 1.0]])
    drawing.code_shares(path, [drawing.Shares("word", ["rising", "falling"], shares, np.array([100, 300, 1]))])
    with Image.open(path) as opened:
        picture = np.asarray(opened.convert("L")).astype(int)
    row = picture[int(0.45 * len(picture))]  # through the upper half of the panel
    assert 0.15 < (row < 10).mean() < 0.3  # a quarter of the panel is of the first code
    drawing.code_shares(path, [drawing.Shares("x", ["a"], np.zeros([0, 1]), np.zeros(0))] * 2)  # nothing was seen


MARKUP = [
    *("K$$ha", "$x_1$", "a_b^c", r"\alpha", "$", "$$", r"\$", r"$\frac{1}{2", r"a\$b$c", "{}", "%", "#", "~", "_x", ""),
    *("a\nb", "a\tb", "\x1b[2J", "\0", "\udcff", "\u65e5\u672c", "\U0001f600", "x" * 300, "\u0301", "\u202e"),
]


def drawn(monkeypatch):
    """What matplotlib draws: (text, whether it is maths), as its own preprocessing leaves them."""
    from matplotlib.text import Text

    found = []
    real = Text._preprocess_math

    def preprocess(self, s):
        found.append(real(self, s))
        return found[-1]

    monkeypatch.setattr(Text, "_preprocess_math", preprocess)
    return found


@pytest.mark.parametrize("name", MARKUP)
def test_a_name_is_drawn_letter_by_letter(tmp_path, monkeypatch, recwarn, capfd, name):
    path, other = str(tmp_path / "a.png"), name + "2"
    seen, codes = drawn(monkeypatch), np.arange(8)[:, np.newaxis] % 4
    images = np.zeros([2, 2, 8, 8, 1], np.uint8)
    shares = np.array([[1.0, 0.0], [0.5, 0.5]])
    for draw in (
        lambda: drawing.table(path, images, [name, other], [name, other], name, name),
        lambda: drawing.stacked_bars(path, [(name, name), other], {"x": [1.0, 2.0]}, name),
        lambda: drawing.recordings(path, [sound(800, codes)._replace(title=name, names=[name, other])], 4, 8000, 100),
        lambda: drawing.code_shares(path, [drawing.Shares(name, [name, other], shares, np.ones(2))]),
    ):
        del seen[:]
        draw()
        texts = [text for text, _ in seen]
        assert not any(maths for _, maths in seen)
        if name.isprintable() and name.isascii() and len(name) < 60:
            assert name in "\n".join(texts)
        else:
            assert all(text.replace("\n", "").isprintable() for text in texts)
    assert not recwarn.list and capfd.readouterr().err == ""


def test_names_stay_distinct():
    names = [n for n in MARKUP if len(n) < 60] + ["\u65e5\u672d", "a b", "K$ha", r"K\$\$ha"]
    assert len({drawing.plain_text(n) for n in names}) == len(names) - 1  # a line break is a blank
    assert len(drawing.plain_text("\u65e5" * 300)) <= figures.MAX_NAME
    assert drawing.plain_text("\u00e9\u00df\u03b1\u0416") == "\u00e9\u00df\u03b1\u0416"  # which the font has
