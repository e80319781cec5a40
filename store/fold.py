"""The fold: what a trial and an experiment are, given their events. Pure; whatever is in the log can be folded."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Literal, TypeAlias

from hstore.store.errors import AllTrialsFailed
from hstore.store.events import (  # fmt: skip
    NOTHING,
    RELEASED,
    Cancelled,
    Changed,
    Created,
    Data,
    Done,
    Event,
    Failed,
    Finished,
    Forked,
    Noted,
    Paused,
    Queued,
    Reported,
    Requeued,
    Reserved,
    Resumed,
    Running,
    Unreadable,
)

TrialState: TypeAlias = Literal["queued", "reserved", "running", "done", "failed", "cancelled"]
HELD: frozenset[str] = frozenset({"reserved", "running"})
"""A worker has the trial."""
UNFINISHED: frozenset[str] = HELD | {"queued"}

FOLLOWS: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "reserved": frozenset({"queued"}),
        "running": frozenset({"reserved"}),
        "reported": frozenset({"running"}),
        "done": frozenset({"running"}),
        "failed": HELD,
        "requeued": HELD | {"failed", "done", "cancelled"},
        "cancelled": UNFINISHED,
        "noted": frozenset({"queued", "reserved", "running", "done", "failed", "cancelled"}),
    }
)
"""From which states each event of a trial may lead on (a person may requeue a trial that ended)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One point and what became of it: the events that still matter, and what follows from them."""

    tid: int
    ver: int
    """Place of the last event in the chain; the next one goes to ver + 1."""
    state: TrialState
    queued: Queued | None
    last: Event
    attempt: int = 0
    reserved: Reserved | None = None
    running: Running | None = None
    end: Done | Failed | Cancelled | None = None
    reports: tuple[Reported, ...] = ()
    notes: tuple[Noted, ...] = ()
    is_void: bool = False
    retries: Mapping[str, int] = field(default_factory=lambda: NOTHING)
    """How often the trial was requeued, by cause, since a person last asked for it."""

    @property
    def point(self) -> Data:
        """Raw value per active label."""
        return self.queued.point if self.queued else NOTHING

    @property
    def params(self) -> Data:
        """Readable value per active label."""
        return self.queued.params if self.queued else NOTHING

    @property
    def is_finished(self) -> bool:
        """Whether the trial has ended: done, failed for good, or cancelled."""
        is_final = not isinstance(self.end, Failed) or self.end.final
        return self.state not in UNFINISHED and is_final

    @property
    def loss(self) -> float | None:
        """The loss, NaN and infinities included; None without one."""
        return self.end.loss if isinstance(self.end, Done) else None

    @property
    def losses(self) -> Sequence[float] | None:
        """One loss for each objective, where there are several; None without them."""
        return self.end.losses if isinstance(self.end, Done) else None

    @property
    def constraints(self) -> Sequence[float] | None:
        """What the result says of its constraints, each kept if it is at most 0; None if it says nothing."""
        return self.end.constraints if isinstance(self.end, Done) else None

    @property
    def is_feasible(self) -> bool:
        """Whether no constraint is violated; one that is NaN is."""
        return all(constraint <= 0 for constraint in self.constraints or ())

    @property
    def status(self) -> str | None:
        """hyperopt's status string of a trial that is done."""
        return self.end.status if isinstance(self.end, Done) else None

    @property
    def is_pruned(self) -> bool:
        """Whether it was stopped early because what it had reported was hopeless."""
        return isinstance(self.end, Done) and bool(self.end.pruned)

    @property
    def last_report(self) -> tuple[int, float] | None:
        """The step and the value that its latest attempt reported last; None if it reported none."""
        since = self.reserved.ver if self.reserved else self.ver
        for report in reversed(self.reports):
            if report.ver > since and report.step is not None and report.value is not None:
                return report.step, report.value
        return None

    @property
    def result(self) -> Data | None:
        """What the objective returned."""
        return self.end.result if isinstance(self.end, Done) else None

    @property
    def error(self) -> str | None:
        """Type and message of what the objective raised."""
        return f"{self.end.error}: {self.end.message}" if isinstance(self.end, Failed) else None

    @property
    def duration(self) -> float | None:
        """Seconds that the last attempt took."""
        return None if self.end is None or isinstance(self.end, Cancelled) else self.end.duration

    @property
    def attachments(self) -> dict[str, Data]:
        """name, sha256 and length of each attachment, by its name; a later one of that name replaces it."""
        told: list[Reported | Noted] = sorted((*self.reports, *self.notes), key=lambda event: event.ver)
        return _attachments(event.attachment for event in told)

    @property
    def tags(self) -> tuple[str, ...]:
        """Tags from all notes, in order."""
        return tuple(dict.fromkeys(tag for note in self.notes for tag in note.tags or ()))


def evolve(trial: Trial | None, event: Event) -> Trial:
    """Return *trial* as it is after *event*."""
    if trial is None:
        assert event.tid is not None
        queued = event if isinstance(event, Queued) else None
        return Trial(tid=event.tid, ver=event.ver, state="queued", queued=queued, last=event)
    ver = event.ver
    match event:
        case Queued():
            return replace(trial, ver=ver, state="queued", queued=event, last=event)
        case Reserved():
            return replace(
                trial, ver=ver, state="reserved", reserved=event, running=None, end=None,
                attempt=event.attempt, last=event,
            )  # fmt: skip
        case Running():
            return replace(trial, ver=ver, state="running", running=event, last=event)
        case Reported():
            return replace(trial, ver=ver, reports=(*trial.reports, event), last=event)
        case Done():
            return replace(trial, ver=ver, state="done", end=event, last=event)
        case Failed():
            return replace(trial, ver=ver, state="failed", end=event, last=event)
        case Cancelled():
            return replace(trial, ver=ver, state="cancelled", end=event, last=event)
        case Requeued(cause=cause):
            retries = {**trial.retries, cause: trial.retries.get(cause, 0) + 1} if cause else NOTHING
            if cause == RELEASED:
                retries = trial.retries
            return replace(
                trial, ver=ver, state="queued", reserved=None, running=None, end=None, retries=retries, last=event
            )  # fmt: skip
        case Noted(void=void):
            is_void = trial.is_void if void is None else void
            return replace(trial, ver=ver, notes=(*trial.notes, event), is_void=is_void, last=event)
        case _:  # one that no reader can decode, or of the experiment's chain: the place is taken, no more
            return replace(trial, ver=ver, last=event)


def why_not(trial: Trial | None, event: Event) -> str | None:
    """Return why *event* cannot follow in the chain of *trial*, None if it can. Writers ask before they append."""
    if trial is None:
        return None if event.type == "queued" and event.ver == 0 else "the trial does not exist"
    if event.ver != trial.ver + 1:
        return f"its place is {event.ver}, the chain goes on at {trial.ver + 1}"
    if trial.state not in FOLLOWS.get(event.type, frozenset()):
        return f"the trial is {trial.state}"
    return None


class State:
    """All of one experiment, folded. Grows by `take`; what it hands out never changes."""

    def __init__(self, exp: str) -> None:
        self.exp = exp
        self.ver = -1
        """Place of the last event in the experiment's own chain."""
        self.created: Created | None = None
        self.status: Literal["open", "paused", "finished"] = "open"
        self.why: str | None = None
        """Why the search is paused or finished."""
        self.limits: Data = NOTHING
        self.algorithm: Data = NOTHING
        self.objective: Data = NOTHING
        self.pruner: Data = NOTHING
        self.generator: Data = NOTHING
        """Empty: none."""
        self.pruned = 0
        """How many trials were stopped early by it."""
        self.notes: tuple[Noted, ...] = ()
        self.last: Event | None = None
        """The latest event by its writer's clock, whatever the order of reading."""
        self.events = 0
        """Number of events taken."""
        self.unreadable: tuple[Unreadable, ...] = ()
        self.known: dict[int | None, int] = {}
        """Up to which ver of each chain (None: the experiment's own) decisions have observed."""
        self.watched: set[int] = set()
        """Ended trials whose chains were announced to go on."""
        self._trials: dict[int, Trial] = {}
        self._counts: Counter[str] = Counter()
        self._best: int | None = None
        self._front: list[int] = []
        self._open: dict[int, int] = {}
        self._news: dict[int | None, int] = {}

    @property
    def trials(self) -> Mapping[int, Trial]:
        """Trial by tid, read-only."""
        return MappingProxyType(self._trials)

    @property
    def counts(self) -> dict[str, int]:
        """Number of trials by state."""
        return {state: n for state, n in self._counts.items() if n}

    @property
    def open(self) -> Mapping[int, int]:
        """Last known ver by tid of trials that have not ended."""
        return MappingProxyType(self._open)

    @property
    def ended(self) -> int:
        """Number of trials that have ended."""
        return len(self._trials) - len(self._open)

    @property
    def attachments(self) -> dict[str, Data]:
        """name, sha256 and length of each attachment of the experiment itself, by its name."""
        return _attachments(note.attachment for note in self.notes)

    @property
    def best(self) -> Trial | None:
        """The trial of status ok with the smallest loss, the first on ties; None if there is none.

        Where results have constraints it is the best of those that violate none.
        """
        return None if self._best is None else self._trials[self._best]

    @property
    def pareto(self) -> list[Trial]:
        """The trials with several losses, by tid, than which none is at least as good in all and better in one.

        Those that violate a constraint are not among them, nor those with NaN among their losses.
        """
        return [self._trials[tid] for tid in self._front]

    @property
    def unobserved(self) -> list[int | None]:
        """Chains (None: the experiment's) with ends, voids or changes that no decision observed, as they came in."""
        return list(self._news)

    def require_best(self) -> Trial:
        """Return `best`, or raise `AllTrialsFailed`."""
        best = self.best
        if best is None:
            hint = "it searches for several things at once: see `pareto`" if self._front else ""
            raise AllTrialsFailed(f"no trial of {self.exp!r} has a loss yet, so there is no best", hint=hint)
        return best

    def take(self, events: Iterable[Event]) -> None:
        """Fold *events* in; per chain they come in order and without gaps, chains may come in any order."""
        for event in events:
            self.events += 1
            if self.last is None or _moment(event) >= _moment(self.last):
                self.last = event
            if isinstance(event, Unreadable):
                self.unreadable = (*self.unreadable, event)
            if event.tid is None:
                self._take_header(event)
            else:
                self._take_trial(event.tid, event)

    def evict(self, tid: int) -> None:
        """Let go of trial *tid*, for whoever follows some trials only."""
        trial = self._trials.pop(tid, None)
        if trial is not None:
            self._counts[trial.state] -= 1
            self.pruned -= trial.is_pruned
        self._open.pop(tid, None)
        self._news.pop(tid, None)
        self.watched.discard(tid)
        if self._best == tid:
            self._best = None
        self._front = [other for other in self._front if other != tid]

    def _take_trial(self, tid: int, event: Event) -> None:
        before = self._trials.get(tid)
        trial = evolve(before, event)
        self._trials[tid] = trial
        if isinstance(event, Queued):
            self._observe(event.observed)
        if before is None:
            self._counts[trial.state] += 1
            self._open[tid] = trial.ver
            return
        self.pruned += trial.is_pruned - before.is_pruned
        if trial.state != before.state:
            self._counts[before.state] -= 1
            self._counts[trial.state] += 1
        if trial.is_finished:
            self._open.pop(tid, None)
        else:  # a failure that is not final is no end: the chain goes on
            self._open[tid] = trial.ver
        if _end_of(trial) is not _end_of(before) or trial.is_void is not before.is_void:
            self._tell(tid, trial.ver)
            self._rank(tid, trial)

    def _rank(self, tid: int, trial: Trial) -> None:
        best = self.best
        if tid == self._best:
            ranked = [t for t in self._trials.values() if t.loss is not None and _is_ranked(t)]
            self._best = min(ranked, key=_rank_of).tid if ranked else None
        elif trial.loss is not None and _is_ranked(trial) and (best is None or _rank_of(trial) < _rank_of(best)):
            self._best = tid
        if tid in self._front:
            ranked = [t for t in self._trials.values() if t.losses is not None and _is_ranked(t)]
            self._front = []
            for each in sorted(ranked, key=lambda t: t.tid):
                self._join_front(each)
        elif trial.losses is not None and _is_ranked(trial):
            self._join_front(trial)

    def _join_front(self, trial: Trial) -> None:
        mine = trial.losses or ()
        theirs = {tid: self._trials[tid].losses or () for tid in self._front}
        if not any(dominates(losses, mine) or len(losses) != len(mine) for losses in theirs.values()):
            self._front = sorted([trial.tid, *(tid for tid, losses in theirs.items() if not dominates(mine, losses))])

    def _take_header(self, event: Event) -> None:
        self.ver = event.ver
        match event:
            case Created():
                self.created = event
                self.limits, self.algorithm, self.objective = event.limits, event.algorithm, event.objective
                self.pruner = event.pruner or NOTHING
                self.generator = event.generator
                return
            case Changed():
                self.limits = self.limits if event.limits is None else event.limits
                self.algorithm = self.algorithm if event.algorithm is None else event.algorithm
                self.objective = self.objective if event.objective is None else event.objective
                self.pruner = self.pruner if event.pruner is None else event.pruner
                self.generator = self.generator if event.generator is None else event.generator
            case Paused(why=why):
                self.status, self.why = "paused", why
            case Resumed():
                self.status, self.why = "open", None
            case Finished(why=why):
                self.status, self.why = "finished", why
                self._observe(event.observed)
            case Noted(about=about):
                self.notes = (*self.notes, event)
                self.watched.update(about or ())
                return
            case Forked() | _:
                pass
        self._tell(None, event.ver)

    def _tell(self, chain: int | None, ver: int) -> None:
        self._news.pop(chain, None)  # the latest news of a chain goes to the end of the line
        if ver > self.known.get(chain, -1):
            self._news[chain] = ver

    def _observe(self, observed: Iterable[Any]) -> None:
        for chain, ver, _ in observed:
            known = self.known[chain] = max(ver, self.known.get(chain, -1))
            if known >= self._news.get(chain, 2**63):
                del self._news[chain]


def _attachments(told: Iterable[Data | None]) -> dict[str, Data]:
    latest = {attachment["name"]: attachment for attachment in told if attachment is not None}
    return {name: attachment for name, attachment in latest.items() if not attachment.get("removed")}


def _moment(event: Event) -> tuple[Any, ...]:
    return event.at, event.tid is None, event.tid or 0, event.ver


def _end_of(trial: Trial) -> Done | Failed | Cancelled | None:
    return trial.end if trial.is_finished else None


def dominates(one: Sequence[float], other: Sequence[float]) -> bool:
    """Return whether the losses of *one* are nowhere worse than those of the *other*, and somewhere better."""
    return all(a <= b for a, b in zip(one, other, strict=False)) and tuple(one) != tuple(other)


def _is_ranked(trial: Trial) -> bool:
    """Return whether *trial* is in the running: ok, with numbers for losses, and violating nothing."""
    if trial.status != "ok" or trial.is_void or not trial.is_feasible:
        return False
    losses = [*(trial.losses or ()), *(() if trial.loss is None else (trial.loss,))]
    return bool(losses) and not any(map(math.isnan, losses))


def _rank_of(trial: Trial) -> tuple[float, int]:
    assert trial.loss is not None
    return trial.loss, trial.tid


def fold(exp: str, events: Iterable[Event]) -> State:
    """Return the state of *exp* after *events*."""
    state = State(exp)
    state.take(events)
    return state
