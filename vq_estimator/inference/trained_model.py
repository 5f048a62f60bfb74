"""The base class of opened runs."""

import os
import re
from typing import ClassVar, List, Optional, Tuple

from vq_estimator.config import arguments, opener
from vq_estimator.config.export import SAVED_MODEL
from vq_estimator.data.files import user_cache
from vq_estimator.errors import VQError
from vq_estimator.inference import calibration as calibration_lib
from vq_estimator.inference.calibration import Calibration
from vq_estimator.inference.export.formats import AnyExamples, Job, Page, export_job
from vq_estimator.inference.export.verification import Difference
from vq_estimator.inference.session import OpenRun
from vq_estimator.inference.trained_prior import TrainedPrior
from vq_estimator.models.vqvae import OURS, Networks
from vq_estimator.training import checkpoints, run_folder


class TrainedModel(OpenRun):
    """Base of `ImageModel` and `SpeechModel`: a trained VQ-VAE, with its prior if it has one.

    Attributes:
      config: the run's configuration.
      checkpoint: its checkpoint.
      prior: its trained prior, or None.
      calibration: the calibration of its evaluation, or None.
      class_names: names of the classes, by index; () if they are not known.
    """

    kind: ClassVar[str] = ""  # the kind of data

    def __init__(
        self,
        model_dir: str,
        which: str = "latest",
        prior: Optional[TrainedPrior] = None,
        networks: Networks = OURS,
    ):
        """Opens the run in `model_dir`, at the checkpoint `which`: "latest", "best" or a path.

        Args:
          prior: a prior to use instead of the run's best one.
          networks: your networks, if the run was trained with some.

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
        self.connect()  # fails now if the weights do not fit

    def export(
        self,
        export_dir: str,
        format: str = SAVED_MODEL,
        float16: bool = False,
        examples: AnyExamples = None,
        cache_dir: Optional[str] = None,
    ) -> List[Difference]:
        """Writes the model in a format that needs neither this package nor the checkpoint (docs/deploy.md).

        ONNX and TFLite files are compared with the checkpoint before they get their names.

        Args:
          export_dir: a folder to make.
          format: "saved_model"; or with TensorFlow 2 "onnx" or "web", which need the extra `onnx`, or "tflite".
          float16: store the weights of "tflite" as float16.
          examples: what the files are compared on: images uint8 [N, H, W, C] as the model sees them (see `prepare`), or
            a list of recordings uint8 [T]; or a function without arguments that returns them, which is called after
            the run was checked; None: draws of the model. A page shows the first 20.
          cache_dir: for the runtime of "web"; None: the user's cache folder.

        Returns:
          How far the outputs of each file are from the checkpoint's; empty for a SavedModel, which has the same graph.

        Raises:
          VQError: the folder exists or can't be written, the format is not available for the run, an argument is
            invalid, or a file is too far from the checkpoint; then nothing is written.
        """
        self.check_open()
        export_dir = arguments.path("export_dir", export_dir)
        title = re.sub("^pretrained-", "", os.path.basename(os.path.abspath(self.model_dir)))
        page = Page(title, user_cache(cache_dir), self.calibration, self.class_names)
        job = Job(self.config, self.checkpoint, self.prior, self.networks, None, float16, page)
        return export_job(job, export_dir, format, examples)

    def calibrated(self) -> Calibration:
        """The calibration.

        Raises:
          VQError: the run has not been evaluated at this checkpoint.
        """
        if self.calibration is None:
            raise VQError("calibration: the run has none for this checkpoint; evaluate it with vq-evaluate first")
        return self.calibration
