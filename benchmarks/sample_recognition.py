"""Are class-conditional samples of the class that was asked for? A classifier of real images is the judge.

  python benchmarks/sample_recognition.py --pretrained=mnist --data_dir=DIR
  python benchmarks/sample_recognition.py --model_dir=log/mnist-tuned-K20-D64 --data_dir=DIR

Trains a small network (scikit-learn) on the real training images as the run sees them, prints its accuracy on the real
test images, then the share of samples that it recognises as their class; writes benchmarks/results/
sample_recognition.json.
"""

import os
import time

from vq_estimator.errors import VQError
from vq_estimator_launch import common
from vq_estimator_launch.common import FLAGS, Group

common.run_flags()
DRAWS = Group("Samples")
DRAWS.integer("num", 1000, "samples")
DRAWS.float("temperature", 1.0, "of the prior's draws")
DRAWS.integer("seed", 0, "of the draws")


def features(images):
    """Images uint8 [N, S, S, C] as what the judge sees."""
    return images.reshape(len(images), -1) / 255.0


def measure() -> dict:
    from sklearn.neural_network import MLPClassifier

    from vq_estimator.data import arrays
    from vq_estimator.inference.image_model import ImageModel

    run = common.open_run()
    with ImageModel(run.model_dir, run.checkpoint.path) as model:
        config, prior = model.config, model.prior
        if prior is None or not prior.config.codes.classes:
            raise VQError(
                f"{run.model_dir} has no class-conditional prior: vq-train-prior --class_conditional makes one"
            )
        source = common.data_of_run(config)

        def real(split):
            found = arrays.load(source, split, config.model.image_size, binarize=config.model.binarize)
            return features(found.images), found.labels

        begin = time.time()
        judge = MLPClassifier((256,), batch_size=128, max_iter=15, random_state=0).fit(*real("train"))
        accuracy = judge.score(*real("test"))
        print(f"judge: {accuracy:.4f} of the real test images right ({time.time() - begin:.0f} s)")
        drawn = model.sample(FLAGS.num, temperature=FLAGS.temperature, seed=FLAGS.seed)
        right = judge.predict(features(drawn.images)) == drawn.labels
        return {
            "model": FLAGS.pretrained or os.path.basename(os.path.abspath(run.model_dir)),
            "dataset_source": source.spec.name,
            "global_step": model.checkpoint.step,
            "prior_step": prior.checkpoint.step,
            "judge_test_accuracy": float(accuracy),
            "samples": FLAGS.num,
            "temperature": FLAGS.temperature,
            "recognised": float(right.mean()),
            "recognised_by_class": [float(right[drawn.labels == k].mean()) for k in range(prior.config.codes.classes)],
        }


def main():
    from vq_estimator.data.files import write_json

    found = measure()
    print("samples recognised as their class: {recognised:.3f} of {samples}; by class:".format(**found), end=" ")
    print(*found["recognised_by_class"])
    name = "sample_recognition" + ("" if FLAGS.pretrained == "mnist" else "-" + found["model"])
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "results", name + ".json")
    write_json(path, found)


if __name__ == "__main__":
    common.run(main, __doc__)
