"""PNG and JPEG files to square uint8 images of one size, in the graph; what can't be decoded is an error of its own.

An image is turned as its EXIF says, transparency is put on white, the square in its middle is cut out, and that is
brought to S x S by a triangle filter, which averages when it shrinks and is bilinear when it enlarges. Nothing is
stretched.
"""

import io
import os
import re
import struct
from typing import Iterator, NamedTuple, Sequence, Tuple, Union

import numpy as np
import tensorflow.compat.v1 as tf
from PIL import Image

from vq_estimator.data.files import open_regular
from vq_estimator.errors import one_line

ORIENTATION = 0x0112  # of EXIF
PNG, JPEG, SCAN = b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"\xff\xda"  # how files begin, and a JPEG's scans
MOST_BYTES = 1 << 29  # of a file
MOST_PIXELS = 1 << 26
MOST_SCANS = 100  # of a JPEG; the same bytes may occur in what is beside its pixels, about once in 64 KiB
GREY = (0.299, 0.587, 0.114)  # weights of red, green and blue (ITU-R BT.601)


class Decoded(NamedTuple):
    """A file: its bytes, its image uint8 [S, S, C], and the side of the square that the image was made of."""

    content: bytes
    image: np.ndarray
    side: int


def look(path: bytes) -> Tuple[bytes, np.int32, str]:
    """A file's content, EXIF's number of how its image lies, 1 (upright) to 8, and why not to decode it, or "".

    What a few bytes can make a decoder do without end is refused here: its memory goes by the size that the header
    says, and its time by the passes over it that a progressive JPEG asks for.
    """
    try:
        with open_regular(os.fsdecode(path)) as f:
            content = f.read(MOST_BYTES + 1)
    except OSError as e:
        return b"", np.int32(1), e.strerror or type(e).__name__
    if len(content) > MOST_BYTES:
        return b"", np.int32(1), f"it has more than {MOST_BYTES >> 20} MiB"
    if not content.startswith((PNG, JPEG)):
        return b"", np.int32(1), "it is no PNG or JPEG file"
    if content.startswith(JPEG) and content.count(SCAN) > MOST_SCANS + (len(content) >> 15):
        return b"", np.int32(1), f"it has more than {MOST_SCANS} scans"
    if content.startswith(PNG):
        width, height = struct.unpack(">II", content[16:24].ljust(8, b"\0"))
        if width * height > MOST_PIXELS:
            return b"", np.int32(1), f"it has {width} x {height} pixels, expected at most {MOST_PIXELS:,}"
    return content, _orientation(content), ""


def _orientation(content: bytes) -> np.int32:
    try:
        with Image.open(io.BytesIO(content)) as image:
            found = image.getexif().get(ORIENTATION, 1)
    except Exception:  # whatever is wrong with it, the pixels may still be good
        found = 1
    return np.int32(found if found in range(1, 9) else 1)


def _pixels(content: tf.Tensor) -> tf.Tensor:
    """The file's content to uint8 [H, W, 3]."""

    def jpeg():
        shape = tf.cast(tf.image.extract_jpeg_shape(content), tf.int64)
        fits = tf.Assert(shape[0] * shape[1] <= MOST_PIXELS, [f"it has more than {MOST_PIXELS:,} pixels"])
        with tf.control_dependencies([fits]):
            return tf.image.decode_jpeg(tf.identity(content), channels=3, dct_method="INTEGER_ACCURATE")

    def png():
        levels = tf.image.decode_png(content, channels=4)
        colour, alpha = levels[..., :3], levels[..., 3:]
        with tf.control_dependencies([levels]):  # it is a PNG: its 25th byte says how many bits a channel has
            bits = tf.cast(tf.decode_raw(tf.strings.substr(content, 24, 1), tf.uint8)[0], tf.int32)
        # The opacity of a file without one: TensorFlow makes it 255, but 1, 3 or 15 where there are fewer than 8 bits.
        filled = tf.minimum(tf.bitwise.left_shift(1, bits) - 1, 255)
        opaque = tf.reduce_all(tf.equal(tf.cast(alpha, tf.int32), filled))
        return tf.cond(opaque, lambda: colour, lambda: _on_white(colour, alpha))

    return tf.cond(tf.image.is_jpeg(content), jpeg, png)


def _on_white(colour: tf.Tensor, alpha: tf.Tensor) -> tf.Tensor:
    share = tf.cast(alpha, tf.float32) / 255.0
    return tf.cast(tf.round(255.0 + share * (tf.cast(colour, tf.float32) - 255.0)), tf.uint8)


def _upright(square: tf.Tensor, orientation: tf.Tensor) -> tf.Tensor:
    """[S, S, C] as it lies in the file, turned and mirrored as EXIF's number says."""

    def when(numbers, change, image):
        return tf.cond(tf.reduce_any(tf.equal(orientation, numbers)), lambda: change(image), lambda: image)

    square = when([5, 6, 7, 8], lambda x: tf.transpose(x, [1, 0, 2]), square)
    square = when([2, 3, 6, 7], lambda x: tf.reverse(x, [1]), square)
    return when([3, 4, 7, 8], lambda x: tf.reverse(x, [0]), square)


def fit(pixels: tf.Tensor, size: int, channels: int) -> tf.Tensor:
    """The middle square of uint8 [H, W, 3], as uint8 [S, S, channels]."""
    height, width = tf.shape(pixels)[0], tf.shape(pixels)[1]
    side = tf.minimum(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    square = pixels[tf.newaxis, top : top + side, left : left + side]
    scale = tf.cast(size, tf.float32) / tf.cast(side, tf.float32)
    fitted = tf.raw_ops.ScaleAndTranslate(
        images=square,
        size=[size, size],
        scale=tf.stack([scale, scale]),
        translation=[0.0, 0.0],
        kernel_type="triangle",
        antialias=True,
    )[0]
    if channels == 1:
        fitted = tf.tensordot(fitted, tf.constant(GREY), [[2], [0]])[..., tf.newaxis]
    fitted = tf.cast(tf.round(tf.clip_by_value(fitted, 0.0, 255.0)), tf.uint8)
    return tf.reshape(fitted, [size, size, channels])


def _load(path: tf.Tensor, size: int, channels: int):
    content, orientation, problem = tf.numpy_function(look, [path], [tf.string, tf.int32, tf.string])
    for tensor in (content, orientation, problem):
        tensor.set_shape([])
    with tf.control_dependencies([tf.Assert(tf.equal(problem, ""), [problem])]):
        pixels = _pixels(tf.identity(content))
    side = tf.reduce_min(tf.shape(pixels)[:2])
    return content, _upright(fit(pixels, size, channels), orientation), side


def decode_files(paths: Sequence[bytes], size: int, channels: int) -> Iterator[Union[Decoded, str]]:
    """Each file in turn, decoded on all processors: a Decoded, or in one line why it can't be."""
    with tf.Graph().as_default() as graph:
        given = tf.placeholder(tf.string, [None])
        dataset = tf.data.Dataset.from_tensor_slices(given)
        dataset = dataset.map(lambda path: _load(path, size, channels), num_parallel_calls=os.cpu_count() or 1)
        iterator = tf.data.make_initializable_iterator(dataset.prefetch(4))
        step = iterator.get_next()
        with tf.Session(graph=graph, config=tf.ConfigProto(device_count={"GPU": 0})) as session:
            session.run(iterator.initializer, {given: list(paths)})
            load = session.make_callable(step)
            for _ in paths:
                try:  # an element that fails is one element: the next call gives the one after it
                    yield Decoded(*load())
                except tf.errors.OpError as e:
                    yield reason(e)


def reason(error: tf.errors.OpError) -> str:
    """What TensorFlow says of a file, without the nodes of the graph."""
    message = error.message.split("\n")[0]
    ours = re.search(r"assertion failed: \[(.*?)\]", message)
    if ours:
        return ours.group(1)
    return one_line(re.sub(r"\{\{.*?\}\}|\[\[.*?\]\]", "", message).strip(" .")[:120])
