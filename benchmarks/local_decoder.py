"""Drawing and coding one image: the local decoder against the autoregressive one, and compiled against not compiled.

  python benchmarks/local_decoder.py --pretrained=cifar10-local --data_dir=...

The models are measured in turns in one run, each with one thread per operation. Prints a table, compares the draws of
the compiled loop with those of the plain one, and writes benchmarks/results/local_decoder.json.
"""

import os
import time

from vq_estimator_launch import common
from vq_estimator_launch.common import FLAGS, Group

common.run_flags()
LOCAL = Group("Local decoder")
LOCAL.string("against", "cifar10", "provided model to compare with")
LOCAL.integer("turns", 15, "times each is timed; the median counts")
LOCAL.integer("draws", 1000, "draws that are compared, compiled and not")


class Contender:
    """An open model, its draws of one image, and its codec."""

    def __init__(self, model_dir, images):
        import numpy as np
        import tensorflow.compat.v1 as tf

        from vq_estimator.inference.codec.coder import Decoder, Encoder
        from vq_estimator.inference.codec.coding import Frame
        from vq_estimator.inference.codec.network import Network
        from vq_estimator.inference.codec.run import AUTO, open_run, prior_for

        run = open_run(model_dir)
        self._network = Network(run, prior_for(run, AUTO), None, 1)
        self._frame = Frame(run.config.model.size, np.array([run.config.model.size]), np.zeros(1, np.int32))
        self._image, self._encoder, self._decoder = images[:1], Encoder, Decoder
        self.codes = self._network.encode(images[:1], self._frame)
        self._payload = self.encode()
        opened = self._network._run

        def build():
            codes, seed = tf.placeholder(tf.int32, (None, *run.config.model.grid)), tf.placeholder(tf.int64, [])
            draws = {"draw": opened.vqvae.decode(codes, seed)}
            if run.config.model.decoder.has_wavefronts:
                draws["draw, compiled"] = opened.vqvae.decode(codes, seed, compiled=True)
            return codes, seed, draws

        codes, seed, draws = opened.op("draws", build)
        self.draws = {name: opened.session.make_callable(x, [codes, seed]) for name, x in draws.items()}

    def encode(self):
        """Codes the image; returns the bytes."""
        coder, codes = self._encoder(), self._network.encode(self._image, self._frame)
        self._network.code(coder, codes, self._image.copy(), self._frame)
        return coder.payload()

    def decode(self):
        """Decodes the image from its bytes, and compares."""
        import numpy as np

        codes, image = np.zeros_like(self.codes), np.zeros_like(self._image)
        self._network.code(self._decoder(self._payload), codes, image, self._frame)
        if (image != self._image).any():
            raise AssertionError("the codec restored another image")

    @property
    def jobs(self):
        """What is timed, by name."""
        found = {name: (lambda draw=draw: draw(self.codes, 1)) for name, draw in self.draws.items()}
        return {**found, "code": self.encode, "decode": self.decode}


def main():
    import numpy as np

    from vq_estimator.config import provided
    from vq_estimator.data import sources
    from vq_estimator.data.files import write_json
    from vq_estimator.inference.codec import images as images_lib
    from vq_estimator.inference.codec.run import open_run

    folder = FLAGS.model_dir or provided.folder(FLAGS.pretrained)
    config = open_run(folder).config
    source = sources.locate(config.dataset, FLAGS.data_dir, common.cache_dir(), wanted=config.dataset_source)
    images = next(iter(images_lib.of_split(config, source, "test").each))[np.newaxis]
    names = {os.path.basename(folder): folder, FLAGS.against: provided.folder(FLAGS.against)}
    contenders = {name: Contender(path, images) for name, path in names.items()}
    times = {(name, job): [] for name, c in contenders.items() for job in c.jobs}
    for _ in range(FLAGS.turns + 1):
        for name, job in times:
            begin = time.perf_counter()
            contenders[name].jobs[job]()
            times[name, job].append(time.perf_counter() - begin)
    results = {"load": os.getloadavg()[0], "milliseconds": {}}
    for (name, job), seconds in times.items():
        milliseconds = 1e3 * float(np.median(seconds[1:]))  # the first one compiles
        results["milliseconds"].setdefault(name, {})[job] = milliseconds
        print(f"{name:>16} {job:>16} {milliseconds:9.1f} ms")
    ours = next(iter(contenders.values()))
    different = 0
    for seed in range(FLAGS.draws):
        plain, compiled = (draw(ours.codes, seed) for draw in ours.draws.values())
        different += int((plain != compiled).any())
    results["draws"], results["different_draws"] = FLAGS.draws, different
    print(f"{different} of {FLAGS.draws} draws differ when compiled")
    folder = os.path.join(os.path.dirname(os.path.abspath(__file__)), "results")
    write_json(os.path.join(folder, "local_decoder.json"), results)


if __name__ == "__main__":
    common.run(main, __doc__)
