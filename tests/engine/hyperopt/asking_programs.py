"""Programs that ask and tell by hyperopt's documents, and what their logs hold."""

from typing import Any

import numpy as np

from hstore import Domain, Trials, base, hp, space_eval
from hstore.engine.audit.check import check

SPACE = {"x": hp.uniform("x", -2, 2), "c": hp.choice("c", ["a", {"deep": hp.normal("y", 0, 1)}])}


def square(config: dict[str, Any]) -> float:
    return float(config["x"] ** 2)


def document(trials: Trials, tid: int, x: float, state: int = 0, **result: Any) -> dict[str, Any]:
    """A document of a trial at x and the option "a"."""
    misc = {"tid": tid, "cmd": None, "idxs": {"x": [tid], "c": [tid], "y": []}, "vals": {"x": [x], "c": [0], "y": []}}
    (doc,) = trials.new_trial_docs([tid], [None], [result or {"status": "new"}], [misc])
    return {**doc, "state": state}


def kinds(trials: Trials, number: int) -> list[str]:
    return [event.type for event in trials.experiment.chain(number)]


def is_sound(trials: Trials) -> bool:
    return not check(trials.experiment.store, trials.experiment.name)


class Asked:
    """A program that asks and tells by hyperopt's inner protocol, several trials under way at once."""

    def __init__(self, trials: Trials, algo: Any) -> None:
        self.trials, self.algo = trials, algo
        self.domain = Domain(lambda _: 0.0, SPACE)
        self.rng = np.random.default_rng(0)

    def ask(self, state: int = base.JOB_STATE_RUNNING) -> tuple[int, Any]:
        ids = self.trials.new_trial_ids(1)
        self.trials.refresh()
        docs = self.algo(ids, self.domain, self.trials, int(self.rng.integers(2**31 - 1)))
        docs[0]["state"] = state
        self.trials.insert_trial_docs(docs)
        self.trials.refresh()
        return docs[0]["tid"], space_eval(SPACE, base.spec_from_misc(docs[0]["misc"]))

    def tell(self, tid: int, state: int = base.JOB_STATE_DONE, **result: Any) -> None:
        for doc in self.trials._dynamic_trials:
            if doc["tid"] == tid:
                doc["state"] = state
                doc["result"] = result
        self.trials.refresh()
