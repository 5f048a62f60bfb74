"""Compares lossy files with JPEG, WebP and JPEG XL: bytes, PSNR and SSIM of one set of images.

  python benchmarks/rate_distortion.py --pretrained=cifar10-factorised --num=1000 --data_dir=DIR
  python benchmarks/rate_distortion.py --pretrained=mnist --num=1000 --data_dir=DIR
  python benchmarks/rate_distortion.py --pretrained=cifar10-factorised --photographs=/var/tmp/vq_photographs/test
  python benchmarks/rate_distortion.py --pretrained=fsdd --data_dir=DIR
  python benchmarks/rate_distortion.py --plot

Compresses the first test images of the model's data set, or the image files of a folder (see photographs_data.py), and
adds the result to benchmarks/results/rate_distortion.json. The files of several priors are measured in several runs
(--prior). The other formats get the same images at several qualities, one by one and, if they are small, as one sheet.
PSNR and SSIM are means over the images; images of at least 176 pixels have MS-SSIM instead, both by TensorFlow.
--plot draws docs/lossy.png only. For speech only the bits per second are measured. The other formats need
`pip install ".[bench_codec]"`.
"""

import math
import os
import sys
import tempfile
import time
import zlib

from vq_estimator.config import provided
from vq_estimator.errors import VQError
from vq_estimator_launch import common
from vq_estimator_launch.common import FLAGS, Group

RATES = Group("Rate and distortion")
RATES.enum("pretrained", "cifar10-factorised", provided.names(), "the provided model")
RATES.path("photographs", None, "folder of image files instead of the test split of the model's data set")
RATES.integer("num", 0, "number of images, from the start; 0: all")
RATES.enum("prior", "auto", ["auto", "learned", "unigram", "uniform"], "prior of the codes")
RATES.bool("plot", False, "only draw the picture of the results")
common.data_flags()
ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, ROOT)
RESULTS = os.path.join(ROOT, "benchmarks", "results", "rate_distortion.json")
PICTURE = os.path.join(ROOT, "docs", "lossy.png")
MS_SSIM_SIDE = 176  # pixels of the smallest image that has the five scales of MS-SSIM
QUALITIES = (1, 5, 15, 30, 50, 70, 85, 95, 98)
FORMATS = {
    "jpeg": dict(format="JPEG", optimize=True),
    "jpeg, full chroma": dict(format="JPEG", optimize=True, subsampling=0),
    "webp": dict(format="WEBP", method=6),
    "jpeg_xl": dict(format="JXL", effort=7),
}


class Quality:
    """PSNR in dB and SSIM or MS-SSIM of images, as means over the images."""

    def __init__(self, images):
        import tensorflow.compat.v1 as tf

        self._images = images
        self.name = "ms_ssim" if min(min(x.shape[:2]) for x in images) >= MS_SSIM_SIDE else "ssim"
        similarity = tf.image.ssim_multiscale if self.name == "ms_ssim" else tf.image.ssim
        shape = (None, None, None, images[0].shape[-1])
        with tf.Graph().as_default():
            a, b = tf.placeholder(tf.uint8, shape), tf.placeholder(tf.uint8, shape)
            self._run = tf.Session().make_callable(similarity(a, b, 255), [a, b])

    def __call__(self, images):
        import numpy as np

        psnr, similarity = [], []
        for start in range(0, len(images), 250 if self.name == "ssim" else 1):
            part = slice(start, start + (250 if self.name == "ssim" else 1))
            a, b = np.stack(self._images[part]), np.stack(images[part])
            mse = ((a.astype(np.float64) - b) ** 2).mean((1, 2, 3))
            psnr += list(10 * np.log10(255.0**2 / np.maximum(mse, 1e-3)))
            similarity += list(self._run(a, b))
        return {"psnr": float(np.mean(psnr)), self.name: float(np.mean(similarity))}


def others(images, quality, as_sheet):
    """For each format the bytes and the quality of the images at each of QUALITIES, as files or as one sheet."""
    from benchmarks.image_formats import encode_images

    curves = {}
    for name, settings in FORMATS.items():
        if images[0].shape[-1] == 1 and "subsampling" in settings:
            continue
        curves[name] = []
        for q in QUALITIES:
            size, decoded = encode_images(images, dict(settings, quality=q), as_sheet)
            curves[name].append({"quality": q, "bytes": size, **quality(decoded)})
        print(name, "sheet" if as_sheet else "files", [p["bytes"] for p in curves[name]], flush=True)
    return curves


def at_bytes(curve, size, key):
    """The value of a curve at `size` bytes, linear in the logarithm of the bytes; None outside of the curve."""
    import numpy as np

    points = sorted((p["bytes"], p[key]) for p in curve)
    if not points[0][0] <= size <= points[-1][0]:
        return None
    return float(np.interp(math.log(size), [math.log(b) for b, _ in points], [value for _, value in points]))


def rates(done, seconds_of_coding, units):
    """Sizes of a lossy file; `units` has the number of each unit that bits are divided by."""
    bits = {f"bits_per_{unit}": 8 * done.bytes / number for unit, number in units.items()}
    return {"bytes": done.bytes, "header_bytes": done.header, **bits, "coding_cpu_seconds": seconds_of_coding}


def measure_speech(run):
    """Bits per second of the test recordings."""
    from vq_estimator.data import speech_sources
    from vq_estimator.inference import codec
    from vq_estimator.inference.codec import recordings

    m = run.config.model
    wanted = run.config.dataset_source
    source = speech_sources.locate(run.config.dataset, FLAGS.data_dir, common.cache_dir(), m.sample_rate, wanted=wanted)
    with tempfile.TemporaryDirectory() as folder:
        started, path = time.process_time(), os.path.join(folder, "recordings.vqz")
        given = recordings.of_split(m, source, "test")
        done = codec.compress(run, given, path, FLAGS.prior, verify=False, lossy=True)
    units = {"second": done.dims / m.sample_rate, "recording": done.images}
    sizes = rates(done, time.process_time() - started, units)
    return {"model": FLAGS.pretrained, "recordings": done.images, "ours": {done.prior: sizes}}


def measure(run, before):
    """The result of one set of images; curves are those of `before` if it has the same images."""
    import numpy as np
    import tensorflow.compat.v1 as tf

    from vq_estimator.data import sources
    from vq_estimator.inference import codec
    from vq_estimator.inference.codec import images as images_lib

    config = run.config
    if FLAGS.photographs:
        given = images_lib.of_folder(FLAGS.photographs, config.model.channels)
        images = list(given.each)[: FLAGS.num or given.number]
    else:
        source = sources.locate(config.dataset, FLAGS.data_dir, common.cache_dir(), wanted=config.dataset_source)
        images = np.stack(list(images_lib.of_split(config, source, "test").each))[: FLAGS.num or None]
    pixels, checksum = sum(x.shape[0] * x.shape[1] for x in images), zlib.crc32(b"".join(x.tobytes() for x in images))
    with tempfile.TemporaryDirectory() as folder:
        path, started = os.path.join(folder, "images.vqz"), time.process_time()
        done = codec.compress(run, images, path, FLAGS.prior, verify=False, lossy=True)
        sizes = rates(done, time.process_time() - started, {"pixel": pixels, "image": len(images)})
        print(done, flush=True)
        started = time.process_time()
        decoded = codec.decompress(run, path).images
        sizes["decoding_cpu_seconds"] = time.process_time() - started
        single = codec.compress(run, images[:1], path, done.prior, verify=False, lossy=True)
        sizes["first_image_alone"] = {"bytes": single.bytes, "header_bytes": single.header}
    print(done.prior, sizes, flush=True)
    quality, same = Quality(images), before.get("checksum") == checksum
    result = {
        "model": FLAGS.pretrained,
        "images": len(images),
        "checksum": checksum,
        "pixels": pixels,
        "similarity": quality.name,
        **quality(decoded),
        "ours": {**(before["ours"] if same else {}), done.prior: sizes},
        "tensorflow": tf.__version__,
        "cpus": os.cpu_count(),
    }
    for way in ("files",) if FLAGS.photographs else ("files", "sheet"):
        curves = before[way]["curves"] if same else others(images, quality, way == "sheet")
        smallest = {name: min(p["bytes"] for p in curve) for name, curve in curves.items()}
        result[way] = {"curves": curves, "smallest_bytes": smallest, "at_equal_bytes": {}}
        for prior, ours in result["ours"].items():
            result[way]["at_equal_bytes"][prior] = {
                name: {key: at_bytes(curve, ours["bytes"], key) for key in ("psnr", quality.name)}
                for name, curve in curves.items()
            }
    return result


TITLES = {
    "cifar10-factorised": "CIFAR-10, {images:,} test images of 32 x 32",
    "mnist": "MNIST, {images:,} test images of 24 x 24",
    "photographs": "{images:,} photographs of 480 x 320",
}
STYLES = {"jpeg": "#4477aa", "jpeg, full chroma": "#66ccee", "webp": "#ee8866", "jpeg_xl": "#228833"}


def plot(results):
    """Draws PSNR and SSIM over bits per pixel, a row for each set of images and way to store them."""
    from vq_estimator.drawing import figures

    rows = [(name, way) for name in TITLES for way in ("files", "sheet") if way in results.get(name, {})]
    figure = figures.new_figure(10.0, 3.2 * len(rows))
    axes = figure.subplots(len(rows), 2, squeeze=False)
    for (name, way), row in zip(rows, axes):
        result = results[name]
        for axis, key in zip(row, ("psnr", result["similarity"])):
            for label, curve in result[way]["curves"].items():
                points = [(8 * p["bytes"] / result["pixels"], p[key]) for p in curve]
                axis.plot(*zip(*points), color=STYLES[label], marker=".", label=label.replace("_", " "))
            for (prior, ours), marker in zip(sorted(result["ours"].items()), ("*", "x", "+")):
                label = f"{result['model']} --lossy, {prior} prior"
                axis.plot(ours["bits_per_pixel"], result[key], "k" + marker, markersize=10, label=label)
            axis.set_xscale("log", base=2)
            axis.xaxis.set_major_formatter("{x:g}")
            axis.set_xlabel("bits per pixel, headers included")
            axis.set_ylabel({"psnr": "PSNR, dB", "ssim": "SSIM", "ms_ssim": "MS-SSIM"}[key])
            axis.grid(alpha=0.3)
            figures.hide_spines(axis, "top", "right")
        where = "" if name == "photographs" else ", a file each" if way == "files" else ", one sheet"
        row[0].set_title(TITLES[name].format(**result) + where, loc="left", fontsize=10)
        row[1].legend(fontsize=8, loc="lower right")
    figures.save_figure(figure, PICTURE)


def main():
    from vq_estimator.data.files import read_json, write_json

    def load():
        return read_json(RESULTS) if os.path.isfile(RESULTS) else {}

    if not FLAGS.plot:
        from vq_estimator import pretrained
        from vq_estimator.config import SpeechConfig
        from vq_estimator.inference import codec

        name = "photographs" if FLAGS.photographs else FLAGS.pretrained
        run = codec.open_run(pretrained.folder(FLAGS.pretrained))
        speech = isinstance(run.config.model, SpeechConfig)
        result = measure_speech(run) if speech else measure(run, load().get(name, {}))
        write_json(RESULTS, {**load(), name: result})  # loaded again: another run may have written it
    results = load()
    if set(TITLES) & set(results):
        plot(results)
    elif FLAGS.plot:
        raise VQError(f"plot: got no result in {RESULTS!r}, expected some of {', '.join(TITLES)}")


if __name__ == "__main__":
    common.run(main, __doc__)
