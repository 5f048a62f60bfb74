"""How often a training writes summaries, evaluates and saves, where this is not given: as its length has it."""

import dataclasses
from typing import Any, Collection, Dict, Mapping

from vq_estimator.config.training import TrainConfig

INTERVALS = ("save_checkpoints_steps", "save_summary_steps", "eval_steps", "log_steps")
POINTS, EVALUATIONS = 50, 5  # of a run of LONG steps or more, at least
LONG = 1000
MIN_EVAL_STEPS = 10  # a run of a few steps is evaluated at its end


def resolve_intervals(train: TrainConfig, given: Collection[str]) -> TrainConfig:
    """Derives the intervals that were not given from `max_steps`.

    A run of 1,000 steps or more has at least 50 points of training and 5 evaluations. A shorter one has at least 10
    points and 3 evaluations, as far as it has 10 and 30 steps. Evaluations happen at checkpoints, so the steps between
    checkpoints divide those between evaluations.

    Args:
      train: its intervals that are not in `given` are the largest ones allowed.
      given: the names of settings that are kept as they are.

    Returns:
      `train` with every interval set.
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
    """Takes the intervals of a run that is resumed, since patience counts evaluations, except those that are given.

    Args:
      config: of the resuming command, a Config or a PriorConfig.
      old: of the run.
      settings: what the command was given; None is not given.

    Returns:
      `config` with the intervals of `old`.
    """
    given = [name for name in INTERVALS if settings.get(name) is not None]
    kept = {name: getattr(old.train, name) for name in INTERVALS if name not in given}
    train = dataclasses.replace(config.train, **kept)
    if "eval_steps" in given and "save_checkpoints_steps" not in given:
        train = _with_checkpoints_at_evaluations(train)
    return dataclasses.replace(config, train=train)


def _interval(max_steps: int, times: int, times_if_short: int) -> int:
    """The steps between `times` events in a long run, or between fewer in a short one, as a round number."""
    longest = LONG // times  # what a run of LONG steps has is enough for a shorter one
    return _round_down(max(max_steps // times, min(longest, max_steps // times_if_short)))


def _round_down(steps: int) -> int:
    """The largest of 1, 2, 5, 10, 20, 50, 100 .. that is no more than `steps`, and at least 1."""
    unit = 10 ** (len(str(max(steps, 1))) - 1)
    return max(unit * factor for factor in (1, 2, 5) if factor == 1 or unit * factor <= steps)


def _multiple(unit: int, most: int) -> int:
    """The largest multiple of `unit` that is no more than `most`, and at least `unit`."""
    return max(most // unit, 1) * unit


def _with_checkpoints_at_evaluations(train: TrainConfig) -> TrainConfig:
    """Sets the steps between checkpoints to a divisor of those between evaluations.

    Where the only divisors are far below what was allowed, evaluations come a few steps late instead.
    """
    every, most = train.eval_steps, train.save_checkpoints_steps
    parts = -(-every // most)
    good = [n for n in range(parts, min(4 * parts, every) + 1) if every % n == 0]
    return dataclasses.replace(train, save_checkpoints_steps=every // good[0] if good else -(-every // parts))
