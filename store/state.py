"""The state: what an experiment is, given its events. Pure; whatever is in the log can be folded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, ItemsView, Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

from hstore.store import failures
from hstore.store.errors import AllTrialsFailed
from hstore.store.events import (
    NOTHING,
    Changed,
    Created,
    Data,
    Event,
    Finished,
    Forked,
    Noted,
    Paused,
    Queued,
    Resumed,
    Sealed,
    Unreadable,
)
from hstore.store.fold import UNREADABLE, Trial, evolve, fold_plain, is_news, latest_attachments, unread
from hstore.store.html import state_html
from hstore.store.keep_output import KEEP_OUTPUT
from hstore.store.observations import Observations
from hstore.store.ranking import Ranking
from hstore.store.trial_map import TrialMap

if TYPE_CHECKING:
    from hstore.store.settled import SettledTrials

NOTHING_ASIDE: Mapping[int | None, str] = MappingProxyType({})


class State:
    """All of one experiment, folded. Grows by `take`; the values that it returns never change."""

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
        """Empty: none."""
        self.generator: Data = NOTHING
        self.space: Data = NOTHING
        self.forked: Forked | None = None
        """What says from which other experiment this one went on, the last time if it is a fork of a fork."""
        self.keep_output = KEEP_OUTPUT[0]
        """Of which trials workers keep what they print."""
        self.provenance: Data = NOTHING
        """Where the search came from, as it was recorded last; empty if it never was."""
        self.pruned = 0
        """How many trials it stopped early."""
        self.notes: tuple[Noted, ...] = ()
        self.title: str | None = None
        """What people call it beside its name."""
        self.is_archived = False
        """Whether it is hidden from lists and from workers that serve all experiments."""
        self.copied: Data | None = None
        """Where it was copied from, if it has another name there; see `Noted.copied`."""
        self.last: Event | None = None
        """The latest event by its writer's clock, in whatever order they were read."""
        self.events = 0
        """Number of events taken."""
        self.unreadable: tuple[Unreadable, ...] = ()
        self.closed_by: Unreadable | None = None
        """The last event of the experiment's own chain, if this program cannot read it."""
        self.aside: Mapping[int | None, str] = NOTHING_ASIDE
        """Why nothing may follow in a chain of which events were set aside, by chain; its reader says so."""
        self.observations = Observations()
        """What decisions have observed of it, and what the next one has to."""
        self.suggested = 0
        """Number of decisions that an algorithm made."""
        self._all = TrialMap()
        self._trials = self._all.kept
        """Those that are not settled."""
        self._ranking = Ranking(self._all)
        self._counts: Counter[str] = Counter()
        self._open: dict[int, int] = {}

    @property
    def trials(self) -> Mapping[int, Trial]:
        """Trial by tid, read-only. One that is settled is read from the log when it is asked for."""
        return MappingProxyType(self._trials if self._all.settled is None else self._all)

    @property
    def settled(self) -> SettledTrials | None:
        """The trials of which only columns are known; None if there are none."""
        return self._all.settled

    def kept_trials(self) -> ItemsView[int, Trial]:
        """Return tid and trial of those that are not settled."""
        return self._trials.items()

    def unlike_most(self) -> Iterator[Trial]:
        """Yield all trials but those that are settled and plain: suggested by an algorithm, and without notes."""
        yield from self._trials.values()
        if (settled := self._all.settled) is not None:
            from hstore.store.settled import PLAIN

            yield from self._all.several(settled.tids(lacking=PLAIN).tolist())

    def from_elsewhere(self) -> Iterator[Trial]:
        """Yield the settled trials that a warm start brought."""
        if (settled := self._all.settled) is not None:
            from hstore.store.settled import ELSEWHERE

            yield from self._all.several(settled.tids(having=ELSEWHERE).tolist())

    @property
    def failures(self) -> int:
        """How many trials have failed; see `failures.failure_of`."""
        n = sum(failures.failure_of(trial) is not None for trial in self._trials.values())
        if (settled := self._all.settled) is not None:
            from hstore.store.settled import FAILURE

            n += len(settled.tids(FAILURE))
        return n

    def begin_from(self, settled: SettledTrials, load: Callable[[Sequence[int]], list[Trial]]) -> None:
        """Begin with the trials that are *settled*; the events of all other chains are taken after this.

        load: returns trials by their numbers, as they are since they were settled.
        """
        from hstore.store.settled import PRUNED, SUGGESTED

        assert self.events == 0
        self._all.settled, self._all.load = settled, load
        self.observations.begin_from(settled)
        self._counts.update(settled.counts())
        self.events = settled.events
        self.pruned, self.suggested = len(settled.tids(PRUNED)), len(settled.tids(SUGGESTED))

    def settle(self, settled: SettledTrials, load: Callable[[Sequence[int]], list[Trial]]) -> None:
        """Keep of the trials that are *settled* no more than their columns, which `settled.settle` made of this state.

        load: as in `begin_from`.
        """
        settled.take_from(self._trials)
        self._all.settled, self._all.load = settled, load
        self.observations.settle(settled)

    def recall(self, trial: Trial) -> None:
        """Keep *trial*, which was settled and goes on."""
        self._all.recall(trial)
        self.observations.recall(trial.tid)

    @property
    def counts(self) -> dict[str, int]:
        """Number of trials by state; those of `closed` are counted as "unreadable"."""
        counts = self._counts
        if closed := self.closed:
            counts = counts - Counter(self._trials[tid].state for tid in closed)
            counts[UNREADABLE] = len(closed)
        return {state: n for state, n in counts.items() if n}

    @property
    def open(self) -> Mapping[int, int]:
        """Last known ver by tid of trials that have not ended."""
        return MappingProxyType(self._open)

    @property
    def closed(self) -> list[int]:
        """Trials that may have ended: the last event of their chains cannot be read here, or more was set aside."""
        tids = {event.tid for event in self.unreadable if self._trials_closed_by(event.tid)} | self.aside.keys()
        return sorted(tid for tid in tids if tid is not None and tid in self._open)

    def _trials_closed_by(self, tid: int | None) -> Unreadable | None:
        return self._trials[tid].closed_by if tid is not None and tid in self._trials else None

    def why_closed(self, tid: int | None) -> str | None:
        """Return why nothing may follow in the chain of *tid* (None: the experiment's own); None if it may."""
        if (why := self.aside.get(tid)) is not None:
            return why
        end = self.closed_by if tid is None else self._trials_closed_by(tid)
        return None if end is None else unread(end)

    @property
    def awaited(self) -> list[int]:
        """Trials that have not ended, without those of `closed`."""
        closed = set(self.closed)
        return sorted(tid for tid in self._open if tid not in closed)

    @property
    def ended(self) -> int:
        """Number of trials that have ended."""
        return len(self._all) - len(self._open)

    @property
    def attachments(self) -> dict[str, Data]:
        """name, sha256 and length of each attachment of the experiment itself, by its name."""
        return latest_attachments(note.attachment for note in self.notes)

    @property
    def tags(self) -> tuple[str, ...]:
        """Tags of the experiment itself, in order."""
        return tuple(dict.fromkeys(tag for note in self.notes for tag in note.tags or ()))

    @property
    def best(self) -> Trial | None:
        """The trial of status ok with the smallest loss, the first on ties; None if there is none.

        Where results have constraints it is the best of those that violate none.
        """
        return self._ranking.best

    @property
    def pareto(self) -> list[Trial]:
        """The trials with several losses, by tid, than which none is at least as good in all and better in one.

        Those that violate a constraint are not among them, nor those with NaN among their losses.
        """
        return self._ranking.front

    @property
    def summary(self) -> str:
        """The experiment in one line: name, status, trials by state, best loss."""
        counts = ", ".join(f"{n} {state}" for state, n in self.counts.items()) or "no trials yet"
        best, front = self.best, self.pareto
        found = f"; best loss {best.loss:.6g} of trial {best.tid}" if best is not None and best.loss is not None else ""
        found = found or (f"; Pareto front of {len(front)}" if front else "")
        return f"{self.exp!r} {self.status}: {counts}{found}"

    def __repr__(self) -> str:
        return f"<State {self.summary}>"

    def _repr_html_(self) -> str:
        return state_html(self)

    def require_best(self) -> Trial:
        """Return `best`, or raise `AllTrialsFailed`."""
        best = self.best
        if best is None:
            if self.pareto:
                hint = "see its Pareto front: `pareto` in Python, `hstore show` as a command"
                raise AllTrialsFailed(f"the trials of {self.exp!r} have several losses, so none is best", hint=hint)
            said = failures.summary(trial for _, trial in sorted(self.trials.items()))
            raise AllTrialsFailed(f"no trial of {self.exp!r} finished with a usable loss{said}")
        return best

    def take(self, events: Iterable[Event]) -> None:
        """Fold *events* in; per chain they come in order and without gaps, chains may come in any order."""
        for tid, run in groupby(events, _tid_of):
            chain = list(run)
            for event in chain:
                last = self.last
                if last is None or event.at > last.at or (event.at == last.at and _moment(event) >= _moment(last)):
                    self.last = event
            self.events += len(chain)
            if tid is not None and chain[0].ver == 0 and (trial := fold_plain(chain)) and tid not in self._trials:
                self._take_whole(trial)
                continue
            for event in chain:
                if isinstance(event, Unreadable) and not event.is_quarantined:
                    self.unreadable = (*self.unreadable, event)
                if tid is None:
                    self._take_header(event)
                else:
                    self._take_trial(tid, event)

    def evict(self, tid: int) -> None:
        """Forget trial *tid*, for a reader that follows some trials only."""
        trial = self._trials.pop(tid, None)
        if trial is not None:
            self._counts[trial.state] -= 1
            self.pruned -= trial.is_pruned
            self.suggested -= _is_suggested(trial)
        self._open.pop(tid, None)
        self.observations.evict(tid)
        self._ranking.remove(tid)

    def _take_whole(self, trial: Trial) -> None:
        """Take a trial that was not known, and all that was read of it, as `_take_trial` does one by one."""
        tid, counts = trial.tid, self._counts
        assert trial.queued is not None
        self._trials[tid] = trial
        counts["queued"] += 0  # states are listed in the order in which trials came to be in them
        if trial.reserved is not None:
            counts["reserved"] += 0
        if trial.running is not None:
            counts["running"] += 0
        counts[trial.state] += 1
        self.suggested += _is_suggested(trial)
        self.observations.observe(trial.queued.observed)
        if not trial.is_finished:
            self._open[tid] = trial.ver
            return
        self.pruned += trial.is_pruned
        assert trial.end is not None
        self.observations.add(tid, trial.end.ver)
        self._ranking.update(trial)

    def _take_trial(self, tid: int, event: Event) -> None:
        before = self._trials.get(tid)
        trial = evolve(before, event)
        self._trials[tid] = trial
        if isinstance(event, Queued):
            self.observations.observe(event.observed)
        if before is None:
            self._counts[trial.state] += 1
            self.suggested += _is_suggested(trial)
            if not trial.is_finished:
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
        if is_news(before, trial):
            self.observations.add(tid, trial.ver)
            self._ranking.update(trial)

    def _take_header(self, event: Event) -> None:
        self.ver = event.ver
        self.closed_by = event if isinstance(event, Unreadable) and not event.is_quarantined else None
        match event:
            case Created():
                self.created = event
                self.limits, self.algorithm, self.objective = event.limits, event.algorithm, event.objective
                self.pruner = event.pruner or NOTHING
                self.generator, self.space = event.generator, event.space
                self.keep_output = event.keep_output or self.keep_output
                self.provenance = event.provenance or NOTHING
                return
            case Changed():
                self.limits = self.limits if event.limits is None else event.limits
                self.algorithm = self.algorithm if event.algorithm is None else event.algorithm
                self.objective = self.objective if event.objective is None else event.objective
                self.pruner = self.pruner if event.pruner is None else event.pruner
                self.generator = self.generator if event.generator is None else event.generator
                self.space = self.space if event.space is None else event.space
                self.keep_output = event.keep_output or self.keep_output
                self.provenance = event.provenance or self.provenance
            case Paused(why=why):
                self.status, self.why = "paused", why
            case Resumed():
                self.status, self.why = "open", None
            case Finished(why=why):
                self.status, self.why = "finished", why
                self.observations.observe(event.observed, at_end=True)
            case Noted(about=about):
                self.notes = (*self.notes, event)
                self.title = self.title if event.title is None else event.title or None
                self.is_archived = self.is_archived if event.archived is None else event.archived
                self.copied = event.copied or self.copied
                self.observations.watched.update(about or ())
                return
            case Sealed():
                return
            case Forked():
                self.forked = event
            case _:
                pass
        self.observations.add(None, event.ver)


def _tid_of(event: Event) -> int | None:
    return event.tid


def _moment(event: Event) -> tuple[Any, ...]:
    return event.at, event.tid is None, event.tid or 0, event.ver


def _is_suggested(trial: Trial) -> bool:
    return trial.queued is not None and trial.queued.source == "suggested"


def fold(exp: str, events: Iterable[Event]) -> State:
    """Return the state of *exp* after *events*."""
    state = State(exp)
    state.take(events)
    return state
