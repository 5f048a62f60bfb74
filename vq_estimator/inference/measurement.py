"""What examples cost: their errors, likelihoods and codes, of every example in one pass."""

import hashlib
from typing import Any, Dict, Iterable, Iterator, NamedTuple, Optional, Tuple

import numpy as np
import tensorflow.compat.v1 as tf

from vq_estimator.errors import NoExampleError, VQError
from vq_estimator.inference.examples import Batch, Examples
from vq_estimator.inference.session import OpenRun
from vq_estimator.nn.likelihoods import to_uint8, to_unit

OWN, ANOTHER = "own", "another"  # the codes from which an image is decoded: its own, or those of another image


class Measured(NamedTuple):
    """What a batch costs.

    Attributes:
      mse: [B] on 0..1 pixels; None for recordings, where a draw is another wave of the same sound.
      nats: [B], -ln p(x | z_q).
      original_nll: [B], tf-vqvae's formula; None if there is no reconstruction in 0..1.
      codes: int32 [B, h, w, L].
      voices: int32 [B], the speakers that the decoder is conditioned on, if they are not those of the batch.
      reconstructions: uint8 [B, H, W, C], if they are requested.
    """

    mse: Optional[np.ndarray]
    nats: np.ndarray
    original_nll: Optional[np.ndarray]
    codes: np.ndarray
    voices: Optional[np.ndarray] = None
    reconstructions: Optional[np.ndarray] = None


class PixelSums(NamedTuple):
    """Sums over all pixels, in levels from 0 to 255: their number, their sum and the sum of their squares."""

    count: int
    total: int
    squares: int

    @property
    def variance(self) -> float:
        """Their variance on 0..1; exactly 0 if all are equal."""
        return (self.count * self.squares - self.total**2) / (255.0 * self.count) ** 2


class PerExample(NamedTuple):
    """What each of N examples costs, in their order; see `Measured` for mse, distortion, original_nll and voices."""

    mse: Optional[np.ndarray]  # [N]
    distortion: np.ndarray  # [N], nats
    original_nll: Optional[np.ndarray]  # [N]
    codes: np.ndarray  # int32 [N, h, w, L]; of recordings [1, 1, M, L], concatenated in time
    labels: Optional[np.ndarray]  # int32 [N], None if they are unknown
    speakers: Optional[np.ndarray]  # int32 [N], None for images or if some are unknown
    dims: np.ndarray  # [N], the dimensions of each
    positions: np.ndarray  # [N], the positions of its codes
    pixels: PixelSums
    sha256: str = ""  # of the examples as the model sees them, and of the known labels and speakers
    voices: Optional[np.ndarray] = None  # int32 [N]
    images: Optional[np.ndarray] = None  # uint8 [N, H, W, C], if the reconstructions are requested
    reconstructions: Optional[np.ndarray] = None  # uint8 [N, H, W, C]


def measure(
    run: OpenRun, examples: Examples, scale: Optional[float], reconstruct: bool = False
) -> Iterator[Tuple[Batch, Measured]]:
    """Yields each batch of examples and what it costs.

    Args:
      run: the run.
      examples: the examples.
      scale: see `Calibration`.
      reconstruct: compute the reconstructions, too.
    """
    m, t = run.config.model, run.connect()

    def build():
        p, unit = t.likelihood, to_unit(t.images)
        mse = original = image = None
        if m.has_mse and m.is_stochastic_decoder:
            image = run.vqvae.decode(t.codes)
            mse = tf.reduce_mean(tf.squared_difference(to_unit(image), unit), [1, 2, 3])
        elif m.has_mse:
            mse, original, image = p.squared_error(unit), p.original_nll(m.quantizer.K), to_uint8(p.mean())
        nats = -(p if scale is None else p.with_scale(scale)).log_prob(t.images)
        return Measured(mse, nats, original, t.codes, None, image)

    tensors = run.op(("measure", scale), build)._asdict()
    unused = () if reconstruct else ("reconstructions",)
    fetch = {name: tensor for name, tensor in tensors.items() if tensor is not None and name not in unused}
    for batch, values in run.batches(examples, fetch, "evaluate"):
        yield batch, Measured(**dict(dict.fromkeys(Measured._fields), **values))


def collect(run: OpenRun, measured: Iterable[Tuple[Batch, Measured]], codes_axis: Optional[int] = None) -> PerExample:
    """Concatenates what the batches cost.

    Args:
      run: the run.
      measured: the batches and what they cost.
      codes_axis: the axis along which codes are concatenated; None: the axis of the run's kind of examples.

    Raises:
      VQError: there is no example, or a likelihood is not finite.
    """
    names = (*Measured._fields, "labels", "speakers", "dims", "positions", "images")
    found: Dict[str, list] = {name: [] for name in names}
    pixels, content = PixelSums(0, 0, 0), hashlib.sha256()
    for batch, values in measured:
        if not np.isfinite(values.nats).all():
            raise VQError(f"checkpoint: {run.checkpoint.path!r} gives a likelihood that is NaN or infinite")
        levels, n = batch.images.astype(np.int64), len(batch.images)
        more = levels.size, int(levels.sum()), int(np.square(levels).sum())
        pixels = PixelSums(*(a + b for a, b in zip(pixels, more)))
        content.update(np.ascontiguousarray(batch.images))
        known = dict(labels=batch.labels, speakers=batch.speakers)
        known.update(dims=np.full(n, levels[0].size), positions=np.full(n, np.prod(values.codes.shape[1:3])))
        known["images"] = None if values.reconstructions is None else batch.images
        for name, value in dict(values._asdict(), **known).items():
            found[name].append(value)
    if not pixels.count:
        raise NoExampleError("input: got no readable example, expected one or more")
    axes = {"codes": run.config.model.codes_axis if codes_axis is None else codes_axis}
    whole: Dict[str, Any] = {
        name: None if any(part is None for part in parts) else np.concatenate(parts, axes.get(name, 0))
        for name, parts in found.items()
    }
    for name in ("mse", "nats", "original_nll"):
        whole[name] = None if whole[name] is None else whole[name].astype(np.float64)
    for name in ("dims", "labels", "speakers"):
        content.update(name.encode() + (b"" if whole[name] is None else whole[name].astype("<i8").tobytes()))
    if whole["voices"] is None:
        whole["voices"] = whole["speakers"]
    return PerExample(distortion=whole.pop("nats"), pixels=pixels, sha256=content.hexdigest(), **whole)


def with_codes_of_another(run: OpenRun, examples: Examples) -> Examples:
    """Returns the examples, each with the codes of the previous one; the first one gets those of the last one.

    Raises:
      VQError: there is one example, or the examples differ in length.
    """
    if run.config.model.fixed_dims is None:
        raise VQError("codes: got another, expected own: recordings differ in length; train one with --K=1 to compare")
    parts = [codes for _, codes in run.batches(examples, run.connect().codes, "encode")]
    codes = np.roll(np.concatenate(parts), 1, 0) if parts else []
    if len(codes) == 1:
        raise VQError(f"codes: got another for the one image of {examples.name}, expected two images or more")

    def with_codes(batch, start):
        of_another = codes[start : start + len(batch.images)]
        if len(of_another) < len(batch.images):
            raise VQError(f"input: {examples.origin!r} has changed while it was evaluated")
        return batch._replace(codes=of_another)

    return examples.changed(with_codes)


def per_example(
    run: OpenRun, examples: Examples, scale: Optional[float], codes_of: str = OWN, reconstruct: bool = False
) -> PerExample:
    """Measures all examples; see `measure`, and `evaluation.evaluate_examples` for `codes_of`.

    Raises:
      VQError: a likelihood is not finite.
    """
    chosen = with_codes_of_another(run, examples) if codes_of == ANOTHER else examples
    return collect(run, measure(run, chosen, scale, reconstruct))
