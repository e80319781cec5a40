"""ExperimentSummary: what an experiment is now, read at a cost that does not grow with the trials that have ended."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from hstore.store.events import Cancelled, Document
from hstore.store.experiment import Experiment
from hstore.store.experiment_outline import LatestEvent, Outline
from hstore.store.fold import UNREADABLE, Trial
from hstore.store.ranked import best_first

if TYPE_CHECKING:
    from hstore.engine.search.recommendation import Recommendation
    from hstore.store.events import Event
    from hstore.store.store import Store

LATEST = 10
"""How many of the last trials are read from the log in any case."""
MOST_READ = 2000
"""If more trials than this have not ended, the log is read as a whole: that is not slower then."""
ATTEMPTS = 3
"""How often the documents are read while trials end at the same time, before the log is read as a whole."""


class FrontTrial(NamedTuple):
    """A trial of a Pareto front."""

    tid: int
    losses: Sequence[float]


class ExperimentSummary:
    """What is known of *experiment* as a whole; with the properties of a `State` that `experiments` shows.

    outline: what `trials` and `experiments` say of the trials that are not read in *experiment*; None if it has read
    all of them.
    """

    def __init__(self, experiment: Experiment, outline: Outline | None = None) -> None:
        self.experiment = experiment
        self._outline = outline
        state = experiment.state
        self.exp, self.ver, self.status, self.why = state.exp, state.ver, state.status, state.why
        self.title, self.is_archived = state.title, state.is_archived
        self.created, self.limits, self.algorithm, self.pruner = (
            state.created, state.limits, state.algorithm, state.pruner,
        )  # fmt: skip
        self.trials = range(len(state.trials) if outline is None else max(outline.last, *state.trials, -1) + 1)
        """The tids of all trials."""
        self.counts: dict[str, int] = state.counts
        """Number of trials by state."""
        self.pruned = state.pruned
        self.events = state.events
        self.last: Event | LatestEvent | None = state.last
        """The latest event, as far as it is known."""
        if outline is not None:
            self._add(outline)

    def _add(self, outline: Outline) -> None:
        state = self.experiment.state
        read = Counter(self._state_of(trial) for trial in state.trials.values())
        shown = Counter(outline.ended)
        # Those that are read count as they were read.
        for tid in state.trials:
            if tid <= outline.last and tid not in outline.open:
                shown[outline.known[tid]] -= 1
        order = ("queued", "reserved", "running", "done", "failed", "cancelled", UNREADABLE)
        self.counts = {name: n for name in order if (n := shown[name] + read[name])}
        self.pruned = outline.pruned + sum(
            trial.is_pruned for tid, trial in state.trials.items() if tid in outline.open or tid > outline.last
        )
        self.events = outline.events
        if outline.latest is not None and (self.last is None or outline.latest.at > self.last.at):
            self.last = outline.latest

    def _state_of(self, trial: Trial) -> str:
        return UNREADABLE if trial.tid in self._closed else trial.state

    @property
    def _closed(self) -> list[int]:
        return self.experiment.state.closed

    @property
    def as_of_event(self) -> int | None:
        """Number of the events that the document in `experiments` reflects; None if all events were read."""
        return None if self._outline is None else self._outline.events

    @property
    def ended(self) -> int:
        """Number of trials that have ended."""
        if self._outline is None:
            return self.experiment.state.ended
        return len(self.trials) - len(self.experiment.state.open)

    @property
    def best(self) -> Trial | None:
        """See `State.best`."""
        if self._outline is None:
            return self.experiment.state.best
        ranked = [t for t in self.experiment.state.trials.values() if t.loss is not None and not t.why_unranked]
        return min(ranked, key=lambda trial: best_first(trial.loss, trial.tid), default=None)

    @property
    def recommended(self) -> Recommendation | None:
        """See `Experiment.recommended`; None without a best trial, and without a sign of noise.

        Only what the algorithm and the trials that were read say is a sign, so that a search without noise is not read
        as a whole for it; nor is one of more than `MOST_READ` trials.
        """
        from hstore.engine.search.declared_noise import is_declared_noisy

        state = self.experiment.state
        if self.best is None or not is_declared_noisy(state.algorithm, (trial for _, trial in state.kept_trials())):
            return None
        if self._outline is None:
            return self.experiment.recommended
        return None if len(self.trials) > MOST_READ else self.experiment.store.experiment(self.exp).recommended

    @property
    def pareto(self) -> Sequence[FrontTrial]:
        """The Pareto front, by tid; of a summary from documents as of `as_of_event`, and 200 trials at most."""
        if self._outline is None:
            return [FrontTrial(trial.tid, trial.losses or ()) for trial in self.experiment.state.pareto]
        return [FrontTrial(each["tid"], each["losses"]) for each in self._outline.pareto]

    @property
    def latest(self) -> list[Trial]:
        """The last `LATEST` trials, by tid."""
        trials = self.experiment.state.trials
        return [trials[tid] for tid in self.trials[-LATEST:] if tid in trials]

    @property
    def decision_digest(self) -> bytes:
        """Digest of the last decision; of the event that began the experiment if there is none."""
        last = len(self.trials) - 1
        return self.experiment.digest(last, 0) if last >= 0 else self.experiment.digest(None, 0)

    def again(self) -> ExperimentSummary:
        """Return the summary of the experiment as it is now; of one that was read as a whole what is new is read."""
        if self._outline is not None:
            return read_summary(self.experiment.store, self.exp)
        self.experiment.refresh()
        return ExperimentSummary(self.experiment)

    def load(self, tids: Sequence[int]) -> list[Trial]:
        """Return the trials *tids*."""
        return [trial for trial in self.experiment.load_trials(tids) if trial is not None]

    def evaluations(self) -> list[tuple[dt.datetime, dt.datetime]]:
        """Return when trials that were evaluated began and ended; of a summary from documents those of the latest."""
        trials = self.experiment.state.trials
        spans = [_span(trial) for trial in trials.values() if _is_evaluated(trial)]
        if self._outline is not None:
            spans += [(began, ended) for tid, began, ended in self._outline.spans if tid not in trials]
        return spans

    def documents(self, fields: Iterable[str] | None = None) -> Iterator[Document]:
        """Yield the document of each trial as in `trials`, by tid.

        fields: of those that are not read from the log, only these are read; None: all.
        """
        from hstore.store.model_documents import trial_document

        trials = self.experiment.state.trials
        if self._outline is None:
            yield from (trial_document(trials[tid]) for tid in sorted(trials))
            return
        for document in self._outline.documents(fields):
            if document["tid"] not in trials:
                yield document
            else:
                yield trial_document(trials[document["tid"]])
        yield from (trial_document(trials[tid]) for tid in sorted(trials) if tid > self._outline.last)


def read_summary(store: Store, name: str) -> ExperimentSummary:
    """Return the summary of experiment *name*; raises `NotFound`.

    The log is read as a whole where the documents of the experiment are missing, or do not add up.
    """
    for _ in range(ATTEMPTS):
        outline = store.models.outline(name, latest=LATEST)
        if outline is None or len(outline.open) > MOST_READ:
            break
        if outline.adds_up:
            experiment = Experiment(store, name, only=[*outline.open, *outline.known], after=outline.last)
            experiment.refresh()
            if experiment.state.events == 0 or not {*outline.open, *outline.known} <= experiment.state.trials.keys():
                break
            return ExperimentSummary(experiment, outline)
    return ExperimentSummary(store.experiment(name))


def _is_evaluated(trial: Trial) -> bool:
    return trial.is_finished and not isinstance(trial.end, Cancelled)


def _span(trial: Trial) -> tuple[dt.datetime, dt.datetime]:
    assert trial.end is not None
    return trial.reserved.at if trial.reserved else trial.end.at, trial.end.at
