"""Recommendation: which point of an experiment to use, what is expected of it, and whether its losses are noisy."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from hstore.engine.algorithms.history import History
from hstore.engine.algorithms.lowest_expected import recommended
from hstore.engine.search.declared_noise import declared_variance
from hstore.engine.space import Space
from hstore.engine.space.space import seen_space

if TYPE_CHECKING:
    from hstore.store.experiment import Experiment

_NOTHING: tuple[Sequence[int], float, float, float] = (), 0.0, 0.0, 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Recommendation:
    """The point of an experiment whose expected loss is lowest."""

    tid: int
    """The first trial at the point."""
    trials: Sequence[int]
    """All trials that evaluated it."""
    params: Mapping[str, Any]
    point: Mapping[str, Any]
    expected: float
    """The loss to expect of it, as the mean of many evaluations."""
    deviation: float
    """The standard deviation of that estimate; 0 where losses are not noisy."""
    noise: float
    """The standard deviation of one evaluation; 0 where losses are not noisy."""

    @property
    def is_noisy(self) -> bool:
        """Whether losses are noisy: those of one point differ, or the objective reported variances."""
        return self.noise > 0.0


def recommendation(experiment: Experiment) -> Recommendation:
    """Return the recommended point of *experiment*, as far as it has been read.

    It is the point of the best trial unless losses are noisy. Only trials that are ranked count: not those that are
    void, failed, were pruned, or violate a constraint. Raises `AllTrialsFailed` if there is no best trial; of several
    losses there is a front instead.
    """
    best = experiment.state.require_best()
    tids, expected, deviation, noise = _of_ranked(experiment) if math.isfinite(best.loss or 0.0) else _NOTHING
    if noise == 0.0:
        tids, expected = [tid for tid in tids if best.tid in tids] or [best.tid], float(best.loss or 0.0)
    trial = best if noise == 0.0 else experiment.state.trials[tids[0]]
    return Recommendation(
        tid=trial.tid, trials=tids, params=trial.params, point=trial.point, expected=expected, deviation=deviation,
        noise=noise,
    )  # fmt: skip


def _of_ranked(experiment: Experiment) -> tuple[Sequence[int], float, float, float]:
    """Return what `recommended` does of the trials that are ranked and have a finite loss."""
    trials = experiment.trials
    points = [trial.point for trial in trials]
    space = Space.from_data(experiment.state.space) if experiment.state.space else seen_space(points)
    history, variances = History(space), np.full(len(trials), np.nan)
    numbers = []
    for row, trial in enumerate(trials):
        history.add(space.usable(trial.point))
        is_ranked = trial.loss is not None and math.isfinite(trial.loss) and not trial.why_unranked
        history.observe(row, kind="ok", loss=trial.loss) if is_ranked else history.observe(row, kind="void")
        variances[row] = declared_variance(trial) if is_ranked else math.nan
        numbers.append(trial.tid)
    found = recommended(space, history, variances)
    return _NOTHING if found is None else ([numbers[row] for row in found.tids], *found[1:])
