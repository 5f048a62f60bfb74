"""A small data set for TensorFlow Datasets, which has to be installed."""

import numpy as np
import tensorflow_datasets as tfds

COUNTS = {"train": 20, "test": 4, "extra": 2}


def image(split, i, mixed):
    """Image number `i` of a split, 8 x 12 pixels, or of a size of its own."""
    rng = np.random.RandomState(100 * len(split) + i)
    height, width = rng.randint(6, 20, 2) if mixed else (8, 12)
    return rng.randint(0, 256, (height, width, 3)).astype(np.uint8)


class VqSmall(tfds.core.GeneratorBasedBuilder):
    """The images of `image` with labels; of the configurations `two` has two images and `text` none."""

    VERSION = tfds.core.Version("1.0.0")
    BUILDER_CONFIGS = tuple(tfds.core.BuilderConfig(name=n, version="1.0.0") for n in ("flat", "mixed", "two", "text"))

    def _info(self):
        Image, name = tfds.features.Image, self.builder_config.name
        features = {
            "flat": {"name": tfds.features.Text(), "image": Image(shape=(8, 12, 3))},
            "mixed": {"image": Image()},
            "two": {"image": Image(), "mask": Image()},
            "text": {"name": tfds.features.Text()},
        }[name]
        features["label"] = tfds.features.ClassLabel(names=["even", "odd"])
        return tfds.core.DatasetInfo(builder=self, features=tfds.features.FeaturesDict(features))

    def _split_generators(self, downloads):
        del downloads
        return {split: self._generate_examples(split, number) for split, number in COUNTS.items()}

    def _generate_examples(self, split, number):
        for i in range(number):
            pixels = image(split, i, self.builder_config.name == "mixed")
            known = {"name": f"{split} {i}", "image": pixels, "mask": pixels, "label": i % 2}
            yield i, {name: known[name] for name in self.info.features}
