"""The loops that draw element by element by the step functions of an export (see `nn.stepwise`)."""

from typing import Any, Callable, Dict, NamedTuple, Sequence

import numpy as np

from vq_estimator.exported.noise import KINDS, uniform


class Steps(NamedTuple):
    """The functions of one loop.

    Attributes:
      call: (part of the name, such as "step", inputs by name) -> outputs by name.
      shapes: the shapes of the inputs by part and name, with text for free dimensions.
      facts: the metadata of the step.
    """

    call: Callable[..., Dict[str, np.ndarray]]
    shapes: Dict[str, Dict[str, Sequence[Any]]]
    facts: Dict[str, Any]

    def zeros(self, part: str, name: str, batch: int) -> np.ndarray:
        """Returns zeros for an input, float32."""
        return np.zeros([batch, *self.shapes[part][name][1:]], np.float32)

    def noise(self, seed: int, position: int, batch: int) -> Dict[str, np.ndarray]:
        """Returns the noise for the element at index `position`, by the names of the inputs."""
        found = {}
        for one in self.facts.get("noise", ()):
            shape = [batch if n == -1 else n for n in one["shape"]]
            place = one["first"] + one["stride"] * position
            found[one["input"]] = KINDS[one["kind"]](shape, [seed, place])
        return found


def raster(steps: Steps, condition: np.ndarray, seed: int, **further: np.ndarray) -> np.ndarray:
    """Draws by a PixelCNN in raster order.

    Args:
      steps: `row` and `step`.
      condition: float32 [B, H, W, D].
      seed: the seed of the call.
      **further: other inputs of `step`, such as temperature.

    Returns:
      [B, H, W, n], what each step drew.
    """
    batch, height, width, _ = condition.shape
    above, before = steps.zeros("row", "above", batch), steps.zeros("row", "before", batch)
    rows = []
    for i in range(height):
        row = steps.call("row", above=above, before=before, condition=condition[:, i])
        left, inputs = steps.zeros("step", "left", batch), steps.zeros("step", "before", batch)
        drawn, pixels = [], []
        for j in range(width):
            given = dict(vertical=row["vertical"][:, 0, j], across=row["across"][:, :, j])
            noise = steps.noise(seed, i * width + j, batch)
            step = steps.call("step", left=left, before=inputs, **given, **noise, **further)
            left, inputs = np.concatenate([left[:, 1:], step["pixel"][:, np.newaxis]], 1), step["inputs"]
            drawn.append(step["drawn"])
            pixels.append(step["pixel"])
        above = np.concatenate([above[:, 1:], np.stack(pixels, 1)[:, np.newaxis]], 1)
        before = row["vertical"]
        rows.append(np.stack(drawn, 1))
    return np.stack(rows, 1)


def sequence(steps: Steps, conditions: np.ndarray, seed: Any, **further: np.ndarray) -> np.ndarray:
    """Draws by a WaveNet, step by step.

    Args:
      steps: `step`.
      conditions: float32 [B, n, layers * 2 maps].
      seed: the seed of the call; where the noise is one input `noise`, a seed for each example.
      **further: other inputs of `step`, such as temperature.

    Returns:
      [B, T, k], what each step drew.
    """
    batch, n, _ = conditions.shape
    dilations, repeat = np.array(steps.facts["dilations"]), steps.facts["repeat"]
    offsets = np.cumsum(dilations) - dilations
    x, maps = steps.zeros("step", "x", batch), steps.shapes["step"]["pasts"][2]
    queue = np.zeros([batch, int(dilations.sum()), maps], np.float32)
    whole = None
    if "noise" in steps.shapes["step"]:
        each = [uniform([n * repeat], [one, 0]) for one in seed]
        whole = _open_unit(np.stack(each, 1))
    drawn = []
    for t in range(n * repeat):
        noise = steps.noise(seed, t, batch) if whole is None else {"noise": whole[t]}
        places = offsets + t % dilations
        step = steps.call("step", x=x, pasts=queue[:, places], condition=conditions[:, t // repeat], **noise, **further)
        queue[:, places], x = step["inputs"], step["next"]
        drawn.append(step["drawn"])
    return np.stack(drawn, 1)


def wavefront(steps: Steps, condition: np.ndarray, seed: int, **further: np.ndarray) -> np.ndarray:
    """Draws by a local network, one wavefront of pixels at a time.

    Args:
      steps: `step`.
      condition: float32 [B, H, W, D].
      seed: the seed of the call.
      **further: other inputs of `step`.

    Returns:
      uint8 [B, H, W, C].
    """
    batch, height, width, _ = condition.shape
    above, right = np.array(steps.facts["neighbours"]).T
    slope, uniforms = steps.facts["slope"], steps.shapes["step"]["noise"][2]
    channels, reach = steps.shapes["step"]["near"][2] // len(above), int(above.max())
    noise = _open_unit(uniform([batch, height * width, uniforms], [seed, 0]))
    canvas = np.zeros([batch, reach + height, reach + width + reach, channels], np.float32)
    drawn = np.zeros([batch, height, width, channels], np.uint8)
    for t in range(width + slope * (height - 1)):
        i = np.arange(max(0, -(-(t - width + 1) // slope)), min(height - 1, t // slope) + 1)
        j = t - slope * i
        near = canvas[:, reach + i[:, np.newaxis] - above, reach + j[:, np.newaxis] + right]  # [B, n, neighbours, C]
        given = dict(near=near.reshape(batch, len(i), -1), condition=condition[:, i, j])
        step = steps.call("step", **given, noise=noise[:, i * width + j], **further)
        canvas[:, reach + i, reach + j], drawn[:, i, j] = step["pixel"], step["drawn"]
    return drawn


def _open_unit(unit: np.ndarray) -> np.ndarray:
    """Clips numbers in [0, 1) as `nn.likelihoods.pixels.uniform` does."""
    return np.clip(unit, np.float32(1e-7), np.float32(1.0 - 1e-7))


LOOPS = {"raster": raster, "sequence": sequence, "wavefront": wavefront}
