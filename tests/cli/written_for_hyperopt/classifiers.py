"""A nested space as in the documentation: choices within choices, integers by scope.int, points without a loss."""

import hyperopt
import hyperopt.pyll.stochastic
import numpy as np
from hyperopt import STATUS_FAIL, STATUS_OK, Trials, hp, tpe
from hyperopt.pyll import scope as ho_scope
from hyperopt.pyll.base import as_apply, rec_eval

space = {
    "scale": hp.choice("scale", [None, "minmax"]),
    "classifier": hp.choice(
        "classifier",
        [
            {"type": "naive_bayes"},
            {
                "type": "svm",
                "C": hp.lognormal("svm_C", 0, 1),
                "kernel": hp.choice(
                    "svm_kernel",
                    [{"ktype": "linear"}, {"ktype": "rbf", "width": hp.lognormal("svm_rbf_width", 0, 1)}],
                ),
            },
            {
                "type": "tree",
                "criterion": hp.choice("tree_criterion", ["gini", "entropy"]),
                "max_depth": ho_scope.int(hp.quniform("tree_max_depth", 1, 12, 1)),
                "min_split": hp.randint("tree_min_split", 2, 9),
                "leaves": 2 ** ho_scope.int(hp.quniform("tree_leaves", 1, 6, 1)),
            },
        ],
    ),
}

depths = []


def objective(config):
    chosen = config["classifier"]
    if chosen["type"] == "naive_bayes":
        return {"status": STATUS_FAIL, "why": "not for this data"}
    if chosen["type"] == "svm":
        width = chosen["kernel"].get("width", 2.0)
        return {"loss": abs(np.log(chosen["C"])) + abs(width - 1), "status": STATUS_OK}
    depths.append(chosen["max_depth"])
    return abs(chosen["max_depth"] - 7) / 3 + chosen["leaves"] / 64 + (chosen["criterion"] == "gini")


trials = Trials()
best = hyperopt.fmin(
    objective, space, algo=tpe.suggest, max_evals=50, trials=trials, rstate=np.random.default_rng(7), verbose=False
)
print(sorted(best.items()))
print(hyperopt.space_eval(space, best))
print([type(depth).__name__ for depth in depths[:2]], trials.statuses().count("fail"), len(trials.losses()))

rng = np.random.default_rng(3)
print([hyperopt.pyll.stochastic.sample(space, rng=rng)["classifier"]["type"] for _ in range(5)])
print(hyperopt.pyll.stochastic.sample(hp.loguniform("lr", -5, 0), rng=rng))
print(rec_eval(as_apply({"a": [1, 2], "b": as_apply(3) + 4})))


@ho_scope.define
def halved(number):
    return number / 2


print(rec_eval(ho_scope.halved(as_apply(3))), rec_eval(ho_scope.str_join("-", ["a", "b"])))
