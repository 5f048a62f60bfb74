"""The configuration of a training, from the flags of vq-train."""

import glob
import os
from typing import Any, Dict, Iterator, Optional, Tuple

from vq_estimator import config as config_lib
from vq_estimator.errors import VQError
from vq_estimator_launch import common, settings
from vq_estimator_launch.common import FLAGS


def configure(with_data: bool = True) -> Any:
    """Makes the configuration from the flags; `with_data` reads the size of the data's own images, if it has one."""
    given = settings.given()
    if FLAGS.preset == config_lib.LIKE and not FLAGS.config:
        return configure_like(given)
    if not FLAGS.config:
        given = common.with_own_size(FLAGS.dataset, given) if with_data else given
        return config_lib.make_config(FLAGS.dataset, FLAGS.preset, **given)
    for name in ("dataset", "preset"):
        if FLAGS[name].present:
            raise VQError(f"{name}: got {FLAGS[name].value!r} with --config, expected no value: the file has it")
    base = config_lib.with_data(config_lib.read_config(FLAGS.config), None)
    return config_lib.override(base, given)


def configure_like(given: Dict[str, Any]) -> Any:
    """Makes the configuration of --preset=like, by the run that --warm_start names and the given settings.

    If the source has been moved or removed since, a resumed run has the configuration.
    """
    dataset = FLAGS.dataset if FLAGS["dataset"].present else None
    try:
        source = config_lib.source_config(FLAGS.warm_start) if FLAGS.warm_start is not None else None
    except VQError:
        found = [] if FLAGS.overwrite else list(resumable_like(given, dataset))
        if len(found) != 1:
            raise
        return found[0]
    return config_lib.make_config(dataset or (source.dataset if source else FLAGS.dataset), config_lib.LIKE, **given)


def resumable_like(given: Dict[str, Any], dataset: Optional[str]) -> Iterator[Any]:
    """Yields the configurations of the runs that the command would resume, in --model_dir or its default."""
    pattern = glob.escape(FLAGS.model_dir) if FLAGS.model_dir else f"log/*-{config_lib.LIKE}-*"
    for path in sorted(glob.glob(os.path.join(pattern, "config.json"))):
        try:
            old = config_lib.read_config(path)
            config = config_lib.override(config_lib.with_data(old, None), given)
        except VQError:
            continue
        same = config.preset == config_lib.LIKE and old.warm_start == FLAGS.warm_start
        here = FLAGS.model_dir or config_lib.default_model_dir(config) == os.path.dirname(path)
        if same and here and dataset in (None, config.dataset):
            yield config


def resume(config: Any, model_dir: str) -> Tuple[Any, Optional[str]]:
    """Returns the configuration with which the run in a folder resumes, and the data that the run began with.

    Raises:
      VQError: the configuration is that of another run.
    """
    from vq_estimator.training import run_folder

    old = run_folder.load_config(model_dir)
    config = config_lib.as_resumed(config_lib.keep_intervals(config, old, settings.given()), old)
    run_folder.check_resumable(model_dir, config)  # before the data is located
    return config, old.dataset_source
