"""Writes the codebook for TensorBoard's projector: its vectors, their usage, and an image of each.

The projector needs a matrix, but a codebook is [L, K, D], and finite scalar quantization has no variable at all. So the
vectors are written as text, one entry per row, instead of being read from the checkpoints. The files belong to one
checkpoint, whose step is part of the tensor's name, because TensorBoard keeps a tensor of the same name in memory.
TensorBoard does not list a matrix of one row or column (K=1, one level); its files are written nevertheless.
"""

import io
import json
import logging
import os
from typing import Optional, Sequence, Tuple

import numpy as np

from vq_estimator import drawing
from vq_estimator.data.files import write_text
from vq_estimator.inference import exploration, results
from vq_estimator.inference.calibration import Calibration
from vq_estimator.inference.image_model import ImageModel
from vq_estimator.inference.trained_model import TrainedModel
from vq_estimator.training.run_folder import EVAL_NAME

log = logging.getLogger("vq_estimator")

CONFIG, FOLDER = "projector_config.pbtxt", "projector"
VECTORS, METADATA, SPRITE = "vectors.tsv", "entries.tsv", "sprite.png"
MAX_ENTRIES = 50000  # rows for all codebooks; a larger codebook is reduced to evenly spread entries
MAX_IMAGES = 8192  # entries with an image in the sprite, which is left out if there are more
MAX_NUMBERS = 1 << 28  # pixels in all of them
MAX_PIXELS = 4096  # side of the sprite; TensorBoard accepts up to 8192, which takes 256 MB in a browser


def write(model: TrainedModel, calibration: Calibration) -> Optional[str]:
    """Writes `projector_config.pbtxt` and the folder `projector/` to the run directory; returns the first path.

    Rows are the entries of codebook 0, then of codebook 1, and so on: `codes[..., codebook] == entry`. Returns None,
    after a warning, if the run directory is not writable.
    """
    model_dir = model.model_dir
    if not results.can_write(model_dir) or not results.can_write(model_dir, FOLDER):
        return None
    entries = exploration.codebook_entries(model)  # [L, K, D]
    L, K, D = entries.shape
    rows = exploration.evenly(L * K, MAX_ENTRIES)
    path = {name: os.path.join(model_dir, FOLDER, name) for name in (VECTORS, METADATA, SPRITE)}
    write_text(path[VECTORS], vectors_tsv(entries.reshape(L * K, D)[rows]))
    write_text(path[METADATA], metadata_tsv(calibration, rows))
    images, one = sprite_images(model, calibration, rows), None
    if images is not None:
        picture, one = drawing.sprite(images, MAX_PIXELS)
        drawing.save_png(path[SPRITE], picture)
    elif os.path.exists(path[SPRITE]):
        os.remove(path[SPRITE])  # files of another checkpoint
    name, shape = f"codebook, step {model.checkpoint.step}", (len(rows), D)
    # TensorBoard takes the evaluations' events as a run with the parent folder's checkpoint. If it has a checkpoint
    # but no matrix, TensorBoard reads the files of all runs again at each request, and simultaneous requests can fail
    # ("dictionary changed size during iteration").
    evaluations = os.path.join(model_dir, "eval_" + EVAL_NAME)
    if os.path.isdir(evaluations):
        write_text(os.path.join(evaluations, CONFIG), projector_config(name, shape, one, "../" + FOLDER))
    written = os.path.join(model_dir, CONFIG)
    write_text(written, projector_config(name, shape, one, FOLDER))
    return written


def vectors_tsv(vectors: np.ndarray) -> str:
    """[N, D] as text, one vector per row; reading gives exactly the same float32 values."""
    text = io.StringIO()
    np.savetxt(text, vectors, fmt="%.9g", delimiter="\t")
    return text.getvalue()


def metadata_tsv(calibration: Calibration, rows: np.ndarray) -> str:
    """Metadata of the entries `rows` of all codebooks; the first column is the label."""
    K, usage = calibration.counts.shape[1], calibration.usage()
    lines = ["entry\tcodebook\tcount\tshare"]
    for codebook, entry in zip(rows // K, rows % K):
        count, share = calibration.counts[codebook, entry], usage[codebook, entry]
        lines.append(f"{entry}\t{codebook}\t{count}\t{share:.6g}")
    return "\n".join(lines) + "\n"


def sprite_images(model: TrainedModel, calibration: Calibration, rows: np.ndarray) -> Optional[np.ndarray]:
    """An image of each entry, uint8 [N, H, W, C]: decoded from a map that has the entry at every position.

    The other codebooks are set to their most used entries. Returns None for speech, if there are too many entries, and
    for an autoregressive decoder, because differences between its draws would be due to noise as much as to the entry.
    """
    m = model.config.model
    if not isinstance(model, ImageModel):
        return None
    most = min(MAX_IMAGES, MAX_NUMBERS // m.dims)
    if m.is_stochastic_decoder or len(rows) > most:
        reason = "images are draws" if m.is_stochastic_decoder else f"more than {most} entries"
        log.info("no pictures of the codebook's entries for TensorBoard's projector: %s", reason)
        return None
    K = calibration.counts.shape[1]
    usual = calibration.counts.argmax(-1).astype(np.int32)  # [L]
    codes = np.tile(usual, (len(rows),) + m.grid[:2] + (1,))  # [N, h, w, L]
    for row, (codebook, entry) in enumerate(zip(rows // K, rows % K)):
        codes[row, :, :, codebook] = entry
    return model.decode(codes)


def projector_config(name: str, shape: Sequence[int], sprite: Optional[Tuple[int, int]], folder: str) -> str:
    """A `ProjectorConfig` in protobuf's text format. `folder` is a relative path, so that a run directory may be moved.

    Args:
      sprite: width and height of an image in the sprite; None for no sprite.
    """
    lines = [
        "embeddings {",
        f"  tensor_name: {json.dumps(name)}",
        f"  tensor_shape: {shape[0]}",
        f"  tensor_shape: {shape[1]}",
        f'  tensor_path: "{folder}/{VECTORS}"',
        f'  metadata_path: "{folder}/{METADATA}"',
    ]
    if sprite is not None:
        sides = " ".join(f"single_image_dim: {side}" for side in sprite)
        lines += [f'  sprite {{ image_path: "{folder}/{SPRITE}" {sides} }}']
    return "\n".join([*lines, "}"]) + "\n"
