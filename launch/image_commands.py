"""The commands for images."""

import os
from typing import Any, List, Optional, Sequence, Tuple

import numpy as np

from vq_estimator import drawing
from vq_estimator.config import TFDS, catalogue
from vq_estimator.data import outputs
from vq_estimator.data.folder import IMAGES
from vq_estimator.errors import VQError, counted
from vq_estimator.inference import code_files, image_inputs, original_size, projector, sampling
from vq_estimator.inference import exploration as explore
from vq_estimator.inference import trained_prior as prior_lib
from vq_estimator.inference.calibration import calibrate
from vq_estimator.inference.codec import images as codec_images
from vq_estimator.inference.session import OpenRun
from vq_estimator.training import run_folder
from vq_estimator_launch import common
from vq_estimator_launch.common import FLAGS
from vq_estimator_launch.kinds import Commands, Readers

MOST = 10000  # largest number of images in a picture of vq-sample
ROW = 10  # samples per row of the picture of vq-train-prior; also its rows, but not more than there are classes
SHOWN = 100  # number of images of the split that vq-explore uses
MAX_FRAMES = 100000
GRID = 8  # vq-explore draws the code maps of every second of these images
FINE, ROWS, COLUMNS = 36, 10, 16  # above FINE positions, single_code.png has ROWS x COLUMNS crops


class ImageCommands(Commands):
    """The commands for a run on images."""

    noun, elements = "images", "pixels"
    reconstructed = "it restores reconstructions"
    suffixes, datasets = IMAGES.formats.suffixes(), (*catalogue.DATASETS, TFDS)
    compressed, decoded = "images.vqz", (outputs.PICTURE, outputs.ARRAY, outputs.FOLDER)
    samples, samples_kind = "samples.png", outputs.PICTURE

    def check_speaker(self) -> None:
        if FLAGS.speaker is not None:
            raise VQError(f"speaker: got {FLAGS.speaker!r}, expected no value: images have no speaker")

    def check_guidance(self) -> None:
        if FLAGS.guidance != 1.0:
            raise VQError(f"guidance: got {FLAGS.guidance}, expected no value: images have no guidance")

    def examples(self, model: Any, flag: str = "input") -> Any:
        if flag == "input" and "original_size" in FLAGS and FLAGS.original_size:
            original_size.check(self.config.model)
            return original_size.of_images(self.read_lossless(), FLAGS.input)
        readers = Readers(
            f"a split, <data set>:<split>, a folder, a {IMAGES.formats.names()} file, or a .npy or .npz file",
            lambda *found: image_inputs.of_split(model, *found),
            lambda folder: image_inputs.of_folder(model, folder, FLAGS.max_bad_files),
            lambda *files: image_inputs.of_files(model, *files),
            lambda path: image_inputs.of_array(model, path),
        )
        return self.read_input(readers, flag)

    def encode(self, model: Any) -> str:
        number = code_files.encode(model, self.examples(model), FLAGS.out)
        grid = " x ".join(str(n) for n in self.config.model.grid)
        return f"{counted(number, 'images')} as {grid} codes each in {FLAGS.out}"

    def evaluate(self, model: Any, examples: Any) -> dict:
        if FLAGS.original_size:
            if FLAGS.codes != "own" or FLAGS.save_reconstructions:
                raise VQError("original_size: got it with --codes or --save_reconstructions, expected neither")
            return original_size.evaluate(model, examples, model.calibrated())
        return model.evaluate(examples, None, FLAGS.codes, FLAGS.save_reconstructions)

    def decode(self, model: Any) -> int:
        return code_files.decode(model, code_files.load(model, FLAGS.input), FLAGS.out, FLAGS.seed)

    def read_lossless(self) -> Any:
        channels = self.config.model.channels
        readers = Readers(
            f"a split, <data set>:<split>, a folder, a {IMAGES.formats.names()} file, or a .npy or .npz file",
            lambda *found: codec_images.of_split(self.config, *found),
            lambda folder: codec_images.of_folder(folder, channels, FLAGS.max_bad_files),
            lambda *files: codec_images.of_files(*files, channels),
            lambda path: codec_images.of_npy(path, channels, self.config.data.array),
        )
        return self.read_input(readers)

    def sample(self) -> None:
        self.check_speaker()
        self.check_guidance()
        if FLAGS.seconds is not None:
            raise VQError(f"seconds: got {FLAGS.seconds}, expected no value: images take no time")
        model_dir = self.run.model_dir
        prior = prior_lib.find(model_dir, self.run.checkpoint)
        if prior is None:
            raise prior_lib.missing(self.config.model.quantizer.K, model_dir)
        names, num, classes = run_folder.class_names(model_dir, self.config), FLAGS.num, prior.config.codes.classes
        asked, field = _asked_labels(names)
        if num is None:
            asked = sampling.shown_classes(classes) if asked is None else asked
            num = 10 * len(asked) if asked and FLAGS.label is None else 100
        if num > MOST:
            raise VQError(f"num: got {num}, expected at most {MOST}: they are one picture")
        labels = sampling.labels_for(classes, num, asked, names, field)
        with self.run:
            samples = sampling.sample(self.run, num, labels, FLAGS.temperature, FLAGS.top_k, FLAGS.seed)
        drawing.save_png(FLAGS.out, sampling.picture(samples), zoom=2)
        print(f"{counted(num, 'samples')} in {FLAGS.out}")
        if labels is not None and len(names) == classes and names != tuple(map(str, range(classes))):
            print("classes: " + ", ".join(f"{label} {names[label]}" for label in dict.fromkeys(labels.tolist())))

    def _picture(self, prior: Any) -> np.ndarray:
        """Draws samples of a prior for TensorBoard and for the end of its training."""
        classes = prior.config.codes.classes
        shown = sampling.shown_classes(classes)
        num = ROW * len(shown) if shown else ROW * ROW
        labels = sampling.labels_for(classes, num, shown)
        with OpenRun(self.config, self.run.checkpoint, prior=prior) as run:
            return sampling.picture(sampling.sample(run, num, labels))

    def summarize_samples(self, events: str, prior: Any, class_names: Any) -> None:
        del class_names
        sampling.write_summary(events, prior.checkpoint.step, self._picture(prior))

    def save_samples(self, folder: str, prior: Any, class_names: Any) -> str:
        del class_names
        path = os.path.join(folder, self.samples)
        drawing.save_png(path, self._picture(prior), zoom=2)
        return path

    def explore(self) -> None:
        self.check_guidance()
        for name in ("image", "other"):
            if FLAGS[name].value is not None and not 0 <= FLAGS[name].value < SHOWN:
                raise VQError(f"{name}: got {FLAGS[name].value}, expected a number from 0 to {SHOWN - 1}")
        if not 1 <= FLAGS.frames <= MAX_FRAMES:
            raise VQError(f"frames: got {FLAGS.frames}, expected 1 to {MAX_FRAMES}")
        source = common.data_of_run(self.config, measured=False)
        with self.open() as model:
            self._draw(model, source)

    def _draw(self, model: Any, source: Any) -> None:
        K, seed = self.config.model.quantizer.K, FLAGS.seed
        found = explore.encode_first(model, source, SHOWN, FLAGS.split)
        n = len(found.images)
        other = min(1, n - 1) if FLAGS.other is None else FLAGS.other
        for name, number in (("image", FLAGS.image), ("other", other)):
            if number >= n:
                raise VQError(f"{name}: got {number}, expected 0 to {n - 1}, an image of {FLAGS.split}")

        both = explore.reconstructions(model, source, FLAGS.split)
        drawing.save_png(self.announce("reconstructions.png"), both, zoom=2)

        first = found.codes[FLAGS.image]
        self._draw_single_code(model, first)

        calibration = calibrate(model, source)
        view = explore.codebook(model, calibration)
        for name, near in (("random_walk", None), ("random_walk_near", explore.neighbours(view.entries))):
            walk = model.decode(explore.random_walk(first, FLAGS.frames, K, seed, near), seed, shared=True)
            drawing.save_gif(self.announce(name + ".gif"), walk)
            if drawing.save_mp4(os.path.join(FLAGS.out, name + ".mp4"), walk):
                print(os.path.join(FLAGS.out, name + ".mp4"))

        between = explore.interpolate(model, found.images[FLAGS.image], found.images[other], seed=seed)
        shares = [f"{share:.2f}" for share in np.linspace(0.0, 1.0, len(between.continuous))]
        table = self.announce("interpolation.png")
        drawing.table(table, np.stack(between), ["z_e", "quantised"], shares, zoom=3)
        drawing.codebooks(self.announce("codebook.png"), view.usage, view.distances, view.plane)
        drawing.code_maps(self.announce("code_map.png"), found.images[:GRID:2], found.codes[:GRID:2], K)
        self.print_path(projector.write(model, calibration))

    def _draw_single_code(self, model: Any, code_map: np.ndarray) -> None:
        m = self.config.model
        size, (height, width, _) = max(m.size), m.grid
        fine = height * width > FINE
        rows = ROWS if fine else max(8, min(64, 2048 // size))  # fewer if the images are large
        columns = COLUMNS if fine else max(8, min(32, 1024 // size))
        changed = explore.single_code(code_map, m.quantizer.K, rows, columns)
        images = explore.single_code_images(model, changed, FLAGS.seed)
        if fine:
            images = explore.crops(changed, images)
        names, values = explore.position_names(changed), [str(v) for v in changed.values]
        own, title = explore.unchanged(changed, code_map), "position, with its surroundings" if fine else "position"
        path, zoom = self.announce("single_code.png"), max(2, 64 // max(images.shape[2:4]))
        drawing.table(path, images, names, values, title, "new value of the code", own, zoom)


def _asked_labels(names: Sequence[str]) -> Tuple[Optional[List[str]], str]:
    """The classes of --label or --labels, or None, and the name of the flag. A class name may contain a comma."""
    if FLAGS.label is not None and FLAGS.labels is not None:
        raise VQError("label: got both --label and --labels, expected one of the two")
    if FLAGS.label is not None:
        return [FLAGS.label], "label"
    if FLAGS.labels is None:
        return None, "labels"
    return [FLAGS.labels] if FLAGS.labels in names else FLAGS.labels.split(","), "labels"
