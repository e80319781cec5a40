"""FailureWatch: tells the user of each trial that fails, and how many failed in a row."""

from __future__ import annotations

import shlex

from hstore.store.experiment import Experiment
from hstore.store.failures import failure_of, kind_of
from hstore.store.messages import Log

LOG = Log("search")

SAME_AT_THE_START = 3
"""After so many failures of one kind, and nothing else before, the objective or its environment is suspected."""


class FailureWatch:
    """Follows the ends of the trials of *experiment*, from now on; those that ended before are only counted."""

    def __init__(self, experiment: Experiment) -> None:
        self.experiment = experiment
        trials = experiment.state.trials
        self.count = experiment.state.failures
        """How many trials have failed, earlier ones included."""
        self.in_a_row = 0
        """How many of those that ended last have failed, since this began to watch."""
        self._at_the_start: list[str] | None = []
        """Kinds of the failures so far, until a trial ends well."""
        self._awaited = set(experiment.state.open)
        self._next = len(trials)

    def look(self) -> None:
        """Take in the trials that have ended since the last look, in order of their numbers."""
        state = self.experiment.state
        trials, n = state.trials, len(state.trials)
        self._awaited.update(range(self._next, n), state.open)
        self._next = n
        for tid in sorted(self._awaited):
            if tid in trials and trials[tid].is_finished:
                self._awaited.discard(tid)
                self._take(tid)

    def _take(self, tid: int) -> None:
        trial = self.experiment.state.trials[tid]
        failure = failure_of(trial)
        if failure is None:
            if trial.state == "done":
                self.in_a_row, self._at_the_start = 0, None
            return
        self.count += 1
        self.in_a_row += 1
        retries = sum(trial.retries.values())
        attempts = f" in attempt {retries + 1}" if retries else ""
        hint = where_to_look(self.experiment.name, tid) if self.experiment.store.is_durable else ""
        self._warn(f"trial {tid} failed{attempts}: {failure}{hint}", trial=tid)
        if self._at_the_start is not None:
            self._at_the_start.append(kind_of(failure))
            self._suspect(failure)

    def _suspect(self, failure: str) -> None:
        kinds = self._at_the_start or []
        if len(kinds) == SAME_AT_THE_START and len(set(kinds)) == 1:
            self._warn(
                f"the first {len(kinds)} trials all failed with the same error; something is probably wrong with the "
                f"objective or its environment: {failure}"
            )

    def _warn(self, message: str, trial: int | None = None) -> None:
        LOG.warning(message, experiment=self.experiment.name, trial=trial)


def where_to_look(experiment: str, tid: int) -> str:
    """Return the end of a message about trial *tid*: the command that shows it."""
    return f" (see `hstore show {shlex.quote(experiment)} {tid}`)"
