"""The SavedModel answers every request of docs/serving.md, through a stand-in for TensorFlow Serving."""

import contextlib
import io
import json
import os
import re
import urllib.request

import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from tensorflow import estimator as tf_estimator

from helpers.codec_runs import write_run
from vq_estimator.inference import export
from vq_estimator.inference import trained_prior as prior_lib
from vq_estimator.training import checkpoints, run_folder

PAGE = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "docs", "serving.md")
with open(PAGE, encoding="utf-8") as f:
    TEXT = f.read()
BODIES = re.findall(r"-d '(\{.*?\})'", TEXT, re.DOTALL)
PYTHON = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)


class Server:
    """Answers predict requests as TensorFlow Serving's documentation and `json_tensor.cc` say."""

    def __init__(self, session, folder):
        self._session = session
        self._signatures = tf.saved_model.load(session, ["serve"], folder).signature_def
        self.called = []

    def predict(self, body):
        request = json.loads(body)
        assert set(request) <= {"signature_name", "inputs", "instances"}
        name = request.get("signature_name", "serving_default")
        signature = self._signatures[name]
        assert ("inputs" in request) != ("instances" in request)
        given = request.get("inputs", request.get("instances"))
        if "instances" in request and isinstance(given[0], dict):
            given = {key: [row[key] for row in given] for key in given[0]}
        if not isinstance(given, dict):
            ((only, _),) = signature.inputs.items()
            given = {only: given}
        missing = set(signature.inputs) ^ set(given)
        assert not missing, f"input size does not match signature: {sorted(missing)}"
        feed = {info.name: tensor(given[key], info) for key, info in signature.inputs.items()}
        ((_, out),) = signature.outputs.items()
        self.called.append(name)
        answer = self._session.run(out.name, feed)
        return {"outputs" if "inputs" in request else "predictions": answer.tolist()}


def tensor(value, info):
    """A JSON value as a tensor of a signature; no number is converted but an integer to float."""
    dtype = tf.as_dtype(info.dtype)
    flat = [value]
    while flat and isinstance(flat[0], list):
        assert len({len(v) for v in flat}) == 1, "a list of unexpected size"
        flat = [v for part in flat for v in part]
    kinds = (int,) if dtype.is_integer else (int, float)
    assert all(type(v) in kinds for v in flat), f"not of expected type {dtype.name}"
    array = np.array(value).astype(dtype.as_numpy_dtype)
    assert not dtype.is_integer or (array == np.array(value)).all(), "out of range"
    assert tf.TensorShape(info.tensor_shape).is_compatible_with(array.shape)
    return array


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Name to folder of SavedModels with each form of each signature."""
    base, folders = tmp_path_factory.mktemp("served"), {}
    draws = dict(decoder="autoregressive", decoder_layers=1, decoder_channels=8, likelihood="logistic_mixture")
    for name, settings in (("numbers", dict(classes=0)), ("labels", dict(classes=10)), ("draws", draws)):
        run = write_run(base / (name + "_run"), K=20, image_size=24, **settings)  # 3 x 3 codes of 20, as on the page
        config, checkpoint = run_folder.load_config(run), checkpoints.find_checkpoint(run)
        folders[name] = export.export(config, checkpoint, str(base / name / "1"), prior_lib.find(run, checkpoint))
    return folders


@contextlib.contextmanager
def serving(folder):
    with tf.Graph().as_default() as graph, tf.Session(graph=graph) as session:
        yield Server(session, folder)


def which(body):
    if '"labels"' in body:
        return "labels"
    return "draws" if '"seed"' in body and '"codes"' in body else "numbers"


def test_the_page_has_a_request_for_each_form_of_each_signature():
    forms = set()
    for body in BODIES:
        request = json.loads(body)
        inputs = request.get("inputs", {"codes": 0})
        forms.add((request["signature_name"], "instances" in request, tuple(sorted(inputs))))
    assert forms == {
        ("decode", False, ("codes",)),
        ("decode", True, ("codes",)),
        ("decode", False, ("codes", "seed")),
        ("sample", False, ("num", "seed", "temperature")),
        ("sample", False, ("labels", "seed", "temperature")),
    }


@pytest.mark.parametrize("body", BODIES, ids=range(len(BODIES)))
def test_every_request_is_answered(body, models):
    with serving(models[which(body)]) as server:
        answer = server.predict(body)
        assert server.predict(body) == answer
    ((key, images),) = answer.items()
    assert key == ("predictions" if '"instances"' in body else "outputs")
    count = 4 if "sample" in body else 1 if '"seed"' in body else 2
    assert np.shape(images) == (count, 24, 24, 1)


def test_the_python_client_calls_the_rest(models, monkeypatch):
    client = next(code for code in PYTHON if "urllib" in code)
    with serving(models["numbers"]) as server:

        def urlopen(url, body):
            assert url == "http://localhost:8501/v1/models/vq:predict"
            return io.BytesIO(json.dumps(server.predict(body)).encode())

        monkeypatch.setattr(urllib.request, "urlopen", urlopen)
        names = {}
        exec(client, names)
        assert server.called == ["encode", "decode", "reconstruct", "serving_default"]
    assert names["codes"].shape == (2, 3, 3, 1) and names["decoded"].shape == (2, 24, 24, 1)


def test_what_serving_refuses_is_refused_here(models):
    images = [[[[0]] * 24] * 24]
    with serving(models["draws"]) as server:
        assert server.predict(json.dumps({"instances": images}))  # the default has no seed
        for inputs, message in (
            ({"images": images}, "does not match signature: .'seed'"),
            ({"images": [[[{"b64": "AA=="}]]], "seed": 0}, "not of expected type uint8"),
            ({"images": images, "seed": 0.5}, "not of expected type int64"),
            ({"images": [[[[256]] * 24] * 24], "seed": 0}, "out of range"),
        ):
            with pytest.raises(AssertionError, match=message):
                server.predict(json.dumps({"signature_name": "reconstruct", "inputs": inputs}))


def test_the_shapes_of_the_table_and_what_can_be_batched(models):
    for name, batched in {"numbers": 4, "draws": 2}.items():
        with serving(models[name]) as server:
            ranks = {
                key: [len(info.tensor_shape.dim) for info in signature.inputs.values()]
                for key, signature in server._signatures.items()
            }
        assert sum(min(r) > 0 for r in ranks.values()) == batched  # no scalar: encode and serving_default always
        assert min(ranks["encode"] + ranks["serving_default"]) > 0


def test_an_estimator_of_ones_own_gets_the_codes(models, tmp_path):
    names = {}
    exec(next(code for code in PYTHON if "import_graph_def" in code), names)
    images = np.random.RandomState(0).randint(0, 256, [5, 24, 24, 1]).astype(np.uint8)

    def model_fn(features, labels, mode):
        codes = names["encode"](features, models["numbers"])
        tf.train.get_or_create_global_step()
        return tf_estimator.EstimatorSpec(mode, predictions={"codes": codes})

    with tf.Graph().as_default(), tf.Session() as session:  # an Estimator predicts from a checkpoint
        tf.train.get_or_create_global_step()
        session.run(tf.global_variables_initializer())
        tf.train.Saver().save(session, str(tmp_path / "model.ckpt"))
    found = tf_estimator.Estimator(model_fn, str(tmp_path)).predict(lambda: tf.data.Dataset.from_tensors(images))
    codes = np.stack([f["codes"] for f in found])
    with serving(models["numbers"]) as server:
        body = json.dumps({"signature_name": "encode", "inputs": images.tolist()})
        np.testing.assert_array_equal(codes, server.predict(body)["outputs"])
