"""What a decision knew, as a study: the trials of a history, with what a sampler would have written beside them.

Some samplers keep their state in attributes of trials: CMA-ES its distribution, NSGA its generations, QMC how far the
sequence is. A history has none of that. So the trials are brought in one by one, and a sampler is asked before each, as
if each had ended before the next began; what it writes stays, and the point it proposes is replaced by the real one.
That depends on the history alone, so replay comes to the same state. Of the histories seen last the states are kept,
since the next decision mostly knows what this one knew and a little more.
"""

from __future__ import annotations

import copy
import math
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial, TrialState

from hstore.engine.algorithms.history import OK, PENDING, PRUNED, History
from hstore.engine.optuna.said import CONSTRAINTS
from hstore.engine.optuna.scratch_storage import ScratchStorage, frozen
from hstore.engine.optuna.space_distributions import as_sampled, sampled_from
from hstore.engine.space import Space

KEPT = 4
"""Searches whose states are kept."""

MakeSampler = Callable[[int], BaseSampler]
"""Returns a new sampler by a seed."""


def distributions_of(space: Space) -> dict[str, BaseDistribution]:
    """Return by label what a sampler draws from."""
    return {parameter.label: sampled_from(parameter) for parameter in space.parameters}


def known_study(space: Space, history: History, *, objectives: int) -> ScratchStorage:
    """Return the study of *history*, for a sampler that reads nothing but points and losses."""
    storage = ScratchStorage(objectives)
    distributions = distributions_of(space)
    for number in range(len(history)):
        storage.add(_trial(history, number, distributions, objectives))
    return storage


@dataclass
class _States:
    """The study after each trial of one history."""

    rows: list[bytes] = field(default_factory=list)
    studies: list[ScratchStorage] = field(default_factory=list)


class StatefulStudies:
    """Studies for samplers that keep their state in attributes. Any thread may ask."""

    def __init__(self) -> None:
        self._kept: OrderedDict[Any, _States] = OrderedDict()
        self._gate = threading.Lock()

    def get(self, space: Space, history: History, make: MakeSampler, key: Any, *, objectives: int) -> ScratchStorage:
        """Return the study of *history* with what the samplers that *make* returns wrote; *key* names them."""
        distributions = distributions_of(space)
        whole_key = (key, objectives, tuple((label, repr(d)) for label, d in distributions.items()))
        with self._gate:
            states = self._kept.pop(whole_key, None) or _States()
            rows = _rows(history)
            n = next((k for k, (a, b) in enumerate(zip(rows, states.rows, strict=False)) if a != b), len(states.rows))
            n = min(n, len(rows))
            states = _States(states.rows[:n], states.studies[:n])
            for number in range(n, len(rows)):
                before = states.studies[-1] if states.studies else ScratchStorage(objectives)
                trial = _trial(history, number, distributions, objectives)
                states.studies.append(_with_trial(before, trial, make(number)))
            states.rows = rows
            self._kept[whole_key] = states
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        return states.studies[-1] if states.studies else ScratchStorage(objectives)


def _with_trial(before: ScratchStorage, known: FrozenTrial, sampler: BaseSampler) -> ScratchStorage:
    """Return *before* with trial *known*, and with what *sampler* writes of it."""
    storage = copy.copy(before)
    study = storage.study(sampler=sampler)
    number = storage.create_new_trial(0)
    trial = storage.get_trial(number)
    sampler.before_trial(study, trial)
    sampler.sample_relative(study, trial, sampler.infer_relative_search_space(study, trial))
    written = storage.get_trial(number).system_attrs
    parts: Mapping[str, Any] = {
        "params": known.params, "distributions": known.distributions, "system_attrs": {**written, **known.system_attrs},
        "intermediate_values": known.intermediate_values,
    }  # fmt: skip
    storage.settle(number, **parts)
    if known.state.is_finished():
        sampler.after_trial(study, storage.get_trial(number), known.state, known.values)
        storage.settle(number, state=known.state, values=known.values, datetime_complete=known.datetime_complete)
    return storage


def _rows(history: History) -> list[bytes]:
    """Return for each trial all that is known of it, to compare."""
    columns = [history.column(label) for label in history.space.labels]
    numbers = [history.losses, history.partial_losses, history.partial_steps, history.loss_vectors, history.constraints]
    table = np.column_stack([*columns, *numbers]).astype(np.float64)
    return [row.tobytes() + bytes([kind]) for row, kind in zip(table, history.kinds.tolist(), strict=True)]


def _trial(
    history: History, number: int, distributions: Mapping[str, BaseDistribution], objectives: int
) -> FrozenTrial:
    """Return trial *number* as Optuna knows it: void trials and those that failed without a loss have failed."""
    params = {
        label: as_sampled(float(raw), distributions[label])
        for label in history.space.labels
        if not math.isnan(raw := history.column(label)[number])
    }
    kind = history.kinds[number]
    state, values = TrialState.FAIL, None
    reports: dict[int, float] = {}
    if kind == PENDING:
        state = TrialState.RUNNING
    elif kind == OK:
        losses = history.loss_vectors[number] if objectives > 1 else [history.losses[number]]
        if all(math.isfinite(loss) for loss in losses):
            state, values = TrialState.COMPLETE, [float(loss) for loss in losses]
    elif kind == PRUNED and objectives == 1 and not math.isnan(loss := float(history.partial_losses[number])):
        step = history.partial_steps[number]
        state, values, reports = TrialState.PRUNED, [loss], {0 if math.isnan(step) else int(step): loss}
    trial = frozen(
        number, state, values=values, params=params, reports=reports,
        distributions={label: distributions[label] for label in params},
    )  # fmt: skip
    if len(constraints := history.constraints[number]) and not np.isnan(constraints).any():
        trial.system_attrs[CONSTRAINTS] = [float(value) for value in constraints]
    return trial
