"""Asynchronous successive halving: at a few steps, ever further apart, only the best trials go on.

Li, Jamieson, Rostamizadeh, Gonina, Hardt, Recht and Talwalkar, A System for Massively Parallel Hyperparameter Tuning
(MLSys 2020), in the form that stops trials rather than pausing them (section 3.2 there, and its appendix): a trial that
reaches a rung is compared with those that reached it before, so no trial waits for another.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hstore.engine.pruners.curves import Curve
from hstore.engine.pruners.others import EVERY, ComparedTrials, reached
from hstore.engine.pruners.pruner import Pruner, check_steps
from hstore.store.errors import InvalidValue


def rung(step: int, *, reduction: int, min_steps: int, max_steps: int | None = None) -> int | None:
    """Return the highest of *min_steps*, *min_steps* · *reduction*, … that *step* has reached, below *max_steps*.

    None if it has reached none.
    """
    highest = None
    at = min_steps
    while at <= step and (max_steps is None or at < max_steps):
        highest, at = at, at * reduction
    return highest


def has_climbed(curve: Curve, *, reduction: int, min_steps: int, max_steps: int | None = None) -> bool:
    """Return whether the latest report is the first at or beyond a rung."""
    if not curve.steps:
        return False
    before = curve.steps[-2] if len(curve.steps) > 1 else -1
    at = rung(curve.last, reduction=reduction, min_steps=min_steps, max_steps=max_steps)
    return at is not None and before < at


def is_behind(
    curve: Curve, others: Mapping[int, Curve], *, reduction: int, min_steps: int, max_steps: int | None = None,
    group: ComparedTrials = EVERY,
) -> bool:  # fmt: skip
    """Return whether *curve* is not among the best 1 / *reduction* of those that reached its rung; the best always is.

    Equal values are equally good. group: of the *others* only those count.
    """
    at = rung(curve.last, reduction=reduction, min_steps=min_steps, max_steps=max_steps)
    own = None if at is None else curve.at(at)
    if at is None or own is None:
        return False
    theirs = reached(others, at, group)
    return theirs.below(own) >= max(1, (len(theirs) + 1) // reduction)


def decide(
    tid: int, curve: Curve, others: Mapping[int, Curve], *, reduction: int = 3, min_steps: int = 1,
    max_steps: int | None = None,
) -> bool:  # fmt: skip
    """Stop a trial that is not among the best 1 / *reduction* of those that came as far as its rung.

    The rungs are *min_steps*, *reduction* times that, and so on, below *max_steps*: what has come that far is done.
    """
    return is_behind(curve, others, reduction=reduction, min_steps=min_steps, max_steps=max_steps)


def check(**settings: Any) -> None:
    """Raise `InvalidValue` for settings out of range."""
    check_steps(**settings)
    if settings["min_steps"] < 1:
        raise InvalidValue(f"min_steps must be at least 1, not {settings['min_steps']}", path="min_steps")
    if settings["max_steps"] is not None and settings["max_steps"] <= settings["min_steps"]:
        raise InvalidValue("max_steps must be more than min_steps", path="max_steps")


asha = Pruner(name="asha", version=1, due=has_climbed, decide=decide, check=check)
