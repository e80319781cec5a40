"""Ray Tune's searcher by itself, called as Tune's controller does. Prints what test_ray_search.py states."""

import os
import pickle

from ray import tune
from ray.tune.search import Searcher

import hstore
from hstore.engine.search import control
from hstore.ray import HstoreSearch
from hstore.store.errors import HstoreError

SPACE = {
    "x": tune.uniform(-3, 3),
    "rate": tune.loguniform(1e-4, 1e-1),
    "n": tune.randint(1, 5),
    "width": tune.qrandint(8, 64, 8),
    "units": tune.lograndint(1, 100),
    "step": tune.quniform(0, 1, 0.25),
    "near": tune.randn(0, 1),
    "one": tune.randint(3, 4),
    "kind": tune.choice(["tanh", "relu", 1, True, [2, 3]]),
    "opt": tune.choice([{"name": "adam"}, {"name": "sgd", "momentum": tune.uniform(0, 0.99)}]),
    "layers": [{"width": tune.choice([16, 32])}, {"width": tune.choice([16, 32])}],
    "kept": [object(), 7],
}
FIRST = {
    "x": 1.0, "rate": 0.01, "n": 4, "width": 16, "units": 1, "step": 0.25, "near": 0.5, "one": 3, "kind": True,
    "opt": {"name": "sgd", "momentum": 0.9}, "layers": [{"width": 32}, {"width": 16}], "kept": SPACE["kept"],
}  # fmt: skip


def value(config):
    return (config["x"] - 1) ** 2 + config["n"]


def is_sound(c):
    return (
        [type(c[name]) for name in ("n", "width", "units", "one")] == [int] * 4
        and 1 <= c["n"] < 5 and 8 <= c["width"] <= 64 and c["width"] % 8 == 0 and 1 <= c["units"] < 100
        and c["step"] in (0, 0.25, 0.5, 0.75, 1) and c["one"] == 3
        and ("momentum" in c["opt"]) == (c["opt"]["name"] == "sgd")
        and c["kind"] in ("tanh", "relu", 1, [2, 3]) and type(c["layers"]) is list and c["kept"] == SPACE["kept"]
    )  # fmt: skip


store = hstore.open()

# Given points first, then 30 trials, of which three fail.
search = HstoreSearch("alone", SPACE, metric="loss", mode="max", points_to_evaluate=[FIRST], algo="rand", seed=3)
configs = []
for i in range(30):
    name = f"t{i}"
    configs.append(search.suggest(name))
    loss = -value(configs[-1])
    search.on_trial_result(name, {"loss": loss, "training_iteration": 1})
    search.on_trial_complete(name, None if i % 10 == 9 else {"loss": loss, "training_iteration": 2}, error=i % 10 == 9)
experiment = store.experiment("alone")
print("points first", configs[0] == FIRST)
print("types", all(map(is_sound, configs)))
with hstore.search(search._space.ranges, "rand", rstate=3, points_to_evaluate=[search._space.point(FIRST)]) as same:
    points = []
    for _ in range(30):
        trial = same.ask()
        points.append(trial.point)
        trial.tell(0)
print("fmin's points", points == [dict(trial.point) for trial in experiment.trials])
print("states", *[word for each in experiment.state.counts.items() for word in each])
print("best", experiment.best.loss == min(value(c) for i, c in enumerate(configs) if i % 10 != 9))

# Saved, pickled as Tune does, and restored: trials that are out are told by the restored one.
out = search.suggest("out")
search.save("searcher.json")
again = pickle.loads(pickle.dumps(HstoreSearch("alone", {"x": tune.uniform(-3, 3)}, metric="loss", mode="max")))
again = HstoreSearch("alone", SPACE, algo="rand", seed=3)
again.restore("searcher.json")
again.on_trial_result("out", {"loss": 5.0, "training_iteration": 1})
again.on_trial_complete("out", {"loss": 5.0})
experiment.refresh()
print("restored", experiment.trials[30].loss == -5.0 and experiment.trials[30].result["tune_trial"] == "out")
print("told after restore", again.suggest("next") is not None)
search.on_trial_complete("out", {"loss": 7.0})

# Tune saves now and then: what it is restored to may be behind the log, and may run again what had failed.
behind = HstoreSearch("behind", {"x": tune.uniform(0, 1)}, metric="loss", algo="rand", seed=0)
for name in ("ended", "failed"):
    behind.suggest(name)
behind.on_trial_complete("failed", error=True)
behind.save("behind.json")
behind.on_trial_complete("ended", {"loss": 1.0})
forgotten = behind.suggest("forgotten")
again_behind = HstoreSearch("behind", {"x": tune.uniform(0, 1)}, metric="loss")
again_behind.restore("behind.json")
for name in ("ended", "failed"):
    again_behind.on_trial_result(name, {"loss": 2.0, "training_iteration": 1})
    again_behind.on_trial_complete(name, {"loss": 2.0})
print("forgotten is next", again_behind.suggest("new") == forgotten)
ended, failed, _ = store.experiment("behind").trials
print("behind", ended.loss, failed.state, [len(trial.notes) for trial in (ended, failed)])

experiment = store.experiment("alone")
print("late is noted", experiment.trials[30].loss == -5.0 and experiment.trials[30].notes[0].late is not None)
control.pause(experiment, "test")
print("paused", again.suggest("later"))

# Several losses.
several = HstoreSearch(
    "several", {"x": tune.uniform(0, 1)}, metric=["a", "b"], mode=["min", "max"], algo="rand", seed=0
)
for i in range(3):
    x = several.suggest(f"s{i}")["x"]
    several.on_trial_complete(f"s{i}", {"a": x, "b": x})
print("several losses", len(store.experiment("several").state.pareto))

refused = 0
for wrong in (
    lambda: HstoreSearch("bad", {"x": tune.grid_search([1, 2])}),
    lambda: HstoreSearch("bad", {"x": tune.sample_from(lambda spec: 1)}),
    lambda: HstoreSearch("bad", metric="loss").suggest("t"),
    lambda: HstoreSearch("bad", SPACE, metric="loss", points_to_evaluate=[{**FIRST, "kind": "elu"}]).suggest("t"),
):
    try:
        wrong()
    except HstoreError:
        refused += 1
print("refused", refused)
assert Searcher.FINISHED == "FINISHED"
assert os.environ["HSTORE_URL"]
