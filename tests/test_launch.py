"""The commands as a user runs them: help, errors in one line, and a run from its start to a SavedModel."""

import json
import os
import re
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from helpers.codec_runs import sounds, write_run
from helpers.forked import SCRIPTS
from helpers.their_checkpoints import names_of, write
from vq_estimator.data import audio

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def command(name, *flags):
    return [sys.executable, os.path.join(ROOT, "launch", name + ".py")] + list(flags)


def run(environment, name, *flags, **given):
    given.setdefault("cwd", ROOT)
    return subprocess.run(
        command(name, *flags),
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        **given,
    )


WITHOUT_DATA = ("compare", "convert_speech", "decode", "decompress", "import_checkpoint", "info", "sample")


@pytest.mark.parametrize("name", SCRIPTS)
def test_help_groups_the_flags_and_shows_defaults(forked, name):
    done = forked.script(name, "--help")
    assert done.status == 0 and done.stderr == ""
    assert "vq-" + name.replace("_", "-") + " " in done.stdout
    assert ("\n  Data\n" in done.stdout) == (name not in WITHOUT_DATA)
    assert re.search(r"\n    --[a-z_]+=[A-Z]+ +\w", done.stdout) and "with defaults in brackets:" in done.stdout
    assert (" [latest]\n" in done.stdout) == ("--checkpoint=PATH" in done.stdout and name != "import_checkpoint")


def test_help_into_a_pipe_that_nobody_reads_is_no_error(environment):
    process = subprocess.Popen(
        command("train", "--help"), env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    process.stdout.close()
    assert process.stderr.read() == b"" and process.wait(60) == 0


def test_version(environment):
    from vq_estimator import __version__

    assert run(environment, "train", "--version").stdout.split() == ["train.py", __version__]


# As processes of their own; test_flags.py has every flag.
BAD = [
    ("train", ["--K=0"], 1, "K: got 0, expected an integer of 1 or more"),
    ("train", ["--dataset=imagenet"], 2, "flag --dataset=imagenet: expected one of mnist, fashion_mnist, "),
    ("train", ["--colour=red"], 2, "Unknown command line flag 'colour'"),
    ("train", ["mnist"], 2, "got the argument 'mnist', expected only flags"),
    ("info", ["a.vqz", "b.vqz"], 2, "input: got 'a.vqz', 'b.vqz', expected one value"),
    ("info", ["a.vqz", "--input=b.vqz"], 2, "input: got 'b.vqz', 'a.vqz', expected one value"),
]


@pytest.mark.parametrize("name, flags, status, message", BAD)
def test_a_bad_flag_is_one_line(environment, name, flags, status, message):
    done = run(environment, name, *flags)
    assert done.returncode == status, done.stderr
    lines = done.stderr.strip().split("\n")
    assert len(lines) == 1 and lines[0].startswith(name + ".py: error: ") and message in lines[0], done.stderr
    assert done.stdout == ""


def test_cifar_without_data_is_one_line(forked, environment):
    line = forked.script("train", "--dataset=cifar10").one_line("train")
    assert "data_batch_1.bin" in line and "test_batch.bin" in line and environment["VQ_DATA_DIR"] in line


SMALL = ["--K=8", "--D=16", "--save_checkpoints_steps=20", "--eval_steps=20", "--log_steps=5"]
LAST = 20


@pytest.fixture(scope="module")
def trained(environment, tmp_path_factory):
    folder = str(tmp_path_factory.mktemp("launch") / "run")
    return folder, run(environment, "train", f"--max_steps={LAST}", "--model_dir=" + folder, *SMALL)


def test_train_prints_progress_and_table_and_writes_its_files(trained):
    folder, done = trained
    assert done.returncode == 0, done.stderr
    assert "WARNING: mnist: not found" in done.stderr and "mnist-5k" in done.stderr
    assert (
        f"{LAST}/{LAST}" in done.stderr
        and "Instructions for updating" not in done.stderr
        and "Traceback" not in done.stderr
    )
    assert (
        re.search(rf"^step {LAST}, mnist-5k +validation +test$", done.stdout, re.M)
        and "tensorboard --logdir" in done.stdout
    )
    for split, count in (("validation", 500), ("test", 500)):
        with open(os.path.join(folder, "eval", split + ".json")) as f:
            assert json.load(f)["examples"] == count
    assert os.path.getsize(os.path.join(folder, "reconstructions.png")) > 1000


def test_the_same_command_with_more_steps_resumes(trained, forked):
    folder, _ = trained
    done = forked.script("train", f"--max_steps={LAST + 1}", "--model_dir=" + folder, *SMALL)
    assert done.status == 0 and "resuming" in done.stderr and f"at step {LAST}" in done.stderr


def test_another_run_in_the_same_folder_is_refused(trained, forked):
    folder, _ = trained
    done = forked.script("train", f"--max_steps={LAST}", "--model_dir=" + folder, *(SMALL + ["--K=9"]))
    assert done.status == 1
    assert "model.quantizer.K: 8 in the run, 9 asked for" in done.stderr.strip().split("\n")[-1]


def test_evaluate_and_export(trained, forked, tmp_path):
    folder, _ = trained
    done = forked.script("evaluate", "--model_dir=" + folder, "--split=train", "--checkpoint=best")
    assert done.status == 0, done.stderr
    with open(os.path.join(folder, "eval", "train.json")) as f:
        assert json.load(f)["examples"] == 4000
    done = forked.script("export", "--model_dir=" + folder, "--export_dir=" + str(tmp_path / "m" / "1"))
    assert done.status == 0 and os.path.isfile(str(tmp_path / "m" / "1" / "saved_model.pb")), done.stderr


def test_prior_samples_and_comparison(trained, forked, tmp_path):
    folder, _ = trained
    done = forked.script("sample", "--model_dir=" + folder)
    assert done.status == 1 and "has none; train it with vq-train-prior" in done.stderr
    flags = ["--model_dir=" + folder, "--class_conditional", "--layers=1", "--channels=8", "--max_steps=4"]
    done = forked.script("train_prior", *flags, "--eval_steps=4", "--save_checkpoints_steps=4")
    assert done.status == 0 and "Traceback" not in done.stderr, done.stderr
    assert "step 4: validation" in done.stderr and "bits/dim, rate (trained prior)" in done.stdout
    assert os.path.getsize(os.path.join(folder, "prior", "samples.png")) > 500
    for split in ("validation", "test"):
        with open(os.path.join(folder, "eval", split + ".json")) as f:
            assert json.load(f)["prior"]["bits_per_image"] > 0
    other = forked.script("train_prior", *flags[:1], "--layers=1", "--channels=8")
    assert other.status == 1 and "codes.classes: 10 in the run, 0 asked for" in other.stderr

    out = str(tmp_path / "samples.png")
    done = forked.script("sample", "--model_dir=" + folder, "--num=20", "--labels=3,4", "--out=" + out)
    assert done.status == 0 and os.path.getsize(out) > 300, done.stderr

    chart = str(tmp_path / "chart.png")
    done = forked.script("compare", "--model_dirs=" + folder, "--out=" + chart)
    assert done.status == 0 and "3x3x1 codes of 8, factorised" in done.stdout, done.stderr
    assert os.path.getsize(chart) > 3000
    done = forked.script("export", "--model_dir=" + folder, "--export_dir=" + str(tmp_path / "1"))
    assert "signatures sample, encode, decode, reconstruct" in done.stdout, done.stderr


def test_compress_and_decompress(trained, forked, tmp_path):
    folder, _ = trained
    given = ["--model_dir=" + folder, "--prior=unigram"]
    x = np.random.RandomState(0).randint(0, 256, (5, 30, 24, 1)).astype(np.uint8)
    np.save(str(tmp_path / "x.npy"), x)
    done = forked.script("compress", *given, "--input=x.npy", "--out=x.vqz", cwd=tmp_path)
    assert re.match(
        r"5 images of 3,600 bytes in x.vqz: .* header\), .* bits/dim, unigram prior, all decoded", done.stdout
    )
    done = forked.script("decompress", given[0], "x.vqz", "--out=y.npy", cwd=tmp_path)
    assert (done.status, done.stdout) == (0, "5 of 5 images in y.npy\n") and "Traceback" not in done.stderr
    np.testing.assert_array_equal(np.load(str(tmp_path / "y.npy")), x)
    done = forked.script("compress", *given, "--input=x.npy", "--out=x.vqz", "--batch=4", "--no_verify", cwd=tmp_path)
    assert done.status == 0 and "decoded" not in done.stdout, done.stderr
    content = (tmp_path / "x.vqz").read_bytes()
    (tmp_path / "x.vqz").write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    done = forked.script("decompress", given[0], "x.vqz", "--out=none", cwd=tmp_path)
    assert done.status == 1 and "chunk 2 of 3 is damaged" in done.stderr.strip().split("\n")[-1]
    done = forked.script("decompress", given[0], "x.vqz", "--out=rest", "--keep_going", cwd=tmp_path)
    assert done.status == 1 and "is damaged: 4 of 5 images in rest; lost: 4 (counted from 0)" in done.stderr
    assert sorted(os.listdir(str(tmp_path))) == ["rest", "x.npy", "x.vqz", "y.npy"]
    assert sorted(os.listdir(str(tmp_path / "rest"))) == [f"{i:06d}.png" for i in range(4)]


def test_compress_and_decompress_speech(forked, tmp_path):
    model_dir, levels = "--model_dir=" + write_run(tmp_path / "run", "wav"), sounds((300,))[0]
    audio.write_wav(str(tmp_path / "x.wav"), levels, 8000)
    done = forked.script("compress", model_dir, "--input=x.wav", "--out=x.vqz", cwd=tmp_path)
    assert done.status == 0 and "1 of 1 recordings have no known speaker" in done.stderr, done.stderr
    want = r"1 recording of 300 bytes \(8-bit mu-law levels at 8,000 Hz, .*\) in x.vqz: .* bits/sample"
    assert re.match(want, done.stdout), done.stdout
    done = forked.script("decompress", model_dir, "x.vqz", "--out=y.wav", cwd=tmp_path)
    assert (done.status, done.stdout) == (0, "1 of 1 recordings in y.wav\n"), done.stderr
    np.testing.assert_array_equal(audio.mu_law(audio.read(str(tmp_path / "y.wav"), 8000)), levels)
    done = forked.script("compress", model_dir, "--input=x.wav", "--out=z.vqz", "--speaker=dora", cwd=tmp_path)
    assert done.one_line("compress") == "speaker: got 'dora', expected one of anna, ben, carl or a number from 0 to 2"


def test_a_file_of_a_provided_model_needs_no_model_named(forked, tmp_path):
    grey = Image.fromarray(np.arange(600, dtype=np.uint8).reshape(20, 30))
    (tmp_path / "in").mkdir()
    grey.save(str(tmp_path / "in" / "x.png"))
    grey.convert("RGB").save(str(tmp_path / "in" / "colour.png"))
    done = forked.script("compress", "--pretrained=mnist", "--input=in", "--out=x.vqz", "--prior=uniform", cwd=tmp_path)
    assert done.status == 0 and done.stdout.endswith("; 1 of 2 files were left out\n"), done.stderr
    done = forked.script("decompress", "x.vqz", "--out=y.png", cwd=tmp_path)
    assert (done.status, done.stdout) == (0, "1 of 1 images in y.png\n"), done.stderr
    with Image.open(str(tmp_path / "y.png")) as picture:
        np.testing.assert_array_equal(np.asarray(picture).ravel(), np.arange(600).astype(np.uint8))


def test_encode_and_decode_images(trained, forked, tmp_path):
    model_dir, x = "--model_dir=" + trained[0], np.random.RandomState(0).randint(0, 256, (3, 24, 24, 1))
    np.save(str(tmp_path / "x.npy"), x.astype(np.uint8))
    done = forked.script("encode", model_dir, "--input=x.npy", "--out=codes.npz", cwd=tmp_path)
    assert (done.status, done.stdout) == (0, "3 images as 3 x 3 x 1 codes each in codes.npz\n"), done.stderr
    with np.load(str(tmp_path / "codes.npz")) as f:
        assert f["codes"].shape == (3, 3, 3, 1)
    for out in ("images", "y.npy", "y.png"):
        done = forked.script("decode", model_dir, "--input=codes.npz", "--out=" + out, cwd=tmp_path)
        assert (done.status, done.stdout) == (0, f"3 images in {out}\n"), done.stderr
    decoded = np.load(str(tmp_path / "y.npy"))
    assert decoded.shape == x.shape and decoded.dtype == np.uint8
    for i, name in enumerate(sorted(os.listdir(str(tmp_path / "images")))):
        with Image.open(str(tmp_path / "images" / name)) as picture:
            np.testing.assert_array_equal(np.asarray(picture), decoded[i, ..., 0])
    done = forked.script("encode", model_dir, "--input=test", "--out=test.npz", cwd=tmp_path)
    assert (done.status, done.stdout) == (0, "500 images as 3 x 3 x 1 codes each in test.npz\n"), done.stderr
    with np.load(str(tmp_path / "test.npz")) as f, np.load(os.path.join(trained[0], "eval", "test.npz")) as evaluated:
        assert f["labels"].shape == (500,) and f["codes"].shape == evaluated["codes"].shape


def test_training_on_shards(forked, tmp_path):
    made = forked.script("make_tfrecords", "--dataset=mnist", "--out=a,b", "--shards=3", cwd=tmp_path)
    assert made.status == 0 and "4,000 of train in 3" in made.stdout, made.stderr
    assert sorted(os.listdir(str(tmp_path))) == ["a", "b"]
    flags = re.search("train on them +(.*)", made.stdout).group(1).split()
    assert "--data_dir=a,b" in flags
    few = ["--K=8", "--D=8", "--batch_size=4", "--max_steps=2", "--save_checkpoints_steps=2", "--model_dir=run"]
    done = forked.script("train", *flags, *few, cwd=tmp_path)
    assert done.status == 0 and "Traceback" not in done.stderr, done.stderr
    with open(str(tmp_path / "run" / "eval" / "test.json")) as f:
        assert json.load(f)["examples"] == 500
    again = forked.script("make_tfrecords", "--dataset=mnist", "--out=a,b", cwd=tmp_path)
    assert again.status == 1 and "error: out: got 'a', which has shards" in again.stderr


def test_a_checkpoint_of_tf_vqvae_becomes_a_run(forked, tmp_path):
    write(str(tmp_path / "last.ckpt"), names_of("mnist", 8))
    flags = ["--checkpoint=last.ckpt", "--model_dir=run"]
    done = forked.script("import_checkpoint", *flags, cwd=tmp_path)
    assert done.status == 0 and done.stdout == ("run: mnist, K=7, D=8; next: vq-evaluate --model_dir=run\n"), (
        done.stdout + done.stderr
    )
    assert forked.script("import_checkpoint", *flags, cwd=tmp_path).status == 1
    done = forked.script("export", "--model_dir=run", "--export_dir=export/1", cwd=tmp_path)
    assert done.status == 0 and (tmp_path / "export" / "1" / "saved_model.pb").is_file(), done.stderr
