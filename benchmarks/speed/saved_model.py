"""Latency of a provided model's SavedModel, called in a loop: in a session, and as functions of TensorFlow 2."""

import functools
import os
import re

import numpy as np

IMAGES = 64


def write(model: str, path: str):
    """Writes the SavedModel and what the twin is given to the folder `path`; returns the names of the signatures."""
    import tensorflow.compat.v1 as tf

    from vq_estimator import pretrained
    from vq_estimator.inference import export, trained_prior
    from vq_estimator.training import averaging, checkpoints, run_folder

    folder = pretrained.folder(model)
    config, checkpoint = run_folder.load_config(folder), checkpoints.find_checkpoint(folder)
    m, found = config.model, trained_prior.find(folder, checkpoint)
    export.export(config, checkpoint, os.path.join(path, "model"), found)
    reader = tf.train.load_checkpoint(checkpoint.path)
    values = {}
    for name in sorted(reader.get_variable_to_shape_map()):  # a weight, then the average that is used in its place
        part, last = name.split("/")[0], name.split("/")[-1]
        if part in ("encoder", "decoder", "quantizer") and not last.startswith("ema_"):
            values["variables/" + re.sub(averaging.SUFFIX + "$", "", name)] = reader.get_tensor(name)
    images = np.random.RandomState(0).randint(0, 256, (IMAGES, m.image_size, m.image_size, m.channels)).astype(np.uint8)
    with tf.Session(graph=tf.Graph()) as session:
        tf.saved_model.load(session, [tf.saved_model.tag_constants.SERVING], os.path.join(path, "model"))
        codes = session.run("encode:0", {"images:0": images})
    np.savez(os.path.join(path, "twin.npz"), images=images, codes=codes, **values)
    return sorted(set(export.signatures(config, found)) - {export.DEFAULT})


def calls(path: str, batches, way: str):
    """Functions "signature batch" that call the SavedModel in `path`, arrays in and arrays out."""
    given = np.load(os.path.join(path, "twin.npz"))
    call = WAYS[way](path)
    found = {}
    for B in batches:
        every = {
            "images": given["images"][:B],
            "codes": given["codes"][:B],
            "labels": np.arange(B, dtype=np.int32) % 10,
            "num": np.int32(B),
            "temperature": np.float32(1.0),
            "seed": np.int64(0),
        }
        for name, function in call(every).items():
            found[f"{name} {B}"] = function
            for _ in range(3):
                function()
    return found


def _in_session(path):
    import tensorflow.compat.v1 as tf

    tf.disable_eager_execution()
    session = tf.Session(graph=tf.Graph())
    meta = tf.saved_model.load(session, [tf.saved_model.tag_constants.SERVING], os.path.join(path, "model"))

    def bound(every):
        found = {}
        for name, signature in meta.signature_def.items():
            if name != tf.saved_model.signature_constants.DEFAULT_SERVING_SIGNATURE_DEF_KEY:
                outputs = [t.name for t in signature.outputs.values()]
                names = sorted(signature.inputs)
                run = session.make_callable(outputs, [signature.inputs[n].name for n in names])
                found[name] = _with(run, [every[n] for n in names])
        return found

    return bound


def _as_functions(path, wrapped=False):
    import tensorflow as tf

    model = tf.saved_model.load(os.path.join(path, "model"))

    def bound(every):
        found = {}
        for name, function in model.signatures.items():
            if name != "serving_default":
                inputs = {n: tf.constant(every[n]) for n in function.structured_input_signature[1]}
                function = tf.function(function) if wrapped else function
                found[name] = lambda function=function, inputs=inputs: [v.numpy() for v in function(**inputs).values()]
        return found

    return bound


def _with(run, values):
    return lambda: run(*values)


# A direct call of a signature that TensorFlow 2 loaded formats its arguments as text each time; in a `tf.function` of
# the caller it doesn't.
WAYS = {
    "session": _in_session,
    "function": _as_functions,
    "tf.function": functools.partial(_as_functions, wrapped=True),
}
