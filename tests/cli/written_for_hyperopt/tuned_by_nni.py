"""NNI's HyperoptTuner, driven as its manager drives it: a space as JSON, parameters out, losses in."""

import hyperopt
import nni
from nni.algorithms.hpo.hyperopt_tuner import HyperoptTuner

SPACE = {
    "x": {"_type": "uniform", "_value": [-3, 3]},
    "rate": {"_type": "loguniform", "_value": [1e-4, 1e-1]},
    "n": {"_type": "randint", "_value": [2, 7]},
    "width": {"_type": "uniform", "_value": [8, 64]},  # what NNI does with quniform, numpy 2.2 and later refuse
    "layer": {
        "_type": "choice",
        "_value": [
            {"_name": "dense", "units": {"_type": "choice", "_value": [16, 32]}},
            {"_name": "conv", "size": {"_type": "randint", "_value": [1, 4]}},
        ],
    },
}

if __name__ == "__main__":
    print(hyperopt.__file__, nni.__version__)
    for algorithm in ("tpe", "random_search", "anneal"):
        tuner = HyperoptTuner(algorithm, optimize_mode="minimize", parallel_optimize=True, constant_liar_type="min")
        tuner.update_search_space(SPACE)
        tuner.import_data([{"parameter": {**tuner.generate_parameters(0)}, "value": 3.0}])
        losses = []
        for i in range(1, 31, 2):
            asked = {j: tuner.generate_parameters(j) for j in (i, i + 1)}  # two at a time
            for j, parameters in asked.items():
                assert 2 <= parameters["n"] < 7, parameters
                assert parameters["layer"]["_name"] in ("dense", "conv"), parameters
                losses.append(parameters["x"] ** 2 + parameters["n"])
                tuner.receive_trial_result(j, parameters, losses[-1])
        trials = tuner.rval.trials
        print(type(trials).__module__, len(trials) >= 30, min(filter(None, trials.losses())) <= min(losses))
