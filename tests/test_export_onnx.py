"""ONNX files compute what the package computes, and draw what it draws with the same seed."""

import os

import numpy as np
import pytest

from helpers.exported_models import autoregressive, factorised, local, needs_onnx, needs_tensorflow_2, speech
from vq_estimator import estimators
from vq_estimator.errors import VQError
from vq_estimator.inference.export import formats, verification

pytestmark = [needs_tensorflow_2, needs_onnx]
IMAGES = np.random.RandomState(0).randint(0, 256, (5, 8, 8, 1)).astype(np.uint8)


@pytest.fixture(scope="module")
def exports(tmp_path_factory):
    """A function name -> (opened run, opened export) for the small runs; each is made once."""
    from vq_estimator import exported

    made, base = {}, tmp_path_factory.mktemp("exports")

    def find(make):
        name = make.__name__
        if name not in made:
            run = estimators.load(make(base / name))
            examples = IMAGES if run.kind == "images" else None  # None: draws of the model
            differences = run.export(str(base / (name + "-onnx")), "onnx", examples=examples)
            assert differences and all(one.passed for one in differences)
            assert examples is None or {one.examples for one in differences} == {len(examples)}
            made[name] = run, exported.load(str(base / (name + "-onnx")), threads=1)
        return made[name]

    yield find
    for run, _ in made.values():
        run.close()


def test_a_factorised_model_gives_the_same_codes_and_pixels_for_any_batch(exports):
    run, found = exports(factorised)
    for images in (IMAGES[:1], IMAGES):
        codes = run.encode(images)
        np.testing.assert_array_equal(found.encode(images), codes)
        assert np.abs(found.decode(codes).astype(int) - run.decode(codes)).max() <= 1
        whole = found.run("reconstruct", images=images)["reconstructions"]
        np.testing.assert_array_equal(whole, found.decode(codes))


def test_samples_of_the_prior_are_those_of_the_package(exports):
    run, found = exports(factorised)
    want = run.sample(6, [0, 2], temperature=0.8, seed=3)
    got = found.sample(6, want.labels, temperature=0.8, seed=3)
    np.testing.assert_array_equal(got.codes, want.codes)
    assert np.abs(got.images.astype(int) - want.images).max() <= 1


def test_samples_without_labels_are_of_all_classes_as_in_the_package(exports):
    run, found = exports(factorised)
    np.testing.assert_array_equal(found.sample(6, seed=3).codes, run.sample(6, seed=3).codes)
    with pytest.raises(VQError, match="^num: got 4, expected a multiple of 3, the number of classes, such as 6$"):
        found.sample(4)


@pytest.mark.parametrize(
    "arguments, message",
    [
        (dict(num=2, labels=[1]), "^labels: got 1, expected a list of 2, one for each example$"),
        (dict(num=2, labels=[1, 1, 0]), "^labels: got 3, expected a list of 2"),
        (dict(num=2, labels=1), "^labels: got 1, expected a list"),
        (dict(num=2, labels=[0, -1]), "^labels: got -1, expected a number from 0 to 2$"),
        (dict(num=2, labels=[0, 3]), "^labels: got 3, "),
        (dict(num=1, labels=["cat"]), "^labels: got 'cat', "),
        (dict(num=0), "^num: got 0, expected 1 or more"),
        (dict(num=3.0), "^num: got 3.0, expected an integer"),
        (dict(num=3, temperature=0), "^temperature: got 0, expected a number above 0"),
        (dict(num=3, seed=-1), "^seed: got -1, "),
    ],
)
def test_bad_arguments_of_samples_are_refused_in_one_line(exports, arguments, message):
    """onnxruntime counts a negative index from the end, and takes any number of labels."""
    with pytest.raises(VQError, match=message):
        exports(factorised)[1].sample(**arguments)


@pytest.mark.parametrize("make", [factorised, speech])
def test_bad_arrays_are_refused_in_one_line(exports, make):
    run, found = exports(make)
    examples = IMAGES if make is factorised else np.zeros([2, 101], np.uint8)
    codes = found.encode(examples)
    for bad in (examples / 255.0, examples[0], examples[:0], examples.astype(np.int32)):
        with pytest.raises(VQError, match="expected uint8"):
            found.encode(bad)
    given = {} if make is factorised else {"speakers": [0] * len(codes)}
    for bad in (codes - 8, codes + 8, codes[0], codes[:0], codes.astype(np.float32)):
        with pytest.raises(VQError, match="^codes: got "):
            found.decode(bad, **given)
    if make is speech:
        for speakers in (None, [0], [0, 99], [0, -1]):
            with pytest.raises(VQError, match="^speakers: got "):
                found.decode(codes, speakers=speakers)
        names = [run.config.model.speakers[1]] * 2
        np.testing.assert_array_equal(found.decode(codes, speakers=names), found.decode(codes, speakers=[1, 1]))


@pytest.mark.parametrize("decoder", [autoregressive, local])
def test_a_decoder_of_pixels_draws_those_of_the_package(exports, decoder):
    run, found = exports(decoder)
    codes = run.encode(IMAGES)
    np.testing.assert_array_equal(found.encode(IMAGES), codes)
    np.testing.assert_array_equal(found.decode(codes, seed=7), run.decode(codes, seed=7))
    assert (found.decode(codes, seed=8) != run.decode(codes, seed=7)).any()


def test_a_decoder_of_speech_draws_that_of_the_package(exports):
    run, found = exports(speech)
    levels = np.random.RandomState(1).randint(0, 256, 101).astype(np.uint8)
    codes = run.encode(levels)
    np.testing.assert_array_equal(found.encode(levels[np.newaxis])[0], codes)
    want = run.decode(codes, 2, seed=5, temperature=0.9)
    np.testing.assert_array_equal(found.decode(codes[np.newaxis], 5, [2], 0.9)[0], want)


def test_codes_of_new_speech_are_those_of_the_package(exports):
    run, found = exports(speech)
    stride, rate = run.config.model.network.stride, run.config.model.sample_rate
    want = run.sample(4, 7 * stride / rate, temperature=0.8, seed=3)
    got = found.sample_codes(want.labels, 7, temperature=0.8, seed=3)
    np.testing.assert_array_equal(got, want.codes)


def test_the_files_carry_the_facts_of_the_model(exports):
    import onnx

    run, found = exports(factorised)
    m, facts = run.config.model, found.facts
    assert (facts["shape"], facts["codes_shape"]) == (list(m.shape), list(m.grid))
    assert (facts["K"], facts["D"], facts["L"], facts["classes"]) == (8, 16, 2, 3)
    assert facts["likelihood"] == "mse" and facts["fingerprint"] == run.fingerprint
    assert found.functions == ("decode", "encode", "prior_condition", "prior_row", "prior_step", "reconstruct")
    for value in [one for name in ("encode", "decode") for one in found._sessions[name].get_inputs()]:
        assert value.shape[0] == "batch"
    assert onnx.__version__


def test_a_file_that_is_too_far_from_the_checkpoint_is_not_written(tmp_path, monkeypatch):
    monkeypatch.setattr(verification, "FLOAT32", verification.Limits(codes=-1.0, levels=-1.0, real=-1.0))
    with estimators.load(factorised(tmp_path / "run")) as run:
        with pytest.raises(formats.VQError, match="encode: got codes .* expected those of the checkpoint"):
            run.export(str(tmp_path / "out"), "onnx")
    assert os.listdir(str(tmp_path)) == ["run"]


def test_the_table_has_a_dash_where_codes_have_no_size_of_a_difference():
    rows = [
        verification.Difference("encode", "codes", 512, 0.001, np.nan, np.nan, True),
        verification.Difference("decode", "images", 512, 0.25, 0.25, 1.0, True),
    ]
    _, codes, images = [line.split() for line in verification.table(rows).splitlines()]
    assert codes == ["encode", "codes", "512", "0.1", "-", "-"]
    assert images == ["decode", "images", "512", "25", "0.25", "1"]


def test_scalars_get_the_rank_of_what_they_are_combined_with():
    """onnxruntime takes a hundred times as long for a scalar next to a tensor whose last dimension is 1."""
    import onnx

    from vq_estimator.inference.export import onnx_format

    shapes = {"x": [2, 3, 1], "y": [4], "a": [2, 3, 1], "b": [4], "c": [4]}
    x, y, *out = (onnx.helper.make_tensor_value_info(n, onnx.TensorProto.FLOAT, s) for n, s in shapes.items())
    two, row = onnx.numpy_helper.from_array(np.float32(2.0), "two"), np.arange(4, dtype=np.float32)
    nodes = [("Mul", ["x", "two"], "a"), ("Sub", ["two", "y"], "b"), ("Add", ["y", "row"], "c")]
    made = [onnx.helper.make_node(op, inputs, [name]) for op, inputs, name in nodes]
    graph = onnx.helper.make_graph(made, "graph", [x, y], out, [two, onnx.numpy_helper.from_array(row, "row")])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)
    given = {"x": np.random.RandomState(0).rand(2, 3, 1).astype(np.float32), "y": row}
    before = onnx_format.load(model.SerializeToString())(**given)
    onnx_format._match_ranks_of_scalars(model.graph)
    onnx.checker.check_model(model)
    for name, value in onnx_format.load(model.SerializeToString())(**given).items():
        np.testing.assert_array_equal(value, before[name])
    assert sorted(list(c.dims) for c in model.graph.initializer) == [[1], [1, 1, 1], [4]]
