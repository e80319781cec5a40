"""A nested space of 238 hyperparameters in the shape of the one in Bergstra, Yamins and Cox (ICML 2013)."""

from typing import Any

import numpy as np

LABELS = 238


def make_space(hp: Any, scope: Any) -> dict[str, Any]:
    """Return the space: what is done to images, one to three convolutional layers, a classifier."""
    return {
        "colors": hp.choice("colors", ["grey", "rgb", "opponent", "lab"]),
        "shape": scope.int(hp.quniform("shape", 16, 64, 16)),
        "remove_mean": hp.choice("remove_mean", [False, True]),
        "layers": hp.choice("layers", [[layer(hp, scope, f"{n}.{i}") for i in range(n)] for n in (1, 2, 3)]),
        "classifier": hp.choice(
            "classifier",
            [
                {
                    "kind": "svm",
                    "l2": hp.loguniform("svm.l2", np.log(1e-7), np.log(1e2)),
                    "eps": hp.uniform("svm.eps", 0, 1),
                },
                {
                    "kind": "knn",
                    "k": hp.uniformint("knn.k", 1, 50),
                    "p": hp.pchoice("knn.p", [(0.2, 1), (0.5, 2), (0.3, np.inf)]),
                },
            ],
        ),
        "trigger": scope.sqrt(hp.lognormal("trigger", 0, 1)),
    }


def layer(hp: Any, scope: Any, name: str) -> dict[str, Any]:
    """Return one layer, all labels of which begin with *name*: 38 hyperparameters."""

    def label(part: str) -> str:
        return f"{name}.{part}"

    def normalisation(part: str) -> Any:
        return hp.choice(
            label(part),
            [
                None,
                {
                    "kind": "local",
                    "size": scope.int(hp.quniform(label(f"{part}.size"), 3, 9, 2)),
                    "threshold": hp.loguniform(label(f"{part}.threshold"), np.log(1e-3), np.log(10)),
                    "stretch": hp.lognormal(label(f"{part}.stretch"), 0, 1),
                    "remove_mean": hp.choice(label(f"{part}.remove_mean"), [False, True]),
                },
            ],
        )

    def whitening(part: str) -> dict[str, Any]:
        return {
            "gamma": hp.loguniform(label(f"{part}.gamma"), np.log(1e-4), np.log(1)),
            "low_noise": hp.choice(label(f"{part}.low_noise"), [0, 1e-3, 1e-1]),
            "remove_std": hp.choice(label(f"{part}.remove_std"), [False, hp.normal(label(f"{part}.std"), 1, 0.2)]),
        }

    filters = hp.choice(
        label("filters"),
        [
            {"kind": "random", "seed": hp.randint(label("random.seed"), 10_000)},
            {
                "kind": "projections",
                "seed": hp.randint(label("projections.seed"), 10_000),
                "whitening": whitening("projections"),
            },
            {
                "kind": "patches",
                "seed": hp.randint(label("patches.seed"), 10_000),
                "whitening": whitening("patches"),
                "epochs": hp.qloguniform(label("patches.epochs"), 0, 3, 1),
            },
        ],
    )
    pooling = hp.choice(
        label("pooling"),
        [
            {"kind": "max", "size": hp.uniformint(label("max.size"), 2, 9)},
            {
                "kind": "lp",
                "order": hp.choice(label("lp.order"), [1, 2, hp.lognormal(label("lp.order.free"), 1, 0.5)]),
                "size": hp.uniformint(label("lp.size"), 2, 9),
                "stride": hp.randint(label("lp.stride"), 1, 4),
            },
            {
                "kind": "grid",
                "res": hp.uniformint(label("grid.res"), 2, 3),
                "alpha": hp.qnormal(label("grid.alpha"), 0, 1, 0.25),
            },
        ],
    )
    return {
        "before": normalisation("before"),
        "n_filters": scope.int(hp.qloguniform(label("n_filters"), np.log(16), np.log(256), 16)),
        "size": scope.int(hp.quniform(label("size"), 2, 10, 1)),
        "filters": filters,
        "bias": hp.normal(label("bias"), 0, 1),
        "scale": hp.lognormal(label("scale"), 0, 1),
        "dropout": hp.uniform(label("dropout"), 0, 0.8),
        "activation": hp.choice(label("activation"), ["relu", "tanh", {"clip": hp.uniform(label("clip"), 0.5, 2)}]),
        "pooling": pooling,
        "after": normalisation("after"),
    }
