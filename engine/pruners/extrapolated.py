"""auto: stop a trial whose curve, extrapolated, is less likely to end better than the best so far than a new one."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from hstore.engine.plain_numbers import as_real
from hstore.engine.pruners.curves import Curve
from hstore.engine.pruners.others import lowest_complete
from hstore.engine.pruners.pruner import Pruner, check_steps
from hstore.engine.pruners.step_cells import Points, cell, points
from hstore.store.errors import InvalidValue

_FEWEST, _MOST = 4, 32
"""How many of the ended curves a decision goes by: the best half of them, but so many."""


def due(curve: Curve, *, chance: float, startup_trials: int, min_steps: int, max_steps: int | None) -> bool:
    """Return whether the latest report is the first in its cell of steps: 1, 2, … 8, 10, 12, 15, 18, 22, 27, … ."""
    if not curve.steps or curve.last < min_steps or (max_steps is not None and _steps_to(curve) >= max_steps):
        return False
    if len(curve.steps) == 1 or curve.steps[-2] < min_steps:
        return True
    return cell(_steps_to(curve)) != cell(_steps_to(curve, curve.steps[-2]))


def decide(
    tid: int, curve: Curve, others: Mapping[int, Curve], *, chance: float = 0.5, startup_trials: int = 5,
    min_steps: int = 1, max_steps: int | None = None,
) -> bool:  # fmt: skip
    """Stop a trial if its chance to end below the best is less than *chance* of a new trial's, times its steps left.

    These are a share of all its steps: the nearer the end, the less is saved. What it will end with is extrapolated
    from its curve and those of the better half of the trials that were trained to the end; see `power_laws`. Nothing is
    stopped before *startup_trials* of these are there, nor before step *min_steps*. *max_steps* is how many steps a
    trial takes; without it, as many as the longest of them took.
    """
    n, ended = lowest_complete(others, _MOST)
    if n < max(startup_trials, _FEWEST):
        return False
    if math.isinf(curve.values[-1]):  # it diverged
        return curve.values[-1] > 0.0 and ended[0].values[-1] < math.inf
    kept = [each for each in ended[: max(_FEWEST, (n + 1) // 2)] if math.isfinite(each.values[-1])]
    if len(kept) < _FEWEST:
        return False
    horizon = max(map(_steps_to, kept)) if max_steps is None else max_steps
    left = 1.0 - _steps_to(curve) / horizon
    if left <= 0.0:
        return False
    from hstore.engine.pruners.power_laws import Compared, prospects  # need numpy, without which workers start sooner

    whole, cut = [_points(each) for each in kept], [_points(each, _steps_to(curve)) for each in kept]
    found = prospects(Compared(whole, cut, [each.values[-1] for each in kept], _points(curve)), horizon)
    return found.own.chance_below(found.best) < chance * left * found.fresh.chance_below(found.best)


def _steps_to(curve: Curve, step: int | None = None) -> int:
    """Return how many steps a trial took up to *step*, or its last one: steps may be counted from 1, or from 0 on."""
    return (curve.last if step is None else step) + max(0, 1 - curve.steps[0])


def _points(curve: Curve, until: int | None = None) -> Points:
    shift = max(0, 1 - curve.steps[0])
    return points([step + shift for step in curve.steps], curve.values, until)


def _check(**settings: Any) -> None:
    chance = settings.pop("chance")
    real = as_real(chance)
    if real is None or not 0.0 < real <= 1.0:
        raise InvalidValue(f"chance must be above 0 and at most 1, not {chance!r:.60}", path="chance")
    check_steps(**settings)
    if settings["max_steps"] is not None and settings["max_steps"] <= settings["min_steps"]:
        raise InvalidValue("max_steps must be more than min_steps", path="max_steps")


auto = Pruner(name="auto", version=1, due=due, decide=decide, check=_check)
