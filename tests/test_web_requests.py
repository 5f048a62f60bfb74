"""The page of vq-export --format=web, asked for several things at once: what is shown belongs together."""

import numpy as np
import pytest
from PIL import Image

import vq_estimator as vq
from helpers import browser as browser_lib
from helpers.codec_runs import write_run
from vq_estimator.data.files import user_cache
from vq_estimator.errors import VQError
from vq_estimator.inference.export.web import runtime

pytestmark = pytest.mark.skipif(bool(browser_lib.missing()), reason=browser_lib.missing() or "all is here")
IMAGES = np.random.RandomState(0).randint(0, 256, (3, 8, 8, 1)).astype(np.uint8)
AT_ONCE = "(all) => { for (const [selector, i] of all) document.querySelectorAll(selector)[i].click(); }"
LONG = "a_long_name_" * 10
EXAMPLE, CELL, ALTERNATIVE = "#examples button", ".cell", "#alternatives button"


@pytest.fixture(scope="module")
def opened(tmp_path_factory):
    """The page of a small run, 2 x 2 x 2 codes of 8 with a prior over 3 classes."""
    folder, cache = tmp_path_factory.mktemp("web"), user_cache()
    try:
        runtime.fetch(cache)
    except VQError as e:
        pytest.skip(str(e))
    with vq.load(write_run(folder / LONG, classes=3, L=2, hidden_channels="8,8")) as model:
        model.export(str(folder / "page"), "web", examples=IMAGES, cache_dir=cache)
    with browser_lib.served(str(folder / "page")) as address, browser_lib.chromium() as browser:
        yield browser_lib.OpenPage(browser, address)


@pytest.fixture
def page(opened):
    """The page with its first example and no selected place; no test may leave a problem."""
    opened.click(EXAMPLE, 1)
    opened.click(EXAMPLE, 0)
    yield opened
    assert opened.problems == []


def click_at_once(page, *clicks):
    page.page.evaluate(AT_ONCE, [list(click) for click in clicks])
    page.settled()


def place(page):
    """The index of the code whose alternatives are shown, as the page says it."""
    words = page.text("#place").replace(",", "").split()  # row 1 column 2 · book 1
    row, column, book = (int(words[i]) - 1 for i in (1, 3, 6))
    return (row * 2 + column) * 2 + book


def check_together(page, n):
    """The place n is selected, and its alternatives are those of the state."""
    state, alternatives = page.state(), page.alternatives()
    assert place(page) == n and page.page.locator(".cell[aria-selected=true]").count() == 1
    assert [code for code, _, present in alternatives if present] == [state["codes"][n]]
    total = next(bits for _, bits, present in alternatives if present)
    assert total == pytest.approx(page.number("#total"), abs=0.15)
    assert page.page.get_attribute("#alternatives", "aria-busy") is None


def test_a_place_that_is_chosen_while_an_image_opens_is_one_of_that_image(page):
    click_at_once(page, (EXAMPLE, 2), (CELL, 1))
    np.testing.assert_array_equal(page.state()["pixels"], IMAGES[2].ravel())
    check_together(page, 2)


def test_a_change_is_not_lost_when_another_place_is_chosen(page):
    page.click(CELL, 0)
    before, code = page.state()["codes"], page.alternatives()[4][0]
    click_at_once(page, (ALTERNATIVE, 4), (CELL, 3))
    assert page.state()["codes"] == [code, *before[1:]]
    check_together(page, 6)
    page.click("#undo")
    assert page.state()["codes"] == before
    check_together(page, 6)


def test_a_change_is_not_lost_when_the_rest_is_drawn(page):
    page.click(CELL, 0)
    before, code = page.state()["codes"], page.alternatives()[4][0]
    click_at_once(page, (ALTERNATIVE, 4), ("#rest", 0))
    assert page.state()["codes"][0] == code
    check_together(page, 0)
    page.click("#undo")
    assert page.state()["codes"] == [code, *before[1:]]


def test_alternatives_of_the_place_before_can_no_longer_be_taken(page):
    page.click(CELL, 0)
    before = page.state()["codes"]
    other = next(i for i, (_, _, present) in enumerate(page.alternatives()) if not present)
    click_at_once(page, (CELL, 3), (ALTERNATIVE, other))
    assert page.state()["codes"] == before
    check_together(page, 6)


def test_two_undos_at_once_are_two(page):
    page.click(CELL, 0)
    before = page.state()["codes"]
    for i in (5, 6, 7):
        page.click(ALTERNATIVE, i)
    kept = page.state()["codes"]
    assert kept != before
    click_at_once(page, ("#undo", 0), ("#undo", 0), ("#undo", 0))
    assert page.state()["codes"] == before and page.page.is_disabled("#undo")
    check_together(page, 0)


def test_draws_for_the_image_before_are_not_shown_under_a_new_one(page):
    own = page.state()["codes"]
    click_at_once(page, ("#all", 0), (EXAMPLE, 1))
    np.testing.assert_array_equal(page.state()["pixels"], IMAGES[1].ravel())
    page.click(EXAMPLE, 0)
    click_at_once(page, (EXAMPLE, 1), ("#all", 0), ("#reset", 0))
    np.testing.assert_array_equal(page.state()["pixels"], IMAGES[1].ravel())
    assert page.text("#change") == "the encoder's own codes"
    page.click(EXAMPLE, 0)
    assert page.state()["codes"] == own and page.text("#place") == ""


def test_a_file_can_be_chosen_again_and_keeps_its_name(page, tmp_path):
    path = tmp_path / "grey.png"
    Image.fromarray(np.full((8, 8), 77, np.uint8)).save(str(path))
    page.click("#tab-file")
    for _ in range(2):
        with page.page.expect_file_chooser() as chooser:
            page.page.click("#file")
        chooser.value.set_files(str(path))
        page.page.wait_for_selector("#status:has-text('grey.png: ')")
        page.settled()
        assert page.text("#status").startswith("grey.png: ")
        assert set(page.state()["pixels"]) == {77}
        page.click("#tab-examples")
        page.click(EXAMPLE, 1)
        page.click("#tab-file")
    page.click("#tab-examples")


def test_long_names_fit_on_a_phone(page, tmp_path):
    path = tmp_path / (LONG + ".png")
    Image.fromarray(IMAGES[0, :, :, 0]).save(str(path))
    page.page.set_viewport_size({"width": 360, "height": 740})
    page.page.set_input_files("#file", str(path))
    page.page.wait_for_selector(f"#status:has-text('{LONG}')")
    page.settled()
    page.page.evaluate("(name) => { document.querySelector('#class option').textContent = name; }", LONG)
    assert page.text("#title") == LONG
    assert page.page.evaluate("() => document.documentElement.scrollWidth") == 360
    page.page.set_viewport_size({"width": 1280, "height": 900})
