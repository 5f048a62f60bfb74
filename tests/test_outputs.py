"""The suffix of an output's name decides what is written."""

import os

import numpy as np
import pytest
from PIL import Image

from helpers import codec_runs
from vq_estimator.data.outputs import ARRAY, CODES, COMPRESSED, FOLDER, PICTURE, SOUND, output_kind
from vq_estimator.errors import VQError
from vq_estimator.inference import code_files, codec
from vq_estimator.inference.image_model import ImageModel

ALL = (PICTURE, ARRAY, SOUND, CODES, COMPRESSED, FOLDER)


def test_a_suffix_decides_in_any_case():
    for suffix, kind in ((".png", PICTURE), (".npy", ARRAY), (".wav", SOUND), (".npz", CODES), (".vqz", COMPRESSED)):
        for name in ("a" + suffix, "a" + suffix.upper(), "b.c/a" + suffix.title(), "a.jpg" + suffix, suffix):
            assert output_kind("out", name, ALL, FOLDER) == kind
    for name in ("a", "a/", "a.png/", "v1.0", "export/1", "run [v2].final", "png", ".", "", "a.jpg/b", "\u65e5"):
        assert output_kind("out", name, (PICTURE, FOLDER), FOLDER) == FOLDER
    assert output_kind("out", "a", (PICTURE,), PICTURE) == PICTURE


@pytest.mark.parametrize("suffix", [".jpg", ".JPG", ".jpeg", ".gif", ".webp", ".mp4", ".flac", ".mp3", ".zip", ".gz"])
def test_what_a_command_does_not_write_is_refused(suffix):
    for kinds, otherwise in (((PICTURE, ARRAY, FOLDER), FOLDER), ((FOLDER,), FOLDER), ((COMPRESSED,), COMPRESSED)):
        with pytest.raises(VQError, match="out: got .*, expected (NAME|the name)"):
            output_kind("out", "x" + suffix, kinds, otherwise)
    with pytest.raises(VQError, match="expected NAME.npz"):
        output_kind("out", "x", (CODES,))


def test_the_name_of_a_file_is_no_folder(tmp_path):
    path = tmp_path / "a.png"
    path.mkdir()
    with pytest.raises(VQError, match="which is a folder, expected the name of a file"):
        output_kind("out", str(path), (PICTURE,))


def test_files_are_written_under_names_in_capitals_and_nothing_else(tmp_path):
    run, images = codec_runs.write_run(tmp_path / "run"), codec_runs.images(1, 8, 1)
    out, packed = tmp_path / "out", str(tmp_path / "a.VQZ")
    codec.compress(run, images, packed)
    with ImageModel(run) as model:
        codes = code_files.CodesFile(model.encode(images), None)
        want = model.decode(codes.codes)
        for name, write in (
            ("decoded", lambda path: code_files.decode(model, codes, path)),
            ("unpacked", lambda path: codec.decompress(run, packed, path)),
        ):
            for suffix in (".PNG", ".Npy"):
                write(str(out / (name + suffix)))
            for suffix in (".jpg", ".WAV", ".zip", ".npz"):
                with pytest.raises(VQError, match="out: got"):
                    write(str(out / (name + suffix)))
    assert sorted(os.listdir(str(out))) == ["decoded.Npy", "decoded.PNG", "unpacked.Npy", "unpacked.PNG"]
    for name, array in (("decoded", want), ("unpacked", images)):
        np.testing.assert_array_equal(np.load(str(out / (name + ".Npy"))), array)
        with Image.open(str(out / (name + ".PNG"))) as picture:
            np.testing.assert_array_equal(np.asarray(picture), array[0, :, :, 0])
