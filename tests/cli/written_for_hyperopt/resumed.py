"""A search in rounds, pickled between them, as notebooks do; then early stopping, given points, a saved file."""

import os
import pickle
import tempfile

import numpy as np
from hyperopt import Trials, anneal, fmin, hp, rand, tpe
from hyperopt.early_stop import no_progress_loss
from hyperopt.fmin import generate_trials_to_calculate, partial

folder = tempfile.mkdtemp()
file = os.path.join(folder, "trials.pkl")
space = {"x": hp.uniform("x", -5, 5), "n": hp.quniform("n", 0, 10, 2)}


def objective(point):
    return (point["x"] - 1) ** 2 + abs(point["n"] - 4)


rstate = np.random.default_rng(0)


def one_round():
    try:
        with open(file, "rb") as saved:
            trials = pickle.load(saved)
        max_evals = len(trials.trials) + 10
    except FileNotFoundError:
        trials, max_evals = Trials(), 10
    best = fmin(
        fn=objective, space=space, algo=partial(tpe.suggest, n_startup_jobs=8), max_evals=max_evals, trials=trials,
        rstate=rstate, show_progressbar=False,
    )  # fmt: skip
    with open(file, "wb") as saved:
        pickle.dump(trials, saved)
    return len(trials), best


for _ in range(3):
    print(one_round())

trials = Trials()
fmin(
    objective, space, anneal.suggest, 60, trials=trials, rstate=np.random.default_rng(1), verbose=False,
    early_stop_fn=no_progress_loss(12),
)  # fmt: skip
print(len(trials), min(trials.losses()))

trials = generate_trials_to_calculate([{"x": 1.0, "n": 4.0}, {"x": 0.0, "n": 0.0}])
best = fmin(objective, space, rand.suggest, 4, trials=trials, rstate=np.random.default_rng(2), verbose=False)
print(sorted(best.items()))
print(trials.losses()[:2])

saved = os.path.join(folder, "saved.pkl")
for max_evals in (3, 6):
    fmin(
        objective, space, rand.suggest, max_evals, rstate=np.random.default_rng(4), verbose=False,
        trials_save_file=saved, loss_threshold=0.0001,
    )  # fmt: skip
with open(saved, "rb") as kept:
    print(len(pickle.load(kept)))
