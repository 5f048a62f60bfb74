"""Are class-conditional samples of the class that was asked for? A classifier of real digits is the judge.

  python benchmarks/sample_recognition.py --model_dir=log/mnist-tuned-K20-D64 --data_dir=DIR

Trains a small network (scikit-learn) on the real training images as the run sees them, prints its accuracy on the real
test images, then the share of samples that it recognises as their class; writes benchmarks/results/
sample_recognition.json.
"""

import os
import sys
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from absl import app, flags

FLAGS = flags.FLAGS
flags.DEFINE_string("model_dir", None, "a run with a class-conditional prior", required=True)
flags.DEFINE_string("data_dir", os.environ.get("VQ_DATA_DIR", "./datasets"), "folder of the data sets")
flags.DEFINE_integer("num", 1000, "samples")
flags.DEFINE_float("temperature", 1.0, "of the prior's draws")
flags.DEFINE_integer("seed", 0, "of the draws")


def images_and_labels(config, source, split):
    import numpy as np
    import tensorflow.compat.v1 as tf

    from vq_estimator.data import pipeline
    from vq_estimator.inference.session import features_of

    n, images, labels = pipeline.split_size(source, split), [], []
    with tf.Graph().as_default():
        batch = features_of(config, source, split, 500)
        with tf.Session() as session:
            while sum(map(len, labels)) < n:
                values = session.run(batch)
                images.append(values["image"])
                labels.append(values["label"])
    images = np.concatenate(images)
    return images.reshape(n, -1) / np.float32(255), np.concatenate(labels)


def main(argv):
    del argv
    import pooch
    import tensorflow.compat.v1 as tf
    from sklearn.neural_network import MLPClassifier

    from vq_estimator.data import sources
    from vq_estimator.data.files import write_json
    from vq_estimator.inference import prior as prior_lib
    from vq_estimator.inference import sampling
    from vq_estimator.training import run_folder

    tf.disable_eager_execution()
    tf.logging.set_verbosity(tf.logging.ERROR)
    config, checkpoint = run_folder.load_config(FLAGS.model_dir), run_folder.find_checkpoint(FLAGS.model_dir)
    source = sources.locate(
        config.dataset, FLAGS.data_dir, str(pooch.os_cache("vq_estimator")), wanted=config.dataset_source
    )
    prior = prior_lib.find(FLAGS.model_dir, checkpoint)
    if prior is None or not prior.config.codes.classes:
        sys.exit(f"{FLAGS.model_dir} has no class-conditional prior: train_prior.py --class_conditional makes one")
    begin = time.time()
    judge = MLPClassifier((256,), batch_size=128, max_iter=15, random_state=0)
    judge.fit(*images_and_labels(config, source, "train"))
    accuracy = judge.score(*images_and_labels(config, source, "test"))
    print(f"judge: {accuracy:.4f} of the real test images right ({time.time() - begin:.0f} s)")

    labels = sampling.labels_for(prior.config.codes.classes, FLAGS.num)
    drawn = sampling.sample(
        config, checkpoint, prior, FLAGS.num, labels, temperature=FLAGS.temperature, seed=FLAGS.seed
    )
    right = judge.predict(drawn.images.reshape(FLAGS.num, -1) / 255.0) == labels
    by_class = [float(right[labels == k].mean()) for k in range(prior.config.codes.classes)]
    print(f"samples recognised as their class: {right.mean():.3f} of {FLAGS.num}; by class:", *by_class)
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "results", "sample_recognition.json")
    result = {
        "dataset_source": source.spec.name,
        "global_step": checkpoint.step,
        "prior_step": prior.checkpoint.step,
        "judge_test_accuracy": float(accuracy),
        "samples": FLAGS.num,
        "temperature": FLAGS.temperature,
        "recognised": float(right.mean()),
        "recognised_by_class": by_class,
    }
    write_json(path, result)


if __name__ == "__main__":
    app.run(main)
