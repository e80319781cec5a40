"""Observed history: what the search knew at each decision, rebuilt from the decisions themselves."""

from __future__ import annotations

from collections.abc import Iterable
from functools import reduce
from typing import Any

from hstore.engine.algorithms.history import History
from hstore.engine.search.seeds import Seeds
from hstore.engine.space import Space
from hstore.store.errors import VerificationFailed
from hstore.store.events import Changed, Done, Finished, Queued
from hstore.store.fold import Trial, evolve
from hstore.store.store import Experiment


class ObservedHistory:
    """The history behind each suggestion of an experiment: fold the decisions by trial id, observing as they did."""

    def __init__(self, space: Space, seeds: Seeds | None = None) -> None:
        self.history = History(space)
        self.seeds = seeds
        """Those of the experiment, if they are wanted: changed when a decision observed that they were."""
        self.suggested = 0
        """Number of decisions that an algorithm made; the next one has the seed of this number."""
        self._generator: Changed | None = None
        """The change of the generator that no decision which was added has observed."""
        self._observed: dict[int | None, int] = {}
        """Up to which ver each chain (None: the experiment's own) was observed."""

    def observe(self, experiment: Experiment, observed: Iterable[Any]) -> None:
        """Apply what a decision lists as [tid, ver, digest]: ends, and changes of the experiment.

        A decision that observes the end of a search (before it was resumed) knows what that had observed.
        """
        for tid, ver, _ in observed:
            before = self._observed.get(tid, -1)
            if ver <= before:
                continue
            self._observed[tid] = ver
            if tid is None:
                for event in experiment.chain(None)[before + 1 : ver + 1]:
                    if isinstance(event, Finished):
                        self.observe(experiment, event.observed)
                    elif isinstance(event, Changed) and event.generator is not None:
                        self._generator = event
                        self._change_seeds()
            else:
                self.history.observe(tid, **outcome(_trial_at(experiment, tid, ver)))

    def add(self, decision: Queued) -> None:
        """Apply the decision itself: its trial is pending from now on."""
        self.history.add(dict(decision.point))
        self.suggested += decision.source == "suggested"
        if self._generator is not None:
            if any(tid is None and ver >= self._generator.ver for tid, ver, _ in decision.observed):
                self._generator = None
            else:  # a driver observed it for a decision, and this one of another driver took its place
                self._change_seeds()

    def _change_seeds(self) -> None:
        assert self._generator is not None
        assert self._generator.generator is not None
        if self.seeds is not None:
            self.seeds.change(self.suggested, self._generator.generator)

    def follow(self, experiment: Experiment) -> None:
        """Apply all decisions of *experiment* that are not known yet."""
        trials = experiment.state.trials
        for tid in range(len(self.history), len(trials)):
            decision = trials[tid].queued
            if decision is None:
                raise VerificationFailed(
                    f"experiment {experiment.name!r}: the decision of trial {tid} cannot be read",
                    hint=f"see `hstore verify {experiment.name}`",
                )
            self.observe(experiment, decision.observed)
            self.add(decision)


def _trial_at(experiment: Experiment, tid: int, ver: int) -> Trial:
    trial = experiment.state.trials[tid]
    if trial.ver == ver:
        return trial
    first, *later = experiment.chain(tid)[: ver + 1]
    return reduce(evolve, later, evolve(None, first))


def outcome(trial: Trial) -> dict[str, Any]:
    """Return the outcome of *trial*, as `History.observe` takes it."""
    if trial.is_void:
        return {"kind": "void"}
    if not isinstance(end := trial.end, Done):
        return {"kind": "error" if trial.is_finished else "pending"}
    if end.pruned:
        step, value = trial.last_report or (None, None)
        return {"kind": "pruned", "loss": value, "step": step}
    if end.status == "ok" and (end.loss is not None or end.losses is not None):
        return {"kind": "ok", "loss": end.loss, "losses": end.losses, "constraints": end.constraints}
    # hyperopt's tpe counts the loss of a trial that failed, if it has one.
    return {"kind": "fail", "loss": end.loss}
