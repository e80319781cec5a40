"""Comparison: in what two experiments, or two trials, differ."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from hstore.engine.provenance.recorded import code_facts, environment_facts, packages_of
from hstore.engine.space import Space
from hstore.store.experiment import Experiment
from hstore.store.fold import Trial

Facts: TypeAlias = Mapping[str, Any]
BUDGETS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 100_000, 1_000_000)
"""After how many trials the best losses are compared, as far as both experiments have so many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One thing that was compared; None where an experiment or a trial has nothing of the kind."""

    section: str
    """space, settings, code, environment, result, losses, decisions, best or trial."""
    name: str
    a: Any
    b: Any

    @property
    def is_same(self) -> bool:
        """Whether there is no difference; NaN equals NaN."""
        are_nan = all(isinstance(value, float) and math.isnan(value) for value in (self.a, self.b))
        return are_nan or (type(self.a) is type(self.b) and self.a == self.b)


def compare(a: Experiment, b: Experiment) -> list[Row]:
    """Return what was compared of the experiments *a* and *b*, by section, in the order in which people ask for it."""
    sections: list[tuple[str, Facts, Facts]] = [
        ("space", _space(a), _space(b)),
        ("settings", _settings(a), _settings(b)),
        ("code", _code(a), _code(b)),
        ("environment", _environment(a), _environment(b)),
        ("result", _result(a), _result(b)),
        ("losses", *_losses(a.trials, b.trials)),
        ("decisions", *_decisions(a.trials, b.trials)),
        ("best", _best(a), _best(b)),
    ]
    return [row for section in sections for row in _rows(*section)]


def compare_trials(a: Trial, b: Trial) -> list[Row]:
    """Return what was compared of the trials *a* and *b*, their parameters first."""
    params = [{f"params.{label}": value for label, value in trial.params.items()} for trial in (a, b)]
    return [*_rows("trial", *params), *_rows("trial", _trial(a), _trial(b))]


def _rows(section: str, a: Facts, b: Facts) -> Iterator[Row]:
    for name in dict.fromkeys((*a, *b)):
        yield Row(section=section, name=name, a=a.get(name), b=b.get(name))


def _space(experiment: Experiment) -> Facts:
    space = Space.from_data(experiment.state.space)
    return {label: space.describe(label) for label in space.as_written}


def _settings(experiment: Experiment) -> Facts:
    state = experiment.state
    return {
        **_flat("algorithm", state.algorithm), **_flat("pruner", state.pruner), **_flat("limits", state.limits),
        "keep_output": state.keep_output, **_flat("generator", state.generator),
    }  # fmt: skip


def _code(experiment: Experiment) -> Facts:
    return {**_flat("objective", experiment.state.objective), **code_facts(experiment.state.provenance)}


def _environment(experiment: Experiment) -> Facts:
    created = experiment.state.created
    said = experiment.state.provenance
    facts = environment_facts(said, packages_of(experiment, said))
    return {} if created is None else {**_flat("", created.fingerprint), **facts}


def _result(experiment: Experiment) -> Facts:
    state = experiment.state
    best = state.best
    counts = {f"trials.{name}": n for name, n in sorted(state.counts.items())}
    return {
        "status": state.status, "trials": len(state.trials), **counts, "pruned": state.pruned,
        "best.tid": None if best is None else best.tid, "best.loss": None if best is None else best.loss,
        "pareto": [list(trial.losses or ()) for trial in state.pareto] or None,
    }  # fmt: skip


def _best(experiment: Experiment) -> Facts:
    return {} if experiment.state.best is None else experiment.state.best.params


def _losses(a: Sequence[Trial], b: Sequence[Trial]) -> tuple[Facts, Facts]:
    """Return the best loss of each after so many trials: for the same budget."""
    n = min(len(a), len(b))
    budgets = [*(budget for budget in BUDGETS if budget < n), *([n] if n else [])]
    of_a, of_b = ({f"best after {k}": _least(trials[:k]) for k in budgets} for trials in (a, b))
    return of_a, of_b


def _least(trials: Sequence[Trial]) -> float | None:
    return min((trial.loss for trial in trials if trial.loss is not None and not trial.why_unranked), default=None)


def _decisions(a: Sequence[Trial], b: Sequence[Trial]) -> tuple[Facts, Facts]:
    """Return the first decision that is another, or else the first trial that came to another loss at its point."""
    for one, other in zip(a, b, strict=False):
        if dict(one.point) != dict(other.point):
            name = f"first other point: trial {one.tid}"
            return {name: dict(one.params)}, {name: dict(other.params)}
        if not Row(section="", name="", a=one.loss, b=other.loss).is_same:
            name = f"first other loss at the same point: trial {one.tid}"
            return {name: one.loss}, {name: other.loss}
    return {}, {}


def _trial(trial: Trial) -> Facts:
    queued, running = trial.queued, trial.running
    return {
        "state": trial.state, "loss": trial.loss, "losses": None if trial.losses is None else list(trial.losses),
        "constraints": None if trial.constraints is None else list(trial.constraints), "status": trial.status,
        "error": trial.error, "pruned": trial.is_pruned, "void": trial.is_void, "amended": trial.returned is not None,
        "tags": list(trial.tags), "duration": trial.duration, "attempt": trial.attempt,
        "host": trial.reserved.host if trial.reserved else None,
        "source": queued.source if queued else None, "seed": queued.seed if queued else None,
        **_flat("algorithm", (queued.algorithm if queued else None) or {}),
        "objective": running.objective if running else None, "python": running.python if running else None,
        "hstore": running.hstore if running else None,
    }  # fmt: skip


def _flat(name: str, value: Any) -> dict[str, Any]:
    """Return *value*, mappings within mappings, as one mapping: {"algorithm.settings.gamma": 0.25}."""
    if not isinstance(value, Mapping):
        return {name: value}
    return {
        path: each
        for key, inner in value.items()
        for path, each in _flat(f"{name}.{key}" if name else str(key), inner).items()
    }
