"""Searches whose objective reports what it has reached, for tests of pruning."""

from collections.abc import Mapping
from typing import Any

from hstore import Ctrl, Experiment, Trials, fmin, hp
from hstore.store.events import Reported

SPACE = {"x": hp.uniform("x", -1, 1)}
STEPS = 27


def learner(config: Mapping[str, Any], ctrl: Ctrl) -> float:
    for step in range(1, STEPS + 1):
        loss: float = (config["x"] - 0.3) ** 2 + 1 / step
        ctrl.report(step, loss)
        if ctrl.should_stop():
            break
    return loss


def search(trials: Trials, objective: Any = learner, *, max_evals: int = 30, pruner: Any = "asha", **more: Any) -> Any:
    trials.asynchronous = False
    return fmin(
        objective, SPACE, max_evals=max_evals, trials=trials, pruner=pruner, **{"rstate": 0, "verbose": False, **more}
    )


def steps(experiment: Experiment) -> int:
    return sum(len(trial.reports) for trial in experiment.trials)


def prunings(experiment: Experiment) -> list[Reported]:
    return [report for trial in experiment.trials for report in trial.reports if report.pruning is not None]
