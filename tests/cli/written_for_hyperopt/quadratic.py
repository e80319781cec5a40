"""The first program of every tutorial: one hyperparameter, results with extras, attachments, what trials know."""

import pickle
import sys

import numpy as np
from hyperopt import STATUS_OK, Trials, fmin, hp, space_eval, tpe


def objective(x):
    return {
        "loss": x**2,
        "status": STATUS_OK,
        "other_stuff": {"type": None, "value": [0, 1, 2]},
        "attachments": {"curve": pickle.dumps([x, x / 2])},
    }


assert "hyperopt" in sys.modules
assert [int(part) for part in __import__("hyperopt").__version__.split(".")][:2] >= [0, 2]

trials = Trials()
space = hp.uniform("x", -10, 10)
rstate = np.random.default_rng(42)
best = fmin(objective, space=space, algo=tpe.suggest, max_evals=40, trials=trials, rstate=rstate, verbose=False)
print(best, space_eval(space, best))
print(len(trials), trials.statuses().count("ok"), min(trials.losses()), trials.argmin == best)
print(trials.trials[5]["result"]["other_stuff"], trials.results[5]["loss"], trials.vals["x"][5], trials.tids[:3])
print(pickle.loads(trials.trial_attachments(trials.trials[5])["curve"]))
print(trials.best_trial["tid"], trials.best_trial["misc"]["vals"], trials.best_trial["state"])
