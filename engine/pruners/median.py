"""The median rule: stop what is worse than most trials that were trained to the end were on the way.

Golovin, Solnik, Moitra, Kochanski, Karro and Sculley, Google Vizier: A Service for Black-Box Optimization (KDD 2017),
section 3.2.2.
"""

from __future__ import annotations

from collections.abc import Mapping

from hstore.engine.pruners.curves import Curve
from hstore.engine.pruners.others import complete_means
from hstore.engine.pruners.pruner import Pruner, check_steps


def due(curve: Curve, *, startup_trials: int, min_steps: int) -> bool:
    """Return whether there is a value from *min_steps* on."""
    return curve.last >= min_steps


def decide(tid: int, curve: Curve, others: Mapping[int, Curve], *, startup_trials: int = 5, min_steps: int = 1) -> bool:
    """Stop a trial whose best value so far is worse than the median of the others' mean values up to its step.

    The others are those that were trained to the end, and so far at least. Nothing is stopped before *startup_trials*
    of them are there, nor before step *min_steps*.
    """
    means = complete_means(others, curve.last)
    if not means or len(means) < startup_trials:
        return False
    return min(curve.values) > means.median()


median = Pruner(name="median", version=1, due=due, decide=decide, check=check_steps)
