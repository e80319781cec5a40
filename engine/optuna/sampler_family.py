"""Optuna's samplers as pure algorithms of hstore, by names such as "optuna:TPESampler".

Each decision makes the study of what it knew and a sampler from its own seed, and asks for one trial. So
`hstore replay` can make every suggestion again, which Optuna itself cannot.
"""

from __future__ import annotations

import copy
import inspect
import warnings
from collections.abc import Mapping
from functools import lru_cache, partial
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, IntDistribution
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial, Trial

from hstore.engine.algorithms.algorithm import Algorithm
from hstore.engine.algorithms.history import History
from hstore.engine.optuna.known_study import StatefulStudies, known_study
from hstore.engine.optuna.rule_settings import FAMILY, member, optuna_version, plain_settings, signature
from hstore.engine.optuna.said import CONSTRAINTS
from hstore.engine.optuna.space_distributions import raw_value, sampled_from
from hstore.engine.space import Point, Space
from hstore.store.errors import InvalidValue

SAMPLERS = (
    "TPESampler", "RandomSampler", "CmaEsSampler", "QMCSampler", "NSGAIISampler", "NSGAIIISampler", "GPSampler",
)  # fmt: skip
"""Those that can be run as pure functions."""
STATEFUL = ("CmaEsSampler", "QMCSampler", "NSGAIISampler", "NSGAIIISampler")
"""Those that keep their state in attributes of a study."""
ONE_LOSS = ("CmaEsSampler",)

WITHOUT = (
    "seed", "independent_sampler", "constraints_func", "gamma", "weights", "source_trials", "x0", "with_margin",
    "crossover", "child_generation_strategy", "after_trial_strategy", "elite_population_selection_strategy",
    "reference_points", "warn_independent_sampling", "warn_asynchronous_seeding",
)  # fmt: skip
"""Settings that take objects or functions, that hstore gives itself, or that go by the points a sampler proposed."""

QMC_SEED = 0
"""A scrambled sequence has to be the same in all decisions, so it cannot go by their seeds."""

_studies = StatefulStudies()


def named_algorithm(name: str) -> Algorithm:
    """Return the sampler called *name*, such as "optuna:TPESampler"; raises `InvalidValue` for one there is not."""
    return _made(member(name, SAMPLERS, path="algo"))


@lru_cache(maxsize=len(SAMPLERS))  # for two of one name are the same algorithm
def _made(inner: str) -> Algorithm:
    kind = getattr(optuna.samplers, inner)
    settings = plain_settings(kind, without=WITHOUT)

    def choose(space: Space, history: History, *, seed: int, **given: Any) -> Point:
        return _choose(inner, space, history, seed, given)

    choose.__signature__ = inspect.Signature([  # type: ignore[attr-defined]
        *(inspect.Parameter(each, inspect.Parameter.POSITIONAL_OR_KEYWORD) for each in ("space", "history")),
        *signature(["seed"], settings).parameters.values(),
    ])  # fmt: skip
    choose.__doc__ = f"Optuna's {inner}: the study of what the decision knew, and its own seed."
    return Algorithm(
        name=FAMILY + inner,
        version=optuna_version(),
        is_portable=False,
        choose=choose,
        scalarisation="maximin" if inner in ONE_LOSS else "modelled",
    )


def sampler(name: str, **settings: Any) -> partial[Any]:
    """Return Optuna's sampler *name*, such as "TPESampler", with *settings*, for `fmin(algo=…)` and `hstore.search`.

    Raises `InvalidValue` for a sampler or a setting that there is not; settings are numbers, texts and booleans.
    """
    algorithm = named_algorithm(name)
    return partial(algorithm, **algorithm.plain(settings))


def _choose(name: str, space: Space, history: History, seed: int, settings: Mapping[str, Any]) -> Point:
    objectives = 1 if name in ONE_LOSS else max(1, history.loss_vectors.shape[1])
    is_constrained = bool(history.constraints.shape[1])
    make = partial(_sampler, name, settings=settings, is_constrained=is_constrained)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if name in STATEFUL:
            key = (name, tuple(sorted(settings.items())), is_constrained)
            known = _studies.get(space, history, make, key, objectives=objectives)
            storage = copy.copy(known)
        else:
            storage = known_study(space, history, objectives=objectives)
        study = storage.study(sampler=make(seed % 2**32), pruner=optuna.pruners.NopPruner())
        return _ask(space, study.ask())


def _ask(space: Space, trial: Trial) -> Point:
    point: Point = {}
    for parameter in space.parameters:  # a choice before what depends on it
        if space.is_active(parameter.label, point):
            drawn = _suggest(trial, parameter.label, sampled_from(parameter))
            point[parameter.label] = raw_value(parameter, drawn)
    return point


def _suggest(trial: Trial, label: str, distribution: BaseDistribution) -> Any:
    d = distribution
    if isinstance(d, CategoricalDistribution):
        return trial.suggest_categorical(label, d.choices)
    if isinstance(d, IntDistribution):
        return trial.suggest_int(label, d.low, d.high)
    return trial.suggest_float(label, d.low, d.high, step=d.step, log=d.log)


def _sampler(name: str, seed: int, *, settings: Mapping[str, Any], is_constrained: bool) -> BaseSampler:
    kind = getattr(optuna.samplers, name)
    takes = inspect.signature(kind.__init__).parameters
    given: dict[str, Any] = {"seed": seed, **settings}
    if "warn_independent_sampling" in takes:
        given["warn_independent_sampling"] = False
    if "constraints_func" in takes and is_constrained:
        given["constraints_func"] = _constraints
    if name == "QMCSampler":
        given |= {"seed": QMC_SEED, "independent_sampler": optuna.samplers.RandomSampler(seed=seed)}
    try:
        return kind(**given)
    except (ImportError, TypeError, ValueError) as error:
        reason = " ".join(f"{error}".split())
        raise InvalidValue(f"{FAMILY}{name} cannot be made: {reason:.300}", path="algo") from error


def _constraints(trial: FrozenTrial) -> list[float]:
    """Return the constraints that the history holds of *trial*; of one without them, that it violates all."""
    found: list[float] | None = trial.system_attrs.get(CONSTRAINTS)
    return [1.0] if found is None else found
