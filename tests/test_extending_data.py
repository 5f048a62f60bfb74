"""The examples of docs/extending_data.md: each is run as it stands on the page, and then used."""

import inspect
import re
import struct

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from helpers.extending import copy_package, example, examples_as_modules, page, vq_train
from helpers.sessions import session_scope
from vq_estimator import config as c
from vq_estimator.data.batching import WHOLE
from vq_estimator.data.pipeline import Source
from vq_estimator.data.speech import SpeechSource
from vq_estimator.errors import VQError
from vq_estimator.models import vqvae
from vq_estimator.training import checkpoints, trainer

pytestmark = pytest.mark.once


@pytest.fixture
def added(tmp_path, monkeypatch):
    with examples_as_modules(tmp_path, monkeypatch) as run:
        yield run


def stripes(first, count):
    """The two IDX files of some stripes, made apart from the page."""
    images = ((np.arange(28)[None, None] + np.arange(first, first + count)[:, None, None]) % 8 < 4) * np.uint8(255)
    images = np.broadcast_to(images, (count, 28, 28)).astype(np.uint8)
    labels = (np.arange(first, first + count) % 8).astype(np.uint8)
    return (
        struct.pack(">4i", 2051, count, 28, 28) + images.tobytes(),
        struct.pack(">2i", 2049, count) + labels.tobytes(),
    )


def test_a_data_set_is_one_row_with_which_vq_train_trains(tmp_path):
    path = "vq_estimator/config/catalogue.py"
    assert path in example("data set")
    folder = tmp_path
    copy_package(folder, {path: lambda text: text + "\n" + example("data set")})
    (folder / "data" / "stripes").mkdir(parents=True)
    for half, first, count in (("train", 0, 60), ("t10k", 60, 20)):
        for kind, content in zip(("images-idx3", "labels-idx1"), stripes(first, count)):
            (folder / "data" / "stripes" / f"{half}-{kind}-ubyte").write_bytes(content)
    given = ("--dataset=stripes", "--data_dir=data", "--model_dir=run", "--max_steps=2", "--batch_size=4", "--D=16")
    status, _, err = vq_train(folder, *given)
    assert status == 0, err
    assert checkpoints.find_checkpoint(str(folder / "run")).step == 2
    assert '"dataset_source": "stripes"' in (folder / "run" / "config.json").read_text()
    status, _, err = vq_train(folder, "--dataset=stripes", "--preset=sonnet", "--data_dir=data")
    assert status in (1, 2) and "preset: got 'sonnet', expected for stripes one of original" in err


def test_a_kind_of_data_trains_and_decodes(added, tmp_path):
    example = added("kind of data")
    sizes = {"hidden_channels": (8, 8, 8), "K": 8, "D": 8, "window": 64, "sample_rate": 100}
    wavenet = {"wavenet_" + name: 8 for name in ("channels", "skip_channels", "condition_channels")}
    given = dict(batch_size=4, max_steps=2, residual_blocks=0, wavenet_stacks=1, wavenet_layers=3, **sizes, **wavenet)
    config = c.make_config("signals", **given)
    assert c.type_name(config.model) == "signal" and c.from_json(c.to_json(config)) == config
    with pytest.raises(VQError, match="image_size: got 8, expected no value"):
        c.make_config("signals", image_size=8)
    t = np.arange(64)
    phases = np.random.RandomState(0).uniform(0, 6, (20, 1))
    waves = np.round(127.5 + 100.0 * np.sin(t / 5.0 + phases)).astype(np.uint8)
    source = example.SignalSource("sines", {"train": waves[:12], "validation": waves[12:16], "test": waves[16:]})
    config = c.with_data(config, source.name, source.speakers)
    run = str(tmp_path / "run")
    assert trainer.train(config, source, run).step == 2
    batches = [
        tf.data.make_one_shot_iterator(source.training_dataset(config, start, WHOLE)).get_next() for start in (0, 1)
    ]
    with tf.Session() as session:
        from_0 = [session.run(batches[0]["signal"]) for _ in range(2)]
        np.testing.assert_array_equal(from_0[1], session.run(batches[1]["signal"]))  # so that a run can resume
    checkpoint = checkpoints.find_checkpoint(run)

    def tensors(model):
        x = tf.constant(waves[:2, np.newaxis, :, np.newaxis])
        codes = model.encode(x)
        return codes, model.decode(codes, speakers=tf.zeros([2], tf.int32))

    with session_scope(config, checkpoint.path, tensors) as (session, ops):
        codes, decoded = session.run(ops)
    assert codes.shape == (2, 1, 8, 1) and decoded.shape == (2, 1, 64, 1) and decoded.dtype == np.uint8


OBJECTS = {
    "configuration": (c.ModelConfig, c.SpeechConfig),
    "model": (vqvae.VQVAE, vqvae.SpeechVQVAE),
    "source": (Source, SpeechSource),
}


@pytest.mark.parametrize("kind", sorted(OBJECTS))
def test_the_kinds_of_data_provide_what_the_page_lists(kind, added):
    (names,) = re.findall(rf"^\| {kind} \| `(.*?)` \|", page(), re.M)
    example = added("kind of data")
    third = {"configuration": example.SignalConfig, "model": example.SignalVQVAE, "source": example.SignalSource}
    image, speech = OBJECTS[kind]
    assert len(names.split()) >= 7
    for name in names.split():
        for cls in (image, speech, third[kind]):
            fields = getattr(cls, "__dataclass_fields__", {})
            assert hasattr(cls, name) or name in fields, f"{cls.__name__} has no {name}"
        if inspect.isfunction(getattr(image, name, None)):
            parameters = [
                list(inspect.signature(getattr(cls, name)).parameters) for cls in (image, speech, third[kind])
            ]
            assert parameters[0] == parameters[1] == parameters[2], name
