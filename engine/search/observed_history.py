"""Observed history: what the search knew at each decision, rebuilt from the decisions themselves."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from hstore.engine.algorithms.history import History
from hstore.engine.search.seeds import Seeds
from hstore.engine.space import Space
from hstore.store.errors import VerificationFailed
from hstore.store.events import Changed, Done, Finished, Queued, origin_of
from hstore.store.experiment import Experiment
from hstore.store.fold import Trial, fold_chain

if TYPE_CHECKING:
    from hstore.store.settled import SettledTrials


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
        self._settled: SettledTrials | None = None
        """The trials that it began with as columns, with what decisions had observed of them."""
        self._sources: dict[tuple[Any, Any], int] = {}
        """The number of each earlier experiment that trials came from by a warm start."""
        self._has_other_points = False
        """Whether there may be points of another space, since the search, in memory, went on with this one."""

    def observe(self, experiment: Experiment, observed: Iterable[Any]) -> None:
        """Apply what a decision lists as [tid, ver, digest]: ends, and changes of the experiment.

        A decision that observes the end of a search (before it was resumed) knows what that had observed.
        """
        for tid, ver, _ in observed:
            before = self._known_of(tid)
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

    def _known_of(self, tid: int | None) -> int:
        ver = self._observed.get(tid)
        if ver is None and self._settled is not None and tid is not None and tid < self._settled.n:
            ver = int(self._settled.known[tid])
        return -1 if ver is None else ver

    def add(self, decision: Queued) -> None:
        """Apply the decision itself: its trial is pending from now on."""
        is_of_it = not self._has_other_points
        point = dict(decision.point) if is_of_it else self.history.space.usable(decision.point)
        self._note_source(self.history.add(point), decision)
        self.suggested += decision.source == "suggested"
        if self._generator is not None:
            if any(tid is None and ver >= self._generator.ver for tid, ver, _ in decision.observed):
                self._generator = None
            else:  # a driver observed it for a decision, and this one of another driver took its place
                self._change_seeds()

    def _note_source(self, tid: int, decision: Queued | None) -> None:
        if (origin := origin_of(decision)) is not None:
            key = origin.get("store"), origin.get("exp")
            self.history.come_from(tid, self._sources.setdefault(key, len(self._sources) + 1))

    def skip(self) -> None:
        """Apply a number that is no trial, since the decision there was quarantined."""
        self.history.observe(self.history.add({}), kind="void")

    def _change_seeds(self) -> None:
        assert self._generator is not None
        assert self._generator.generator is not None
        if self.seeds is not None:
            self.seeds.change(self.suggested, self._generator.generator)

    def change_space(self, experiment: Experiment, space: Space) -> None:
        """Go on in another *space* with all that is known: what of a point it cannot have is left out."""
        n = len(self.history)
        self.history, self._has_other_points = History(space), True
        trials = experiment.state.trials
        for tid in range(n):
            self._note_source(self.history.add(space.usable(trials[tid].point)), trials[tid].queued)
            if (ver := self._known_of(tid)) >= 0:
                self.history.observe(tid, **outcome(_trial_at(experiment, tid, ver)))

    def _begin_from(self, experiment: Experiment, settled: SettledTrials) -> None:
        """Begin with what the decisions before trial *settled.n* knew, without looking at each."""
        from hstore.engine.search.settled_history import history_of
        from hstore.store.settled import SUGGESTED

        own = experiment.chain(None)[: settled.known_own + 1]
        if any(isinstance(event, Changed) and event.generator is not None for event in own):
            return  # where it changed follows from each decision since
        trials = experiment.state.trials
        others = {tid: trials[tid].queued for tid in settled.unsettled}
        if any(decision is None for decision in others.values()):
            return
        history = history_of(settled, self.history.space)
        if history is None:
            return
        self.history = history
        self.suggested = int(np.count_nonzero(settled.flags[settled.vers >= 0] & SUGGESTED))
        for trial in experiment.state.from_elsewhere():
            self._note_source(trial.tid, trial.queued)
        if settled.known_own >= 0:
            self._observed[None] = settled.known_own
        for tid, decision in others.items():
            assert decision is not None
            history.place(tid, dict(decision.point))
            self._note_source(tid, decision)
            self.suggested += decision.source == "suggested"
            if (ver := settled.known_others.get(tid, -1)) >= 0:
                self._observed[tid] = ver
                history.observe(tid, **outcome(_trial_at(experiment, tid, ver)))
        self._settled = settled

    def follow(self, experiment: Experiment) -> None:
        """Apply all decisions of *experiment* that are not known yet."""
        trials, state = experiment.state.trials, experiment.state
        self._has_other_points = state.created is not None and state.space is not state.created.space
        if state.settled is not None and not len(self.history) and not self._observed and not self._has_other_points:
            self._begin_from(experiment, state.settled)
        for tid in range(len(self.history), len(trials)):
            decision = trials[tid].queued
            if trials[tid].is_none:
                self.skip()
                continue
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
    return fold_chain(experiment.chain(tid)[: ver + 1])


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
