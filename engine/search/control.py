"""Control: pause, resume, stop, retry and enqueue: a few events that drivers and workers obey."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from hstore.store.errors import Conflict, InvalidValue, NotFound
from hstore.store.events import (  # fmt: skip
    Cancelled,
    Changed,
    Data,
    Event,
    Failed,
    Finished,
    Noted,
    Paused,
    Queued,
    Requeued,
    Resumed,
)
from hstore.store.experiment import Experiment, PendingEvent
from hstore.store.fold import HELD, UNFINISHED, Trial
from hstore.store.state import State

DISCARDED = "discarded"
"""Tag of the note that voids a trial and hides it from hyperopt's view."""
LIMITS_REACHED = ("max_evals", "timeout", "loss_threshold", "early_stop", "max_consecutive_failures", "exhausted")
"""Why a search ends of itself: a limit of the call of fmin that it ended for."""
Which = Literal["failed", "lost"]
"""failed: all whose last attempt failed, lost ones included. lost: those whose workers disappeared."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The outcome of a request."""

    written: tuple[Event, ...]
    """The events that were written; none if everything was as asked for already."""
    status: str
    """Of the experiment, now."""
    why: str | None
    running: tuple[int, ...]
    """Trials that a worker or fmin still holds."""

    def tids(self, kind: type[Event]) -> list[int]:
        """Return the trials that an event of *kind* was written for."""
        return sorted(event.tid for event in self.written if isinstance(event, kind) and event.tid is not None)

    def has(self, kind: type[Event]) -> bool:
        """Return whether an event of *kind* was written for the experiment itself."""
        return any(isinstance(event, kind) and event.tid is None for event in self.written)


# -- what people ask for --------------------------------------------------------------------------------------


def pause(experiment: Experiment, why: str, *, now: bool = False) -> Outcome:
    """Pause the search: nothing is suggested or started until `resume`; running trials finish, or *now* are requeued.

    A search that has finished stays so.
    """

    def decide() -> list[PendingEvent]:
        state = experiment.state
        if state.status == "finished":
            return []
        pending: list[PendingEvent] = [(Paused, None, {"why": why})] if state.status == "open" else []
        if now:
            pending += [(Requeued, tid, {"why": "paused"}) for tid in _held(state)]
        return pending

    return _carry_out(experiment, decide)


def resume(experiment: Experiment, why: str) -> Outcome:
    """Continue a search that was paused, or reopen one that has finished."""

    def decide() -> list[PendingEvent]:
        return [] if experiment.state.status == "open" else [(Resumed, None, {"why": why})]

    return _carry_out(experiment, decide)


def stop(experiment: Experiment, why: str, *, now: bool = False) -> Outcome:
    """End a search: queued trials are cancelled; running ones finish, or with *now* are cancelled as well."""

    def decide() -> list[PendingEvent]:
        state = experiment.state
        # The end of the search comes first: no process takes or suggests anything after it.
        pending = [] if state.status == "finished" else [_finished(experiment, why)]
        for tid in state.awaited:
            if is_failed := state.trials[tid].state == "failed":  # and the process that was to requeue it has died
                pending.append((Requeued, tid, {"why": why}))
            if is_failed or now or state.trials[tid].state == "queued":
                pending.append((Cancelled, tid, {"why": why}))
        return pending or _conclusion(experiment, why)

    return _carry_out(experiment, decide)


def retry(experiment: Experiment, which: Which | Iterable[int], why: str = "retry") -> Outcome:
    """Evaluate trials again that have ended: those with the tids *which*, or all that "failed" or were "lost".

    Their attempts are counted anew. A search that has finished is reopened, for workers to take them.
    Raises `NotFound` for a trial that does not exist and `InvalidValue` for one that has not ended; nothing is
    written then.
    """
    experiment.refresh()
    wanted = _failed(experiment.state, which) if isinstance(which, str) else _ended(experiment, which)
    ends = {tid: experiment.state.trials[tid].end for tid in wanted}

    def decide() -> list[PendingEvent]:
        state = experiment.state
        # If the end is not the one that was looked at, another process has retried the trial.
        left = [tid for tid in wanted if _is_same_end(state.trials[tid].end, ends[tid])]
        if not left:
            return []
        pending: list[PendingEvent] = []
        if unseen := [tid for tid in left if tid not in state.observations.watched]:
            pending.append((Noted, None, {"about": unseen}))
        if state.status == "finished":
            pending.append((Resumed, None, {"why": why}))
        return pending + [(Requeued, tid, {"why": why}) for tid in left]

    return _carry_out(experiment, decide)


def discard(experiment: Experiment, tids: Iterable[int] | None = None, why: str = "deleted") -> Outcome:
    """Discard trials (all, or those in *tids*): the log keeps what happened to them.

    Those that have not ended are cancelled. Algorithms, the best and hyperopt's view no longer see any of them.
    """
    experiment.refresh()
    wanted = sorted(experiment.state.trials) if tids is None else sorted(set(tids))

    def decide() -> list[PendingEvent]:
        pending: list[PendingEvent] = []
        for tid in wanted:
            trial = experiment.state.trials[tid]
            if not trial.is_finished:
                if trial.state == "failed":  # and the process that was to requeue it has died
                    pending.append((Requeued, tid, {"why": why}))
                pending.append((Cancelled, tid, {"why": why}))
            if not is_discarded(trial):
                pending.append((Noted, tid, {"void": True, "tags": [DISCARDED], "note": why}))
        return pending

    return _carry_out(experiment, decide)


def is_discarded(trial: Trial) -> bool:
    """Return whether *trial* is discarded."""
    return trial.is_void and DISCARDED in trial.tags


def enqueue(experiment: Experiment, decisions: Sequence[Data], why: str = "enqueued") -> Outcome:
    """Queue trials whose points the user gave, after all that there are: *decisions* are the data of their `Queued`.

    They count towards max_evals, which is raised if there is no room for them. A search that has finished is reopened,
    for workers to take them; a paused one stays paused.
    """
    written: list[Event] = []

    def decide() -> list[PendingEvent]:
        state = experiment.state
        mine = [event.tid for event in written if isinstance(event, Queued) and event.tid is not None]
        left = decisions[len(mine) :]
        if not left:
            # If the search ended in between, what was queued would wait for ever.
            is_late = state.status == "finished" and any(state.trials[tid].state == "queued" for tid in mine)
            return [(Resumed, None, {"why": why})] if is_late else []
        n, limit = len(state.trials), state.limits.get("max_evals")
        pending: list[PendingEvent] = [(Resumed, None, {"why": why})] if state.status == "finished" else []
        if isinstance(limit, (int, float)) and n + len(left) > limit:
            pending.append((Changed, None, {"limits": {**state.limits, "max_evals": n + len(left)}}))
        return pending + [(Queued, n + i, data) for i, data in enumerate(left)]

    return _carry_out(experiment, decide, written)


def conclude(experiment: Experiment, why: str) -> Outcome:
    """Record that the search ended, unless it did already, is paused, or has trials that have not ended.

    Of several drivers the last one to end a trial sees that all have ended. If trials ended after the search did, a
    second `finished` observes their ends, with the first reason.
    """
    return _shown(experiment, _carry_out(experiment, lambda: _conclusion(experiment, why)))


def conclude_if_complete(experiment: Experiment) -> Outcome:
    """Do what `conclude` does, without a driver: for a search that was stopped, or has all the trials it may have."""

    def decide() -> list[PendingEvent]:
        state = experiment.state
        limit = state.limits.get("max_evals")
        is_complete = isinstance(limit, (int, float)) and len(state.trials) >= limit
        return _conclusion(experiment, "max_evals") if is_complete or state.status == "finished" else []

    return _shown(experiment, _carry_out(experiment, decide))


def _shown(experiment: Experiment, outcome: Outcome) -> Outcome:
    """Bring the read models up to the end of a search: no process would show later what dead workers did not."""
    if outcome.has(Finished):
        experiment.repair()
    return outcome


# -- how ------------------------------------------------------------------------------------------------------


def _carry_out(
    experiment: Experiment, decide: Callable[[], list[PendingEvent]], written: list[Event] | None = None
) -> Outcome:
    """Read, fold, *decide*, append, until nothing is left to do, while other processes write.

    written: a list that *decide* looks at, of what has been written so far.
    """
    written = [] if written is None else written
    has_lost = False
    while True:
        experiment.refresh()
        experiment.check_signatures()  # what a forger wrote makes no request look as if it were met
        pending = decide()
        if not pending:
            break
        events = experiment.compose(*pending)
        try:
            experiment.append(events)
        except Conflict as conflict:
            has_lost = True
            written += events[: events.index(conflict.mine)]
        else:
            written += events
    if has_lost:
        experiment.repair()  # of what was appended before a conflict, the read models have not heard
    state = experiment.state
    return Outcome(written=tuple(written), status=state.status, why=state.why, running=tuple(_held(state)))


def _held(state: State) -> list[int]:
    return [tid for tid in state.awaited if state.trials[tid].state in HELD]


def _finished(experiment: Experiment, why: str) -> PendingEvent:
    return Finished, None, {"why": why, "observed": experiment.observed(), **experiment.seals.ending()}


def _conclusion(experiment: Experiment, why: str) -> list[PendingEvent]:
    state = experiment.state
    if state.open or state.status == "paused":
        return []
    if state.status == "open":
        return [_finished(experiment, why)]
    is_observed = all(chain is None for chain in state.observations.unobserved)
    return [] if is_observed else [_finished(experiment, state.why or why)]


def _failed(state: State, which: str) -> list[int]:
    ends = ((trial.tid, trial.end) for trial in state.trials.values() if trial.is_finished)
    return sorted(tid for tid, end in ends if isinstance(end, Failed) and (which == "failed" or end.cause == "lost"))


def _is_same_end(one: Event | None, other: Event | None) -> bool:
    """Return whether the two are one event, amended or not."""
    return one is other or (one is not None and other is not None and one.id == other.id)


def _ended(experiment: Experiment, tids: Iterable[int]) -> list[int]:
    wanted, trials = sorted(set(tids)), experiment.state.trials
    if unknown := [tid for tid in wanted if tid not in trials]:
        raise NotFound(
            f"experiment {experiment.name!r} has no trial {_listed(unknown)}",
            hint=f"its trials are 0 to {len(trials) - 1}" if trials else "it has none yet", tids=unknown,
        )  # fmt: skip
    if unfinished := [tid for tid in wanted if trials[tid].state in UNFINISHED]:
        listed = _listed(f"trial {tid} is {trials[tid].state}" for tid in unfinished)
        raise InvalidValue(
            f"only what has ended can be retried: {listed}",
            hint="nothing was changed", tids=unfinished,
        )  # fmt: skip
    return wanted


def _listed(items: Iterable[object], most: int = 5) -> str:
    all_ = [str(item) for item in items]
    return ", ".join(all_[:most]) + (f" and {len(all_) - most} more" if len(all_) > most else "")
