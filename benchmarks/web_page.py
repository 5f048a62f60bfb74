"""How long a click on a code takes on the page of vq-export --format=web, and how large the page is.

  python -m benchmarks.web_page

Exports `mnist` and `cifar10-factorised`, opens each page in headless Chromium, and clicks codes at random places of
random test images. A time is from the click until all alternatives are shown. Needs Chromium, npm, the extra `onnx`
and Playwright. Writes benchmarks/results/web_page.json.
"""

import gzip
import json
import os
import platform
import sys
import tempfile

from vq_estimator_launch import common
from vq_estimator_launch.common import FLAGS, Group

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(ROOT, "tests"))
WEB = Group("Web page")
WEB.string("models", "mnist,cifar10-factorised", "provided models, with commas between them")
WEB.integer("clicks", 40, "timed clicks per model")
WEB.path("out", os.path.join(ROOT, "benchmarks", "results", "web_page.json"), "the file to write")
common.data_flags()
CLICK = """async (n) => {
  const cell = page.stage.cells[Math.floor(n / page.stage.levels)];
  const begin = performance.now();
  cell.click();
  while (document.body.hasAttribute("aria-busy")) await new Promise((done) => setTimeout(done, 1));
  return performance.now() - begin;
}"""


def size_of(folder, names=None):
    """Bytes of the files in a folder, or of some of them, as they are and by gzip."""
    paths = [os.path.join(top, name) for top, _, found in os.walk(folder) for name in found]
    kept = [path for path in paths if names is None or os.path.relpath(path, folder) in names]
    contents = []
    for path in kept:
        with open(path, "rb") as f:
            contents.append(f.read())
    return {"bytes": sum(map(len, contents)), "gzip": sum(len(gzip.compress(content)) for content in contents)}


def sizes(folder):
    """Sizes of the page itself, the runtime and the weights."""
    own = {"page": ("index.html", "page.css", "icon.svg")}
    page, code = size_of(folder, own["page"]), size_of(os.path.join(folder, "js"))
    return {
        "page": {key: page[key] + code[key] for key in page},
        "runtime": size_of(os.path.join(folder, "runtime")),
        "weights": size_of(os.path.join(folder, "models")),
    }


def measure(browser, browser_lib, folder, clicks):
    """Milliseconds of each click, and of loading the page."""
    import numpy as np

    random, times = np.random.RandomState(0), []
    with browser_lib.served(folder) as address:
        opened = browser_lib.OpenPage(browser, address)
        loaded = opened.page.evaluate("() => performance.now()")
        examples, size, levels = opened.page.evaluate(
            "() => [page.model.examples.length, page.model.size, page.stage.levels]"
        )
        for click in range(clicks + 1):
            if click % 8 == 0:
                opened.click("#examples button", random.randint(examples))
            n = random.randint(size)
            if levels > 1:
                opened.click("#levels button", n % levels)
            times.append(opened.page.evaluate(CLICK, int(n)))
        assert opened.problems == [], opened.problems
        opened.page.close()
    return loaded, np.array(times[1:])  # the first one warms up


def run_model(browser, browser_lib, name, clicks):
    """Exports a provided model and measures its page."""
    import numpy as np

    import vq_estimator as vq
    from vq_estimator.data import sources

    with tempfile.TemporaryDirectory() as temporary, vq.load(name) as model, common.writing_cache() as cache:
        source = sources.locate(model.config.dataset, FLAGS.data_dir, cache)
        images = next(model.examples(source, "test", 20).batches()).images
        folder = os.path.join(temporary, name)
        model.export(folder, "web", examples=images, cache_dir=cache)
        loaded, times = measure(browser, browser_lib, folder, clicks)
        return {
            "click_ms": {"p50": float(np.median(times)), "p90": float(np.percentile(times, 90)), "clicks": len(times)},
            "load_ms": loaded,
            "sizes": sizes(folder),
        }


def main():
    from helpers import browser as browser_lib
    from vq_estimator.data.files import write_json
    from vq_estimator.errors import VQError
    from vq_estimator_launch.tensorflow_import import import_tensorflow

    import_tensorflow()
    if browser_lib.missing():
        raise VQError(f"browser: got none ({browser_lib.missing()}), expected Chromium, npm, onnx and playwright")
    models = {}
    with browser_lib.chromium() as browser:
        version = browser.version
        for name in FLAGS.models.split(","):
            models[name] = run_model(browser, browser_lib, name, FLAGS.clicks)
            p50, p90 = (models[name]["click_ms"][key] for key in ("p50", "p90"))
            print(f"{name}: a click takes {p50:.0f} ms (median), {p90:.0f} ms (90th percentile)", flush=True)
            print(json.dumps(models[name]["sizes"]), flush=True)
    machine = {"chromium": version, "cores": os.cpu_count(), "python": platform.python_version()}
    write_json(FLAGS.out, {"machine": machine, "models": models})


if __name__ == "__main__":
    common.run(main, __doc__)
