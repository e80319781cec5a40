"""Optuna's pruners as pure rules of hstore, by names such as "optuna:MedianPruner"."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import optuna
from optuna.pruners import BasePruner
from optuna.trial import FrozenTrial, TrialState

from hstore.engine.optuna.rule_settings import FAMILY, member, optuna_version, plain_settings, signature
from hstore.engine.optuna.scratch_storage import ScratchStorage, frozen
from hstore.engine.pruners.curves import Curve
from hstore.engine.pruners.pruner import Pruner
from hstore.store.errors import InvalidValue

OF_OPTUNA = ("MedianPruner", "PercentilePruner", "PatientPruner", "ThresholdPruner", "WilcoxonPruner")
"""Those that go by what was reported alone. The others keep state in a study; hstore has `asha` and `hyperband`."""

REQUIRED = {"percentile": 25.0, "patience": 10}
"""Settings without a default in Optuna, and the ones that they have here."""


def named_pruner(name: str) -> Pruner:
    """Return the pruner called *name*, such as "optuna:MedianPruner"; raises `InvalidValue` for one there is not."""
    return _made(member(name, OF_OPTUNA, path="pruner"))


@lru_cache(maxsize=len(OF_OPTUNA))  # for two of one name are the same rule
def _made(inner: str) -> Pruner:
    kind = getattr(optuna.pruners, inner)
    settings = plain_settings(kind, without=("wrapped_pruner",), required=REQUIRED)

    def due(curve: Curve, **given: Any) -> bool:
        return bool(curve.values)

    def decide(tid: int, curve: Curve, others: Mapping[int, Curve], **given: Any) -> bool:
        return _stops(_pruner(inner, given), inner, curve, others)

    def check(**given: Any) -> None:
        _pruner(inner, given)

    arguments = ("tid", "curve", "others")
    positional = (inspect.Parameter(each, inspect.Parameter.POSITIONAL_OR_KEYWORD) for each in arguments)
    decide.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [*positional, *signature([], settings).parameters.values()]
    )
    decide.__doc__ = f"Optuna's {inner}, over the values that were reported."
    return Pruner(name=FAMILY + inner, version=optuna_version(), due=due, decide=decide, check=check)


def pruner(name: str, **settings: Any) -> Pruner:
    """Return Optuna's pruner *name*, such as "MedianPruner", with *settings*, for `fmin(pruner=…)`.

    Raises `InvalidValue` for a pruner or a setting that there is not.
    """
    return named_pruner(name)(**settings)


def _pruner(name: str, settings: Mapping[str, Any]) -> BasePruner:
    parts = {"wrapped_pruner": None, **settings} if name == "PatientPruner" else dict(settings)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that some are experimental
        try:
            return getattr(optuna.pruners, name)(**parts)
        except (TypeError, ValueError) as error:
            raise InvalidValue(f"{FAMILY}{name}: {' '.join(str(error).split()):.300}", path="pruner") from error


def _stops(rule: BasePruner, name: str, curve: Curve, others: Mapping[int, Curve]) -> bool:
    storage = ScratchStorage()
    for number, other in enumerate(others.values()):
        storage.add(_trial(number, other, name))
    number = len(others)
    trial = frozen(number, TrialState.RUNNING, reports=dict(zip(curve.steps, curve.values, strict=True)))
    storage.add(trial)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return bool(rule.prune(storage.study(pruner=rule), trial))


def _trial(number: int, curve: Curve, name: str) -> FrozenTrial:
    """Return a trial that reported *curve*; a curve holds no loss, so it ended with the last value, or with the mean.

    The mean is what Optuna's documentation has an objective return for the Wilcoxon pruner, whose steps are instances.
    """
    reports = dict(zip(curve.steps, curve.values, strict=True))
    if not curve.is_complete or not curve.values:
        return frozen(number, TrialState.RUNNING, reports=reports)
    value = curve.sums[-1] / len(curve.values) if name == "WilcoxonPruner" else curve.values[-1]
    return frozen(number, TrialState.COMPLETE, values=[value], reports=reports)
