"""Decides by the suffix of an output's name what is written. All commands share this rule."""

import os
from typing import Sequence

from vq_estimator.errors import VQError

PICTURE, ARRAY, SOUND, CODES, COMPRESSED, FOLDER = "picture", "array", "sound", "codes", "compressed", "folder"
SUFFIXES = {".png": PICTURE, ".npy": ARRAY, ".wav": SOUND, ".npz": CODES, ".vqz": COMPRESSED}
WORDS = {
    PICTURE: "NAME.png (a picture)",
    ARRAY: "NAME.npy (an array)",
    SOUND: "NAME.wav (a sound)",
    CODES: "NAME.npz (codes)",
    COMPRESSED: "NAME.vqz (a compressed file)",
    FOLDER: "the name of a folder to make",
}
# Suffixes of file kinds that nothing here writes. A folder or file with such a name would mislead.
_NAMES = (
    "apng avif bmp dcm eps exr gif heic heif ico jfif jp2 jpe jpeg jpg jxl pbm pdf pgm pnm ppm ps psd qoi svg tga "
    "tif tiff webp aac ac3 aif aifc aiff amr au caf flac m4a mka mp2 mp3 oga ogg opus rf64 sph w64 wma avi m4v "
    "mkv mov mp4 mpeg mpg webm wmv 7z bz2 gz lz4 rar tar tgz xz zip zst arrow ckpt csv db feather h5 hdf5 htm "
    "html ipynb json jsonl keras mat md meta onnx parquet pb pbtxt pickle pkl pt pth safetensors tflite tfrecord "
    "tfrecords tsv txt xls xlsx xml yaml yml py "
)
FOREIGN = frozenset("." + name for name in _NAMES.split())


def output_kind(field: str, name: str, kinds: Sequence[str], otherwise: str = "") -> str:
    """The kind of output that a command writes to `name`: one of `kinds`, by the suffix, in upper or lower case.

    Args:
      field: the flag or argument, for the message.
      name: the path of the output.
      kinds: the kinds that the command can write.
      otherwise: the kind for a name without a known suffix, one of `kinds`; "" makes it an error.

    Raises:
      VQError: the suffix is that of another kind of file, or a folder has the name of the file.
    """
    suffix = os.path.splitext("x" + os.path.basename(name))[1].lower()
    kind = SUFFIXES.get(suffix, "" if suffix in FOREIGN else otherwise)
    if kind not in kinds:
        words = [WORDS[k] for k in kinds]
        want = words[0] if len(words) == 1 else ", ".join(words[:-1]) + " or " + words[-1]
        raise VQError(f"{field}: got {name!r}, expected {want}")
    if kind != FOLDER and os.path.isdir(name):
        raise VQError(f"{field}: got {name!r}, which is a folder, expected the name of a file")
    return kind
