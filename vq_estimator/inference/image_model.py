"""A trained image model in a Python program: encode, decode, sample and evaluate."""

import math
import os
from typing import Any, Dict, NamedTuple, Optional, Sequence, Union

import numpy as np
import tensorflow.compat.v1 as tf

from vq_estimator.config import arguments, type_name
from vq_estimator.data import batching
from vq_estimator.data.model_view import View, Viewer
from vq_estimator.errors import VQError
from vq_estimator.inference import (
    code_cost,
    evaluation,
    image_codes,
    image_inputs,
    measurement,
    sampling,
    trained_prior,
)
from vq_estimator.inference.examples import Examples
from vq_estimator.inference.preparation import AnyImage, prepare
from vq_estimator.inference.sampling import Label, Samples, check_seed
from vq_estimator.inference.trained_model import TrainedModel

BATCH = 100
MAX_FIRST = 10**9  # largest position of an image in a set that is decoded in parts


class Bits(NamedTuple):
    """The bits of each image, per dimension; float64 [N]. `rate_prior` is None without a trained prior."""

    distortion: np.ndarray
    rate_uniform: np.ndarray
    rate_unigram: np.ndarray
    rate_prior: Optional[np.ndarray]


class ImageModel(TrainedModel):
    """A trained VQ-VAE, with its prior if it has one, in a graph and session of its own.

    It works in graph mode and next to eager TensorFlow 2. Images are uint8 [N, H, W, C] and codes int32 [N, h, w, L].
    `close()` or a `with` block frees the session. The attributes are those of `TrainedModel`.
    """

    kind = "images"

    def close(self) -> None:
        """Frees the sessions."""
        super().close()
        if "viewer" in self._made:
            self._made.pop("viewer").close()

    def prepare(self, images: Union[np.ndarray, Sequence[AnyImage]]) -> np.ndarray:
        """Crops and resizes images of any size to the model's input, with the same steps as `vq-encode` (see
        `data.model_view`).

        Args:
          images: an array uint8 or uint16 [N, H, W, C]; or a list of arrays [H, W, C] or [H, W], Pillow images, or
            names of image files. For a model of 1 or 3 channels C is 1 (grey), 3 (colour) or 4 (colour and opacity),
            otherwise the model's number. Files and Pillow images are rotated as their EXIF says, and transparency is
            put on white.

        Returns:
          uint8 [N, *shape] for `encode`.

        Raises:
          VQError: a value is not such an image.
        """
        self.check_open()
        return prepare(images, self._once("viewer", lambda: Viewer(View.of(self.config))))

    @property
    def _size(self) -> int:
        """Images per batch."""
        return min(BATCH, batching.evaluation_batch(self.config.model.dims))

    def encode(self, images: np.ndarray) -> np.ndarray:
        """Images to codes."""
        t = self.connect()
        return self._batches(t.codes, {t.images: self._checked(images)}, size=self._size)

    def decode(
        self, codes: np.ndarray, seed: int = 0, shared: bool = False, first: int = 0, compiled: bool = False
    ) -> np.ndarray:
        """Decodes codes to images uint8 [N, H, W, C].

        Args:
          codes: int32 [N, h, w, L].
          seed: random seed of an autoregressive decoder, together with each image's position; other decoders ignore it.
          shared: draw all images with the same random numbers, so that their differences are due to the codes.
          first: position of the first image, a multiple of 100, if the codes are part of a larger set.
          compiled: compile the loop of a local decoder with XLA (TensorFlow 2; 1.15 ignores it). The first call for a
            number of images takes seconds; later ones draw a single image faster. Rare pixels differ from a plain draw.

        Raises:
          VQError: an argument is invalid, or `compiled` is set for another decoder.
        """
        compiled = arguments.boolean("compiled", compiled)
        if compiled and not self.config.model.decoder.has_wavefronts:
            decoder = type_name(self.config.model.decoder)
            raise VQError(f"compiled: got True, expected False: the model's decoder is {decoder}, only local compiles")
        seed, shared = check_seed(seed), arguments.boolean("shared", shared)
        first = arguments.integer("first", first, 0, MAX_FIRST, f"a multiple of {BATCH}, from 0 to {MAX_FIRST:,}")
        if first % BATCH:
            raise VQError(f"first: got {first}, expected a multiple of {BATCH}")
        codes = self._checked_codes(codes)

        def build():
            given, draw = tf.placeholder(tf.int32, (None,) + self.config.model.grid), tf.placeholder(tf.int64, [])
            return given, draw, self.vqvae.decode(given, draw, shared, **({"compiled": True} if compiled else {}))

        given, draw, images = self.op(("decode", shared, compiled), build)
        # A draw depends on the position in a batch, so batches of an autoregressive decoder have one size.
        size = BATCH if self.config.model.is_stochastic_decoder else self._size
        starts = range(first, first + len(codes), size)
        seeds = [seed if shared else sampling.part_seed(seed, start // BATCH) for start in starts]
        return self._batches(images, {given: codes}, {draw: seeds}, size)

    def reconstruct(self, images: np.ndarray, seed: int = 0) -> np.ndarray:
        """Encodes images and decodes their codes."""
        return self.decode(self.encode(images), seed)

    def sample(
        self,
        num: int,
        labels: Optional[Sequence[Label]] = None,
        temperature: float = 1.0,
        top_k: int = 0,
        seed: int = 0,
    ) -> Samples:
        """Draws new images: codes from the prior, decoded.

        Args:
          num: number of images.
          labels: for a class-conditional prior, the classes to sample in equal numbers, by index or name, see
            `arguments.class_number`; None for all.
          temperature: sampling temperature, above 0; below 1 gives more probable codes.
          top_k: draw each code from this many most probable ones; 0 for all.
          seed: random seed.

        Raises:
          VQError: the run has no prior, or an argument is invalid.
        """
        self.check_open()
        if self.prior is None:
            raise trained_prior.missing(self.config.model.quantizer.K)
        each = sampling.labels_for(self.prior.config.codes.classes, num, labels, self.class_names)
        return sampling.sample(self, num, each, temperature, top_k, seed)

    def bits_per_dim(self, images: np.ndarray, codes: Optional[np.ndarray] = None) -> Bits:
        """The bits per dimension of images: -log2 p(x | z_q), and the rate of their codes under each prior.

        Distortion plus a rate is an upper bound of -log2 p(x) / dims.

        Args:
          images: uint8 [N, H, W, C].
          codes: int32 [N, h, w, L] to decode each image from; None for its own.

        Raises:
          VQError: the run has no calibration of this checkpoint; evaluate it first.
        """
        calibration = self.calibrated()
        scale = calibration.scale

        def build():
            p = t.likelihood
            return -(p if scale is None else p.with_scale(scale)).log_prob(t.images)

        t, images = self.connect(), self._checked(images)
        codes = self.encode(images) if codes is None else self._checked_codes(codes)
        if len(codes) != len(images):
            raise VQError(f"codes: got {len(codes)} maps, expected {len(images)}, one for each image")
        given = {t.images: images, t.codes: codes}
        nats = self._batches(self.op(("distortion", scale), build), given, size=self._size).astype(np.float64)
        to_bits = 1.0 / (self.config.model.dims * math.log(2.0))
        height, width, _ = self.config.model.grid
        positions = np.full(len(codes), height * width)
        return Bits(
            nats * to_bits,
            code_cost.uniform_cost(self.config, positions) * to_bits,
            code_cost.unigram_cost(codes, calibration) * to_bits,
            None if self.prior is None else image_codes.cost(self, codes).nats * to_bits,
        )

    def evaluate(
        self,
        images: Union[str, "os.PathLike[str]", np.ndarray, Sequence[AnyImage], Examples],
        labels: Optional[Sequence[int]] = None,
        codes: str = measurement.OWN,
        save_reconstructions: bool = False,
        max_bad_files: int = 100,
    ) -> dict:
        """Evaluates any images, with the results that `vq-evaluate --split` gives.

        The results are written to `eval/<name>-<hash>.json` and `.npz` in the run directory (see
        `evaluation.evaluate_examples`), but not to the folder of a provided model.

        Args:
          images: the path of a folder, of an image file or of a `.npy`; any value that `prepare` accepts; or Examples.
          labels: int [N], indices of the classes; None uses class folders if they match the run's classes.
          codes: "own", or "another" to decode each image from the codes of the one before it.
          save_reconstructions: write the images and their reconstructions to the `.npz`, too.
          max_bad_files: number of unreadable files to skip in a folder; more are an error.

        Returns:
          The content of the `.json`.

        Raises:
          VQError: the run has not been evaluated on its own data, or an argument is invalid.
        """
        self.check_open()
        codes = arguments.one_of("codes", codes, (measurement.OWN, measurement.ANOTHER))
        save = arguments.boolean("save_reconstructions", save_reconstructions)
        most = arguments.integer("max_bad_files", max_bad_files)
        calibration = self.calibrated()
        if isinstance(images, (str, os.PathLike)):
            images = image_inputs.of_path(self, arguments.path("images", images), most)
        elif not isinstance(images, Examples):
            images = image_inputs.of_images(self, images)
        known = None if labels is None else self._checked_labels(labels)
        return evaluation.evaluate_examples(
            self, image_inputs.with_labels(self, images, known), calibration, codes, save
        )

    def _checked_labels(self, labels: Sequence[int]) -> np.ndarray:
        classes = self.prior.config.codes.classes if self.prior is not None else 0
        if not classes:
            raise VQError("labels: got some, expected none: the run has no class-conditional prior")
        return arguments.codes("labels", labels, ("N",), classes)

    def _batches(
        self, fetch: tf.Tensor, arrays: Dict[Any, np.ndarray], each: Optional[Dict[Any, Any]] = None, size: int = BATCH
    ) -> np.ndarray:
        """Runs `fetch` on arrays in batches of `size`. `each` maps a placeholder to a value for each batch."""
        each = each or {}
        parts, compute = [], self.compiled(fetch, (*arrays, *each))
        for number, start in enumerate(range(0, len(next(iter(arrays.values()))), size)):
            given = [array[start : start + size] for array in arrays.values()]
            parts.append(compute(*given, *(values[number] for values in each.values())))
        return np.concatenate(parts)

    def _checked(self, images: np.ndarray) -> np.ndarray:
        images = arguments.array("images", images, "uint8", ("N", *self.config.model.shape), _hint(images))
        if self.config.model.binarize and not ((images == 0) | (images == 255)).all():
            raise VQError(
                "images: got levels between 0 and 255, expected only these two; prepare(images) makes them so"
            )
        return images

    def _checked_codes(self, codes: np.ndarray) -> np.ndarray:
        return arguments.codes("codes", codes, ("N", *self.config.model.grid), self.config.model.quantizer.K)


def _hint(images: Any) -> str:
    """The end of an error message: how to fix images that have another shape or dtype."""
    kind = getattr(getattr(images, "dtype", None), "kind", "")
    if kind == "f":
        return ", levels 0 to 255: multiply floats of 0 to 1 by 255 and round them"
    if kind == "u" and images.ndim == 4 and images.shape[-1]:
        return "; prepare(images) resizes them"
    return ", levels 0 to 255"
