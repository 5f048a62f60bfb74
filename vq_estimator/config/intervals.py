"""Default intervals of summaries, evaluations and checkpoints, derived from the length of the training."""

import dataclasses
from typing import Any, Collection, Dict, Mapping

from vq_estimator.config.training import TrainConfig

INTERVALS = ("save_checkpoints_steps", "save_summary_steps", "eval_steps", "log_steps")
POINTS, EVALUATIONS = 50, 5  # minimum of a run of LONG steps or more
LONG = 1000
MIN_EVAL_STEPS = 10  # a run of a few steps is evaluated only at its end


def resolve_intervals(train: TrainConfig, given: Collection[str]) -> TrainConfig:
    """Derives the intervals that were not given from `max_steps`.

    A run of 1,000 steps or more has at least 50 summaries and 5 evaluations. A shorter one has at least 10 summaries
    and 3 evaluations if it has at least 10 and 30 steps. Evaluations use checkpoints, so the interval of checkpoints
    divides the interval of evaluations.

    Args:
      train: its intervals that are not in `given` are upper limits.
      given: the names of the settings that keep their values.

    Returns:
      `train` with the derived intervals.
    """
    summary = _interval(train.max_steps, POINTS, 10)
    evaluation = max(_interval(train.max_steps, EVALUATIONS, 3), MIN_EVAL_STEPS)
    derived: Dict[str, Any] = {
        "save_summary_steps": min(train.save_summary_steps, summary),
        "log_steps": min(train.log_steps, summary),
        "eval_steps": min(train.eval_steps, evaluation),
    }
    if "save_checkpoints_steps" in given:
        derived["eval_steps"] = _multiple(train.save_checkpoints_steps, derived["eval_steps"])
    derived = {name: steps for name, steps in derived.items() if name not in given}
    train = dataclasses.replace(train, **derived)
    return train if "save_checkpoints_steps" in given else _with_checkpoints_at_evaluations(train)


def keep_intervals(config: Any, old: Any, settings: Mapping[str, Any]) -> Any:
    """Keeps the intervals of a resumed run, except those that the command sets; patience counts evaluations.

    Args:
      config: the command's configuration, a Config or a PriorConfig.
      old: the run's configuration.
      settings: the settings of the command by name; None means not given.

    Returns:
      `config` with the intervals of `old`.
    """
    given = [name for name in INTERVALS if settings.get(name) is not None]
    kept = {name: getattr(old.train, name) for name in INTERVALS if name not in given}
    steps = config.train.eval_steps
    if kept.get("eval_steps", steps) < steps and config.train.max_steps > old.train.max_steps:
        import logging  # the configuration is imported with the package, which needs no library then

        logging.getLogger("vq_estimator").info(
            "the run keeps its interval of %d steps between evaluations (a new run of %d steps has %d); "
            "--eval_steps sets another",
            *(kept["eval_steps"], config.train.max_steps, steps),
        )
    train = dataclasses.replace(config.train, **kept)
    if "eval_steps" in given and "save_checkpoints_steps" not in given:
        train = _with_checkpoints_at_evaluations(train)
    return dataclasses.replace(config, train=train)


def _interval(max_steps: int, times: int, times_if_short: int) -> int:
    """Returns the steps between `times` events in a long run, or `times_if_short` in a short one, rounded down."""
    longest = LONG // times  # a shorter run needs no smaller interval than a run of LONG steps
    return _round_down(max(max_steps // times, min(longest, max_steps // times_if_short)))


def _round_down(steps: int) -> int:
    """Returns the largest of 1, 2, 5, 10, 20, 50, 100 .. that is at most `steps`, and at least 1."""
    unit = 10 ** (len(str(max(steps, 1))) - 1)
    return max(unit * factor for factor in (1, 2, 5) if factor == 1 or unit * factor <= steps)


def _multiple(unit: int, most: int) -> int:
    """Returns the largest multiple of `unit` that is at most `most`, and at least `unit`."""
    return max(most // unit, 1) * unit


def _with_checkpoints_at_evaluations(train: TrainConfig) -> TrainConfig:
    """Sets the interval of checkpoints to a divisor of the interval of evaluations.

    If all divisors are far below the allowed interval, evaluations are a few steps late instead.
    """
    every, most = train.eval_steps, train.save_checkpoints_steps
    parts = -(-every // most)
    good = [n for n in range(parts, min(4 * parts, every) + 1) if every % n == 0]
    return dataclasses.replace(train, save_checkpoints_steps=every // good[0] if good else -(-every // parts))
