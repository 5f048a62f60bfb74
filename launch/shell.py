"""Runs a command: its flags in groups, --help, and errors in one line."""

import logging
import os
import re
import signal
import sys
import textwrap
from typing import Any, Callable, Dict, List, NoReturn, Optional, Sequence, Set, Tuple

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # before TensorFlow is imported

import better_exceptions
from absl import app, flags

from vq_estimator import __version__
from vq_estimator.config.datasets import row_of
from vq_estimator.config.renamed import NEW_NAMES, NEW_PRESETS
from vq_estimator.errors import VQError, one_line
from vq_estimator_launch import flag_files, paths, signals, streams
from vq_estimator_launch.tensorflow_import import import_tensorflow

FLAGS = flags.FLAGS
CLUSTERS = ("multi_worker", "parameter_server")  # values of --distribution that read TF_CONFIG
log = logging.getLogger("vq_estimator")
_GROUPS: List[Tuple[str, List[str]]] = []
_PASSED: List[str] = []  # what follows `--` on the command line
_SETTINGS: Set[str] = set()  # flags of settings, whose defaults depend on the configuration
_OFFERED: Dict[str, Callable[[], Sequence[str]]] = {}  # values that --help lists for a flag, by the other flags


class Group:
    """A group of flags in --help. `settings` says that they are settings of a configuration."""

    def __init__(self, title: str, settings: bool = False):
        self._names: List[str] = []
        self._settings = settings
        _GROUPS.append((title, self._names))

    def _add(self, define: Callable[..., Any], name: str, default: Any, text: str, *args: Any) -> None:
        define(name, default, *args, text)
        self._names.append(name)
        if self._settings:
            _SETTINGS.add(name)

    def string(self, name: str, default: Optional[str], text: str) -> None:
        self._add(flags.DEFINE_string, name, default, text)

    def path(
        self, name: str, default: Optional[str], text: str, several: bool = False, variable: Optional[str] = None
    ) -> None:
        """A path (see `paths`), or comma-separated ones if `several`; `variable` is the environment's default."""
        self._add(lambda *args: flags.DEFINE(paths.Parser(), *args), name, default, text)
        paths.declare(name, several, variable)

    def integer(self, name: str, default: Optional[int], text: str) -> None:
        self._add(flags.DEFINE_integer, name, default, text)

    def float(self, name: str, default: Optional[float], text: str) -> None:
        self._add(flags.DEFINE_float, name, default, text)

    def bool(self, name: str, default: Optional[bool], text: str) -> None:
        self._add(flags.DEFINE_bool, name, default, text)

    def enum(
        self,
        name: str,
        default: Optional[str],
        values: Sequence[str],
        text: str,
        offered: Optional[Callable[[], Sequence[str]]] = None,
    ) -> None:
        """One of `values`. `offered` returns those of them that --help lists, if this depends on other flags."""
        self._add(lambda *args: flags.DEFINE(_EnumParser(list(values)), *args), name, default, text)
        _OFFERED[name] = offered or (lambda: values)


class _EnumParser(flags.EnumParser):
    """absl's parser, which also accepts tfds:NAME with any name."""

    def parse(self, argument: str) -> str:
        return argument if row_of(argument) in self.enum_values else super().parse(argument)


WIDTH, COLUMN = 100, 32  # width of --help, and the column in which its texts begin


def _print_flag(name: str, default: Optional[str]) -> None:
    flag = FLAGS[name]
    kind = "|".join(_OFFERED[name]()) if name in _OFFERED else flag.flag_type().upper()
    head = "    " + (f"--[no]{name}" if flag.boolean else f"--{name}={kind}")
    text = re.sub(r"^<[^>]*>: ", "", flag.help)  # absl repeats an enum's values there
    text += "" if default is None else f" [{default}]"
    indent = " " * COLUMN
    text = text.replace(" %", "\xa0%")  # a number and its unit stay on one line, and so does a name with hyphens
    lines = textwrap.wrap(text, WIDTH, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False)
    lines = [line.replace("\xa0", " ") for line in lines]
    if len(head) < COLUMN - 1:
        head, lines[0] = head.ljust(COLUMN) + lines[0][COLUMN:], ""
    print("\n".join([head, *filter(None, lines)]))


def _print_help(doc: str, values: Dict[str, str], common: Sequence[str]) -> None:
    """Prints the flags in their groups.

    Args:
      doc: text to print first.
      values: values of the settings, by flag. A setting without a value is not used by this configuration.
      common: flags to print first, in a group of their own.
    """
    print(doc.strip() + "\n\nFlags, with defaults in brackets:")
    rest = [(title, [name for name in names if name not in common]) for title, names in _GROUPS]
    for title, names in [("Most runs need no other flags than these", list(common)), *rest]:
        if not names:
            continue
        print(f"\n  {title}")
        unused = []
        for name in names:
            flag = FLAGS[name]
            if values and flag.default is None and name in _SETTINGS and name not in values:
                unused.append("--" + name)
                continue
            _print_flag(name, values.get(name) if flag.default is None else str(flag.default_as_str).strip("'"))
        if unused:
            text = "not used with this data set and preset: " + ", ".join(unused)
            print(textwrap.fill(text, WIDTH, initial_indent="    ", subsequent_indent="      ", break_on_hyphens=False))
    print("\n  --version, --help; --helpfull lists the flags of all libraries too")


HELP = ("--help", "-h", "-help")


def _parse(
    program: str,
    doc: str,
    argument: Optional[str],
    values: Callable[[], Dict[str, str]],
    common: Sequence[str],
    passes_on: bool,
) -> Callable[[List[str]], List[str]]:
    def parse(argv: List[str]) -> List[str]:
        if passes_on and "--" in argv:
            end = argv.index("--")
            argv, _PASSED[:] = argv[:end], argv[end + 1 :]
        if any(a in HELP for a in argv[1:]):
            try:
                FLAGS(flag_files.expand([a for a in argv if a not in HELP]), known_only=True)
                shown = values()
            except (flags.Error, VQError) as e:  # another flag is wrong
                _fail(program, _bad_flag(e) if isinstance(e, flags.Error) else str(e), 2)
            _print_help(doc, shown, common)
            sys.exit(0)
        if "--version" in argv[1:]:
            print(program, __version__)
            sys.exit(0)
        try:
            rest = FLAGS(flag_files.expand(argv))
        except flags.Error as e:
            _fail(program, _bad_flag(e), 2)
        except VQError as e:
            _fail(program, str(e), 2)
        if len(rest) == 2 and argument and not FLAGS[argument].present:
            FLAGS[argument].parse(rest.pop())
        if len(rest) > 1 and argument:  # such as a pattern that the shell expanded
            given = [FLAGS[argument].value] * FLAGS[argument].present + rest[1:]
            _fail(program, f"{argument}: got {', '.join(map(repr, given))}, expected one value; see --help", 2)
        if len(rest) > 1:
            _fail(program, f"got the argument {rest[1]!r}, expected only flags (--name=value); see --help", 2)
        try:
            paths.check_flags()
        except VQError as e:
            _fail(program, str(e), 1)
        return rest

    return parse


def _bad_flag(error: flags.Error) -> str:
    """absl's message, or a better one for renamed flags and for values of the wrong type."""
    unknown = getattr(error, "flagname", "")
    if isinstance(error, flags.UnrecognizedFlagError) and unknown in NEW_NAMES:
        return f"flag --{unknown}: was renamed, expected --{NEW_NAMES[unknown]}"
    found = re.match(r"flag --(\w+)=(.*?): ", str(error), re.DOTALL)
    if not isinstance(error, flags.IllegalFlagValueError) or found is None:
        return str(error)
    flag = FLAGS[found.group(1)]
    if flag.name == "preset" and found.group(2) in NEW_PRESETS:
        return f"flag --preset={found.group(2)}: was renamed, expected {NEW_PRESETS[found.group(2)]}"
    wanted = {"int": "an integer", "float": "a number", "bool": "true or false"}
    want = wanted.get(flag.flag_type()) or "one of " + ", ".join(getattr(flag.parser, "enum_values", ()))
    return f"flag --{found.group(1)}={found.group(2)}: expected {want}"


def _fail(program: str, message: str, status: int) -> NoReturn:
    if signals.WATCH.heard is not None:
        signals.end(program, signals.WATCH.heard)
    print(f"{program}: error: {one_line(message)}", file=sys.stderr)
    sys.exit(status)


def run(
    main: Callable[..., None],
    doc: str,
    argument: Optional[str] = None,
    prepare: Optional[Callable[[], Any]] = None,
    values: Callable[[], Dict[str, str]] = dict,
    common: Sequence[str] = (),
    passes_on: bool = False,
) -> None:
    """Runs a script. User errors become one line and exit status 1, or 2 for bad flags.

    Args:
      main: the function to run.
      doc: docstring of the script, for --help.
      argument: a flag whose value may be given without its name.
      prepare: called before TensorFlow is imported, which takes seconds; its result is the argument of `main`.
      values: returns the values of the settings for --help, by flag.
      common: flags that --help shows first.
      passes_on: the script takes options of a library after `--`, see `passed_options`.
    """
    program = os.path.basename(sys.argv[0])

    def start(argv: List[str]) -> None:
        del argv
        # Our log messages do not break the progress bars. TensorFlow's messages appear with --verbosity only.
        handler = _TqdmHandler()
        handler.setFormatter(logging.Formatter("%(levelname)s: %(message)s"))
        log.handlers, log.propagate = [handler], False
        log.setLevel(logging.INFO)
        logging.getLogger("PIL").setLevel(logging.CRITICAL)  # our own error reports a damaged file
        if not FLAGS["verbosity"].present:
            logging.getLogger("absl").setLevel(logging.ERROR)  # TensorFlow Datasets logs every file that it opens
        better_exceptions.hook()
        _leave_cluster()
        try:
            ready = () if prepare is None else (prepare(),)
            tf = import_tensorflow()
        except VQError as e:
            _fail(program, str(e), 1)
        tf.disable_eager_execution()
        tf.logging.set_verbosity(tf.logging.INFO if FLAGS["verbosity"].present else tf.logging.ERROR)
        try:
            main(*ready)
            sys.stdout.flush()
        except VQError as e:
            _fail(program, str(e), 1)
        except OSError as e:  # such as a full disk
            _fail(program, "{}: {}".format(e.filename or "file", e.strerror or e), 1)
        except UnicodeEncodeError as e:  # TensorFlow accepts names in UTF-8 only
            _fail(program, f"the name {e.object!r} is not UTF-8, expected another name for that file or folder", 1)
        except (MemoryError, tf.errors.ResourceExhaustedError) as e:
            _fail(program, f"out of memory: {e}; expected smaller sizes or fewer images at once", 1)
        except tf.errors.DataLossError as e:  # a record whose checksum is wrong
            said = re.search(r"corrupted record at \d+|truncated record at \d+", e.message)
            reason = f" ({said.group()})" if said else ""
            _fail(program, f"data_dir: a TFRecord file is damaged{reason}, expected a valid one; write it again", 1)

    streams.make_robust()
    try:
        try:
            signals.WATCH.start(program)
            app.run(start, flags_parser=_parse(program, doc, argument, values, common, passes_on))
        finally:
            signals.WATCH.stop()
    except OSError as e:  # from printing --help
        _fail(program, f"stdout: {e.strerror or e}", 1)
    except KeyboardInterrupt as e:
        signals.end(program, getattr(e, "number", signal.SIGINT))
    except Exception:
        if signals.WATCH.heard is not None:  # a library replaced Interrupted by another exception
            signals.end(program, signals.WATCH.heard)
        raise


def passed_options() -> List[str]:
    """The options after `--` on the command line."""
    return list(_PASSED)


def _leave_cluster() -> None:
    """Removes a TF_CONFIG that is not for this command. The Estimator would read it and wait for its cluster."""
    shared = "distribution" in FLAGS and FLAGS["distribution"].value in CLUSTERS
    if not shared and os.environ.pop("TF_CONFIG", ""):
        log.info("TF_CONFIG is set but not used: only vq-train --distribution=%s reads it", " or ".join(CLUSTERS))


class _TqdmHandler(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        from tqdm import tqdm

        tqdm.write(self.format(record), file=sys.stderr)
