"""How large the WebAssembly files of three libraries for inference in a browser are.

  python -m benchmarks.web_runtimes

Installs each library by npm into a temporary folder. Writes benchmarks/results/web_runtimes.json.
"""

import gzip
import os
import subprocess
import tempfile

from vq_estimator_launch import common
from vq_estimator_launch.common import FLAGS, Group

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
RUNTIMES = Group("Runtimes")
RUNTIMES.path("out", os.path.join(ROOT, "benchmarks", "results", "web_runtimes.json"), "the file to write")
# Package, version, and the file that a page without cross-origin isolation loads.
LIBRARIES = {
    "onnxruntime": ("onnxruntime-web", "1.30.0", "dist/ort-wasm-simd-threaded.wasm"),
    "litert": ("@litertjs/core", "2.5.3", "wasm/litert_wasm_internal.wasm"),
    "tfjs": ("@tensorflow/tfjs-backend-wasm", "4.22.0", "wasm-out/tfjs-backend-wasm-simd.wasm"),
}


def measure(package, version, path):
    """Bytes of a package's WebAssembly file, and by gzip."""
    with tempfile.TemporaryDirectory() as folder:
        command = ["npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
        subprocess.run([*command, f"{package}@{version}"], cwd=folder, check=True, stdout=subprocess.DEVNULL)
        with open(os.path.join(folder, "node_modules", package, path), "rb") as f:
            content = f.read()
    return {"package": package, "version": version, "bytes": len(content), "gzip": len(gzip.compress(content))}


def main():
    from vq_estimator.data.files import write_json

    found = {name: measure(*library) for name, library in LIBRARIES.items()}
    for row in found.values():
        print("{package} {version}: {bytes:,} bytes, {gzip:,} by gzip".format(**row))
    write_json(FLAGS.out, found)


if __name__ == "__main__":
    common.run(main, __doc__)
