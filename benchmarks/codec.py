"""Compares the lossless codec with PNG, WebP and JPEG XL (FLAC for speech), and with the model's bits per dimension.

  python benchmarks/codec.py --pretrained=cifar10 --data_dir=DIR
  python benchmarks/codec.py --pretrained=fsdd --data_dir=DIR
  python benchmarks/codec.py --pretrained=cifar10 --data_dir=DIR --codec=false --formats=webp,jpeg_xl
  python benchmarks/codec.py --pretrained=photographs --input=/var/tmp/vq_photographs/test

Compresses a split, decompresses it, compares every pixel, and writes results/codec/<model>.json: the bytes of the file
and of its header, what the run's evaluation says they should be, the bytes of the same images in other formats (each
image as a file, and all as one sheet), and seconds. With --input the images are files, at their own sizes. The other
formats need `pip install ".[bench_codec]"`. For speech, pixels are 8-bit mu-law levels, and FLAC has the same ones:
each recording as a file, and all of a speaker as one.
"""

import json
import math
import os
import sys
import tempfile
import time

from vq_estimator.config import provided
from vq_estimator.errors import VQError
from vq_estimator_launch import common
from vq_estimator_launch.common import FLAGS, Group

CODEC = Group("Codec")
CODEC.enum("pretrained", "mnist", provided.names(), "the provided model")
CODEC.path("model_dir", None, "a run to measure instead of a provided model")
CODEC.enum("split", "test", ["train", "validation", "test"], "of its data set")
CODEC.path("input", None, "folder of image files to compress instead of a split, each at its own size")
CODEC.integer("num", 0, "number of images or recordings, from the start of the split; 0: all")
CODEC.integer("single", 3, "repetitions for a single image, of which the median is reported")
CODEC.bool("codec", True, "measure the codec; without it only the other formats, added to an existing result")
CODEC.bool("others", True, "measure PNG, WebP and JPEG XL, or FLAC, too")
CODEC.string("formats", "png,webp,jpeg_xl_7,jpeg_xl", "which of those of images")
common.data_flags()
ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, ROOT)
RESULTS = os.path.join(ROOT, "results", "codec")


def formats():
    """Name: what Pillow is asked for. Each at the setting with the smallest files, and JPEG XL at its usual one too."""
    return {
        "png": dict(format="PNG", optimize=True),
        "webp": dict(format="WEBP", lossless=True, quality=100, method=6),
        "jpeg_xl_7": dict(format="JXL", lossless=True, effort=7),
        "jpeg_xl": dict(format="JXL", lossless=True, effort=9),
    }


def timed(call, *arguments, **given):
    """Returns a function's value, and the seconds and the processor seconds that it takes."""
    start = time.perf_counter(), time.process_time()
    value = call(*arguments, **given)
    return value, time.perf_counter() - start[0], time.process_time() - start[1]


def others(images, sheets=True):
    """Bytes and seconds in each format: each image by itself, and one sheet of them all."""
    import numpy as np

    from benchmarks.image_formats import encode_images

    found, wanted = {}, FLAGS.formats.split(",")
    for name, settings in formats().items():
        if name not in wanted:
            continue
        found[name] = {}
        for way in ("each", "sheet") if sheets else ("each",):
            (size, decoded), seconds, _ = timed(encode_images, images, settings, way == "sheet")
            if not all(np.array_equal(a, b) for a, b in zip(decoded, images)):
                raise VQError(f"{name}: got other pixels, expected those of the images, with {settings}")
            found[name].update({f"bytes_{way}": size, f"seconds_{way}": seconds})
        print(name + ":", ", ".join(f"{k} {v:,.0f}" for k, v in found[name].items() if "bytes" in k), flush=True)
    return found


def of_files(run, name):
    """Compares the codec with the other formats on image files at their own sizes."""
    import numpy as np

    from vq_estimator.data.files import read_json, write_json
    from vq_estimator.inference import codec, original_size
    from vq_estimator.inference.codec import images as images_lib
    from vq_estimator.inference.session import OpenRun

    def read():
        return images_lib.of_folder(FLAGS.input, run.config.model.channels)

    out = os.path.join(RESULTS, f"{name}-{os.path.basename(os.path.abspath(FLAGS.input))}.json")
    names, images = [item.name for item in read().items], list(read().each)
    result = read_json(out) if os.path.isfile(out) else {}
    if FLAGS.codec:
        with tempfile.TemporaryDirectory() as temporary:
            path = os.path.join(temporary, "images.vqz")
            done, coding, coding_cpu = timed(codec.compress, run, images, path, verify=False)
            back, decoding, decoding_cpu = timed(codec.decompress, run, path)
            same = sum(bool(np.array_equal(a, b)) for a, b in zip(back.images, images))
            entries = [entry.bytes for entry in codec.read(path).entries]
        with OpenRun(run.config, run.checkpoint) as opened:
            examples = original_size.of_images(read(), FLAGS.input)
            nats = sum(float(cost.nats.sum()) for _, cost in original_size.measure(opened, examples))
        bits = nats / math.log(2.0)
        result.update(
            model=name,
            images=len(images),
            images_the_same=same,
            dims=done.dims,
            bytes=done.bytes,
            header_bytes=done.header,
            bits_per_dim=done.bits_per_dim,
            prior=done.prior,
            distortion_bits_per_dim=bits / done.dims,
            bytes_beyond_distortion=done.bytes - done.header - bits / 8,
            coding_seconds=coding,
            coding_cpu_seconds=coding_cpu,
            decoding_seconds=decoding,
            decoding_cpu_seconds=decoding_cpu,
            cpus=os.cpu_count(),
        )
        if len(entries) == len(names):  # no image is cut
            result["each"] = dict(zip(names, entries))
    if FLAGS.others:
        result["others"] = {**result.get("others", {}), **others(images, sheets=False)}
    rows = [(name, result["bytes"], result["bits_per_dim"], 1.0)]
    for format_name, row in result.get("others", {}).items():
        row["bits_per_dim"] = 8.0 * row["bytes_each"] / result["dims"]
        row["ratio"] = result["bytes"] / row["bytes_each"]  # of our file to theirs
        rows.append((format_name, row["bytes_each"], row["bits_per_dim"], row["ratio"]))
    write_json(out, result)
    print(f"{'':<14}{'bytes':>12}{'bits/dim':>10}{'ours is':>9}")
    for title, size, bits, ratio in rows:
        print(f"{title:<14}{size:>12,}{bits:>10.4f}{ratio:>9.3f}")
    if FLAGS.codec and result["images_the_same"] != result["images"]:
        raise VQError("something came back with other pixels")


def flac(clips, sample_rate):
    """Bytes of FLAC files of the same levels, as `benchmarks.speech` makes them."""
    from benchmarks.speech import bits

    start = time.perf_counter()
    found = bits.flac(clips, sample_rate)
    result = {"encoder": found["encoder"], "seconds": time.perf_counter() - start}
    for name in ("by_clip", "by_speaker"):
        result["bytes_" + name] = round(found[name]["bits_per_sample"] * found["samples"] / 8)
        result["files_" + name] = found[name]["files"]
        result["bytes_of_frames_" + name] = round(found[name]["of_frames"] * found["samples"] / 8)
    print("FLAC: {bytes_by_clip:,} bytes by clip, {bytes_by_speaker:,} by speaker".format(**result), flush=True)
    return {"flac": result}


def main():
    if not set(FLAGS.formats.split(",")) <= set(formats()):
        raise VQError(f"formats: got {FLAGS.formats!r}, expected some of " + ",".join(formats()))
    import numpy as np
    import tensorflow.compat.v1 as tf

    from vq_estimator import pretrained
    from vq_estimator.config import SpeechConfig
    from vq_estimator.data import sources, speech_sources
    from vq_estimator.data.files import read_json, write_json
    from vq_estimator.inference import codec
    from vq_estimator.inference.codec import images as images_lib
    from vq_estimator.inference.codec import recordings

    folder = FLAGS.model_dir or pretrained.folder(FLAGS.pretrained)
    name = os.path.basename(os.path.abspath(folder))
    run = codec.open_run(folder)
    if FLAGS.input is not None:
        of_files(run, name)
        return
    config, m, cache = run.config, run.config.model, common.cache_dir()
    of_speech, clips = isinstance(m, SpeechConfig), None
    if of_speech:
        source = speech_sources.locate(
            config.dataset, FLAGS.data_dir, cache, m.sample_rate, wanted=config.dataset_source
        )
        clips = source.splits[FLAGS.split]
        if FLAGS.num:
            clips = clips._replace(ends=clips.ends[: FLAGS.num], names=clips.names[: FLAGS.num])
            clips = clips._replace(speakers=clips.speakers[: FLAGS.num], labels=clips.labels[: FLAGS.num])
        source = source._replace(splits={FLAGS.split: clips})
    else:
        source = sources.locate(config.dataset, FLAGS.data_dir, cache, wanted=config.dataset_source)

    evaluated, kept = None, os.path.join(folder, "eval", FLAGS.split + ".json")
    if os.path.isfile(kept):  # of the provided models the test split's
        evaluated = read_json(kept)

    def given(number):
        """What is compressed: the first `number` of the images; recordings with their names and speakers."""
        if not of_speech:
            return images[:number]
        chosen = recordings.of_split(m, source, FLAGS.split)
        return chosen._replace(number=number, items=chosen.items[:number])

    part = [FLAGS.split] * (FLAGS.split != "test") + [str(FLAGS.num)] * bool(FLAGS.num)
    out = os.path.join(RESULTS, "-".join([name, *part]) + ".json")

    def read():
        if of_speech:
            return [clips.clip(i) for i in range(clips.count)]
        images = np.stack(list(images_lib.of_split(config, source, FLAGS.split).each))
        return images[: FLAGS.num or len(images)]

    def add_others(result, images):
        found = flac(clips, m.sample_rate) if of_speech else others(images)
        write_json(out, {**result, "others": {**result.get("others", {}), **found}})

    if not FLAGS.codec:
        if not FLAGS.others or not os.path.isfile(out):
            raise VQError(f"codec: got no, expected --others with it and an existing result, {out!r}")
        add_others(read_json(out), read())
        return

    with tempfile.TemporaryDirectory() as temporary:
        path = os.path.join(temporary, "images.vqz")
        # The codec's session first: it decides how many threads an operation has.
        first = [1, 1000] if of_speech else [1, m.image_size, m.image_size, m.channels]
        codec.compress(run, np.zeros(first, np.uint8), path)
        images = read()
        done, coding, coding_cpu = timed(codec.compress, run, given(len(images)), path, verify=False)
        back, decoding, decoding_cpu = timed(codec.decompress, run, path)
        same = sum(bool(np.array_equal(a, b)) for a, b in zip(back.images, images))
        print(f"{done.bytes:,} bytes, {done.header:,} of them header; {same:,} of {len(images):,} came back the same")
        single = []
        for _ in range(FLAGS.single):
            of_one, there, _ = timed(codec.compress, run, given(1), path, verify=False)
            _, and_back, _ = timed(codec.decompress, run, path)
            single.append((there, and_back))
    there, and_back = np.median(np.array(single), 0) if single else (None, None)
    pixels = sum(image.size for image in images)
    result = {
        "model": name,
        "dataset_source": config.dataset_source,
        "split": FLAGS.split,
        "images": len(images),
        "images_the_same": same,
        "dims": pixels,
        "bytes": done.bytes,
        "header_bytes": done.header,
        "bits_per_dim": done.bits_per_dim,
        "prior": done.prior,
        "coding_seconds": coding,
        "coding_cpu_seconds": coding_cpu,
        "coding_megabytes_a_second": pixels / coding / 1e6,
        "decoding_seconds": decoding,
        "decoding_cpu_seconds": decoding_cpu,
        "decoding_megabytes_a_second": pixels / decoding / 1e6,
        "single_image_bytes": of_one.bytes if single else None,
        "single_image_coding_seconds": there,
        "single_image_decoding_seconds": and_back,
        "tensorflow": tf.__version__,
        "cpus": os.cpu_count(),
    }
    if evaluated and evaluated["examples"] == len(images):
        bits = evaluated["bits_per_dim"]["total_" + {"learned": "prior"}.get(done.prior, done.prior)]
        result["evaluated_bits_per_dim"], result["evaluated_bytes"] = bits, bits * pixels / 8
        result["excess_bytes_without_header"] = done.bytes - done.header - bits * pixels / 8
        result["excess_without_header"] = result["excess_bytes_without_header"] / (bits * pixels / 8)
    before = read_json(out) if os.path.isfile(out) else {}
    if "others" in before and before["images"] == len(images):  # the images have not changed since
        result["others"] = before["others"]
    write_json(out, result)
    print(json.dumps(result, indent=2), flush=True)
    if FLAGS.others:
        add_others(result, images)
    if same != len(images):
        raise VQError("something came back with other pixels")


if __name__ == "__main__":
    common.run(main, __doc__)
