"""What the scripts share: flags in groups, --help, errors in one line, and where things lie."""

import contextlib
import logging
import os
import re
import sys
import textwrap
from typing import Any, Callable, NamedTuple, Optional

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # before TensorFlow is imported

import better_exceptions
import pooch
from absl import app, flags

from vq_estimator import __version__
from vq_estimator.errors import VQError, one_line

FLAGS = flags.FLAGS
# vq_estimator.pretrained.names(), here so that --help needs no TensorFlow; a test compares them.
PROVIDED = ("cifar10", "cifar10-factorised", "fashion_mnist", "fsdd", "mnist", "mnist-original")
GUIDANCE = "speech: above 1 more of what codes and speaker say; of runs with --wavenet_drop_condition"
_GROUPS = []  # type: List[Tuple[str, List[str]]]


class Group:
    """Flags that --help shows together."""

    def __init__(self, title: str):
        self._names = []  # type: List[str]
        _GROUPS.append((title, self._names))

    def _add(self, define: Callable, name: str, default: Any, text: str, *args, **kwargs) -> None:
        define(name, default, *args, text, **kwargs)
        self._names.append(name)

    def string(self, name, default, text):
        self._add(flags.DEFINE_string, name, default, text)

    def integer(self, name, default, text):
        self._add(flags.DEFINE_integer, name, default, text)

    def float(self, name, default, text):
        self._add(flags.DEFINE_float, name, default, text)

    def bool(self, name, default, text):
        self._add(flags.DEFINE_bool, name, default, text)

    def enum(self, name, default, values, text):
        self._add(flags.DEFINE_enum, name, default, text, list(values))


def check_no_guidance() -> None:
    """Where a script that has the flag works on images."""
    if FLAGS.guidance != 1.0:
        raise VQError(f"guidance: got {FLAGS.guidance}, expected no value: images have no guidance")


def data_flags() -> None:
    """The flags of a script that reads data sets."""
    group = Group("Data")
    group.string(
        "data_dir",
        os.environ.get("VQ_DATA_DIR", "./datasets"),
        "folder of the data sets: mnist/*.gz, fashion_mnist/*.gz, cifar10/cifar-10-batches-bin/*.bin, "
        "fsdd/recordings/*.wav; what is missing is downloaded. Of --dataset=images and wav: the folder of your files",
    )
    group.integer("max_bad_files", 100, "images and wav: so many unreadable files are left out; more are an error")
    group.bool(
        "require_full_dataset",
        False,
        "refuse the embedded 5,000 digits where MNIST can't be downloaded, and the half of fsdd",
    )


def run_flags(data: bool = True) -> None:
    """The flags of a script that works on a trained run; `data`: and on data sets."""
    group = Group("Run")
    group.string("model_dir", None, "the run folder that vq-train made; with --pretrained the folder for results")
    group.string(
        "pretrained",
        None,
        "a model that comes with the package, in place of a run [results go to log/pretrained-<name>]: "
        + ", ".join(PROVIDED),
    )
    group.string("checkpoint", "latest", "latest, best (by validation), or the path of a checkpoint")
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


def be_deterministic() -> None:
    """Does what --deterministic asks for."""
    if FLAGS.deterministic:
        from vq_estimator.training import determinism

        os.environ["TF_DETERMINISTIC_OPS"] = "1"  # for 1.15
        determinism.enforce()


def cache_dir() -> str:
    return os.environ.get("VQ_CACHE_DIR") or str(pooch.os_cache("vq_estimator"))


def locate_data(config, wanted=None, cache: str = "auto"):
    """The files of a run's data set, by the flags; see `sources.locate`, `images.locate`, `speech_sources.locate`."""
    from vq_estimator.config import IMAGES, SPEECH_DATASETS
    from vq_estimator.data import images, sources

    check_max_bad_files()
    if config.dataset in SPEECH_DATASETS:
        from vq_estimator.data import speech_sources

        rate = config.model.sample_rate
        found = speech_sources.locate(config.dataset, FLAGS.data_dir, cache_dir(), rate, FLAGS.max_bad_files, wanted)
        if FLAGS.require_full_dataset and found.name == speech_sources.HALF:
            raise VQError(f"require_full_dataset: got {found.name}, expected all of {config.dataset}")
        return found
    if config.dataset == IMAGES:
        want = images.Wanted(config.model.image_size, config.model.channels, FLAGS.max_bad_files)
        return images.locate(FLAGS.data_dir, cache_dir(), want, cache, wanted)
    return sources.locate(config.dataset, FLAGS.data_dir, cache_dir(), FLAGS.require_full_dataset, wanted)


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


def split_of(config, given: str):
    """(files, split) where `given` is a split of a run's own data, or <data set>:<split> of another; otherwise None."""
    from vq_estimator.config import SPEECH_DATASETS, SpeechConfig
    from vq_estimator.data import catalogue, pipeline, sources, speech_sources

    of_speech = isinstance(config.model, SpeechConfig)
    dataset, _, split = given.rpartition(":")
    datasets = SPEECH_DATASETS if of_speech else catalogue.DATASETS
    if split not in pipeline.SPLITS or dataset not in ("", *datasets):
        return None
    if not dataset:
        return data_of_run(config, measured=False), split
    if of_speech:
        rate = config.model.sample_rate
        return speech_sources.locate(dataset, FLAGS.data_dir, cache_dir(), rate, FLAGS.max_bad_files), split
    return sources.locate(dataset, FLAGS.data_dir, cache_dir(), FLAGS.require_full_dataset), split


class Run(NamedTuple):
    """A trained run: its Config, its Checkpoint, and its folder."""

    config: Any
    checkpoint: Any
    model_dir: str


def open_run() -> Run:
    """The run of --model_dir, or the provided model of --pretrained, put there."""
    from vq_estimator.training import run_folder

    model_dir = FLAGS.model_dir
    if FLAGS.pretrained:
        from vq_estimator import pretrained

        model_dir = pretrained.place(FLAGS.pretrained, model_dir)
    if not model_dir:
        raise VQError("model_dir: got none, expected --model_dir=RUN, the folder that vq-train made, or --pretrained")
    return Run(run_folder.load_config(model_dir), run_folder.find_checkpoint(model_dir, FLAGS.checkpoint), model_dir)


def _print_help(doc: str) -> None:
    print(doc.strip() + "\n\nFlags:")
    for title, names in _GROUPS:
        print(f"\n  {title}")
        for name in names:
            flag = FLAGS[name]
            kind = "|".join(flag.parser.enum_values) if hasattr(flag.parser, "enum_values") else flag.flag_type()
            default = "" if flag.default is None else f" [default: {flag.default_as_str}]"
            head = (
                f"--[no]{name}" if flag.boolean else "--{}={}".format(name, kind.upper() if "|" not in kind else kind)
            )
            print("    " + head)
            text = re.sub(r"^<[^>]*>: ", "", flag.help) + default  # absl repeats an enum's values there
            print(textwrap.fill(text, 100, initial_indent=" " * 8, subsequent_indent=" " * 8))
    print("\n  --version, --help; --helpfull lists the flags of all libraries too")


def _parse(program: str, doc: str, argument: Optional[str]) -> Callable:
    def parse(argv):
        if any(a in ("--help", "-h", "-help") for a in argv[1:]):
            try:
                _print_help(doc)
                sys.stdout.flush()
            except BrokenPipeError:  # `--help | head`
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(0)
        if "--version" in argv[1:]:
            print(program, __version__)
            sys.exit(0)
        try:
            rest = FLAGS(argv)
        except flags.Error as e:
            _fail(program, _bad_flag(e), 2)
        if len(rest) == 2 and argument and not FLAGS[argument].present:
            FLAGS[argument].parse(rest.pop())
        if len(rest) > 1:
            _fail(program, f"got the argument {rest[1]!r}, expected only flags (--name=value); see --help", 2)
        return rest

    return parse


def _bad_flag(error: flags.Error) -> str:
    """absl's message; of a value that is none of the flag's kind it says how Python failed, here what is expected."""
    found = re.match(r"flag --(\w+)=(.*?): ", str(error), re.DOTALL)
    if not isinstance(error, flags.IllegalFlagValueError) or found is None:
        return str(error)
    flag = FLAGS[found.group(1)]
    wanted = {"int": "an integer", "float": "a number", "bool": "true or false"}
    want = wanted.get(flag.flag_type()) or "one of " + ", ".join(flag.parser.enum_values)
    return f"flag --{found.group(1)}={found.group(2)}: expected {want}"


def _fail(program: str, message: str, status: int) -> None:
    print(f"{program}: error: {one_line(message)}", file=sys.stderr)
    sys.exit(status)


def _interrupted(program: str) -> None:
    """Ends the process at once: a thread that is still in TensorFlow would abort one that ends in order."""
    print(f"{program}: error: interrupted", file=sys.stderr)
    with contextlib.suppress(OSError):  # a pipe that nobody reads
        sys.stdout.flush()
    os._exit(130)


def run(main: Callable[[], None], doc: str, argument: Optional[str] = None) -> None:
    """Runs a script: parses flags, sets up TensorFlow, turns user errors into one line and status 1 (2: bad flags).

    `argument`: the flag whose value may be given without its name.
    """
    program = os.path.basename(sys.argv[0])

    def start(argv):
        del argv
        # Our log goes around the progress bars; TensorFlow's is for those who ask with --verbosity.
        handler = _TqdmHandler()
        handler.setFormatter(logging.Formatter("%(levelname)s: %(message)s"))
        logger = logging.getLogger("vq_estimator")
        logger.handlers, logger.propagate = [handler], False
        logger.setLevel(logging.INFO)
        better_exceptions.hook()
        try:
            import tensorflow.compat.v1 as tf
        except KeyboardInterrupt:
            _interrupted(program)

        tf.disable_eager_execution()
        tf.logging.set_verbosity(tf.logging.INFO if FLAGS["verbosity"].present else tf.logging.ERROR)
        try:
            main()
        except VQError as e:
            _fail(program, str(e), 1)
        except OSError as e:  # a full disk, a folder that can't be written
            _fail(program, "{}: {}".format(e.filename or "file", e.strerror or e), 1)
        except (MemoryError, tf.errors.ResourceExhaustedError) as e:
            _fail(program, f"out of memory: {e}; expected smaller sizes or fewer images at once", 1)
        except tf.errors.DataLossError as e:  # a record whose checksum is wrong
            said = re.search(r"corrupted record at \d+|truncated record at \d+", e.message)
            reason = f" ({said.group()})" if said else ""
            _fail(program, f"data_dir: a file of records is damaged{reason}; make it anew", 1)
        except KeyboardInterrupt:
            _interrupted(program)

    app.run(start, flags_parser=_parse(program, doc, argument))


class _TqdmHandler(logging.Handler):
    def emit(self, record):
        from tqdm import tqdm

        tqdm.write(self.format(record), file=sys.stderr)
