"""What a slot asks of the worker that it belongs to."""

from __future__ import annotations

import logging
from typing import Any, Protocol

from hstore.engine.evaluation.objective_spec import ObjectiveSpec
from hstore.store.errors import HstoreError
from hstore.store.events import Reserved
from hstore.store.experiment import Experiment


class Interruptible(Protocol):
    """A slot, as its worker sees it while it evaluates a trial."""

    number: int
    is_unwanted: bool

    def interrupt(self) -> None:
        """End the call that is running; its trial is queued again."""

    def lose(self, taken: Reserved) -> None:
        """End the call that is running if it evaluates the trial of *taken*, which another worker has now."""


class WorkerContext(Protocol):
    """What a slot asks of its worker, from the slot's own thread."""

    session: str
    lease: float
    trial_timeout: float | None
    max_jobs_per_child: int | None

    @property
    def name(self) -> str:
        """What the log and other workers know the worker by."""

    def experiments(self) -> list[str]:
        """Return the names of the experiments to take trials of."""

    def may_take(self) -> bool:
        """Return whether the slot may take one more trial; a slot that then takes none calls `took_none`."""

    def took_none(self) -> None:
        """Give back what `may_take` allowed."""

    def is_leaving(self) -> bool:
        """Return whether no trial may be started any more."""

    def spec(self, experiment: Experiment) -> tuple[str, ObjectiveSpec]:
        """Return the key and the spec of the objective of *experiment*. Raises `CannotLoad`."""

    def refuse(self, experiment: Experiment, error: HstoreError) -> None:
        """Skip *experiment* from now on, until its objective changes, or its own chain goes on."""

    def refuse_all_of(self, name: str, error: HstoreError) -> None:
        """Do the same with experiment *name*, of which nothing was read."""

    def loaded(self, experiment: Experiment, spec: ObjectiveSpec, version: str | None) -> None:
        """Note that the code of *spec* was loaded here, and is of this *version*."""

    def leave_closed(self, experiment: Experiment, tid: int, why: str) -> None:
        """Note that queued trial *tid* is left as it is, since nothing may follow in its chain, and *why*."""

    def began(self, slot: Interruptible, taken: Reserved) -> None:
        """Note that *slot* evaluates the trial of *taken*."""

    def goes_on(self, taken: Reserved) -> None:
        """Give the trial a lease: it takes longer than a moment."""

    def ended(self, slot: Interruptible, taken: Reserved, kind: str) -> None:
        """Note that *slot* evaluates it no more, and how the call ended (`CallResult.kind`)."""

    def failed(self, taken: Reserved, failure: str, *, is_tried_again: bool) -> None:
        """Tell the user that the trial of *taken* failed, and of what."""

    def say(self, message: str, level: int = logging.INFO, **about: Any) -> None:
        """Log *message*; about: the experiment and the trial that it is about."""
