"""Ctrl: the handle by which an objective reports progress, keeps attachments and hears that its trial is to stop."""

from __future__ import annotations

import logging
import os
import time
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, MutableMapping, Sequence
from typing import TYPE_CHECKING, Any

from hstore.engine.evaluation.attachments import ChainAttachments
from hstore.engine.evaluation.attempt import append_held, begin, claim, done, is_held
from hstore.engine.evaluation.gate import gate
from hstore.engine.evaluation.results import as_result
from hstore.engine.plain_numbers import as_real
from hstore.engine.pruners.curves import Curve, curve_of
from hstore.engine.space import Space
from hstore.store.errors import InvalidValue
from hstore.store.events import Done, Queued, Reported, Reserved
from hstore.store.experiment import Experiment, PendingEvent, author
from hstore.store.log import report_row
from hstore.store.values import normalise

if TYPE_CHECKING:
    from hstore.engine.evaluation.pruning import PruningSession

LOOK_SECONDS = 1.0
"""How often at most `should_stop` asks the store."""


class BaseCtrl(ABC):
    """Handle for reporting progress, attachments and pruning: what an objective may use in any process."""

    is_hstore_ctrl_class = True  # a space that holds such a class gets the live object in its place

    has_all_of_ctrl = False
    """Whether instances count as `hstore.Ctrl`, which is made on top of this."""

    _logger = logging.getLogger("hstore.objective")
    info = _logger.info
    warn = _logger.warning
    error = _logger.error
    debug = _logger.debug

    tid: int | None = None
    """The number of the trial in the log of its experiment."""
    last_report: tuple[int, float] | None = None
    """The latest step and value that were reported."""
    is_pruned = False
    """Whether `should_stop` has returned that the pruner stops the trial, and nothing was reported since."""
    _is_hopeless = False

    def report(self, step: int, value: float) -> None:
        """Record *value* at *step*, such as the validation loss after an epoch: smaller is better.

        If the search has a pruner, it is asked now whether the trial should go on; `should_stop` returns its answer.
        With several losses too, the pruner sees this number alone. Raises `InvalidValue` for a value that is
        not a number, and for a step that is not a whole number.
        """
        plain_step, plain_value = _as_int(step), _as_float(value)
        if plain_step is None or plain_value is None:
            raise InvalidValue(
                f"ctrl.report takes a whole number and a number, not {step!r:.40} and {value!r:.80}",
                hint="of several losses, report one number that says how the trial is getting on; "
                "count parts of an epoch in batches", path="value",
            )  # fmt: skip
        self.last_report = plain_step, plain_value
        self.is_pruned = False  # it goes on, whatever the pruner decided
        self._is_hopeless = self.judge(*self.last_report)

    def should_stop(self) -> bool:
        """Return whether the result is no longer wanted: the pruner stopped the trial, or the trial was cancelled, or
        the search is paused or finished.

        If the pruner stopped it and the objective returns at once, the trial counts as pruned: it fails, with the
        last value that it reported. If the objective goes on, the trial ends like any other. Cheap enough for every
        step: the store is asked once a second at most.
        """
        if self._is_hopeless:
            self.is_pruned = True
            return True
        return self._is_unwanted()

    def checkpoint(self, r: Mapping[str, Any] | None = None, *, result: Mapping[str, Any] | None = None) -> None:
        """Record a partial result: *r*, or *result*, which is the same."""
        result = r if result is None else result
        if result is not None:
            self.append_report(result=normalise(dict(result), path="result"))

    @property
    @abstractmethod
    def experiment(self) -> Experiment:
        """The experiment that the trial belongs to."""

    @property
    @abstractmethod
    def attachments(self) -> MutableMapping[str, Any]:
        """The trial's attachments: content by name."""

    @abstractmethod
    def judge(self, step: int, value: float) -> bool:
        """Append a reported value, with the pruner's decision if it is to stop; return whether it is."""

    def judge_all(self, reported: Iterable[tuple[int, float]]) -> None:
        """Do what `judge` does for each step and value that were *reported* one after the other."""
        for step, value in reported:
            self.judge(step, value)

    @abstractmethod
    def append_report(self, **data: Any) -> None:
        """Append a `reported` event; raises `Conflict` if the trial was given to another process."""

    @abstractmethod
    def _is_unwanted(self) -> bool:
        """Return whether the trial is to stop for another reason than its pruner."""


class TrialCtrl(BaseCtrl):
    """The handle on trial *number* of *experiment*, which this process evaluates; None for no trial.

    pruning: decides whether reports mean that the trial is to stop; None if the search has no pruner.
    """

    def __init__(
        self, experiment: Experiment, number: int | None = None, *, pruning: PruningSession | None = None
    ) -> None:
        self._experiment = experiment
        self.tid = number
        self._looked = time.monotonic()
        self._claim = None if number is None else experiment.state.trials[number].reserved
        self._pruning = pruning
        self._curve, self._is_hopeless = (Curve(), False) if number is None else _reported(experiment, number)

    @property
    def experiment(self) -> Experiment:
        """See `BaseCtrl.experiment`."""
        return self._experiment

    @property
    def _taken(self) -> Reserved | None:
        """The claim that this speaks for."""
        if self._claim is None and self.tid is not None:
            return self._experiment.state.trials[self.tid].reserved
        return self._claim

    @property
    def attachments(self) -> MutableMapping[str, Any]:
        """See `BaseCtrl.attachments`; raises `InvalidValue` without a trial."""
        if self.tid is None:
            raise InvalidValue("there is no trial to attach anything to", hint="Ctrl(trials, current_trial)")
        return ChainAttachments(self._experiment, self.tid)

    def judge(self, step: int, value: float) -> bool:
        """See `BaseCtrl.judge`."""
        data: dict[str, Any] = {"step": step, "value": value}
        self._curve.add(step, value)
        with gate(self._experiment):
            if self._pruning is not None and self.tid is not None and not self._is_hopeless:
                data["pruning"] = self._pruning.judge(self.tid, self._curve)
                self._is_hopeless = data["pruning"] is not None
            self.append_report(**data)
        return self._is_hopeless

    def judge_all(self, reported: Iterable[tuple[int, float]]) -> None:
        """See `BaseCtrl.judge_all`: in one append, unless there is a pruner to ask. Raises as `append_report` does."""
        if self._pruning is not None and self._pruning.pruner is not None:
            super().judge_all(reported)
            return
        reported = list(reported)
        for step, value in reported:
            self._curve.add(step, value)
        self._append([{"step": step, "value": value} for step, value in reported])

    def append_report(self, **data: Any) -> None:
        """See `BaseCtrl.append_report`; raises `InvalidValue` if no process evaluates the trial."""
        self._append([data])

    def _append(self, reports: Sequence[Mapping[str, Any]]) -> None:
        taken = self._taken
        if taken is None:
            raise InvalidValue("the trial is not being evaluated", hint="its document's state says whether it is")
        with gate(self._experiment):
            append_held(self._experiment, taken, [(Reported, self.tid, data) for data in reports])

    def _is_unwanted(self) -> bool:
        if time.monotonic() - self._looked > LOOK_SECONDS:
            with gate(self._experiment):
                self._experiment.refresh()
            self._looked = time.monotonic()
        is_ours = self._taken is not None and is_held(self._experiment, self._taken)
        return self._experiment.state.status != "open" or not is_ours


def _reported(experiment: Experiment, tid: int) -> tuple[Curve, bool]:
    """Return what the present attempt at trial *tid* reported so far, and whether it is to stop.

    There is something where another process began the attempt: one that asked for the trial on a command line, say.
    """
    trial = experiment.state.trials[tid]
    since = trial.reserved.ver if trial.reserved else trial.ver
    reports = [report for report in trial.reports if report.ver > since]
    is_hopeless = any(report.pruning is not None for report in reports)
    return curve_of(report_row(tid, report) for report in reports), is_hopeless


def _as_int(step: Any) -> int | None:
    """Return a step as an int; None if it has a fraction, which the log could not hold, or is no number."""
    try:
        whole = int(step)
        return whole if isinstance(step, str) or whole == step else None
    except (TypeError, ValueError, OverflowError):
        return None


def _as_float(value: Any) -> float | None:
    try:
        return float(value if (real := as_real(value)) is None else real)
    except (TypeError, ValueError, OverflowError):
        return None


def inject(
    experiment: Experiment,
    found: Sequence[tuple[Mapping[str, Any], Mapping[str, Any]]],
    *,
    from_tid: int | None = None,
) -> list[int]:
    """Append trials that are done already, each of raw values by label (or lists of one) and a result; return ids.

    from_tid: the trial whose evaluation brought them.
    """
    assert experiment.state.created is not None
    space = Space.from_data(experiment.state.space)
    return [_inject_one(experiment, space, vals, returned, from_tid) for vals, returned in found]


def _inject_one(
    experiment: Experiment, space: Space, vals: Mapping[str, Any], returned: Mapping[str, Any], from_tid: int | None
) -> int:
    given = {label: v[0] if isinstance(v, list) else v for label, v in vals.items() if not isinstance(v, list) or v}
    point = normalise(given, path="vals")
    space.check(point)
    result = normalise(as_result(returned), path="result")
    queued: dict[str, Any] = {"point": point, "params": space.params(point), "source": "injected"}
    if from_tid is not None:
        queued["imported"] = {"from": "injected", "from_tid": from_tid}

    def decide() -> list[PendingEvent]:
        tid = len(experiment.state.trials)
        taken = claim(tid, attempts=0, worker=author())
        begun = begin(tid, pid=os.getpid(), objective=None)
        return [(Queued, tid, queued), taken, begun, (Done, tid, done(result, 0.0))]

    with gate(experiment):
        (event, *_) = experiment.append_decided(decide)
    assert event.tid is not None
    return event.tid
