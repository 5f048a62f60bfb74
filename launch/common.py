"""Code that the commands share: common flags, and the locations of data, runs and the cache."""

import contextlib
import os
from typing import Any, Dict, Iterator, Optional

import pooch

from vq_estimator.config import SPLITS, provided
from vq_estimator.errors import VQError
from vq_estimator_launch import paths
from vq_estimator_launch.shell import FLAGS, Group, run
from vq_estimator_launch.tensorflow_import import import_tensorflow

__all__ = ["FLAGS", "Group", "run"]

GUIDANCE = "speech: classifier-free guidance scale; 1 disables it; needs --wavenet_condition_dropout in training"


def data_flags() -> None:
    """The flags of a script that reads data sets."""
    group = Group("Data")
    group.path(
        "data_dir",
        paths.from_environment("VQ_DATA_DIR", "./datasets"),
        "folder of your own files (images, wav), FILE.npy or FILE.npz (npy), or the folder where data sets are found "
        "and downloaded to",
        several=True,
        variable="VQ_DATA_DIR",
    )
    group.path("validation", None, "npy: file of the validation images; default: a tenth of --data_dir's images")
    group.path("test", None, "npy: file of the test images; default: a tenth of --data_dir's images")
    group.integer("max_bad_files", 100, "images and wav: number of unreadable files to skip; more are an error")
    group.bool(
        "require_full_dataset",
        False,
        "stop if MNIST cannot be downloaded, or only half of fsdd, instead of using the bundled digits or that half",
    )


def run_flags(data: bool = True) -> None:
    """The flags of a script that opens a trained run, with `data_flags` if `data`."""
    group = Group("Run")
    group.path("model_dir", None, "run directory that vq-train made; with --pretrained the directory for results")
    group.string(
        "pretrained",
        None,
        "provided model to use instead of --model_dir; results go to log/pretrained-NAME: "
        + ", ".join(provided.names()),
    )
    group.path("checkpoint", "latest", "checkpoint: latest, best (by validation), or a path")
    if data:
        data_flags()


def deterministic_flag(group: Group) -> None:
    """The flag --deterministic of the scripts that train."""
    group.bool(
        "deterministic",
        False,
        "raise an error for nondeterministic ops (TensorFlow 2.9 and later); not needed on a CPU",
    )


def check_can_train(model_dir: str, task: Optional[str] = None) -> None:
    """Checks before the work that no other process trains in a directory, and undoes an interrupted --overwrite.

    Args:
      model_dir: the run directory.
      task: see `training.lock`.

    Raises:
      VQError: another process trains there.
    """
    from vq_estimator.training import beginning, lock, run_folder

    run_folder.check_name(model_dir)
    lock.check_free(model_dir, task)
    if task is None and beginning.needs_healing(model_dir):
        with lock.training(model_dir):
            beginning.heal(model_dir)


def be_deterministic() -> None:
    """Applies --deterministic."""
    if FLAGS.deterministic:
        from vq_estimator.training import determinism

        os.environ["TF_DETERMINISTIC_OPS"] = "1"  # read by TensorFlow 1.15
        determinism.enforce()


def cache_dir() -> str:
    """The user's cache folder: VQ_CACHE_DIR, or the system's default."""
    return paths.expand("VQ_CACHE_DIR", paths.from_environment("VQ_CACHE_DIR", str(pooch.os_cache("vq_estimator"))))


@contextlib.contextmanager
def writing_cache() -> Iterator[str]:
    """Yields the cache folder. File errors inside it become a VQError that names VQ_CACHE_DIR."""
    from vq_estimator.training import disk

    cache = cache_dir()
    try:
        with disk.translate_disk_errors(cache):
            yield cache
    except OSError as e:
        if e.filename is None or not _inside(str(e.filename), cache):
            raise
        want = "set VQ_CACHE_DIR to a writable folder"
        raise VQError(f"cache: got {cache!r}, which can't be written to ({e.strerror or e}); {want}") from None


def _inside(path: str, folder: str) -> bool:
    """Whether a path is in a folder, or is one of the folder's parents."""
    path, folder = os.path.abspath(path), os.path.abspath(folder)
    return os.path.commonpath([path, folder]) in (path, folder)


def locate_data(config, wanted=None, cache: str = "auto"):
    """Finds the files of a run's data set by the flags; see `locate` of the modules `vq_estimator.data.*source*`."""
    check_max_bad_files()
    with writing_cache() as folder:
        return _locate(config, folder, config.dataset, wanted, cache)


def _locate(config, folder: str, dataset: str, wanted=None, cache: str = "auto"):
    """Finds the files of a data set, as a run with `config` needs them; `folder` is the cache folder."""
    from vq_estimator.config import IMAGES, NPY, SPEECH_DATASETS, TFDS, row_of
    from vq_estimator.data import images, sources

    if dataset == NPY:
        from vq_estimator.data import numpy_source

        files = numpy_source.Wanted(config.model.shape, config.data, FLAGS.validation, FLAGS.test)
        return numpy_source.locate(FLAGS.data_dir, folder, files, cache, wanted)
    for name in ("validation", "test"):
        if FLAGS[name].value is not None:
            raise VQError(f"{name}: got {FLAGS[name].value!r}, expected no value: only --dataset=npy has this file")
    if row_of(dataset) == TFDS:
        from vq_estimator.data import tfds_source

        data = tfds_source.Wanted(config.model.shape, config.data)
        return tfds_source.locate(dataset, tfds_dir(), folder, data, cache, wanted)
    if dataset in SPEECH_DATASETS:
        from vq_estimator.data import speech_sources

        rate = config.model.sample_rate
        given = (dataset, FLAGS.data_dir, folder, rate, FLAGS.max_bad_files, wanted)
        own = {"data": config.data} if dataset == config.dataset else {}
        found = speech_sources.locate(*given, **own)
        if FLAGS.require_full_dataset and found.name == speech_sources.HALF:
            raise VQError(f"require_full_dataset: got {found.name}, expected all of {dataset}")
        return found
    if dataset == IMAGES:
        want = images.Wanted(config.model.shape, FLAGS.max_bad_files, config.data)
        return images.locate(FLAGS.data_dir, folder, want, cache, wanted)
    return sources.locate(dataset, FLAGS.data_dir, folder, FLAGS.require_full_dataset, wanted)


def tfds_dir() -> Optional[str]:
    """The folder of TensorFlow Datasets: --data_dir or VQ_DATA_DIR; None if neither is set."""
    return FLAGS.data_dir if FLAGS["data_dir"].present or os.environ.get("VQ_DATA_DIR") else None


def with_own_size(dataset: str, given: Dict[str, Any]) -> Dict[str, Any]:
    """Adds the size and channels of the data's images to the settings `given`, so that they replace the preset's.

    Reads nothing for data sets whose images differ in size.
    """
    from vq_estimator.config import NPY, TFDS, row_of

    if "image_size" in given and "channels" in given:
        return given
    if dataset == NPY:
        from vq_estimator.data import image_arrays

        array = {"array": given["array"]} if "array" in given else {}
        return {**image_arrays.own_size(FLAGS.data_dir, **array), **given}
    if row_of(dataset) == TFDS:
        import_tensorflow()  # fails with one line
        from vq_estimator.data import tfds_source

        return {**tfds_source.own_size(dataset, tfds_dir()), **given}
    return given


def check_max_bad_files() -> None:
    if FLAGS.max_bad_files < 0:
        raise VQError(f"max_bad_files: got {FLAGS.max_bad_files}, expected 0 or more")


def check_writable(name: str, file: bool = False) -> None:
    """Checks before the work that the path of a flag can be written to, and with `file` that it is not a folder."""
    check_path_writable(name, FLAGS[name].value, file)


def check_path_writable(name: str, path: str, file: bool = False) -> None:
    """Like `check_writable`, for one path of the flag `name`, or for its default."""
    if file and os.path.isdir(path):
        raise VQError(f"{name}: got {path!r}, which is a folder, expected the name of a file")
    above = os.path.abspath(path)
    while not os.path.lexists(above):
        above = os.path.dirname(above)
    same = above == os.path.abspath(path)
    if not path or not os.access(above, os.W_OK) or (not same and not os.path.isdir(above)):
        raise VQError(f"{name}: got {path!r}, expected a path that can be written to ({above!r} can't)")


def data_of_run(config, measured: bool = True):
    """Finds the files that a run was trained on, as the flags say.

    If not `measured`, a provided MNIST model also accepts the bundled digits when MNIST is not available.
    """
    return locate_data(config, None if FLAGS.pretrained and not measured else config.dataset_source)


def data_for_calibration(run):
    """Finds the data that a run was trained on, to fit the calibration on its training split.

    Raises:
      VQError: the data is not available.
    """
    begin = f"calibration: {run.model_dir!r} has none for this checkpoint, expected one: "
    if run.config.dataset_source is None:
        raise VQError(begin + "run vq-evaluate --split=test --data_dir=FOLDER on its training data first")
    try:
        return data_of_run(run.config)
    except VQError as e:
        raise VQError(f"{begin}set --data_dir to the run's training data ({e})") from None


def split_of(config, given: str, datasets):
    """(files, split) if `given` is a split of the run's data, or <data set>:<split> of `datasets`; otherwise None.

    Raises:
      VQError: a file or folder has the same name, and --input was passed.
    """
    from vq_estimator.config import row_of

    dataset, _, split = given.rpartition(":")
    if split not in SPLITS or not {dataset, row_of(dataset)} & {"", config.dataset, *datasets}:
        return None
    if os.path.lexists(given) and FLAGS["input"].present:
        other = f"{config.dataset}:{split}" if not dataset else f"{given} in another working directory"
        kind = "folder" if os.path.isdir(given) else "file"
        raise VQError(
            f"input: got {given!r}, which is both a split and a {kind}, "
            f"expected ./{given} for the {kind}, or {other} for the split"
        )
    if dataset in ("", config.dataset):
        return data_of_run(config, measured=False), split
    with writing_cache() as folder:
        return _locate(config, folder, dataset), split


def open_run() -> Any:
    """Opens the run of --model_dir, or a copy of the provided model of --pretrained, as an `OpenRun`."""
    from vq_estimator.inference import session

    model_dir = FLAGS.model_dir
    if FLAGS.pretrained:
        from vq_estimator import pretrained

        model_dir = pretrained.copy_to_run_dir(FLAGS.pretrained, model_dir)
    if not model_dir:
        raise VQError("model_dir: got none, expected --model_dir=RUN, a run directory of vq-train, or --pretrained")
    return session.open_run(model_dir, FLAGS.checkpoint)
