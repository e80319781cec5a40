"""A trial that `hstore.search` handed out: its parameters, and what the caller says of it."""

from __future__ import annotations

import time
from collections.abc import MutableMapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from hstore.engine.audit.explanation import Explanation, explain
from hstore.engine.evaluation import attempt
from hstore.engine.hyperopt.ctrl import Ctrl
from hstore.store.errors import Conflict
from hstore.store.events import Reserved
from hstore.store.experiment import now
from hstore.store.fold import Trial

if TYPE_CHECKING:
    from hstore.engine.ask_tell import Search


class AskedTrial:
    """A trial that was asked for: its parameters, and what to say of it. Made by `Search.ask` and `Search.asked`."""

    __module__ = "hstore"

    def __init__(self, search: Search, taken: Reserved, ctrl: Ctrl) -> None:
        self._search = search
        self._taken = taken
        self._ctrl = ctrl
        # Another process may have asked; then only its clock says when.
        self._began = time.monotonic() - max(0.0, (now() - taken.at).total_seconds())

    @property
    def tid(self) -> int:
        """The number of the trial."""
        return self._taken.tid

    @property
    def token(self) -> str:
        """What another process names the trial by, to tell what came of it: `Search.asked`, `hstore tell`."""
        return f"{self._taken.tid}-{self._taken.id.hex}"

    @property
    def holder(self) -> str:
        """The process that asked for it."""
        return self._taken.by

    @property
    def params(self) -> dict[str, Any]:
        """The actual value of each active label, in the order in which the space was written."""
        return dict(self._record.params)

    @property
    def point(self) -> dict[str, Any]:
        """The raw value of each active label: of a choice its index, as in hyperopt."""
        return dict(self._record.point)

    @property
    def config(self) -> Any:
        """The value of the space at this point: what an objective would be called with."""
        return self._search.space.evaluate(self.point, self._ctrl)

    @property
    def attachments(self) -> MutableMapping[str, Any]:
        """The attachments of the trial: content by name."""
        return self._ctrl.attachments

    @property
    def _record(self) -> Trial:
        return self._search.experiment.state.trials[self.tid]

    @property
    def last_report(self) -> tuple[int, float] | None:
        """The latest step and value that were reported; None before there is one."""
        return self._ctrl.last_report

    @property
    def is_pruned(self) -> bool:
        """Whether `should_stop` has returned that the pruner stops the trial: `tell()` takes no loss then."""
        return self._ctrl.is_pruned

    @property
    def is_held(self) -> bool:
        """Whether, as far as the log was read, its result still counts: it has not ended, nor was it queued again."""
        return attempt.is_held(self._search.experiment, self._taken)

    def report(self, step: int, value: float) -> None:
        """Record *value* at *step*, such as the loss after an epoch: smaller is better. See `Ctrl.report`.

        Nothing is recorded of a trial that has ended, or was queued again meanwhile; `should_stop` says so.
        """
        with self._search.locked(), suppress(Conflict):
            if self.is_held:
                self._ctrl.report(step, value)
                self._search.driver.extend(self._taken)

    def should_stop(self) -> bool:
        """Return whether the pruner stops the trial, or its result is not wanted any more. See `Ctrl.should_stop`."""
        with self._search.locked():
            return self._ctrl.should_stop()

    def tell(self, /, loss: Any = None, **result: Any) -> bool:
        """See `Search.tell`."""
        return self._search.tell(self, loss, **result)

    def fail(self, error: BaseException | str) -> bool:
        """See `Search.fail`."""
        return self._search.fail(self, error)

    def give_back(self, why: str = "given back") -> bool:
        """See `Search.give_back`."""
        return self._search.give_back(self, why)

    def explain(self) -> Explanation:
        """Return why the trial is where it is: what the search knew, and what its model expected of the point."""
        with self._search.locked():
            return explain(self._search.experiment, self.tid)

    def __repr__(self) -> str:
        return f"<hstore.AskedTrial {self.tid} of {self._search.experiment.name!r}: {self.params}>"
