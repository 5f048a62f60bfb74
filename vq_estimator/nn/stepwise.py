"""What other runtimes need to draw element by element: the functions that the loop of a scan calls.

A decoder or a prior that scans offers its steps as a list of `Traced` functions, and a loop outside of TensorFlow calls
them. A decoder joins by a method

    step_functions(codes, z_q) -> List[Traced]

Args:
  codes: the placeholder int32 [B, h, w, L] that z_q was made from; it is the input of the first function.
  z_q: float32 [B, h, w, features].

Returns:
  Functions with the names "decode_<part>". Those of a PixelCNN are `condition` (once per call), `row` (once per row)
  and `step` (once per pixel), those of a WaveNet `condition` and `step`. Caches are inputs and outputs, batch first,
  and start at zero. `metadata["loop"]` of the last one is a key of `exported.loops.LOOPS` and names the loop that calls
  them. A new kind of loop is a function there.

Noise: a step that draws makes its noise by `likelihoods.pixels` from a seed of `seed` and `position`, as the scan does,
with the placeholders of `seed_inputs`. The export turns each such random op into an input, and notes its kind and how
its seed follows from the two, so that a loop with the same noise draws the same values.
"""

from typing import Any, Dict, NamedTuple, Optional

import tensorflow.compat.v1 as tf

SEED, POSITION = "seed", "position"


class Traced(NamedTuple):
    """A function in a graph.

    Attributes:
      name: such as "encode" or "decode_step".
      inputs: the placeholders by the names of the inputs.
      outputs: the tensors by the names of the outputs, which differ from those of the inputs.
      metadata: facts that the file carries, as JSON values.
    """

    name: str
    inputs: Dict[str, tf.Tensor]
    outputs: Dict[str, tf.Tensor]
    metadata: Optional[Dict[str, Any]] = None


def seed_inputs() -> Dict[str, tf.Tensor]:
    """Returns placeholders for the seed of a call and the index of the element that is drawn, int64 []."""
    return {SEED: tf.placeholder(tf.int64, []), POSITION: tf.placeholder(tf.int64, [])}
