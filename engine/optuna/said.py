"""What Optuna says and no field of an event holds: the part `optuna` of events, as its storage writes and reads it.

| event | `optuna` |
| --- | --- |
| `created` | the `study`'s name, its `directions` (1 minimises, 2 maximises) |
| `noted`, of the experiment | a `user_attr` or `system_attr`: its `key`, its `value` as JSON; or that it was deleted |
| `queued` | of a trial that was given with more than a point: `state`, `values`, attributes, reports, distributions |
| `reported` | the name of a `param`, its `internal` value, its `distribution` as JSON; or several `params`, each so |
| `noted`, of a trial | an attribute; or a `param` of a trial that does not run |
| `done`, `failed` | `state` and `values` as Optuna has them |
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from typing import Any

from optuna.distributions import BaseDistribution, CategoricalDistribution, distribution_to_json, json_to_distribution
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from hstore.engine.optuna.space_distributions import Choice, plain
from hstore.store.events import Event

KEY = "optuna"
USER, SYSTEM, DELETED, PARAM, PARAMS, END = "user_attr", "system_attr", "deleted", "param", "params", "end"
CONSTRAINTS = "constraints"
"""Where Optuna's samplers keep and look for the constraints of a trial, among its system attributes."""
_INT64 = 2**63


def said_in(event: Event) -> Mapping[str, Any]:
    """Return the part `optuna` of *event*; empty without one."""
    found = event.extra.get(KEY)
    return found if isinstance(found, Mapping) else {}


def with_said(data: Mapping[str, Any], said: Mapping[str, Any]) -> dict[str, Any]:
    """Return the *data* of an event with *said* as its part `optuna`."""
    return {**data, "extra": {KEY: dict(said)}}


def attribute(which: str, key: str, value: Any) -> dict[str, Any]:
    """Return an attribute as events hold it; raises `TypeError` for a value that is no JSON."""
    return {"op": which, "key": key, "value": json.dumps(value)}


def parameter(name: str, internal: float, distribution: BaseDistribution) -> dict[str, Any]:
    """Return a parameter of a trial as events hold it."""
    return {"op": PARAM, "name": name, "internal": float(internal), "distribution": distribution_to_json(distribution)}


def as_read_back(distribution: BaseDistribution) -> BaseDistribution:
    """Return *distribution* as it comes back from the log, where a choice of tuples is one of lists."""
    is_plain = not isinstance(distribution, CategoricalDistribution) or not any(
        isinstance(choice, tuple | list | dict) for choice in distribution.choices
    )
    return distribution if is_plain else json_to_distribution(distribution_to_json(distribution))


def params_in(said: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """Return the parameters in *said*, which an event holds, each as `parameter` returned it."""
    op = said.get("op")
    found = said.get("params") if op == PARAMS else None
    return [said] if op == PARAM else found or []


def params_of(data: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """Return what `params_in` does, of the *data* of an event that is still to be written."""
    return params_in(data.get("extra", {}).get(KEY, {}))


def template(trial: FrozenTrial) -> dict[str, Any]:
    """Return all of a *trial* that was given to a study as it is."""
    return {
        "op": "create",
        "state": int(trial.state),
        "values": None if trial.values is None else [float(value) for value in trial.values],
        "start": _moment(trial.datetime_start),
        "complete": _moment(trial.datetime_complete),
        "distributions": {name: distribution_to_json(d) for name, d in trial.distributions.items()},
        "internal": internal_values(trial),
        "user_attrs": json.dumps(trial.user_attrs),
        "system_attrs": json.dumps(trial.system_attrs),
        "reports": [
            [int(step), float(value)]
            for step, value in trial.intermediate_values.items()
            if trial.state == TrialState.WAITING  # those of others are events of their own
        ],
    }


def internal_values(trial: FrozenTrial) -> dict[str, float]:
    """Return the raw value of each parameter of *trial*, of a choice its position."""
    return {name: float(trial.distributions[name].to_internal_repr(value)) for name, value in trial.params.items()}


def readable(value: Any) -> Choice:
    """Return the *value* of a parameter as the log shows it."""
    return str(value) if isinstance(value, int) and not -_INT64 <= value < _INT64 else plain(value)


def _moment(at: dt.datetime | None) -> str | None:
    return None if at is None else at.isoformat()


def utc(at: dt.datetime | None) -> dt.datetime | None:
    """Return Optuna's local time *at* as hstore's: UTC, whole milliseconds."""
    if at is None:
        return None
    moment = at.astimezone(dt.UTC)
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def local(at: dt.datetime | None) -> dt.datetime | None:
    """Return hstore's time *at* as Optuna's: local, without a zone."""
    return None if at is None else at.astimezone().replace(tzinfo=None)


def signs(directions: Sequence[StudyDirection]) -> list[float]:
    """Return what each value of a study is multiplied with to be a loss: -1 where it is maximised."""
    return [-1.0 if direction == StudyDirection.MAXIMIZE else 1.0 for direction in directions]
