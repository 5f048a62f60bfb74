"""What the scripts share: their common flags, and where data, runs and the cache lie."""

import contextlib
import os
from typing import Any, Dict, Iterator, Optional

import pooch

from vq_estimator.config import provided
from vq_estimator.errors import VQError
from vq_estimator_launch import paths
from vq_estimator_launch.shell import FLAGS, Group, run
from vq_estimator_launch.tensorflow_import import import_tensorflow

__all__ = ["FLAGS", "Group", "run"]

GUIDANCE = "speech: above 1 more of what codes and speaker say; of runs with --wavenet_condition_dropout"


def data_flags() -> None:
    """The flags of a script that reads data sets."""
    group = Group("Data")
    group.path(
        "data_dir",
        paths.from_environment("VQ_DATA_DIR", "./datasets"),
        "folder of the data sets: mnist/*.gz, fashion_mnist/*.gz, cifar10/cifar-10-batches-bin/*.bin, "
        "fsdd/recordings/*.wav; what is missing is downloaded. Of --dataset=images and wav: the folder of your files; "
        "of npy: FILE.npy or FILE.npz; of tfds:NAME: the folder of TensorFlow Datasets, by default its own",
        several=True,
        variable="VQ_DATA_DIR",
    )
    group.path("validation", None, "npy: the file of the validation images; default: a tenth of --data_dir's")
    group.path("test", None, "npy: the file of the test images; default: a tenth of --data_dir's")
    group.integer("max_bad_files", 100, "images and wav: so many unreadable files are left out; more are an error")
    group.bool(
        "require_full_dataset",
        False,
        "refuse the embedded 5,000 digits where MNIST can't be downloaded, and the half of fsdd",
    )


def run_flags(data: bool = True) -> None:
    """The flags of a script that works on a trained run; `data`: and on data sets."""
    group = Group("Run")
    group.path("model_dir", None, "the run folder that vq-train made; with --pretrained the folder for results")
    group.string(
        "pretrained",
        None,
        "a model that comes with the package, in place of a run [results go to log/pretrained-<name>]: "
        + ", ".join(provided.names()),
    )
    group.path("checkpoint", "latest", "latest, best (by validation), or the path of a checkpoint")
    if data:
        data_flags()


def deterministic_flag(group: Group) -> None:
    """The flag of the scripts that train."""
    group.bool(
        "deterministic",
        False,
        "refuse operations that don't give the same bits each time (TensorFlow 2.9 and later; of 1.15 cuDNN's alone); "
        "on one machine's CPU the same command gives the same weights without it too",
    )


def check_can_train(model_dir: str, task: Optional[str] = None) -> None:
    """Says before the work that another process trains in a folder, and ends what a kill left of an --overwrite.

    `task`: see `training.lock`.
    """
    from vq_estimator.training import beginning, lock, run_folder

    run_folder.check_name(model_dir)
    lock.check_free(model_dir, task)
    if task is None and beginning.needs_healing(model_dir):
        with lock.training(model_dir):
            beginning.heal(model_dir)


def be_deterministic() -> None:
    """Does what --deterministic asks for."""
    if FLAGS.deterministic:
        from vq_estimator.training import determinism

        os.environ["TF_DETERMINISTIC_OPS"] = "1"  # for 1.15
        determinism.enforce()


def cache_dir() -> str:
    """The user's cache folder, of VQ_CACHE_DIR or the system's."""
    return paths.expand("VQ_CACHE_DIR", paths.from_environment("VQ_CACHE_DIR", str(pooch.os_cache("vq_estimator"))))


@contextlib.contextmanager
def writing_cache() -> Iterator[str]:
    """The cache folder; an error of a file in it, or of its disk, says within the block which variable names it."""
    from vq_estimator.training import disk

    cache = cache_dir()
    try:
        with disk.translate_disk_errors(cache):
            yield cache
    except OSError as e:
        if e.filename is None or not _inside(str(e.filename), cache):
            raise
        want = "set VQ_CACHE_DIR to a folder that can be written to"
        raise VQError(f"cache: got {cache!r}, which can't be written to ({e.strerror or e}); {want}") from None


def _inside(path: str, folder: str) -> bool:
    """Whether a path is of a file in a folder, or is one that leads to the folder."""
    path, folder = os.path.abspath(path), os.path.abspath(folder)
    return os.path.commonpath([path, folder]) in (path, folder)


def locate_data(config, wanted=None, cache: str = "auto"):
    """The files of a run's data set, by the flags; see `locate` of the modules `vq_estimator.data.*source*`."""
    check_max_bad_files()
    with writing_cache() as folder:
        return _locate(config, folder, config.dataset, wanted, cache)


def _locate(config, folder: str, dataset: str, wanted=None, cache: str = "auto"):
    """The files of a data set, as a run of `config` needs them; `folder`: the cache's."""
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
    """The folder of TensorFlow Datasets: --data_dir or VQ_DATA_DIR; None where neither is given."""
    return FLAGS.data_dir if FLAGS["data_dir"].present or os.environ.get("VQ_DATA_DIR") else None


def with_own_size(dataset: str, given: Dict[str, Any]) -> Dict[str, Any]:
    """The settings `given`, with the size and channels of the data's own images in the place of a preset's.

    Of data sets whose images have no size of their own nothing is read.
    """
    from vq_estimator.config import NPY, TFDS, row_of

    if "image_size" in given and "channels" in given:
        return given
    if dataset == NPY:
        from vq_estimator.data import image_arrays

        array = {"array": given["array"]} if "array" in given else {}
        return {**image_arrays.own_size(FLAGS.data_dir, **array), **given}
    if row_of(dataset) == TFDS:
        import_tensorflow()  # which says in one line why it can't be imported
        from vq_estimator.data import tfds_source

        return {**tfds_source.own_size(dataset, tfds_dir()), **given}
    return given


def check_max_bad_files() -> None:
    if FLAGS.max_bad_files < 0:
        raise VQError(f"max_bad_files: got {FLAGS.max_bad_files}, expected 0 or more")


def check_writable(name: str, file: bool = False) -> None:
    """Says before the work, not after it, that the path of a flag can't be written to; `file`: that it is a folder."""
    path = FLAGS[name].value
    if file and os.path.isdir(path):
        raise VQError(f"{name}: got {path!r}, which is a folder, expected the name of a file")
    above = os.path.abspath(path)
    while not os.path.lexists(above):
        above = os.path.dirname(above)
    same = above == os.path.abspath(path)
    if not path or not os.access(above, os.W_OK) or (not same and not os.path.isdir(above)):
        raise VQError(f"{name}: got {path!r}, expected a path that can be written to ({above!r} can't)")


def data_of_run(config, measured: bool = True):
    """The files that a trained run saw, by the flags.

    For looking (not `measured`) at a provided model of MNIST the embedded digits do, where MNIST can't be had.
    """
    return locate_data(config, None if FLAGS.pretrained and not measured else config.dataset_source)


def data_for_calibration(run):
    """The data that a run was trained on, for what is fitted on their training split.

    Raises:
      VQError: they can't be had.
    """
    begin = f"calibration: {run.model_dir!r} has none of this checkpoint, expected one: "
    if run.config.dataset_source is None:
        raise VQError(begin + "run vq-evaluate --split=test --data_dir=FOLDER on its training data first")
    try:
        return data_of_run(run.config)
    except VQError as e:
        raise VQError(f"{begin}name the folder of the run's own data by --data_dir ({e})") from None


def split_of(config, given: str, datasets):
    """(files, split) where `given` is a split of a run's own data, or <data set>:<split> of `datasets`; otherwise None.

    Raises:
      VQError: a file or folder has that name too, and `given` was asked for.
    """
    from vq_estimator.config import row_of
    from vq_estimator.data import pipeline

    dataset, _, split = given.rpartition(":")
    if split not in pipeline.SPLITS or not {dataset, row_of(dataset)} & {"", config.dataset, *datasets}:
        return None
    if os.path.lexists(given) and FLAGS["input"].present:
        other = f"{config.dataset}:{split}" if not dataset else f"{given} in another working folder"
        raise VQError(
            f"input: got {given!r}, which is a split and a {'folder' if os.path.isdir(given) else 'file'} too, "
            f"expected ./{given} for that, or {other} for the split"
        )
    if dataset in ("", config.dataset):
        return data_of_run(config, measured=False), split
    with writing_cache() as folder:
        return _locate(config, folder, dataset), split


def open_run() -> Any:
    """The run of --model_dir, or the provided model of --pretrained, put there: an `OpenRun`."""
    from vq_estimator.inference import session

    model_dir = FLAGS.model_dir
    if FLAGS.pretrained:
        from vq_estimator import pretrained

        model_dir = pretrained.copy_to_run_dir(FLAGS.pretrained, model_dir)
    if not model_dir:
        raise VQError("model_dir: got none, expected --model_dir=RUN, the folder that vq-train made, or --pretrained")
    return session.open_run(model_dir, FLAGS.checkpoint)
