"""The driver: read, fold, decide, append. What serial and parallel searches have in common."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from hstore.engine.algorithms import Algorithm, CustomAlgorithm, Exhausted, choose_recorded, describe_algorithm
from hstore.engine.algorithms.repeated import REPLICATES
from hstore.engine.evaluation.domain import BoundObjective
from hstore.engine.search import control
from hstore.engine.search.failure_watch import FailureWatch
from hstore.engine.search.fingerprint import fingerprint
from hstore.engine.search.interrupts import Interrupts
from hstore.engine.search.observed_history import ObservedHistory
from hstore.engine.search.options import EARLY_STOP, Limits
from hstore.engine.search.seeds import Seeds
from hstore.engine.search.snapshot_writer import SnapshotWriter
from hstore.engine.space import Point
from hstore.store.errors import ClosedChain, Conflict, InvalidValue
from hstore.store.events import Queued, Resumed, Sealed
from hstore.store.experiment import Experiment, PendingEvent
from hstore.store.fold import unread
from hstore.store.messages import Log
from hstore.store.values import normalise

LOG = Log("search")

SEAL_EVERY = 100
"""How many decisions are made between two events that commit to all before them (`Sealed`)."""

Choice: TypeAlias = tuple[int, Point, Mapping[str, Any]]
"""The seed that a point was chosen with, the point, and how the log names the algorithm."""


@dataclass(kw_only=True)
class Driver:
    """Decides what to try next, beside any number of other drivers on one experiment."""

    experiment: Experiment
    domain: BoundObjective
    algorithm: Algorithm | CustomAlgorithm
    settings: Mapping[str, Any]
    limits: Limits
    trials: Any
    """The user's view of the experiment: what callbacks and hyperopt-shaped algorithms are handed."""
    early_stop_fn: Callable[..., Any] | None = None
    on_progress: Callable[[Experiment], None] = lambda _: None
    _early_stop_args: list[Any] = field(default_factory=list)
    _refreshed: float = -math.inf
    _is_first_decision: bool = True
    _told_of_closed: set[int] = field(default_factory=set)
    _is_exhausted: bool = False
    _is_early_stopped: bool = False

    def __post_init__(self) -> None:
        created = self.experiment.state.created
        assert created is not None
        self.failures = FailureWatch(self.experiment)
        self.interrupts = Interrupts()
        self._snapshots = SnapshotWriter(self.experiment)
        self._seeds = Seeds(created.generator)
        self._observed_history = ObservedHistory(self.domain.space, self._seeds)
        self._described = describe_algorithm(self.algorithm, self.settings)

    def run(self) -> str:
        """Search until a limit is reached; return which one: the `why` of the `finished` event."""
        raise NotImplementedError

    def finish(self, why: str) -> None:
        """Record that the search ended, unless it did already, is paused, or others are still at it."""
        self._snapshots.look(at_end=True)
        control.conclude(self.experiment, why)

    def _inform(self, message: str, **about: Any) -> None:
        LOG.info(message, experiment=self.experiment.name, **about)

    def _warn(self, message: str, **about: Any) -> None:
        LOG.warning(message, experiment=self.experiment.name, **about)

    # -- when it is enough ------------------------------------------------------------------------------------

    def _reason_to_stop(self, began: float) -> str | None:
        """Return why the search is to end although trials may be queued or running; None if it is not."""
        self.interrupts.require_none()
        self._warn_of_closed()
        state = self.experiment.state
        if state.status == "finished" and not self._reopen():
            return state.why or "finished"
        if self._is_early_stopped:
            return "early_stop"
        if self._is_over(began):
            return "timeout"
        if self._has_failed_too_often():
            return "max_consecutive_failures"
        return "loss_threshold" if self._is_good_enough() else None

    def _reopen(self) -> bool:
        """Go on although another call of fmin reached a limit and ended the search; return False if there is no need.

        What a person stopped stays so.
        """
        state = self.experiment.state
        is_enough = self._is_good_enough() or self._is_exhausted or self._is_early_stopped
        is_enough = is_enough or self._has_failed_too_often()
        if state.why not in control.LIMITS_REACHED or len(state.trials) >= self.limits.max_evals or is_enough:
            return False
        self.experiment.append_decided(
            lambda: [(Resumed, None, {"why": "fmin"})] if self.experiment.state.status == "finished" else []
        )
        return True

    def _is_good_enough(self) -> bool:
        threshold, best = self.limits.loss_threshold, self.experiment.state.best
        return threshold is not None and best is not None and best.loss is not None and best.loss < threshold

    def _has_failed_too_often(self) -> bool:
        most = self.limits.max_consecutive_failures
        return most is not None and self.failures.in_a_row >= most

    def _is_over(self, began: float) -> bool:
        return self.limits.timeout is not None and time.monotonic() - began >= self.limits.timeout

    def _ask_early_stop(self) -> None:
        if self.early_stop_fn is not None:
            self.trials.refresh()
            returned = self.early_stop_fn(self.trials, *self._early_stop_args)
            try:
                stop, arguments = returned
                self._early_stop_args = list(arguments)
            except (TypeError, ValueError):
                raise InvalidValue(f"early_stop_fn returned {returned!r:.60}, not a pair", hint=EARLY_STOP) from None
            self._is_early_stopped = bool(stop)

    # -- reading and appending --------------------------------------------------------------------------------

    def _warn_of_closed(self) -> None:
        """Raise `ClosedChain` if what happened to the search cannot be read; say of which trials that is so.

        Nor does a search go on without an end that its decisions knew: they could not be made again.
        """
        self.experiment.require_open()
        for tid in self.experiment.state.closed:
            self._require_unobserved(tid)
            if tid not in self._told_of_closed:
                self._told_of_closed.add(tid)
                self._warn(f"trial {tid} is left as it is: {self.experiment.state.why_closed(tid)}", trial=tid)

    def _require_unobserved(self, tid: int) -> None:
        """Raise `ClosedChain` if decisions have observed the end of trial *tid*, which cannot be read."""
        name, state = self.experiment.name, self.experiment.state
        end = state.trials[tid].closed_by if tid in state.trials else None
        if end is not None and end.ver <= state.observations.known.get(tid, -1):
            raise ClosedChain(
                f"experiment {name!r} cannot go on here: decisions have observed trial {tid}, and {unread(end)}",
                hint="bring back its attachment, update hstore if a newer one wrote it, or give it up: "
                f"`hstore quarantine {name} --unreadable`", exp=name, tid=tid,
            )  # fmt: skip

    def _refresh(self) -> None:
        self.experiment.refresh()
        self._refreshed = time.monotonic()

    def _queued(self) -> list[int]:
        trials = self.experiment.state.trials
        return [tid for tid in self.experiment.state.awaited if trials[tid].state == "queued"]

    def _try(self, pending: Sequence[PendingEvent], *, more_to_come: bool = False) -> bool:
        """Append *pending*; return False if another process was first (what it wrote has been folded then)."""
        try:
            self.experiment.append(self.experiment.compose(*pending), more_to_come=more_to_come)
        except Conflict:
            return False
        return True

    # -- deciding ---------------------------------------------------------------------------------------------

    def _batch(self, wanted: int) -> tuple[int, int]:
        """Return (first tid, number) of the decisions to make now: new ones, or the rest of a batch cut short."""
        trials = self.experiment.state.trials
        n = len(trials)
        room = self.limits.max_evals - n
        if (batch := self._rest_of_batch(n)) is not None:
            begun, size = batch
            return n, max(0, min(begun + size - n, room))
        return n, max(0, min(wanted, room))

    def _rest_of_batch(self, n: int) -> list[int] | None:
        """Return the batch that decision *n* is part of, since it was cut short before that; None if it is of none.

        A fork begins a new one: its decisions know that it is a fork.
        """
        last = self.experiment.state.trials[n - 1].queued if n else None
        if last is None or last.batch is None or n >= sum(last.batch) or self._is_new_fork:
            return None
        return list(last.batch)

    @property
    def _is_new_fork(self) -> bool:
        """Whether the experiment was forked from another one, and has decided nothing since."""
        state = self.experiment.state
        return state.forked is not None and state.forked.ver > state.observations.decided(None)

    def decide_as_source(self) -> None:
        """Make the first decision of a new fork before its queued trials end: it knows what its source knew there."""
        n, state = len(self.experiment.state.trials), self.experiment.state
        if self._is_new_fork and state.open and state.status == "open" and n < self.limits.max_evals:
            pending = self._decisions(n, 1)
            if pending and self._try(pending):
                self._is_first_decision = False

    def _decisions(self, first: int, size: int) -> list[PendingEvent]:
        observed_history, experiment = self._observed_history, self.experiment
        observed_history.follow(experiment)
        self._snapshots.look()
        batch = None if size == 1 else [first, size]
        observed: list[list[Any]] = []
        if (rest := self._rest_of_batch(first)) is not None:
            batch = rest
        else:
            observed = experiment.observed()
            observed_history.observe(experiment, observed)
        if isinstance(self.algorithm, Algorithm):
            chosen = self._choose(self.algorithm, size)
        else:
            chosen = self._ask(self.algorithm, first, size)
        if len(chosen) < size and batch == [first, size]:
            batch = [first, len(chosen)] if len(chosen) > 1 else None
        pending: list[PendingEvent] = []
        seal: list[PendingEvent] = []
        if chosen and experiment.seals.is_due(SEAL_EVERY):
            # In front: if another process was first on the experiment's own chain, nothing of this is written.
            seal = [(Sealed, None, experiment.seals.sealed())]
        for tid, (seed, point, described) in enumerate(chosen, first):
            data: dict[str, Any] = {
                "point": point, "params": self.domain.space.params(point), "seed": seed, "algorithm": described,
                "observed": [] if pending else observed, "batch": batch,
            }  # fmt: skip
            if self._is_first_decision and not pending:
                data["fingerprint"] = fingerprint()
            pending.append((Queued, tid, data))
        return seal + pending

    def _choose(self, algorithm: Algorithm, size: int) -> list[Choice]:
        """Return *size* choices, made one after the other; fewer when there are no more points."""
        history = self._observed_history.history
        chosen: list[Choice] = []
        for k in range(self._observed_history.suggested, self._observed_history.suggested + size):
            seed = self._seeds[k]
            try:
                made = choose_recorded(algorithm, self.domain.space, history, seed=seed, settings=self.settings)
            except Exhausted:
                break
            (point,) = made.points
            chosen.append((seed, point, made.described(self._described)))
            if len(chosen) < size:
                # Not added to the observed history before the append: another driver's decision may take its place.
                history = history.copy() if history is self._observed_history.history else history
                history.add(point)
        return chosen

    @property
    def _repeats(self) -> bool:
        """Whether the end of a trial may call for another one where no point is left: a replicate."""
        return isinstance(self.algorithm, Algorithm) and self.settings.get(REPLICATES, 1) > 1

    def _ask(self, algorithm: CustomAlgorithm, first: int, size: int) -> list[Choice]:
        """Return what a user's own algorithm chose for up to *size* trials, in one call."""
        self.trials.refresh()
        seed = self._seeds[self._observed_history.suggested]
        new_ids = self.trials.documents.tids_to_come(range(first, first + size))
        documents = algorithm(new_ids, self.domain, self.trials, seed, **self.settings)
        if len(documents) > size:
            raise InvalidValue(
                f"{self._described['name']} returned {len(documents)} documents for {size} new ids", path="algo"
            )
        points = []
        for document in documents:
            vals = document["misc"]["vals"]
            points.append({label: normalise(values[0]) for label, values in vals.items() if len(values)})
            self.domain.space.check(points[-1])
        return [(seed, point, self._described) for point in points]
