"""An exported model, loaded by a process without the package."""

import os
import subprocess
import textwrap

import numpy as np

TF1_PYTHON = os.environ.get("VQ_TF1_PYTHON")


LOAD_TF1 = """
    import sys, numpy as np, tensorflow as tf
    assert tf.__version__.startswith("1.15"), tf.__version__
    data = np.load(sys.argv[2])
    with tf.Session() as session:
        s = tf.saved_model.load(session, ["serve"], sys.argv[1]).signature_def
        def call(name, key, out, value):
            return session.run(s[name].outputs[out].name, {s[name].inputs[key].name: value})
        # Another release computes with other kernels: codes may differ where two entries are equally near.
        codes = call("encode", "images", "codes", data["images"])
        pixels = call("decode", "codes", "images", data["codes"])
        assert (codes == data["codes"]).mean() > 0.999, (codes == data["codes"]).mean()
        assert abs(pixels.astype(int) - data["pixels"]).max() <= 1
        again = call("decode", "codes", "images", codes)
        assert (call("reconstruct", "images", "images", data["images"]) == again).all()
    assert not [m for m in sys.modules if m.startswith("vq_estimator")]
    print("same", len(data["images"]))
"""


def save_expected(expected, tmp_path):
    """Writes (images, codes, pixels) to data.npz."""
    np.savez(str(tmp_path / "data.npz"), images=expected[0], codes=expected[1], pixels=expected[2])


def in_a_process(python, code, exported, expected, tmp_path):
    save_expected(expected, tmp_path)
    script = tmp_path / "load.py"
    script.write_text(textwrap.dedent(code))
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    done = subprocess.run(
        [python, str(script), exported, str(tmp_path / "data.npz")],
        cwd=str(tmp_path),
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.strip() == "same 500"
