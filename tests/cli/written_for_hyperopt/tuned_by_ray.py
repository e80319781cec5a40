"""Ray Tune's HyperOptSearch: asked for points by itself, then by a Tuner on a local Ray."""

import sys

import hyperopt
import ray
from hyperopt import hp
from ray import tune
from ray.tune.search import ConcurrencyLimiter
from ray.tune.search.hyperopt import HyperOptSearch


def loss(config):
    return (config["x"] - 1) ** 2 + config["n"] + (config["kind"] == "tanh")


SPACE = {
    "x": tune.uniform(-3, 3),
    "rate": tune.loguniform(1e-4, 1e-1),
    "n": tune.randint(1, 5),
    "width": tune.quniform(8, 64, 8),
    "kind": tune.choice(["tanh", "relu"]),
    "kept": 7,
}

if __name__ == "__main__":
    print(hyperopt.__file__, ray.__version__)

    # Tune's own kinds of parameters, points given first, and trials that fail.
    first = {"x": 1.0, "rate": 0.01, "n": 1, "width": 16.0, "kind": "relu", "kept": 7}
    search = HyperOptSearch(SPACE, metric="loss", mode="min", points_to_evaluate=[first], random_state_seed=3)
    asked = []
    for i in range(30):
        config = search.suggest(f"t{i}")
        asked.append(config)
        search.on_trial_result(f"t{i}", {"loss": loss(config)})
        search.on_trial_complete(f"t{i}", None if i % 10 == 9 else {"loss": loss(config)}, error=i % 10 == 9)
    trials = search._hpopt_trials
    print(type(trials).__module__, asked[0] == first, len(trials), all(isinstance(c["n"], int) for c in asked))

    # Saved and restored, it goes on with the same points.
    search.save("search.pkl")
    again = HyperOptSearch(SPACE, metric="loss", mode="min")
    again.restore("search.pkl")
    print(again.suggest("next") == search.suggest("next"))

    # A space of hyperopt's expressions.
    nested = hp.choice("model", [{"kind": "a", "x": hp.uniform("x", -3, 3)}, {"kind": "b", "n": hp.randint("n", 5)}])
    search = HyperOptSearch({"model": nested}, metric="loss", mode="max", n_initial_points=4, random_state_seed=0)
    for i in range(12):
        model = search.suggest(f"t{i}")["model"]
        search.on_trial_complete(f"t{i}", {"loss": model.get("x", model.get("n"))})
    print(max(-loss for loss in search._hpopt_trials.losses()) > 2)

    if "--alone" in sys.argv:
        sys.exit()
    ray.init(num_cpus=1, include_dashboard=False, log_to_driver=False, configure_logging=False)
    tuner = tune.Tuner(
        lambda config: {"loss": loss(config)},
        param_space=SPACE,
        tune_config=tune.TuneConfig(
            search_alg=ConcurrencyLimiter(HyperOptSearch(random_state_seed=1), max_concurrent=1),
            metric="loss", mode="min", num_samples=4,
        ),
        run_config=tune.RunConfig(storage_path=sys.argv[1], verbose=0),
    )  # fmt: skip
    results = tuner.fit()
    print(len(results), len(results.errors), results.get_best_result().metrics["loss"] >= 1)
    ray.shutdown()
