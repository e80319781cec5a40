"""Ctrl: what an objective speaks to its search with: reports, attachments, whether to go on."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Mapping, MutableMapping, Sequence
from typing import TYPE_CHECKING, Any

from hstore.engine.evaluation.attachments import ChainAttachments
from hstore.engine.evaluation.attempt import append_held, begin, claim, done, is_held
from hstore.engine.evaluation.results import as_result
from hstore.engine.pruners.curves import Curve
from hstore.engine.space import Space
from hstore.store.errors import Conflict, InvalidValue
from hstore.store.events import Done, Queued, Reported, Reserved
from hstore.store.store import Experiment, PendingEvent, author
from hstore.store.values import normalise

if TYPE_CHECKING:
    from hstore.engine.evaluation.pruning import PruningSession

LOOK_SECONDS = 1.0


class Ctrl:
    """What an objective that asks for it is handed beside its point: a way to tell the log things on its way."""

    __module__ = "hstore"

    is_hstore_ctrl_class = True  # a space that holds this class gets the live object in its place

    _logger = logging.getLogger("hstore.objective")
    info = _logger.info
    warn = _logger.warning
    error = _logger.error
    debug = _logger.debug

    last_report: tuple[int, float] | None = None
    """The latest step and value that were reported."""
    is_pruned = False
    """Whether the objective has heard from `should_stop` that its pruner stops it, and has reported nothing since."""
    _is_hopeless = False

    def __init__(
        self,
        trials: Any = None,
        current_trial: dict[str, Any] | None = None,
        *,
        experiment: Experiment | None = None,
        number: int | None = None,
        referee: PruningSession | None = None,
    ) -> None:
        """Speak for *current_trial*, a document of *trials*; or for trial *number* of the log of *experiment*."""
        if experiment is None and trials is None:
            from hstore.engine.hyperopt.trials import Trials

            trials = Trials()
        self.trials = trials
        self.experiment: Experiment = trials.experiment if experiment is None else experiment
        self._document = current_trial
        self.tid = number
        if number is None and current_trial is not None:
            self.tid = trials.documents.trial_of(current_trial["tid"])
        self._looked = time.monotonic()
        self._claim = None if number is None else self.experiment.state.trials[number].reserved
        self._referee = referee
        self._curve = Curve()

    @property
    def _taken(self) -> Reserved | None:
        """The claim that this speaks for."""
        if self._claim is None and self.tid is not None:
            return self.experiment.state.trials[self.tid].reserved
        return self._claim

    @property
    def current_trial(self) -> dict[str, Any] | None:
        """The document of the trial."""
        if self._document is None and self.trials is not None and self.tid is not None:
            return self.trials.documents.document_of(self.tid)  # type: ignore[no-any-return]
        return self._document

    @property
    def attachments(self) -> MutableMapping[str, Any]:
        """The trial's attachments: content by name."""
        if self.tid is None:
            if self.current_trial is None:
                raise InvalidValue("there is no trial to attach anything to", hint="Ctrl(trials, current_trial)")
            return self.trials.trial_attachments(self.current_trial)  # type: ignore[no-any-return]
        return ChainAttachments(self.experiment, self.tid)

    def checkpoint(self, r: Mapping[str, Any] | None = None, *, result: Mapping[str, Any] | None = None) -> None:
        """Record a partial result: *r*, or *result*, which is the same."""
        result = r if result is None else result
        if result is None:
            return
        if self._document is None:
            self.append_report(result=normalise(dict(result), path="result"))
        else:
            self._document["result"] = dict(result)
            if self.tid is not None:  # what was inserted is a copy of what this was made with
                self.trials.documents.document_of(self.tid)["result"] = dict(result)
            self.trials.documents.refresh()

    def report(self, step: int, value: float) -> None:
        """Record *value* at *step*, such as the validation loss after an epoch: smaller is better.

        Where the search has a pruner, it is asked now whether to go on; `should_stop` tells. It goes by this number
        alone, however many losses there are. Raises `InvalidValue` for a value that is not a number, and for a step
        that is not a whole number.
        """
        try:
            self.last_report = _whole(step), float(value)
        except (TypeError, ValueError, OverflowError):
            raise InvalidValue(
                f"ctrl.report takes a whole number and a number, not {step!r:.40} and {value!r:.80}",
                hint="of several losses, report one number that says how the trial is getting on; "
                "count parts of an epoch in batches", path="value",
            ) from None  # fmt: skip
        self.is_pruned = False  # it goes on, whatever it was told
        self._is_hopeless = self.judge(*self.last_report)

    def judge(self, step: int, value: float) -> bool:
        """Append a reported value, with the decision to stop if that is what follows; return whether it was decided."""
        data: dict[str, Any] = {"step": step, "value": value}
        self._curve.add(step, value)
        if self._referee is not None and self.tid is not None and not self._is_hopeless:
            data["pruning"] = self._referee.judge(self.tid, self._curve)
            self._is_hopeless = data["pruning"] is not None
        self.append_report(**data)
        return self._is_hopeless

    def should_stop(self) -> bool:
        """Return whether the result is wanted no more: the search's pruner has given up on it, the search is paused or
        finished, the trial was cancelled.

        What an objective that was given up on returns then, if it does so at once, counts as pruned: it fails, with the
        last value that it reported. One that goes on ends like any other. Cheap enough for every step: the store is
        asked once a second at most.
        """
        if self._is_hopeless:
            self.is_pruned = True
            return True
        if time.monotonic() - self._looked > LOOK_SECONDS:
            self.experiment.refresh()
            self._looked = time.monotonic()
        is_ours = self._taken is not None and is_held(self.experiment, self._taken)
        return self.experiment.state.status != "open" or not is_ours

    def inject_results(
        self, specs: Any, results: Sequence[Mapping[str, Any]], miscs: Sequence[Mapping[str, Any]],
        new_tids: Any = None,
    ) -> list[int]:  # fmt: skip
        """Add trials that are done already, at the raw values `vals` of *miscs* with *results*; return their ids.

        *specs* and *new_tids* are hyperopt's: ids are given out by the log.
        """
        if self.experiment.state.created is None:  # they wait for a space like the one they came from
            tids = self.trials.new_trial_ids(len(results))
            miscs = [{"cmd": None, **misc, "tid": tid} for misc, tid in zip(miscs, tids, strict=True)]
            sources = [self.current_trial] * len(tids)
            docs = self.trials.source_trial_docs(tids, specs or [None] * len(tids), results, miscs, sources)
            return self.trials.insert_trial_docs([{**doc, "state": 2} for doc in docs])  # type: ignore[no-any-return]
        found = [(misc["vals"], result) for misc, result in zip(miscs, results, strict=True)]
        return inject(self.experiment, found, from_tid=self.tid)

    def append_report(self, **data: Any) -> None:
        """Append a `reported` event; raises `Conflict` if the trial is no longer ours."""
        taken = self._taken
        if taken is None:
            raise InvalidValue("the trial is not being evaluated", hint="its document's state says whether it is")
        append_held(self.experiment, taken, [(Reported, self.tid, data)])


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
    space = Space.from_data(experiment.state.created.space)
    tids = []
    for vals, returned in found:
        given = {label: v[0] if isinstance(v, list) else v for label, v in vals.items() if not isinstance(v, list) or v}
        point = normalise(given, path="vals")
        space.check(point)
        result = normalise(as_result(returned), path="result")
        while True:
            tid = len(experiment.state.trials)
            queued: dict[str, Any] = {"point": point, "params": space.params(point), "source": "injected"}
            if from_tid is not None:
                queued["imported"] = {"from": "injected", "from_tid": from_tid}
            taken = claim(tid, attempts=0, worker=author())
            begun = begin(tid, pid=os.getpid(), objective=None)
            pending: list[PendingEvent] = [(Queued, tid, queued), taken, begun, (Done, tid, done(result, 0.0))]
            try:
                experiment.append(experiment.compose(*pending))
            except Conflict:
                continue
            tids.append(tid)
            break
    return tids


def _whole(step: Any) -> int:
    """Return *step* as an int; raises `ValueError` if it has a fraction, which the log could not hold."""
    whole = int(step)
    if not isinstance(step, str) and whole != step:
        raise ValueError(step)
    return whole
