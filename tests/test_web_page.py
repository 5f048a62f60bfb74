"""The page of vq-export --format=web in real headless Chromium: its figures are the package's, its controls work."""

import base64
import io

import numpy as np
import pytest
from PIL import Image

import vq_estimator as vq
from helpers import browser as browser_lib
from vq_estimator.data.files import user_cache
from vq_estimator.errors import VQError
from vq_estimator.inference.export.web import runtime

pytestmark = pytest.mark.skipif(bool(browser_lib.missing()), reason=browser_lib.missing() or "all is here")

N = 20
CELL = 4  # the code in the middle


@pytest.fixture(scope="module")
def exported(digits, tmp_path_factory):
    """The model `mnist`, 20 images as it sees them, and the folder with its page."""
    folder, cache = str(tmp_path_factory.mktemp("web") / "mnist"), user_cache()
    try:
        runtime.fetch(cache)
    except VQError as e:
        pytest.skip(str(e))
    with vq.load("mnist") as model:
        images = next(model.examples(digits, "test", N).batches()).images[:N]
        model.export(folder, "web", examples=images, cache_dir=cache)
        yield model, images, folder


@pytest.fixture(scope="module")
def browser():
    with browser_lib.chromium() as opened:
        yield opened


@pytest.fixture(scope="module")
def address(exported):
    with browser_lib.served(exported[2]) as served:
        yield served


@pytest.fixture(scope="module")
def opened(browser, address):
    return browser_lib.OpenPage(browser, address)


@pytest.fixture
def page(opened):
    """The page with its first example; no test may leave a problem."""
    opened.click("#tab-examples")
    opened.click("#examples button")
    yield opened
    assert opened.problems == []


def bits_of(model, image, codes):
    """Rate and distortion of an image [H, W, C] given codes, in bits."""
    shape = model.config.model.grid
    b = model.bits_per_dim(image[np.newaxis], np.array(codes, np.int32).reshape(1, *shape))
    return float(b.rate_prior[0]) * image.size, float(b.distortion[0]) * image.size


def check_state(state, model, image):
    """The page's figures of its present codes are the package's."""
    rate, distortion = bits_of(model, image, state["codes"])
    assert state["rate"] == pytest.approx(rate, rel=1e-3)
    assert state["distortion"] == pytest.approx(distortion, rel=1e-3)


def test_codes_pixels_and_bits_are_the_packages(page, exported):
    model, images, _ = exported
    codes, pixels = model.encode(images).reshape(N, -1), model.reconstruct(images).reshape(N, -1).astype(int)
    for i in range(N):
        page.click("#examples button", i)
        state = page.state()
        np.testing.assert_array_equal(state["pixels"], images[i].ravel())
        np.testing.assert_array_equal(state["codes"], codes[i])
        assert np.abs(np.array(state["reconstruction"]) - pixels[i]).max() <= 1
        check_state(state, model, images[i])
        assert page.number("#total") == pytest.approx(state["rate"] + state["distortion"], abs=0.06)
        assert page.number("#per-dim") == pytest.approx(page.number("#total") / images[i].size, abs=1e-3)


def test_each_alternative_costs_what_the_package_says(page, exported):
    model, images, _ = exported
    page.click(".cell", CELL)
    shown, codes = page.alternatives(), page.state()["codes"]
    assert sorted(code for code, _, _ in shown) == list(range(20))
    assert [code for code, _, present in shown if present] == [codes[CELL]]
    assert [bits for _, bits, _ in shown] == sorted(bits for _, bits, _ in shown)
    for code, bits, _ in shown:
        other = codes[:CELL] + [code] + codes[CELL + 1 :]
        assert bits == pytest.approx(sum(bits_of(model, images[0], other)), rel=1e-3)


def test_an_alternative_takes_the_codes_place_and_can_be_taken_back(page, exported):
    model, images, _ = exported
    before = page.state()["codes"]
    page.click(".cell", CELL)
    code, bits, _ = page.alternatives()[3]
    page.click("#alternatives button", 3)
    state = page.state()
    assert state["codes"] == before[:CELL] + [code] + before[CELL + 1 :]
    assert page.number("#total") == bits and page.alternatives()[3] == (code, bits, True)
    check_state(state, model, images[0])
    page.click("#undo")
    assert page.state()["codes"] == before
    page.click("#alternatives button", 5)
    page.click("#reset")
    assert page.state()["codes"] == before
    assert page.text("#change") == "the encoder's own codes"


def test_the_rest_is_drawn_by_class_and_temperature(page, exported):
    model, images, _ = exported
    before = page.state()["codes"]
    page.click(".cell", CELL)
    page.page.select_option("#class", "3")
    page.page.fill("#temperature", "0.1")
    assert page.text("#heat") == "0.10"
    page.click("#rest")
    state = page.state()
    assert state["codes"][: CELL + 1] == before[: CELL + 1]
    check_state(state, model, images[0])
    maps, rates = [], []
    for label in ("0", "1"):
        page.page.select_option("#class", label)
        page.click("#all")
        maps.append(page.state()["codes"])
        rates.append(page.state()["rate"])
    assert maps[0] != maps[1]
    # At a low temperature the draws are likelier than most draws at temperature 1.
    drawn = model.sample(100, labels=[0]).codes
    usual = [bits_of(model, images[0], codes.ravel().tolist())[0] for codes in drawn[:30]]
    assert max(rates) < np.median(usual)
    page.page.select_option("#class", "")
    page.page.fill("#temperature", "1")


def test_the_steps_between_two_images(page, exported):
    model, images, _ = exported
    page.click("#ends button", 3)
    page.page.wait_for_selector("#steps button")
    assert page.page.locator("#steps button").count() == 9
    ends = model.encode(images[[0, 3]]).reshape(2, -1).tolist()
    for step, codes in ((0, ends[0]), (8, ends[1])):
        page.click("#steps button", step)
        assert page.state()["codes"] == codes
    page.click("#steps button", 4)
    half = vq.explore.interpolate(model, images[0], images[3], steps=9).quantized[4]
    assert np.abs(np.array(page.state()["reconstruction"]) - half.ravel().astype(int)).max() <= 1


def test_a_drawing_by_pen_and_by_keys(page):
    page.click("#tab-draw")
    page.page.fill("#pen", "12")
    box = page.page.locator("#pad").bounding_box()
    mouse = page.page.mouse
    mouse.move(box["x"] + box["width"] / 2, box["y"] + 40)
    mouse.down()
    mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] - 40, steps=4)
    mouse.up()
    page.settled()
    drawn = np.array(page.state()["pixels"]).reshape(24, 24)
    assert drawn[12, 12] > 200 and drawn[:, :8].max() == 0
    page.click("#clear")
    assert max(page.state()["pixels"]) == 0
    page.page.focus("#pad")
    for key in ("ArrowLeft", "ArrowLeft", " "):
        page.page.keyboard.press(key)
    page.settled()
    assert np.array(page.state()["pixels"]).reshape(24, 24)[12, 10] > 100


def test_a_file_becomes_what_the_package_sees(page, exported, tmp_path):
    model = exported[0]
    random = np.random.RandomState(0)
    sizes = [(60, 41, 3), (28, 28, 1), (24, 24, 1), (9, 13, 3)]
    for i, shape in enumerate(sizes):
        pixels = random.randint(0, 256, shape).astype(np.uint8)
        path = str(tmp_path / f"{i}.png")
        Image.fromarray(pixels if shape[2] == 3 else pixels[..., 0]).save(path)
        page.click("#tab-file")
        page.page.set_input_files("#file", path)
        page.page.wait_for_selector(f"#status:has-text('{i}.png')")
        page.settled()
        wanted = model.prepare([path])[0].ravel().astype(int)
        assert np.abs(np.array(page.state()["pixels"]) - wanted).max() <= 1
    damaged = tmp_path / "damaged.png"
    damaged.write_bytes(b"no image")
    page.page.set_input_files("#file", str(damaged))
    page.page.wait_for_selector("#status:has-text('damaged.png: this browser')")


def test_a_dropped_file_is_taken(page):
    page.page.evaluate(
        """async () => {
          const canvas = new OffscreenCanvas(24, 24);
          const context = canvas.getContext("2d");
          context.fillStyle = "#fff";
          context.fillRect(0, 0, 24, 24);
          const blob = await canvas.convertToBlob();
          const data = new DataTransfer();
          data.items.add(new File([blob], "dropped.png", { type: "image/png" }));
          dispatchEvent(new DragEvent("drop", { dataTransfer: data, cancelable: true }));
        }"""
    )
    page.page.wait_for_selector("#status:has-text('dropped.png')")
    page.settled()
    assert set(page.state()["pixels"]) == {255}


def test_what_is_shown_and_how_strong_the_colours_are(page):
    shown = "() => document.getElementById('picture').toDataURL()"
    state = page.state()
    for button, wanted in ((1, state["pixels"]), (0, state["reconstruction"])):
        page.click("#shown button", button)
        png = base64.b64decode(page.page.evaluate(shown).partition(",")[2])
        levels = np.asarray(Image.open(io.BytesIO(png)).convert("L"))
        np.testing.assert_array_equal(levels.ravel(), wanted)
    page.page.fill("#opacity", "0")
    opacity = page.page.evaluate("() => getComputedStyle(document.querySelector('.cell'), '::before').opacity")
    assert float(opacity) == 0.0
    page.page.fill("#opacity", "45")


def test_the_keyboard_alone(page):
    page.page.locator(".cell").nth(0).focus()
    for key in ("ArrowDown", "ArrowRight", "Enter"):
        page.page.keyboard.press(key)
    page.page.wait_for_selector("#place:has-text('row 2, column 2')")
    page.settled()
    page.page.locator("#alternatives button").nth(0).focus()
    page.page.keyboard.press("ArrowRight")
    page.page.keyboard.press("Enter")
    page.page.wait_for_selector("#alternatives button:nth-child(2)[aria-pressed=true]")
    page.settled()
    assert page.alternatives()[1][2]
    page.page.focus("#tab-examples")
    page.page.keyboard.press("ArrowRight")
    assert page.page.is_visible("#pad") and not page.page.is_visible("#examples")


def test_every_control_has_a_name(page):
    nameless = page.page.evaluate(
        """() => [...document.querySelectorAll("button, input, select, [role=radiogroup], [role=grid]")].filter((e) =>
          !e.getAttribute("aria-label") && !e.getAttribute("aria-labelledby") && !e.textContent.trim() &&
          !(e.labels && e.labels[0] && e.labels[0].textContent.trim())).map((e) => e.outerHTML)"""
    )
    assert nameless == []


def test_a_phones_width_and_both_themes(page, browser, address):
    phone = browser_lib.OpenPage(browser, address, viewport={"width": 390, "height": 844}, color_scheme="dark")
    ground = "() => getComputedStyle(document.body).backgroundColor"
    phone.click(".cell", CELL)
    assert phone.page.evaluate("() => document.documentElement.scrollWidth") == 390
    dark, light = phone.page.evaluate(ground), page.page.evaluate(ground)
    assert dark != light
    phone.click("#theme")
    assert phone.page.evaluate(ground) == light
    assert phone.problems == []
    phone.page.close()


@pytest.mark.slow
def test_six_codes_of_1024_per_position(browser, tmp_path):
    folder = str(tmp_path / "page")
    with vq.load("cifar10-factorised") as model:
        model.export(folder, "web", cache_dir=user_cache())  # no data set: the examples are draws
        with browser_lib.served(folder) as served:
            page = browser_lib.OpenPage(browser, served)
            for i in range(N):
                page.click("#examples button", i)
                state = page.state()
                image = np.array(state["pixels"], np.uint8).reshape(32, 32, 3)
                np.testing.assert_array_equal(state["codes"], model.encode(image[np.newaxis]).ravel())
                decoded = model.reconstruct(image[np.newaxis]).ravel().astype(int)
                assert np.abs(np.array(state["reconstruction"]) - decoded).max() <= 1
                check_state(state, model, image)
            page.click("#levels button", 2)
            page.click(".cell", 27)
            n, codes, shown = 27 * 6 + 2, state["codes"], page.alternatives()
            assert len(shown) in (32, 33) and [code for code, _, present in shown if present] == [codes[n]]
            for code, bits, _ in shown[::4]:
                other = codes[:n] + [code] + codes[n + 1 :]
                assert bits == pytest.approx(sum(bits_of(model, image, other)), rel=1e-3)
            page.click("#rest")
            assert page.state()["codes"][: n + 1] == codes[: n + 1]
            assert page.state()["codes"][n + 1 :] != codes[n + 1 :]
            assert page.problems == []
