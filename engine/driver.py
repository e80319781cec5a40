"""The driver: read, fold, decide, append. What every search has in common, whoever evaluates its trials."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hstore.engine import control
from hstore.engine.algorithms import Algorithm, CustomAlgorithm, describe_algorithm, scalarise
from hstore.engine.fingerprint import fingerprint
from hstore.engine.history import History
from hstore.engine.knowledge import Knowledge
from hstore.engine.objective import Domain
from hstore.engine.seeds import Seeds
from hstore.store.errors import Conflict
from hstore.store.events import Queued
from hstore.store.store import Draft, Experiment
from hstore.store.values import normalise


@dataclass(frozen=True, kw_only=True)
class Limits:
    """When a call of fmin stops."""

    max_evals: int = sys.maxsize
    """Number of trials in all, those of earlier calls included."""
    timeout: float | None = None
    loss_threshold: float | None = None
    max_queue_len: int | None = None


@dataclass(kw_only=True)
class Driver:
    """Decides what to try next, beside any number of other drivers on one experiment."""

    experiment: Experiment
    domain: Domain
    algorithm: Algorithm | CustomAlgorithm
    settings: Mapping[str, Any]
    limits: Limits
    trials: Any
    """The user's view of the experiment: what callbacks and hyperopt-shaped algorithms are handed."""
    early_stop_fn: Callable[..., Any] | None = None
    on_progress: Callable[[Experiment], None] = lambda _: None
    say: Callable[[str], None] = lambda _: None
    _early_stop_args: list[Any] = field(default_factory=list)
    _refreshed: float = -math.inf
    _is_first_decision: bool = True
    _is_exhausted: bool = False
    _is_early_stopped: bool = False

    def __post_init__(self) -> None:
        created = self.experiment.state.created
        assert created is not None
        self._seeds = Seeds(created.generator)
        self._knowledge = Knowledge(self.domain.space)
        self._described = describe_algorithm(self.algorithm, self.settings)

    def run(self) -> str:
        """Search until a limit is reached; return which one: the `why` of the `finished` event."""
        raise NotImplementedError

    def finish(self, why: str) -> None:
        """Record that the search ended, unless it did already, is paused, or others are still at it."""
        control.conclude(self.experiment, why)

    # -- when it is enough ------------------------------------------------------------------------------------

    def _reason_to_stop(self, began: float) -> str | None:
        """Return why the search is to end whatever is still queued or under way."""
        state = self.experiment.state
        if state.status == "finished":  # somebody stopped it
            return state.why or "finished"
        if self._is_early_stopped:
            return "early_stop"
        if self._is_over(began):
            return "timeout"
        threshold = self.limits.loss_threshold
        if threshold is not None and state.best is not None and state.best.loss < threshold:  # type: ignore[operator]
            return "loss_threshold"
        return None

    def _is_over(self, began: float) -> bool:
        return self.limits.timeout is not None and time.monotonic() - began >= self.limits.timeout

    def _ask_early_stop(self) -> None:
        if self.early_stop_fn is not None:
            self.trials.refresh()
            stop, self._early_stop_args = self.early_stop_fn(self.trials, *self._early_stop_args)
            self._is_early_stopped = bool(stop)

    # -- reading and appending --------------------------------------------------------------------------------

    def _refresh(self) -> None:
        self.experiment.refresh()
        self._refreshed = time.monotonic()

    def _queued(self) -> list[int]:
        trials = self.experiment.state.trials
        return sorted(tid for tid in self.experiment.state.open if trials[tid].state == "queued")

    def _try(self, drafts: Sequence[Draft]) -> bool:
        """Append *drafts*; return False if another process was first (what it wrote has been folded then)."""
        try:
            self.experiment.append(self.experiment.compose(*drafts))
        except Conflict:
            return False
        return True

    # -- deciding ---------------------------------------------------------------------------------------------

    def _batch(self, wanted: int) -> tuple[int, int]:
        """Return (first tid, number) of the decisions to make now: new ones, or the rest of a batch cut short."""
        trials = self.experiment.state.trials
        n = len(trials)
        room = self.limits.max_evals - n
        if n and (last := trials[n - 1].queued) is not None and last.batch is not None:
            begun, size = last.batch
            if n < begun + size:
                return n, max(0, min(begun + size - n, room))
        return n, max(0, min(wanted, room))

    def _decisions(self, first: int, size: int) -> list[Draft]:
        knowledge, experiment = self._knowledge, self.experiment
        knowledge.follow(experiment)
        trials = experiment.state.trials
        last = trials[first - 1].queued if first else None
        batch = None if size == 1 else [first, size]
        observed: list[list[Any]] = []
        if last is not None and last.batch is not None and first < last.batch[0] + last.batch[1]:
            batch = list(last.batch)
        else:
            observed = experiment.observed()
            knowledge.observe(experiment, observed)
        drafts: list[Draft] = []
        history = knowledge.history
        for tid in range(first, first + size):
            data = self._choose(tid, knowledge.suggested + len(drafts), history)
            if data is None:
                break
            if tid + 1 < first + size:
                # Not added to the knowledge before the append: another driver's decision may take its place.
                history = history.copy() if history is knowledge.history else history
                history.add(dict(data["point"]))
            data |= {"observed": observed, "batch": batch}
            if self._is_first_decision and not drafts:
                data["fingerprint"] = fingerprint()
            observed = []
            drafts.append((Queued, tid, data))
        return drafts

    def _choose(self, tid: int, k: int, history: History) -> dict[str, Any] | None:
        seed, algorithm, described = self._seeds[k], self.algorithm, self._described
        if isinstance(algorithm, Algorithm):
            if scalarise.is_needed(history):
                history, seed_within = scalarise.scalarise(history, algorithm.scalarisation, seed=seed)
                described = {**described, "scalarised": scalarise.describe(algorithm.scalarisation)}
            else:
                seed_within = seed
            point = algorithm.choose(self.domain.space, history, seed=seed_within, **self.settings)
        else:
            self.trials.refresh()
            documents = algorithm([tid], self.domain, self.trials, seed, **self.settings)
            if not documents:
                return None
            vals = documents[0]["misc"]["vals"]
            point = {label: normalise(values[0]) for label, values in vals.items() if len(values)}
            self.domain.space.check(point)
        return {
            "point": point,
            "params": self.domain.space.params(point),
            "seed": seed,
            "algorithm": described,
        }
