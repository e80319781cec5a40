"""Adaptive TPE: the settings of tpe chosen by models that were trained on many searches, which come with hyperopt.

Trials go to hyperopt's atpe and its choice comes back, so it needs `hyperopt[atpe]`. It is neither portable nor
replayed: what a model says depends on the versions of hyperopt, LightGBM and scikit-learn.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import io
import math
import os
import random
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from hstore.engine.algorithms.algorithm import document
from hstore.engine.evaluation.results import STATUS_OK
from hstore.engine.hyperopt.documents import raw_values
from hstore.engine.hyperopt.installed_hyperopt import installed_hyperopt
from hstore.engine.space import Parameter, Point, Space
from hstore.store.errors import BadSearchSpace, CannotLoad

_ARGUMENTS = {
    "uniform": ("low", "high"), "quniform": ("low", "high", "q"), "uniformint": ("low", "high", "q"),
    "loguniform": ("low", "high"), "qloguniform": ("low", "high", "q"), "normal": ("mu", "sigma"),
    "lognormal": ("mu", "sigma"), "randint": ("low", "high"),
}  # fmt: skip
_SEED = "HYPEROPT_FMIN_SEED"  # which hyperopt reads where it makes a generator without being given one

_SOME_TIME = dt.datetime(2000, 1, 1)  # noqa: DTZ001 - hyperopt's are naive; how long a trial took shall not count


def suggest(new_ids: Sequence[int], domain: Any, trials: Any, seed: int) -> list[dict[str, Any]]:
    """Return one trial document for the first of *new_ids*, at the point that hyperopt's atpe chooses.

    It knows the trials that have a finite loss. Other than in hyperopt the point follows from *seed*, and the
    global generators are left as they were. Raises `CannotLoad` without hyperopt[atpe], `BadSearchSpace` for kinds of
    hyperparameter that atpe has no notion of.
    """
    if not new_ids:
        return []
    space: Space = domain.space
    with installed_hyperopt(), _generators_kept(), contextlib.redirect_stdout(io.StringIO()):
        hyperopt = _hyperopt()  # importing it draws numbers, too
        _seed(seed)
        translated = hyperopt.Domain(_not_called, _translated(space, hyperopt.hp))
        known = hyperopt.trials_from_docs([_known_trial(space, trial) for trial in trials.trials if _has_loss(trial)])
        (chosen,) = hyperopt.atpe.suggest([new_ids[0]], translated, known, seed)
    return [document(new_ids[0], space, _point(space, raw_values(chosen), seed), getattr(trials, "exp_key", None))]


def _hyperopt() -> Any:
    try:
        import hyperopt
        import hyperopt.atpe
        import lightgbm  # noqa: F401
        import sklearn  # noqa: F401
    except ImportError as error:
        raise CannotLoad(f"atpe needs {error.name}", hint="pip install 'hstore[atpe]'") from error
    if hyperopt.atpe.suggest is suggest:
        raise CannotLoad(
            "atpe is a part of hyperopt, whose name hstore has taken in this process",
            hint="import hstore instead of hyperopt, without hstore.compat",
        )
    return hyperopt


def _not_called(_: Any) -> float:
    raise AssertionError("hyperopt is asked to choose, not to evaluate")


def _translated(space: Space, hp: Any) -> dict[str, Any]:
    """Return *space* in hyperopt's expressions: its labels and what depends on what, options but for that left out."""
    below: dict[tuple[str, int], list[Parameter]] = {}
    for parameter in space:
        for condition in parameter.conditions:
            for pair in condition:
                below.setdefault(pair, []).append(parameter)
    nodes: dict[str, Any] = {}

    def node(parameter: Parameter) -> Any:
        label = parameter.label
        if label not in nodes:
            if parameter.kind == "choice":
                options = [below.get((label, i), ()) for i in range(parameter.n_options)]
                nodes[label] = hp.choice(
                    label, [{p.label: node(p) for p in option} if option else i for i, option in enumerate(options)]
                )
            elif parameter.kind in _ARGUMENTS:
                kind = "quniform" if parameter.kind == "uniformint" else parameter.kind
                # By position, as only these are seen.
                nodes[label] = getattr(hp, kind)(
                    label, *(getattr(parameter, name) for name in _ARGUMENTS[parameter.kind])
                )
            else:
                raise BadSearchSpace(
                    f"{label}: atpe has no notion of {parameter.describe()}", label=label,
                    hint=f"it knows {', '.join(_ARGUMENTS)} and choice; tpe knows all kinds",
                )  # fmt: skip
        return nodes[label]

    return {parameter.label: node(parameter) for parameter in space if not parameter.conditions}


def _has_loss(trial: Any) -> bool:
    loss = trial["result"].get("loss")
    return trial["result"].get("status") == STATUS_OK and loss is not None and math.isfinite(loss)


def _known_trial(space: Space, trial: Any) -> dict[str, Any]:
    result = {"status": STATUS_OK, "loss": trial["result"]["loss"]}
    times = dict.fromkeys(("book_time", "refresh_time"), _SOME_TIME)
    return document(trial["tid"], space, raw_values(trial), None) | {"state": 2, "result": result} | times


def _point(space: Space, vals: dict[str, Any], seed: int) -> Point:
    """Return the point that *vals* mean: what is active in it, and from the prior what atpe left out."""
    rng = np.random.default_rng(seed)
    point: Point = {}
    for parameter in space.parameters:
        if space.is_active(parameter.label, point):
            value = vals.get(parameter.label)
            if value is None:
                value = parameter.draw(rng)
            point[parameter.label] = int(value) if parameter.is_categorical else float(value)
    return point


def _seed(seed: int) -> None:
    """Have all that atpe draws from begin with *seed*."""
    random.seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002
    os.environ[_SEED] = str(seed)


@contextlib.contextmanager
def _generators_kept() -> Iterator[None]:
    """Have the global generators afterwards as they were before."""
    python, numpy, hyperopt = random.getstate(), np.random.get_state(), os.environ.get(_SEED)  # noqa: NPY002
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)  # noqa: NPY002
        os.environ.pop(_SEED, None)
        if hyperopt is not None:
            os.environ[_SEED] = hyperopt
