"""What packages around hyperopt do: trials and an algorithm of their own, expressions handed to the objective."""

import numpy as np
from hyperopt import JOB_STATE_DONE, JOB_STATE_ERROR, STATUS_OK, fmin, hp, rand
from hyperopt.base import Trials, miscs_to_idxs_vals, spec_from_misc, trials_from_docs
from hyperopt.exceptions import AllTrialsFailed
from hyperopt.fmin import fmin_pass_expr_memo_ctrl
from hyperopt.pyll.base import rec_eval


class Observed(Trials):
    """Counts how often it is refreshed, and begins each search itself."""

    refreshed = 0

    def refresh(self):
        self.refreshed += 1
        super().refresh()

    def fmin(self, fn, space, **arguments):
        arguments.pop("max_evals")
        return super().fmin(fn, space, max_evals=6, **arguments)


space = {"x": hp.uniform("x", 0, 1), "k": hp.choice("k", ["a", {"y": hp.normal("y", 0, 1)}])}
trials = Observed()
best = fmin(lambda p: p["x"], space, rand.suggest, 100, trials=trials, rstate=np.random.default_rng(5), verbose=False)
print(len(trials), trials.refreshed > 0, best)


def middle(new_ids, domain, trials, seed):
    """Suggest as rand does, and keep to the middle."""
    docs = rand.suggest(new_ids, domain, trials, seed)
    for doc in docs:
        doc["misc"]["vals"]["x"] = [0.25 + doc["misc"]["vals"]["x"][0] / 2]
    return docs


trials = Trials()
fmin(lambda p: p["x"], space, middle, 5, trials=trials, rstate=np.random.default_rng(6), verbose=False)
print([round(value, 12) for value in trials.vals["x"]])


@fmin_pass_expr_memo_ctrl
def lazy(expr, memo, ctrl):
    config = rec_eval(expr, memo=memo)
    return {"loss": config["x"], "status": STATUS_OK, "seen": sorted(config)}


trials = Trials()
fmin(lazy, space, rand.suggest, 3, trials=trials, rstate=np.random.default_rng(8), verbose=False)
active = {label: values[0] for label, values in trials.miscs[0]["vals"].items() if values}
print(trials.results[0]["seen"], spec_from_misc(trials.miscs[0]) == active)
idxs, vals = miscs_to_idxs_vals(trials.miscs)
print(idxs == trials.idxs, vals == trials.vals)

again = trials_from_docs(trials.trials)
print(again.argmin == trials.argmin, again.count_by_state_unsynced(JOB_STATE_DONE))


def sometimes(point):
    if point["x"] > 0.5:
        raise ValueError("too large")
    return point["x"]


trials = Trials()
fmin(
    sometimes, space, rand.suggest, 12, trials=trials, rstate=np.random.default_rng(9), verbose=False,
    catch_eval_exceptions=True,
)  # fmt: skip
print(len(trials), trials.count_by_state_unsynced(JOB_STATE_ERROR))
try:
    fmin(lambda p: {"status": "fail"}, space, rand.suggest, 2, rstate=np.random.default_rng(1), verbose=False)
except AllTrialsFailed:
    print("all failed")
