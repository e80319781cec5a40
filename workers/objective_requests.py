"""What an objective asks for while it runs: reports, attachments, whether to stop, trials to add."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hstore.engine.evaluation.ctrl import TrialCtrl, inject
from hstore.engine.evaluation.pruning import PruningSession
from hstore.store.experiment import Experiment


class ObjectiveRequests:
    """Answers what the objective of one trial asks for while it runs; for `TrialExecutor.evaluate`.

    begin: called before each answer, for the log has to say first that the trial is running. is_unwanted: returns
    whether the trial is to stop.
    """

    def __init__(
        self,
        experiment: Experiment,
        tid: int,
        *,
        pruning: PruningSession,
        begin: Callable[[], None],
        is_unwanted: Callable[[], bool],
    ) -> None:
        self.ctrl = TrialCtrl(experiment, tid, pruning=pruning)
        self._begin = begin
        self._is_unwanted = is_unwanted

    def __call__(self, name: str, *arguments: Any) -> Any:
        """Return the answer to request *name*; raises what the request raises, for the objective."""
        self._begin()
        match name:
            case "report":
                return self.ctrl.judge(*arguments)
            case "reports":
                return self.ctrl.judge_all(*arguments)
            case "tell":
                return self.ctrl.append_report(**arguments[0])
            case "should_stop":
                return self._is_unwanted()
            case "attachments":
                return list(self.ctrl.attachments)
            case "attachment":
                return self.ctrl.attachments[arguments[0]]
            case "attach":
                self.ctrl.attachments[arguments[0]] = arguments[1]
                return None
            case "detach":
                del self.ctrl.attachments[arguments[0]]
                return None
            case "inject":
                experiment = self.ctrl.experiment.store.experiment(self.ctrl.experiment.name)
                return inject(experiment, arguments[0], from_tid=self.ctrl.tid)
        raise ValueError(f"an objective cannot ask for {name!r}")
