"""A trial that a slot has claimed, and how the attempt at it ended."""

from __future__ import annotations

from dataclasses import dataclass

from hstore.engine.evaluation import attempt
from hstore.store.events import Reserved
from hstore.store.experiment import Experiment, PendingEvent


@dataclass(frozen=True, kw_only=True)
class Work:
    """A trial that this slot has claimed."""

    experiment: Experiment
    taken: Reserved
    key: str
    version: str | None
    """Of the objective's code."""

    @property
    def tid(self) -> int:
        """The trial."""
        return self.taken.tid

    @property
    def has_begun(self) -> bool:
        """Whether the log says that it is being evaluated."""
        is_reserved = self.experiment.state.trials[self.tid].state == "reserved"
        return not (is_reserved and attempt.is_held(self.experiment, self.taken))


@dataclass(frozen=True, kw_only=True)
class Ending:
    """How the attempt at a trial ended, not yet in the log: it goes there together with the next claims."""

    work: Work
    pending: list[PendingEvent]
