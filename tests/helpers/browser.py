"""A folder served over HTTP, and a page of it in headless Chromium; whether they are there."""

import contextlib
import functools
import http.server
import importlib.util
import shutil
import threading

import tensorflow.compat.v1 as tf

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
TIMEOUT = 120_000  # milliseconds; a machine may be busy


def missing():
    """What the tests of the page need and is not here, in words, or ""."""
    if tf.__version__.startswith("1."):
        return "the page is written with TensorFlow 2"
    modules = [name for name in ("tf2onnx", "onnxruntime", "playwright") if importlib.util.find_spec(name) is None]
    programs = [name for name, found in (("Chromium", CHROMIUM), ("npm", shutil.which("npm"))) if found is None]
    return "not here: " + ", ".join(modules + programs) if modules or programs else ""


class _Handler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass

    def copyfile(self, source, outputfile):
        with contextlib.suppress(ConnectionError):  # the browser left
            super().copyfile(source, outputfile)


@contextlib.contextmanager
def served(folder):
    """Serves a folder as `python -m http.server` does; gives its address."""
    handler = functools.partial(_Handler, directory=folder)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()
            thread.join()


class OpenPage:
    """The page in a browser.

    Attributes:
      page: Playwright's.
      problems: errors and warnings of its console, requests that failed, and requests to elsewhere.
    """

    def __init__(self, browser, address, **options):
        self.page = browser.new_page(**{"viewport": {"width": 1280, "height": 900}, **options})
        self.page.set_default_timeout(TIMEOUT)
        self.problems = []
        self.page.on("console", lambda m: m.type in ("error", "warning") and self.problems.append(m.text))
        self.page.on("pageerror", lambda error: self.problems.append(str(error)))
        self.page.on("response", lambda r: r.status >= 400 and self.problems.append(f"{r.status} {r.url}"))
        self.page.on("request", lambda r: self._check_address(r.url, address))
        self.page.goto(address)
        self.settled()

    def _check_address(self, url, address):
        if not url.startswith((address, "blob:", "data:")):
            self.problems.append(f"a request to {url}")

    def settled(self):
        """Waits until the page has done what it was asked for."""
        self.page.wait_for_selector("body.ready:not([aria-busy])", state="attached")
        assert "did not work" not in self.text("#status"), self.text("#status")

    def click(self, selector, index=0):
        self.page.locator(selector).nth(index).click()
        self.settled()

    def text(self, selector):
        return self.page.inner_text(selector)

    def number(self, selector):
        return float(self.text(selector).replace(",", ""))

    def state(self):
        """The present codes, with their bits."""
        return self.page.evaluate(
            "() => { const s = page.state; return {codes: [...s.codes], pixels: [...s.pixels], rate: s.pricing.rate,"
            " reconstruction: [...s.reconstruction], distortion: s.distortion}; }"
        )

    def alternatives(self):
        """What is shown as alternatives: (code, bits, whether it is the present one)."""
        rows = self.page.locator("#alternatives button").evaluate_all(
            "all => all.map(b => [b.value, b.querySelector('.cost').textContent, b.getAttribute('aria-pressed')])"
        )
        return [(int(code), float(bits.replace(",", "")), pressed == "true") for code, bits, pressed in rows]


@contextlib.contextmanager
def chromium():
    """A headless Chromium with a fresh profile."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        try:
            yield browser
        finally:
            browser.close()
