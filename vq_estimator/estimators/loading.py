"""Opening a run or a provided model."""

from typing import Any, Callable, Optional

from vq_estimator.config import opener, provided
from vq_estimator.models.vqvae import Networks
from vq_estimator.training import run_folder


def load(
    name: str,
    checkpoint: str = "latest",
    encoder_fn: Optional[Callable] = None,
    decoder_fn: Optional[Callable] = None,
) -> Any:
    """Opens a run or a provided model.

        >>> import numpy as np
        >>> import vq_estimator as vq
        >>> model = vq.load("mnist")
        >>> model.decode(np.zeros([1, 3, 3, 1], np.int32)).shape
        (1, 24, 24, 1)
        >>> model.close()

    Args:
      name: a run directory, or the name of a provided model (`vq.pretrained.names()`); "./mnist" is always a folder.
      checkpoint: "latest", "best" (by validation) or the path of a checkpoint.
      encoder_fn: the encoder of a run that `VQVAEEstimator` trained with one.
      decoder_fn: the decoder of such a run.

    Returns:
      An `ImageModel` or a `SpeechModel`: encode, decode, reconstruct, sample, bits_per_dim. It has its own session,
      which `close()` or a `with` block ends.

    Raises:
      VQError: there is no such run or checkpoint, or the networks are not those of the run.
    """
    folder = provided.locate_run(name)
    networks = Networks(encoder_fn, decoder_fn)
    opened = opener(run_folder.load_config(folder).model)
    return opened(folder, checkpoint, networks=networks)
