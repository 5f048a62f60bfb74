"""Image files without loss, and animations."""

import contextlib
import itertools
import logging
import shutil
import subprocess
import tempfile
from typing import Iterator

import numpy as np

from vq_estimator.data.files import atomic_path
from vq_estimator.drawing.arrays import PICTURE_CHANNELS, panels, to_pillow

log = logging.getLogger("vq_estimator")

FRAMES_PER_SECOND = 20
MAX_PIXELS = 5000
FRAME = 512  # largest side in pixels to which the frames of an animation are enlarged


def image_suffix(channels: int) -> str:
    """Returns the suffix of an image's file: of a PNG, or of an array if a PNG cannot have this number of channels."""
    return ".png" if channels in PICTURE_CHANNELS else ".npy"


def save_image(path: str, image: np.ndarray) -> None:
    """Writes uint8 [H, W, C] without loss, in the format of `image_suffix`."""
    if image.shape[-1] in PICTURE_CHANNELS:
        save_png(path, image)
        return
    with atomic_path(path) as temporary, open(temporary, "wb") as f:
        np.save(f, image)


def save_png(path: str, picture: np.ndarray, zoom: int = 1) -> None:
    """Writes uint8 [H, W, 1 or 3] as a PNG, each pixel `zoom` times as wide and high.

    The zoom is smaller if the picture would be larger than MAX_PIXELS.
    """
    zoom = max(1, min(zoom, MAX_PIXELS // max(picture.shape[:2])))
    (picture,) = _enlarge(picture[np.newaxis], zoom)
    with atomic_path(path) as temporary:
        to_pillow(picture).save(temporary, format="PNG")


def _enlarge(frames: np.ndarray, zoom: int) -> Iterator[np.ndarray]:
    """Yields each frame of [N, H, W, C] as [zoom H, zoom W, C]; the zoom is smaller if a side would exceed FRAME."""
    frames = panels(frames)
    zoom = max(1, min(zoom, FRAME // max(frames.shape[1:3])))
    return (frame.repeat(zoom, 0).repeat(zoom, 1) for frame in frames)


def save_gif(path: str, frames: np.ndarray, zoom: int = 4) -> None:
    """Writes uint8 [N, H, W, C] as an endless animation."""
    pictures = map(to_pillow, _enlarge(frames, zoom))
    loop = {"save_all": True, "append_images": pictures, "duration": 1000 // FRAMES_PER_SECOND, "loop": 0}
    with atomic_path(path) as temporary:
        next(pictures).save(temporary, format="GIF", **loop)


def save_mp4(path: str, frames: np.ndarray, zoom: int = 4) -> bool:
    """Writes uint8 [N, H, W, C] as an MP4 by the program ffmpeg; returns whether it could."""
    ffmpeg = shutil.which("ffmpeg")
    if ffmpeg is None:
        return False
    frames = panels(frames)
    large = _enlarge(np.broadcast_to(frames, frames.shape[:3] + (3,)), zoom)
    even = (f[: len(f) // 2 * 2, : f.shape[1] // 2 * 2] for f in large)  # the codec needs even sides
    first = next(even)
    size = f"{first.shape[1]}x{first.shape[0]}"
    raw = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", size, "-r", str(FRAMES_PER_SECOND), "-i", "-"]
    try:
        with atomic_path(path) as temporary, tempfile.TemporaryFile() as messages:
            command = [ffmpeg, "-y", "-loglevel", "error", *raw, "-pix_fmt", "yuv420p", "-f", "mp4", temporary]
            process = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=messages)
            # A broken pipe means that ffmpeg has ended; its exit status says why.
            with contextlib.suppress(BrokenPipeError), process.stdin as pipe:
                for frame in itertools.chain([first], even):
                    pipe.write(np.ascontiguousarray(frame).tobytes())
            if process.wait():
                messages.seek(0)
                raise ValueError(messages.read().decode(errors="replace").strip()[-200:])
    except ValueError as e:
        log.warning("no %s: ffmpeg: %s", path, e)
        return False
    return True
