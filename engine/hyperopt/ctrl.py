"""Ctrl as hyperopt has it: the handle of an objective, with the documents of its trial and of all trials."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping, Sequence
from typing import TYPE_CHECKING, Any

from hstore.engine.evaluation.ctrl import TrialCtrl, inject
from hstore.store.errors import InvalidValue

if TYPE_CHECKING:
    from hstore.engine.evaluation.pruning import PruningSession
    from hstore.store.experiment import Experiment


class Ctrl(TrialCtrl):
    """Handle for reporting progress, attachments and pruning.

    An objective with a parameter *ctrl* gets one beside its point. A program can make one for a document of its own:
    *current_trial* of *trials*.
    """

    __module__ = "hstore"

    @classmethod
    def __subclasshook__(cls, other: type) -> bool:
        """Have isinstance(ctrl, hstore.Ctrl) hold in workers too, whose processes do not import this."""
        return True if cls is Ctrl and getattr(other, "has_all_of_ctrl", False) else NotImplemented

    def __init__(
        self,
        trials: Any = None,
        current_trial: dict[str, Any] | None = None,
        *,
        experiment: Experiment | None = None,
        number: int | None = None,
        pruning: PruningSession | None = None,
    ) -> None:
        """Speak for *current_trial*, a document of *trials*; or for trial *number* of the log of *experiment*."""
        if trials is None and experiment is None:
            from hstore.engine.hyperopt.trials import Trials

            trials = Trials()
        super().__init__(trials.experiment if experiment is None else experiment, number, pruning=pruning)
        self.trials = trials
        self._document = current_trial
        if number is None and current_trial is not None:
            self.tid = trials.documents.trial_of(current_trial["tid"])

    @property
    def current_trial(self) -> dict[str, Any] | None:
        """The document of the trial."""
        if self._document is None and self.trials is not None and self.tid is not None:
            self.trials.documents.take_in()  # a checkpoint, say
            return self.trials.documents.document_of(self.tid)  # type: ignore[no-any-return]
        return self._document

    @property
    def attachments(self) -> MutableMapping[str, Any]:
        """The trial's attachments: content by name; raises `InvalidValue` without a trial."""
        if self.tid is None and self.current_trial is not None:  # a document that waits for a space
            return self.trials.trial_attachments(self.current_trial)  # type: ignore[no-any-return]
        return super().attachments

    def checkpoint(self, r: Mapping[str, Any] | None = None, *, result: Mapping[str, Any] | None = None) -> None:
        """Record a partial result: *r*, or *result*, which is the same."""
        result = r if result is None else result
        if result is None or self._document is None:
            super().checkpoint(result)
            return
        self._document["result"] = dict(result)
        if self.tid is not None:  # what was inserted is a copy of what this was made with
            self.trials.documents.document_of(self.tid)["result"] = dict(result)
        self.trials.documents.refresh()

    def inject_results(
        self, specs: Any, results: Sequence[Mapping[str, Any]], miscs: Sequence[Mapping[str, Any]],
        new_tids: Any = None,
    ) -> list[int]:  # fmt: skip
        """Add trials that are done already, at the raw values `vals` of *miscs* with *results*; return their ids.

        *specs* and *new_tids* are hyperopt's: ids are given out by the log.
        """
        if self.experiment.state.created is not None:
            found = [(misc["vals"], result) for misc, result in zip(miscs, results, strict=True)]
            numbers = inject(self.experiment, found, from_tid=self.tid)
            return numbers if self.trials is None else self.trials.documents.tids_of(numbers)
        if self.trials is None:
            raise InvalidValue("the experiment has no space yet", hint="make it of trials: Ctrl(trials, current_trial)")
        tids = self.trials.new_trial_ids(len(results))  # they wait for a space like the one they came from
        miscs = [{"cmd": None, **misc, "tid": tid} for misc, tid in zip(miscs, tids, strict=True)]
        sources = [self.current_trial] * len(tids)
        docs = self.trials.source_trial_docs(tids, specs or [None] * len(tids), results, miscs, sources)
        return self.trials.insert_trial_docs([{**doc, "state": 2} for doc in docs])  # type: ignore[no-any-return]
