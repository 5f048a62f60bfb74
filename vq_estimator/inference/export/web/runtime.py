"""The runtime of the page: ONNX Runtime Web of the npm registry, brought by `npm ci` into the cache folder."""

import hashlib
import os
import shutil
import subprocess
import tempfile

from vq_estimator.data.files import atomic_folder
from vq_estimator.errors import VQError

HERE = os.path.dirname(os.path.abspath(__file__))
LOCKED = ("package.json", "package-lock.json")
TIMEOUT = 600  # seconds of `npm ci`
_DIST = "node_modules/onnxruntime-web/dist/"
# The files of the runtime by their names in the page's folder. Some servers do not know the suffix .mjs.
FILES = {
    "ort.wasm.bundle.min.js": _DIST + "ort.wasm.bundle.min.mjs",
    "ort-wasm-simd-threaded.wasm": _DIST + "ort-wasm-simd-threaded.wasm",
}


def fetch(cache_dir: str) -> str:
    """Returns the folder with FILES in the cache; they are installed by `npm ci` when they are not there.

    Raises:
      VQError: npm is missing, or it failed, for example without a network.
    """
    folder = os.path.join(cache_dir, "web", _locked_hash())
    if os.path.isdir(folder):
        return folder
    npm = shutil.which("npm")
    if npm is None:
        raise VQError("npm: got no such program, expected npm (of Node.js) to bring the page's runtime")
    with tempfile.TemporaryDirectory() as temporary:
        for name in LOCKED:
            shutil.copy(os.path.join(HERE, name), temporary)
        _install(npm, temporary)
        try:
            with atomic_folder(folder) as made:
                for name, source in FILES.items():
                    shutil.copy(os.path.join(temporary, source), os.path.join(made, name))
        except OSError as e:
            if not os.path.isdir(folder):  # otherwise another process was faster
                raise VQError(f"cache: can't write {folder!r}: {e.strerror or e}") from None
    return folder


def _install(npm: str, folder: str) -> None:
    command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    try:
        done = subprocess.run(
            command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=TIMEOUT, check=False
        )
    except subprocess.TimeoutExpired:
        raise VQError(f"npm: got no end of npm ci in {TIMEOUT} s, expected a connection to the registry") from None
    except OSError as e:
        raise VQError(f"npm: can't run {npm!r}: {e.strerror or e}") from None
    if done.returncode:
        lines = [line for line in done.stdout.decode("utf-8", "replace").splitlines() if line.strip()]
        said = next((line for line in lines if "code" in line), lines[0] if lines else "nothing")
        raise VQError(f"npm: npm ci failed ({said.strip()}), expected a connection to the registry")


def _locked_hash() -> str:
    digest = hashlib.sha256()
    for name in LOCKED:
        with open(os.path.join(HERE, name), "rb") as f:
            digest.update(f.read())
    return digest.hexdigest()[:16]
