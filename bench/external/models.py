"""Models on the data sets that come with scikit-learn.

*Steps*: the cross-validated loss of trees, boosted trees and forests, interpolated by a forest, so it jumps at depths,
numbers of rounds and thresholds, and is the same each time. *Folds*: one random split decides the loss that a search
gets, and the mean over many what it is judged by.
"""

from __future__ import annotations

import json
import math
import warnings
from collections.abc import Callable, Iterator
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.external.problem import Config, ExternalProblem, Generator
from hstore.engine.space import Space, compile_space, hp

FOLDER = Path(__file__).parents[2] / "build" / "external"
_ROWS, _FOLDS, _TREES = 150, 2, 12
_SPLITS, _SAMPLED = 12, 80


def problems() -> Iterator[ExternalProblem]:
    """Yield all of them; what takes long to compute is kept in build/external. Raises ImportError without sklearn."""
    import sklearn  # noqa: F401

    for data in ("diabetes", "breast_cancer", "wine"):
        for kind in ("tree", "neighbours", "svm"):
            yield _folds(data, kind)
    for data in ("diabetes", "breast_cancer"):
        for kind in ("boosting", "forest", "trees"):
            yield _steps(data, kind)


# -- spaces and models ----------------------------------------------------------------------------------------


def _boosting(p: str = "") -> dict[str, Any]:
    return {
        "rounds": hp.qloguniform(p + "rounds", math.log(5), math.log(60), 1),
        "depth": hp.uniformint(p + "depth", 1, 8),
        "leaves": hp.qloguniform(p + "leaves", math.log(2), math.log(64), 1),
        "rate": hp.loguniform(p + "rate", math.log(0.01), math.log(1)),
        "least": hp.uniformint(p + "least", 1, 40),
        "subsample": hp.uniform(p + "subsample", 0.3, 1),
    }


def _forest(p: str = "") -> dict[str, Any]:
    return {
        "trees": hp.uniformint(p + "trees", 3, 40),
        "depth": hp.uniformint(p + "depth", 1, 15),
        "features": hp.uniform(p + "features", 0.05, 1),
        "least": hp.uniformint(p + "least", 1, 30),
        "bootstrap": hp.choice(p + "bootstrap", [True, False]),
        "impurity": hp.loguniform(p + "impurity", math.log(1e-6), math.log(0.1)),
    }


def _tree(p: str = "") -> dict[str, Any]:
    return {
        "depth": hp.uniformint(p + "depth", 1, 15),
        "split": hp.uniform(p + "split", 0.01, 0.5),
        "leaf": hp.uniform(p + "leaf", 0.005, 0.3),
        "features": hp.uniform(p + "features", 0.1, 1),
    }


def _nested() -> Any:
    kinds = {"boosting": _boosting("b_"), "forest": _forest("f_"), "tree": _tree("t_")}
    return {"model": hp.choice("model", [{"kind": kind, **inner} for kind, inner in kinds.items()])}


def _svm() -> dict[str, Any]:
    return {
        "C": hp.loguniform("C", math.log(1e-3), math.log(1e3)),
        "gamma": hp.loguniform("gamma", math.log(1e-5), math.log(1e2)),
        "kernel": hp.choice("kernel", ["rbf", "poly", "linear"]),
    }


def _neighbours() -> dict[str, Any]:
    return {
        "n": hp.uniformint("n", 1, 60),
        "p": hp.choice("p", [1, 2]),
        "weights": hp.choice("weights", ["uniform", "distance"]),
    }


_SPACES: dict[str, Callable[[], Any]] = {
    "boosting": _boosting, "forest": _forest, "trees": _nested, "tree": _tree, "svm": _svm, "neighbours": _neighbours,
}  # fmt: skip


def _model(kind: str, c: Config, *, is_class: bool) -> Any:
    from sklearn import ensemble, neighbors, svm, tree
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    if kind == "boosting":
        of = ensemble.GradientBoostingClassifier if is_class else ensemble.GradientBoostingRegressor
        return of(
            n_estimators=int(c["rounds"]), max_depth=int(c["depth"]), max_leaf_nodes=max(2, int(c["leaves"])),
            learning_rate=c["rate"], min_samples_leaf=int(c["least"]), subsample=c["subsample"], random_state=0,
        )  # fmt: skip
    if kind == "forest":
        of = ensemble.RandomForestClassifier if is_class else ensemble.RandomForestRegressor
        return of(
            n_estimators=int(c["trees"]), max_depth=int(c["depth"]), max_features=c["features"],
            bootstrap=c["bootstrap"], min_samples_leaf=int(c["least"]), min_impurity_decrease=c["impurity"],
            random_state=0,
        )  # fmt: skip
    if kind == "tree":
        of = tree.DecisionTreeClassifier if is_class else tree.DecisionTreeRegressor
        return of(
            max_depth=int(c["depth"]), min_samples_split=c["split"], min_samples_leaf=c["leaf"],
            max_features=c["features"], random_state=0,
        )  # fmt: skip
    if kind == "svm":
        of = svm.SVC if is_class else svm.SVR
        return make_pipeline(StandardScaler(), of(C=c["C"], gamma=c["gamma"], kernel=c["kernel"], max_iter=20_000))
    of = neighbors.KNeighborsClassifier if is_class else neighbors.KNeighborsRegressor
    return make_pipeline(StandardScaler(), of(n_neighbors=int(c["n"]), p=c["p"], weights=c["weights"]))


@lru_cache(maxsize=8)
def _data(name: str) -> tuple[NDArray[np.float64], NDArray[np.float64], bool]:
    from sklearn import datasets

    x, y = getattr(datasets, f"load_{name}")(return_X_y=True)
    return x, y, name != "diabetes"


def _loss(data: str, kind: str, config: Config, seed: int) -> float:
    """Return the loss of a model on a quarter of the rows, drawn by *seed*, when it was fitted to the others."""
    x, y, is_class = _data(data)
    order = np.random.default_rng(seed).permutation(len(y))
    test, train = order[: len(y) // 4], order[len(y) // 4 :]
    if "model" in config:
        config = config["model"]
        kind = config["kind"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # an SVM that did not converge
        model = _model(kind, config, is_class=is_class).fit(x[train], y[train])
    if is_class:
        return float(np.mean(model.predict(x[test]) != y[test]))
    return float(np.mean((model.predict(x[test]) - y[test]) ** 2) / y.var())


# -- steps ----------------------------------------------------------------------------------------------------


def _steps(data: str, kind: str) -> ExternalProblem:
    space = _SPACES[kind]()
    compiled = compile_space(space)
    points, losses = _evaluated(data, kind, compiled)
    from sklearn.ensemble import RandomForestRegressor

    forest = RandomForestRegressor(_TREES, min_samples_leaf=2, random_state=0)
    forest.fit(np.array([_row(compiled, point) for point in points]), losses)
    trees = [tree.tree_ for tree in forest.estimators_]

    def at(rows: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(np.mean([tree.predict(rows.astype(np.float32))[:, 0] for tree in trees], axis=0))

    def true(config: Config) -> float:
        flat = config.get("model", config)
        return float(at(_row_of_config(compiled, flat)[None])[0])

    rng = np.random.default_rng(1)
    seen = np.array([_row(compiled, compiled.sample(rng)) for _ in range(20_000)])
    return ExternalProblem(f"steps-{kind}-{data}", "steps", space, true, float(at(seen).min()))


def _row(space: Space, point: Config) -> NDArray[np.float64]:
    row = []
    for label in space.labels:
        value = point.get(label)
        row.append(-1.0 if value is None else math.log(value) if space[label].is_log and value > 0 else float(value))
    return np.array(row)


_PREFIXES = {"boosting": "b_", "forest": "f_", "tree": "t_"}


def _row_of_config(space: Space, config: Config) -> NDArray[np.float64]:
    prefix = _PREFIXES[config["kind"]] if "kind" in config else ""
    point = {prefix + name: _raw(name, value) for name, value in config.items() if name != "kind"}
    if prefix:
        point["model"] = list(_PREFIXES).index(config["kind"])
    return _row(space, point)


def _raw(name: str, value: Any) -> float:
    return float(not value) if name == "bootstrap" else float(value)  # True is its first option


def _evaluated(data: str, kind: str, space: Space) -> tuple[list[dict[str, Any]], NDArray[np.float64]]:
    file = FOLDER / f"{kind}-{data}.json"
    if not file.exists():
        rng = np.random.default_rng(0)
        points = [space.sample(rng) for _ in range(_ROWS)]
        losses = [
            float(np.mean([_loss(data, kind, space.evaluate(point), fold) for fold in range(_FOLDS)]))
            for point in points
        ]
        FOLDER.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps([points, losses]))
    points, losses = json.loads(file.read_text())
    return points, np.array(losses)


# -- folds ----------------------------------------------------------------------------------------------------


def _folds(data: str, kind: str) -> ExternalProblem:
    space = _SPACES[kind]()
    true = partial(_mean_loss, data, kind)
    return ExternalProblem(
        f"folds-{kind}-{data}", "folds", space, true, _least(data, kind, true, compile_space(space)),
        noise=partial(_one_loss, data, kind),
    )  # fmt: skip


def _mean_loss(data: str, kind: str, config: Config) -> float:
    return float(np.mean([_loss(data, kind, config, seed) for seed in range(_SPLITS)]))


def _one_loss(data: str, kind: str, config: Config, rng: Generator) -> float:
    return _loss(data, kind, config, int(rng.integers(1000, 10**9)))


def _least(data: str, kind: str, true: Callable[[Config], float], space: Space) -> float:
    """Return the least mean loss among random points: the optimum is not known, and regrets may come out below 0."""
    file = FOLDER / f"least-{kind}-{data}.json"
    if not file.exists():
        rng = np.random.default_rng(2)
        FOLDER.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(min(true(space.evaluate(space.sample(rng))) for _ in range(_SAMPLED))))
    return float(json.loads(file.read_text()))
