"""What an opened run is, whatever its data."""

from typing import Any, Callable, ClassVar, Dict, Optional, Tuple

from vq_estimator.config import Config, arguments, opener
from vq_estimator.errors import VQError
from vq_estimator.inference import calibration as calibration_lib
from vq_estimator.inference import trained_prior as prior_lib
from vq_estimator.inference.calibration import Calibration
from vq_estimator.inference.session import Closeable, TrainedPrior
from vq_estimator.training import run_folder
from vq_estimator.training.run_folder import Checkpoint


class TrainedModel(Closeable):
    """Base of `ImageModel` and `SpeechModel`: a trained VQ-VAE, and its prior where it has one.

    Attributes:
      config: the run's configuration.
      checkpoint: its checkpoint.
      prior: its trained prior, or None.
      calibration: what was fitted when it was evaluated, or None.
      class_names: of the data's classes by their numbers; () where they are not known.
    """

    kind: ClassVar[str] = ""  # what it is a model of

    def __init__(self, model_dir: str, which: str = "latest", prior: Optional[TrainedPrior] = None):
        """Reads the run in `model_dir`, at the checkpoint `which`: "latest", "best" or a path.

        `prior`: another than the run's best one.

        Raises:
          VQError: there is no such run or checkpoint, or it is of another kind of data.
        """
        model_dir, which = arguments.path("model_dir", model_dir), arguments.path("checkpoint", which)
        self.config: Config = run_folder.load_config(model_dir)
        opened = opener(self.config.model)
        if not isinstance(self, opened):
            got = f"{model_dir!r}, a run of {opened.kind}"
            raise VQError(f"model_dir: got {got}, expected one of {self.kind}; see {opened.__name__}")
        self.checkpoint: Checkpoint = run_folder.find_checkpoint(model_dir, which)
        self.prior: Optional[TrainedPrior] = prior or prior_lib.find_or_warn(model_dir, self.checkpoint)
        self.class_names: Tuple[str, ...] = run_folder.class_names(model_dir, self.config)
        self.calibration: Optional[Calibration] = calibration_lib.kept(self.config, self.checkpoint, model_dir)
        self._ops: Dict[str, Any] = {}

    def _op(self, name: str, build: Callable[[], Any]) -> Any:
        """What `build` adds to the graph, once for each name."""
        if name not in self._ops:
            with self._session.graph.as_default():
                self._ops[name] = build()
        return self._ops[name]
