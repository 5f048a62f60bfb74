"""What an opened run is, whatever its data."""

from typing import ClassVar, Optional, Tuple

from vq_estimator.config import arguments, opener
from vq_estimator.errors import VQError
from vq_estimator.inference import calibration as calibration_lib
from vq_estimator.inference.calibration import Calibration
from vq_estimator.inference.session import OpenRun
from vq_estimator.inference.trained_prior import TrainedPrior
from vq_estimator.models.vqvae import OURS, Networks
from vq_estimator.training import checkpoints, run_folder


class TrainedModel(OpenRun):
    """Base of `ImageModel` and `SpeechModel`: a trained VQ-VAE, and its prior where it has one.

    Attributes:
      config: the run's configuration.
      checkpoint: its checkpoint.
      prior: its trained prior, or None.
      calibration: what was fitted when it was evaluated, or None.
      class_names: of the data's classes by their numbers; () where they are not known.
    """

    kind: ClassVar[str] = ""  # what it is a model of

    def __init__(
        self,
        model_dir: str,
        which: str = "latest",
        prior: Optional[TrainedPrior] = None,
        networks: Networks = OURS,
    ):
        """Opens the run in `model_dir`, at the checkpoint `which`: "latest", "best" or a path.

        `prior`: another than the run's best one; `networks`: the caller's, of a run that has some.

        Raises:
          VQError: there is no such run or checkpoint, or it is of another kind of data.
        """
        model_dir, which = arguments.path("model_dir", model_dir), arguments.path("checkpoint", which)
        config = run_folder.load_config(model_dir)
        opened = opener(config.model)
        if not isinstance(self, opened):
            got = f"{model_dir!r}, a run of {opened.kind}"
            raise VQError(f"model_dir: got {got}, expected one of {self.kind}; see {opened.__name__}")
        checkpoint = checkpoints.find_checkpoint(model_dir, which)
        super().__init__(config, checkpoint, model_dir, prior, networks=networks)
        self.class_names: Tuple[str, ...] = run_folder.class_names(model_dir, config)
        self.calibration: Optional[Calibration] = calibration_lib.kept(self)
        self.connect()  # weights that do not fit are refused now

    def calibrated(self) -> Calibration:
        """The calibration.

        Raises:
          VQError: there is none: the run has not been evaluated at this checkpoint.
        """
        if self.calibration is None:
            raise VQError("calibration: the run has none of this checkpoint; evaluate it with vq-evaluate first")
        return self.calibration
